//! The exercises that come with netlab, shown to be right by `netlab exercise lint`.

use std::collections::BTreeMap;
use std::path::Path;

use netlab::exercise::catalog;

use crate::common::sandbox::Sandbox;
use crate::common::{aloud, tell_all};
use crate::netlab;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stdlib/exercises");

/// Over three seeds, each run twice. `CASE=NAME,NAME` looks at some; what this kernel lacks runs in the test kernel.
#[test]
fn each_does_what_it_should() {
    let asked = std::env::var("CASE").unwrap_or_default();
    let is_meant = |file: &String| asked.is_empty() || asked.split(',').any(|name| *file == format!("{name}.rhai"));
    let files: Vec<String> = catalog::all().into_iter().map(|s| s.file).filter(is_meant).collect();
    assert!(!files.is_empty(), "{asked}");
    let Some(sandbox) = Sandbox::new() else { return };
    // Some at a time: a command that takes longer than two minutes is taken for one that hangs.
    for part in files.chunks(if asked.is_empty() { 4 } else { 1 }) {
        let files: Vec<String> = part.iter().map(|file| format!("{FOLDER}/{file}")).collect();
        let run = netlab(&sandbox, &format!("exercise lint {}", files.join(" ")));
        for line in run.stdout.lines().filter(|line| line.contains("not run")) {
            assert!(asked.is_empty(), "this is where it was to run: {run}");
            aloud(&format!("skipped: {line}"));
        }
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
    }
}

/// Each fault that can be drawn, with a seed that draws it.
#[test]
fn each_fault_can_be_found() {
    let mut cases = Vec::new();
    for name in ["find-wire", "find-route"] {
        let source = catalog::find(name).unwrap();
        let mut faults: BTreeMap<String, u64> = BTreeMap::new();
        for seed in 0..300 {
            let sheet = source.declare(seed).unwrap().sheet;
            faults.entry(sheet.params[0].literal.clone()).or_insert(seed);
        }
        assert_eq!(faults.len(), 12, "{name}: {faults:?}");
        cases.push((name, faults.values().copied().collect::<Vec<u64>>()));
    }
    tell_all(
        cases,
        |(name, _)| (*name).to_owned(),
        |(name, seeds)| {
            let Some(sandbox) = Sandbox::new() else { return };
            let seeds: String = seeds.iter().map(|seed| format!(" --seed {seed}")).collect();
            let run = netlab(&sandbox, &format!("exercise lint {name}{seeds}"));
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
        },
    );
}

#[test]
fn each_file_is_there_and_rich_enough() {
    let files = std::fs::read_dir(Path::new(FOLDER)).unwrap().count();
    let all = catalog::all();
    assert_eq!(all.len(), files, "each file is embedded");
    let mut before: Vec<String> = Vec::new();
    for source in all {
        let sheet = source.declare(1).unwrap().sheet;
        assert_eq!(format!("{}.rhai", sheet.id), source.file);
        let hints: usize = sheet.checks.iter().map(|c| c.hint_count()).sum();
        assert!(hints >= 3 && sheet.wrongs.len() >= 2, "{}: {hints} hints", sheet.id);
        for name in &sheet.after {
            assert!(before.contains(name), "{}: {name} comes later or is not there", sheet.id);
        }
        before.push(sheet.id.clone());
    }
}
