//! The harness of the kernel tests: a private machine (`Sandbox`), its witness (`World`), and the labs with their
//! references in bash.
//!
//! Everything that is claimed about the network comes from `ip -j`, `bridge -j` and files, never from netlab's reader.

// Each suite is a crate of its own and uses a part of this.
#![allow(dead_code)]

pub(crate) mod dump;
pub(crate) mod lab_state;
pub(crate) mod labs;
pub(crate) mod random;
pub(crate) mod sandbox;
pub(crate) mod witness;
pub(crate) mod world;

use std::io::Write;
use std::sync::Mutex;
use std::thread;

/// Says something past the test runner, which hides what a passing test prints.
pub(crate) fn aloud(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Skips aloud what this machine cannot do; where CI is set, that is a failure.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI must run every test: {why}");
    aloud(&format!("skipped: {why}"));
}

/// Whether this runs as root; otherwise it is said aloud that `suite` is skipped. In a user namespace some of what these
/// suites look at is missing: /dev/net/tun, some settings, the owner of files.
pub(crate) fn is_root(suite: &str) -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        skip(&format!("{suite} needs root"));
    }
    root
}

/// Calls `check` with each of `jobs`, on two threads, since that is how many processors the smallest machine has. The
/// first failure ends it.
pub(crate) fn side_by_side<T: Send>(jobs: Vec<T>, check: impl Fn(T) + Sync) {
    in_threads(2, jobs, check);
}

/// The same on more threads, for jobs that mostly wait.
pub(crate) fn in_threads<T: Send>(count: usize, jobs: Vec<T>, check: impl Fn(T) + Sync) {
    let queue = Mutex::new(jobs.into_iter());
    let next = || queue.lock().map(|mut q| q.next()).unwrap_or_default();
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                while let Some(job) = next() {
                    check(job);
                }
            });
        }
    });
}
