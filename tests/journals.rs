//! Journals of released versions can still be read: a lab that an older netlab made must be undone by a newer one.

use std::fs;
use std::path::Path;

use netlab::journal::log;
use netlab::journal::record::Outcome;
use netlab::journal::state::Phase;
use netlab::lab::open::read_objects;

#[test]
fn every_version_is_read_to_the_end() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let state = log::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(state.outcome, Some(Outcome::Up), "{}", path.display());
        count += 1;
    }
    assert!(count > 0);
}

/// Made by a script with one of every action; what was made, deleted, failed and taken back is read off its end.
#[test]
fn version_2_in_detail() {
    let state = log::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/journals/v2.jsonl"))).unwrap();
    let header = state.header.clone().unwrap();
    assert_eq!((header.version, header.lab.as_str()), (2, "fix"));
    let phases = |phase| state.steps.values().filter(|s| s.phase == phase).count();
    assert_eq!((phases(Phase::Done), phases(Phase::Failed), phases(Phase::Undone)), (26, 1, 2));
    let objects = read_objects(&header, &state);
    let mut spaces: Vec<String> =
        objects.named_netns().filter_map(|n| n.name.as_ref()).map(ToString::to_string).collect();
    spaces.sort();
    assert_eq!(spaces, ["a", "b"], "`c` was deleted, and `b2` is only another name of `b`");
    let mut links: Vec<&str> = objects.made_links().map(|l| l.name()).collect();
    links.sort_unstable();
    assert_eq!(links, ["a", "eth0", "far0", "lan", "mv0", "veth0", "vx0"]);
}
