//! A row and the machine it is tried on: somebody's network, what a script does to it, and that it comes back.

use std::time::Instant;

use crate::common::sandbox::{Run, Sandbox};
use crate::common::skip;
use crate::common::witness::{Reuse, in_furnished, write_script};
use crate::common::world::{World, assert_same};

/// One way to change what was there before the lab.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The number of the row in the table of losses, and what is done.
    pub(crate) name: &'static str,
    /// The statements that do it.
    pub(crate) script: &'static str,
    /// What shows that they did: words in one line of the difference.
    pub(crate) shows: &'static str,
    /// Where it is killed.
    pub(crate) kills: Kills,
}

/// Before which of its effects a run or a `down` is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kills {
    /// Each.
    All,
    /// More of the first than of the last.
    Some,
    /// None: another row kills at the same places.
    None,
}

pub(crate) const fn row(name: &'static str, script: &'static str, shows: &'static str) -> Row {
    Row { name, script, shows, kills: Kills::Some }
}

/// A row that is short enough to be killed everywhere.
pub(crate) const fn small(name: &'static str, script: &'static str, shows: &'static str) -> Row {
    Row { kills: Kills::All, ..row(name, script, shows) }
}

/// A row that takes long, and whose kills another one covers.
pub(crate) const fn slow(name: &'static str, script: &'static str, shows: &'static str) -> Row {
    Row { kills: Kills::None, ..row(name, script, shows) }
}

impl Kills {
    /// The effect to try after this one.
    pub(crate) fn next(self, n: usize) -> usize {
        match self {
            Self::All => n + 1,
            Self::Some | Self::None => n + n.div_ceil(2),
        }
    }
}

/// What somebody had before.
const FIXTURE: &str = include_str!("fixture.sh");

/// Calls `check` for each row with a machine that holds the fixture.
#[track_caller]
pub(crate) fn for_each_row(rows: impl Iterator<Item = Row>, check: impl Fn(&Row, &Sandbox, &World) + Sync) {
    for_each_row_with(rows, fixture, check);
}

/// The same with more that is known of the machine.
#[track_caller]
pub(crate) fn for_each_row_with<W: Send>(
    rows: impl Iterator<Item = Row>,
    furnish: impl Fn(&Sandbox) -> Option<W> + Sync,
    check: impl Fn(&Row, &Sandbox, &W) + Sync,
) {
    // Most of the time is spent waiting for carriers.
    const THREADS: usize = 3;
    in_furnished(
        THREADS,
        furnish,
        rows.collect(),
        |row| row.name,
        |row, sandbox, known| {
            let start = Instant::now();
            check(row, sandbox, known);
            if std::env::var_os("CASE").is_some() {
                crate::common::aloud(&format!("{}: {:.1} s", row.name, start.elapsed().as_secs_f32()));
            }
            Reuse::Yes
        },
    );
}

/// Makes the fixture, or says aloud what this machine lacks for it.
pub(crate) fn fixture(sandbox: &Sandbox) -> Option<World> {
    let made = sandbox.try_sh(FIXTURE);
    if made.status.success() {
        return Some(World::settled(sandbox));
    }
    skip(&format!("this machine cannot make the network of the test: {}", String::from_utf8_lossy(&made.stderr)));
    None
}

/// Runs the lab `x`.
pub(crate) fn run(sandbox: &Sandbox, script: &str) -> Run {
    write_script(sandbox, script);
    sandbox.netlab(&["run", "/run/x.rhai"])
}

/// Takes the lab down, which has to find everything as it was before.
#[track_caller]
pub(crate) fn down(sandbox: &Sandbox, before: &World, after_what: &str) {
    came_back(sandbox.netlab(&["down"]), 0, sandbox, before, after_what);
}

/// Demands that netlab ended so, says that all is as before, and is right.
#[track_caller]
pub(crate) fn came_back(run: Run, code: i32, sandbox: &Sandbox, before: &World, after_what: &str) {
    assert_eq!(run.code, Some(code), "{after_what}: {run}");
    assert!(run.stdout.ends_with("host unchanged\n"), "{after_what}: {run}");
    assert_same(before, sandbox, after_what);
}
