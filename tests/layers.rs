//! The rules of the source, enforced: imports run downwards only, files open with a sentence, `unsafe` stays in `kernel/`.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the bottom up. A file imports from its own layer and from those before it.
const LAYERS: [&str; 19] = [
    "diag",
    "types",
    "kernel",
    "container",
    "probe",
    "dhcp",
    "snapshot",
    "action",
    "journal",
    "sandbox",
    "lab",
    "lint",
    "why",
    "graph",
    "export",
    "script",
    "exercise",
    "report",
    "cli",
];

/// The most lines of a file: longer ones hold two nouns.
const MOST_LINES: usize = 500;

fn files(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut all);
    all.sort();
    assert!(!all.is_empty(), "no sources in {folder}");
    all.into_iter().map(|p| (p.clone(), fs::read_to_string(p).expect("sources are text"))).collect()
}

/// The layer of a file: the folder or file below `src`.
fn layer(path: &Path) -> Option<usize> {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
    LAYERS.iter().position(|l| *l == first)
}

/// The layers that a line names after `crate::`.
fn named(line: &str) -> impl Iterator<Item = usize> {
    line.split("crate::").skip(1).filter_map(|rest| {
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        LAYERS.iter().position(|l| *l == word)
    })
}

#[test]
fn imports_run_downwards_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some(own) = layer(&path) else { continue };
        // Errors carry values of the kinds they are about, and those raise errors: the two lowest know each other.
        let allowed = own.max(1);
        for (number, line) in text.lines().enumerate() {
            // Documentation may point anywhere.
            if line.trim_start().starts_with("//") {
                continue;
            }
            wrong.extend(
                named(line)
                    .filter(|other| *other > allowed)
                    .map(|other| format!("{}:{} names {}", path.display(), number + 1, LAYERS[other])),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_layer_is_in_the_list() {
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    for module in lib.lines().filter_map(|l| l.strip_prefix("pub mod ")).map(|m| m.trim_end_matches(';')) {
        assert!(LAYERS.contains(&module), "{module} has no place among the layers");
    }
}

#[test]
fn files_open_with_a_sentence_and_stay_short() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for (path, text) in sources(folder) {
            let first = text.lines().next().unwrap_or_default();
            if !first.starts_with("//! ") {
                wrong.push(format!("{} does not open with a //! sentence", path.display()));
            }
            let lines = text.lines().count();
            if lines > MOST_LINES {
                wrong.push(format!("{} has {lines} lines: what is the second noun in it?", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_stays_in_the_kernel_layer_and_gives_its_reason() {
    let kernel = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernel");
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let mut reason = false;
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            reason |= line.contains("// SAFETY:");
            let is_unsafe = code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl");
            if is_unsafe && (!path.starts_with(&kernel) || !reason) {
                wrong.push(format!("{}:{} is unsafe without a place or a reason", path.display(), number + 1));
            }
            if is_unsafe {
                reason = false;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    let words = ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX"];
    for (path, text) in sources("src") {
        for (number, line) in text.lines().enumerate() {
            let found = words.iter().find(|w| line.contains(**w));
            assert!(found.is_none(), "{}:{} says {:?}", path.display(), number + 1, found);
        }
    }
}
