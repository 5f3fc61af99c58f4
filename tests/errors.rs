//! Wrong input of every kind: each case of `tests/errors/` ends in exactly this error and leaves the machine as it was.
//!
//! A file is a theme, and holds cases one after the other:
//!
//! ```text
//! --- name ---
//! ? ! ip link add d type dummy  only where this succeeds, tried in a sandbox of its own
//! $ ip netns add mine          what is done to the machine first, in bash; any number of lines
//! ! netlab run lab.rhai        the command, if it is not this one
//! get_netns("mien");           the script, as lab.rhai
//! --- file tools.rhai ---      other files beside it
//! --- exit 1 ---
//! error[NL0108]: …             all of standard error
//! ```
//!
//! `UPDATE=1 cargo test --test errors` writes what netlab says now; read the difference before you commit it. `CASE=text`
//! runs the cases whose names contain it.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use common::sandbox::Sandbox;
use common::{aloud, side_by_side};

/// One case as it stands in its file.
#[derive(Debug, Clone, Default)]
struct Case {
    name: String,
    only: Option<String>,
    setup: Vec<String>,
    command: Option<String>,
    script: String,
    files: Vec<(String, String)>,
    code: i32,
    stderr: String,
}

/// What must be as before: namespaces, links with their masters and MTUs, addresses, routes, and what netlab keeps.
const LOOK: &str = r#"
look() { ip $1 -o link | sed 's/<[^>]*>//; s/ state [A-Z]*//; s/\\.*//'; ip $1 -o -4 addr | sed 's/\\.*//'; ip $1 route; }
look
for n in /run/netns/*; do
    [ -e "$n" ] || [ -L "$n" ] || continue
    echo "$n"
    look "-n ${n#/run/netns/}" 2>/dev/null
done
cat /proc/sys/net/ipv4/ip_forward
find /var/lib/netlab -mindepth 1 -type d 2>/dev/null
find /run/netlab /var/lib/netlab -type f -size +0 2>/dev/null
cat /etc/resolv.conf /etc/hosts
find /etc/netns 2>/dev/null
true
"#;

#[test]
fn each_error_is_exactly_this_and_nothing_is_left() {
    if !common::is_root("the exact text of each error") {
        return;
    }
    let wanted = std::env::var("CASE").unwrap_or_default();
    let update = std::env::var_os("UPDATE").is_some();
    let mut themes: Vec<PathBuf> =
        fs::read_dir(root().join("tests/errors")).unwrap().map(|entry| entry.unwrap().path()).collect();
    themes.sort();
    let failures = Mutex::new(Vec::new());
    let mut jobs = Vec::new();
    let mut all: Vec<(PathBuf, Vec<Mutex<Case>>)> = Vec::new();
    for theme in themes {
        let cases = parse(&fs::read_to_string(&theme).unwrap());
        all.push((theme, cases.into_iter().map(Mutex::new).collect()));
    }
    for (theme, cases) in &all {
        jobs.extend(cases.iter().filter(|c| c.lock().unwrap().name.contains(&wanted)).map(|case| (theme, case)));
    }
    let pool: Mutex<Vec<Sandbox>> = Mutex::default();
    side_by_side(jobs, |(theme, case)| {
        let expected = case.lock().unwrap().clone();
        let title = format!("{}: {}", theme.file_stem().unwrap_or_default().to_string_lossy(), expected.name);
        if let Some(condition) = &expected.only {
            let Some(sandbox) = Sandbox::new() else { return };
            if !sandbox.try_sh(condition).status.success() {
                return aloud(&format!("not here: {title}, for `{condition}` fails"));
            }
        }
        // A sandbox that was left as it was can be used again; one that a case furnished cannot.
        let used = if expected.setup.is_empty() { pool.lock().unwrap().pop() } else { None };
        let Some(sandbox) = used.or_else(Sandbox::new) else { return };
        let (code, stderr, changed) = run(&expected, &sandbox);
        if expected.setup.is_empty() && changed.is_empty() {
            pool.lock().unwrap().push(sandbox);
        }
        if !changed.is_empty() {
            failures.lock().unwrap().push(format!("{title} leaves the machine changed:\n{changed}"));
        }
        if update {
            let mut case = case.lock().unwrap();
            (case.code, case.stderr) = (code, stderr);
        } else if (code, stderr.as_str()) != (expected.code, expected.stderr.as_str()) {
            failures.lock().unwrap().push(format!(
                "{title}\n--- expected: exit {}\n{}--- is: exit {code}\n{stderr}",
                expected.code, expected.stderr
            ));
        }
    });
    if update {
        for (theme, cases) in &all {
            let text: String = cases.iter().map(|c| print(&c.lock().unwrap())).collect();
            fs::write(theme, text).unwrap();
        }
    }
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
}

/// Exit code, standard error, and what has changed on the machine.
fn run(case: &Case, sandbox: &Sandbox) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join("lab").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lab.rhai", &case.script);
    for (name, text) in &case.files {
        write(name, text);
    }
    let netlab = Path::new(env!("CARGO_BIN_EXE_netlab")).parent().unwrap().display();
    let there = dir.path().join("lab");
    let there = there.display();
    let head = format!("export PATH={netlab}:$PATH; cd {there}; ");
    let before = sandbox.sh(&format!("chmod 755 {there}; {head}set -e; {}\nset +e; {LOOK}", case.setup.join("\n")));
    let output = sandbox.try_sh(&format!("{head}{}", case.command.as_deref().unwrap_or("netlab run lab.rhai")));
    let stderr = String::from_utf8_lossy(&output.stderr).replace(&format!("{there}/"), "/TMP/");
    // The end of a namespace takes the kernel a moment.
    let start = Instant::now();
    let mut after = sandbox.sh(LOOK);
    while after != before && start.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(50));
        after = sandbox.sh(LOOK);
    }
    let mut changed = String::new();
    if before != after {
        let _ = write!(changed, "--- before\n{before}--- after\n{after}");
    }
    (output.status.code().unwrap_or(-1), stderr, changed)
}

fn parse(text: &str) -> Vec<Case> {
    enum At {
        Script,
        File,
        Error,
    }
    let mut cases: Vec<Case> = Vec::new();
    let mut at = At::Script;
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("--- ").and_then(|l| l.strip_suffix(" ---")) {
            match (head.split_once(' '), cases.last_mut()) {
                (Some(("file", name)), Some(case)) => {
                    case.files.push((name.to_owned(), String::new()));
                    at = At::File;
                }
                (Some(("exit", code)), Some(case)) => {
                    case.code = code.parse().unwrap();
                    at = At::Error;
                }
                _ => {
                    assert!(cases.iter().all(|c| c.name != head), "two cases are called {head}");
                    cases.push(Case { name: head.to_owned(), ..Case::default() });
                    at = At::Script;
                }
            }
            continue;
        }
        let case = cases.last_mut().unwrap();
        match (&at, line.split_once(' ')) {
            (At::Script, Some(("$", command))) if case.script.is_empty() => case.setup.push(command.to_owned()),
            (At::Script, Some(("?", command))) if case.script.is_empty() => case.only = Some(command.to_owned()),
            (At::Script, Some(("!", command))) if case.script.is_empty() => case.command = Some(command.to_owned()),
            (At::Script, _) => add(&mut case.script, line),
            (At::File, _) => add(&mut case.files.last_mut().unwrap().1, line),
            (At::Error, _) => add(&mut case.stderr, line),
        }
    }
    // An empty line separates the cases.
    for case in &mut cases {
        while case.stderr.ends_with("\n\n") || case.stderr == "\n" {
            case.stderr.pop();
        }
    }
    cases
}

fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn print(case: &Case) -> String {
    let mut text = format!("--- {} ---\n", case.name);
    if let Some(line) = &case.only {
        add(&mut text, &format!("? {line}"));
    }
    for line in &case.setup {
        add(&mut text, &format!("$ {line}"));
    }
    if let Some(command) = &case.command {
        add(&mut text, &format!("! {command}"));
    }
    text.push_str(&case.script);
    for (name, file) in &case.files {
        let _ = write!(text, "--- file {name} ---\n{file}");
    }
    let _ = write!(text, "--- exit {} ---\n{}\n", case.code, case.stderr);
    text
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
