//! `netlab why`: a network is built with plain `ip`, one thing is broken, and `why` has to name it; then its own fix is run.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod fault;
mod healthy;
mod routes;
mod scripts;
mod shapes;
mod texts;
mod turns;
mod wires;

use common::sandbox::Sandbox;
use serde_json::Value;
use shapes::Shape;

/// A sandbox with a network in it.
fn built(shape: &Shape) -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    sandbox.sh(&format!("set -e\n{}", shape.build));
    Some(sandbox)
}

/// Whether real packets get there; with the peer program, never with our own probe.
fn ping(sandbox: &Sandbox, from: &str, to: &str, size: &str) -> bool {
    let prefix = if from == "host" { String::new() } else { format!("ip netns exec {from} ") };
    sandbox.try_sh(&format!("{prefix}ping -c5 -i0.2 -W1 {size} {to} >/dev/null")).status.success()
}

/// What `netlab why --json` says, and its exit code.
#[track_caller]
fn why(sandbox: &Sandbox, args: &str) -> (i32, Value) {
    let words: Vec<&str> = ["why", "--json"].into_iter().chain(args.split_whitespace()).collect();
    let run = sandbox.netlab(&words);
    let json = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{args}: {e}\n{run}"));
    (run.code.unwrap_or(-1), json)
}

/// The texts in an array.
fn texts_of(value: &Value) -> Vec<&str> {
    value.as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}
