//! The harness of the kernel tests: a private machine (`Sandbox`), its witness (`World`), and the labs with their
//! references in bash.
//!
//! Everything that is claimed about the network comes from `ip -j`, `bridge -j` and files, never from netlab's reader.

// Each suite is a crate of its own and uses a part of this.
#![allow(dead_code)]

pub(crate) mod dump;
pub(crate) mod lab_state;
pub(crate) mod labs;
pub(crate) mod network;
pub(crate) mod noise;
pub(crate) mod random;
pub(crate) mod random_lab;
pub(crate) mod sandbox;
pub(crate) mod witness;
pub(crate) mod world;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

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

/// Calls `check` with each of `jobs` on two threads, whatever happens to the others, and tells all that failed. Where CASE
/// is set, only those are done whose name has it.
#[track_caller]
pub(crate) fn tell_all<T: Send>(jobs: Vec<T>, name: impl Fn(&T) -> String + Sync, check: impl Fn(T) + Sync) {
    tell_all_on(2, jobs, name, check);
}

/// The same on so many threads, for jobs that mostly wait.
#[track_caller]
pub(crate) fn tell_all_on<T: Send>(
    threads: usize,
    jobs: Vec<T>,
    name: impl Fn(&T) -> String + Sync,
    check: impl Fn(T) + Sync,
) {
    let wanted = std::env::var("CASE").ok();
    let jobs: Vec<T> =
        jobs.into_iter().filter(|j| wanted.as_ref().is_none_or(|w| name(j).contains(w.as_str()))).collect();
    let (count, begun, failed) = (jobs.len(), Instant::now(), Mutex::new(Vec::new()));
    in_threads(threads, jobs, |job| {
        let name = name(&job);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(job))) {
            let why = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "?".to_owned());
            failed.lock().expect("no thread has failed").push(format!("=== {name}\n{why}"));
        }
    });
    let failed = failed.into_inner().expect("no thread has failed");
    assert!(failed.is_empty(), "{} of {count} failed\n{}", failed.len(), failed.join("\n"));
    aloud(&format!("{count} cases in {:.1} s", begun.elapsed().as_secs_f32()));
}
