//! The README's table of the labs with and without root. `UPDATE=1 cargo test --test rootless` writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use crate::common::sandbox::Run;

const HEAD: &str = "| lab | as root | without root |\n|---|---|---|\n";

/// The rows by lab.
#[derive(Default)]
pub(crate) struct Table(Mutex<BTreeMap<String, String>>);

impl Table {
    /// What a lab came to either way; that both are the same network has been seen.
    pub(crate) fn row(&self, lab: &str, with_root: &str, without: &str) {
        let row = format!("| `{lab}` | {with_root} | {without}, and the same network |\n");
        self.0.lock().unwrap().insert(lab.to_owned(), row);
    }

    /// Demands that the README says so. What this kernel cannot do may stand there nevertheless.
    pub(crate) fn check(self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let text = fs::read_to_string(&path).unwrap();
        let rows: String = self.0.into_inner().unwrap().into_values().collect();
        if std::env::var_os("UPDATE").is_some() {
            let (before, rest) = text.split_once(HEAD).unwrap();
            let rest = rest.lines().skip_while(|line| line.starts_with('|'));
            let rest: String = rest.flat_map(|line| [line, "\n"]).collect();
            return fs::write(path, format!("{before}{HEAD}{rows}{rest}")).unwrap();
        }
        let missing: Vec<&str> = rows.lines().filter(|row| !text.contains(row)).collect();
        assert!(text.contains(HEAD) && missing.is_empty(), "the README lacks\n{}", missing.join("\n"));
    }
}

/// How large a run says that its lab is: `3 namespaces, 7 links`.
pub(crate) fn size(run: &Run) -> String {
    let line = run.stdout.lines().find(|line| line.contains(" is up")).unwrap();
    let (_, sizes) = line.split_once(": ").unwrap();
    let sizes: Vec<&str> = sizes.split(", ").take(2).map(|part| part.split(" (").next().unwrap()).collect();
    format!("up: {}", sizes.join(", "))
}
