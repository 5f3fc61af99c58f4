//! Each lab made to fail at each of its steps: it ends with code 1, and the machine is as before.

mod common;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use common::labs::{Lab, chosen, furnish_beside_a_lab, is_test_kernel};
use common::sandbox::Sandbox;
use common::world::{World, assert_same};
use common::{aloud, in_threads};

#[test]
fn each_lab_failing_at_each_step() {
    let (counts, begun) = (Mutex::new(BTreeMap::new()), Instant::now());
    // The test kernel has one processor, and to furnish a sandbox takes longer there than a step.
    let lanes = if is_test_kernel() { 1 } else { 4 };
    // Every fourth step in a sandbox of its own; first the lab that waits longest, for pings that must not get through.
    let mut jobs: Vec<_> = chosen().into_iter().flat_map(|lab| (1..=lanes).map(move |first| (lab, first))).collect();
    jobs.sort_by_key(|(lab, _)| lab.name != "macvlan");
    in_threads(lanes, jobs, |(lab, first)| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        if !lab.can_run(&sandbox) {
            let why = format!("skipped: {}: this kernel lacks {}", lab.title(), lab.needs.unwrap_or_default());
            if first == 1 {
                aloud(&why);
            }
            return;
        }
        let count = (first..).step_by(lanes).take_while(|step| fails(&lab, *step, &sandbox, &before)).count();
        *counts.lock().expect("no other lab has failed").entry(lab.title()).or_insert(0) += count;
    });
    let counts = counts.into_inner().expect("no lab has failed");
    let all: Vec<String> = counts.iter().map(|(lab, count)| format!("{lab} {count}")).collect();
    let seconds = begun.elapsed().as_secs();
    aloud(&format!("made to fail: {} runs ({}) in {seconds} s", counts.values().sum::<usize>(), all.join(", ")));
    assert!(counts.values().all(|count| *count >= 3), "{counts:?}");
}

/// Has a lab fail at a step; whether it has one.
fn fails(lab: &Lab, step: usize, sandbox: &Sandbox, before: &World) -> bool {
    let title = format!("{} at step {step}", lab.title());
    let run = sandbox.netlab_fault(&format!("fail@{step}"), &lab.command(&["run"], &lab.script()));
    if run.code != Some(0) {
        assert!(run.stderr.contains("this step was made to fail"), "{title}: {run}");
        assert!(run.stdout.ends_with("host unchanged\n"), "{title}: {run}");
        run.ends_with(1);
        assert_same(before, sandbox, &format!("the failure of {title}"));
        return true;
    }
    // A script may try what it expects to fail: then the failure is its own business, and the run goes on.
    let was_caught = sandbox.try_sh(&format!("grep -q NETLAB_FAULT /var/lib/netlab/{}/journal.jsonl", lab.name));
    sandbox.netlab(&["down", lab.name]).ends_with(0);
    assert_same(before, sandbox, &format!("down of {title}, which did not end it"));
    was_caught.status.success()
}
