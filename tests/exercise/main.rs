//! Exercises: those that come with netlab are right; a learner's way through one; what an author is told; grading.
//!
//! What is there is asked of `ip`; what a submission could reach outside is looked at there.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod author;
mod course;
mod grading;
mod learner;

use std::path::Path;

use common::sandbox::{Run, Sandbox};

/// Runs netlab in /mnt of a sandbox, which is home there.
fn netlab(sandbox: &Sandbox, line: &str) -> Run {
    let args: Vec<&str> = line.split_whitespace().collect();
    sandbox.netlab_with(&args, &[("HOME", "/mnt"), ("NO_COLOR", "1")], Path::new("/mnt"))
}
