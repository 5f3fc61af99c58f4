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

use std::thread;
use std::time::Duration;

use bench::{Kills, Row, came_back, down, fixture, for_each_row, for_each_row_with, run};
use common::sandbox::Sandbox;
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

/// One of the places of each row, another for each; with `KILLS=all` every place, which takes some 20 minutes a test.
fn sampled(row: &Row, places: impl Iterator<Item = usize> + 'static, of: usize) -> Box<dyn Iterator<Item = usize>> {
    if std::env::var("KILLS").is_ok_and(|kills| kills == "all") {
        return Box::new(places);
    }
    let sum: usize = row.name.bytes().chain(row.script.bytes()).map(usize::from).sum();
    Box::new(places.skip(sum % of).take(1))
}

#[test]
fn by_recover_after_a_kill() {
    for_each_row(rows().filter(|row| row.kills != Kills::None), |row, sandbox, before| {
        write_script(sandbox, row.script);
        for n in sampled(row, row.kills.of_run(), if row.kills == Kills::All { 20 } else { 7 }) {
            let run = sandbox.netlab_fault(&format!("kill@{n}"), &["run", "--quiet", "/run/x.rhai"]);
            if !run.was_killed() {
                run.ends_with(0);
                return down(sandbox, before, "down");
            }
            let after = format!("recover of a run that was killed before effect {n}");
            let run = sandbox.netlab(&["recover"]);
            assert_eq!(run.code, Some(0), "{after}: {run}");
            assert_same(before, sandbox, &after);
        }
    });
}

#[test]
fn by_recover_after_a_kill_of_down() {
    for_each_row(rows().filter(|row| row.kills != Kills::None), |row, sandbox, before| {
        write_script(sandbox, row.script);
        for n in sampled(row, row.kills.of_down(), if row.kills == Kills::All { 7 } else { 4 }) {
            sandbox.netlab(&["run", "--quiet", "/run/x.rhai"]).ends_with(0);
            let run = sandbox.netlab_fault(&format!("kill@{n}"), &["down"]);
            let after = format!("recover of a `down` that was killed before effect {n}");
            if !run.was_killed() {
                return came_back(run, 0, sandbox, before, "down");
            }
            // Killed before it had begun, the lab is still up.
            for verb in ["recover", "down"] {
                let run = sandbox.netlab(&[verb]);
                assert_eq!(run.code, Some(0), "{verb}, {after}: {run}");
            }
            assert_same(before, sandbox, &after);
        }
    });
}
