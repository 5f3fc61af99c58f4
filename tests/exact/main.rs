//! What was there before a lab, changed by the lab, and given back exactly: a row for each way in which Linux loses
//! something when a link, an address, a route, a setting or a namespace changes.
//!
//! Each row is taken back in five ways, one per test: by `down`, by a failure, by a caught failure in `attempt`, by
//! `recover` after a kill of the run, and by `recover` after a kill of `down`. `CASE=words cargo test --test exact` runs
//! only the rows with these words in their names.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod entries;
mod links;
mod refusals;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bench::{Kills, Row, came_back, down, fixture, for_each_row, for_each_row_with, run};
use common::aloud;
use common::sandbox::{Run, Sandbox};
use common::witness::write_script;
use common::world::{World, assert_same, assert_same_but_state};

fn rows() -> impl Iterator<Item = Row> {
    links::LINKS.iter().chain(entries::ENTRIES).copied()
}

/// What changes by itself cannot be compared.
#[test]
fn the_fixture_stays_by_itself() {
    let Some(sandbox) = Sandbox::new() else { return };
    let Some(before) = fixture(&sandbox) else { return };
    thread::sleep(Duration::from_secs(5));
    assert_same(&before, &sandbox, "waiting");
    let diff = before.diff(&World::settled(&sandbox));
    assert!(diff.is_empty(), "{}", diff.join("\n"));
}

#[test]
fn by_down() {
    for_each_row(rows(), |row, sandbox, before| {
        run(sandbox, row.script).ends_with(0);
        let diff = before.diff(&World::read(sandbox));
        assert!(diff.iter().any(|line| line.contains(row.shows)), "expected {}\n{}", row.shows, diff.join("\n"));
        down(sandbox, before, "down");
    });
}

#[test]
fn by_a_failure() {
    for_each_row(rows(), |row, sandbox, before| {
        let run = run(sandbox, &format!("{}\nthrow \"no\";", row.script));
        came_back(run, 1, sandbox, before, "a failure");
    });
}

/// What else the run changes, before and after, on the same links: it stays.
const STAYS_BEFORE: &str = r#"
host["v0"].alias("stays").addr("198.51.100.1/24");
host.route("203.0.113.0/24", "198.51.100.2").route("10.10.0.0/16", "198.51.100.2", #{ replace: true });
host["v1"].set(#{ txqueuelen: 99 });
"#;
const STAYS_AFTER: &str = r#"
host["v1"].alias("stays too");
host.sysctl("net.ipv4.ip_default_ttl", "99");
"#;

/// The fixture, and the fixture with what stays.
fn with_what_stays(sandbox: &Sandbox) -> Option<(World, World)> {
    let before = fixture(sandbox)?;
    run(sandbox, &format!("{STAYS_BEFORE}{STAYS_AFTER}")).ends_with(0);
    let meanwhile = World::settled(sandbox);
    down(sandbox, &before, "what stays");
    Some((before, meanwhile))
}

#[test]
fn by_an_attempt() {
    for_each_row_with(rows(), with_what_stays, |row, sandbox, (before, meanwhile)| {
        let script = format!(
            "{STAYS_BEFORE}let caught = \"\";\ntry {{ attempt {{ {}\nthrow \"no\"; }} }} catch (e) {{ caught = e; }}\n\
             expect(caught == \"no\");\n{STAYS_AFTER}",
            row.script
        );
        run(sandbox, &script).ends_with(0);
        assert_same_but_state(meanwhile, sandbox, "a caught failure");
        down(sandbox, before, "down after a caught failure");
    });
}

/// Whether each row is killed at every place, which takes some 20 minutes a test, and not at one, another for each row.
fn at_all_places() -> bool {
    std::env::var("KILLS").is_ok_and(|kills| kills == "all")
}

/// The places to be tried: all until one is behind the end; or one of the first `of`, and earlier ones until one is not.
fn sampled(row: &Row, places: impl Iterator<Item = usize> + 'static, of: usize) -> Box<dyn Iterator<Item = usize>> {
    if at_all_places() {
        return Box::new(places);
    }
    let sum: usize = row.name.bytes().chain(row.script.bytes()).map(usize::from).sum();
    let places: Vec<usize> = places.take(sum % of + 1).collect();
    Box::new(places.into_iter().rev())
}

/// How many rows were killed, and how often a run or `down` had ended before.
#[derive(Default)]
struct Tally {
    killed: AtomicUsize,
    ended: AtomicUsize,
}

impl Tally {
    fn count(&self, run: &Run) {
        let counter = if run.was_killed() { &self.killed } else { &self.ended };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(self, what: &str) {
        let (killed, ended) = (self.killed.into_inner(), self.ended.into_inner());
        aloud(&format!("{what}: {killed} killed, {ended} ended before"));
        let rows = rows().filter(|row| row.kills != Kills::None).count();
        // A row that is looked at alone, or a machine on which none can be.
        let is_partial = std::env::var_os("CASE").is_some() || killed + ended == 0;
        assert!(killed >= rows || is_partial, "{what}: only {killed} killed of {rows} rows");
    }
}

#[test]
fn by_recover_after_a_kill() {
    let tally = Tally::default();
    for_each_row(rows().filter(|row| row.kills != Kills::None), |row, sandbox, before| {
        write_script(sandbox, row.script);
        for n in sampled(row, row.kills.of_run(), if row.kills == Kills::All { 20 } else { 7 }) {
            let run = sandbox.netlab_fault(&format!("kill@{n}"), &["run", "--quiet", "/run/x.rhai"]);
            tally.count(&run);
            if !run.was_killed() {
                run.ends_with(0);
                down(sandbox, before, "down");
                if at_all_places() {
                    return;
                }
                continue;
            }
            let after = format!("recover of a run that was killed before effect {n}");
            let run = sandbox.netlab(&["recover"]);
            assert_eq!(run.code, Some(0), "{after}: {run}");
            assert_same(before, sandbox, &after);
            if !at_all_places() {
                return;
            }
        }
    });
    tally.tell("runs");
}

#[test]
fn by_recover_after_a_kill_of_down() {
    let tally = Tally::default();
    for_each_row(rows().filter(|row| row.kills != Kills::None), |row, sandbox, before| {
        write_script(sandbox, row.script);
        for n in sampled(row, row.kills.of_down(), if row.kills == Kills::All { 7 } else { 4 }) {
            sandbox.netlab(&["run", "--quiet", "/run/x.rhai"]).ends_with(0);
            let run = sandbox.netlab_fault(&format!("kill@{n}"), &["down"]);
            tally.count(&run);
            let after = format!("recover of a `down` that was killed before effect {n}");
            if !run.was_killed() {
                came_back(run, 0, sandbox, before, "down");
                if at_all_places() {
                    return;
                }
                continue;
            }
            // Killed before it had begun, the lab is still up.
            for verb in ["recover", "down"] {
                let run = sandbox.netlab(&[verb]);
                assert_eq!(run.code, Some(0), "{verb}, {after}: {run}");
            }
            assert_same(before, sandbox, &after);
            if !at_all_places() {
                return;
            }
        }
    });
    tally.tell("downs");
}
