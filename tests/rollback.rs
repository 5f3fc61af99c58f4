//! Each lab made to fail at each of its steps: it ends with code 1, and the machine is as before.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::labs::{LABS, furnish_beside_a_lab};
use common::sandbox::Sandbox;
use common::world::assert_same;
use common::{aloud, side_by_side};

#[test]
fn each_lab_failing_at_each_step() {
    let (count, begun) = (AtomicUsize::new(0), Instant::now());
    side_by_side(LABS.to_vec(), |lab| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        if !lab.can_run(&sandbox) {
            return aloud(&format!("skipped: {}: this kernel lacks {}", lab.title(), lab.needs.unwrap_or_default()));
        }
        let mut steps = 0;
        loop {
            let (title, step) = (lab.title(), steps + 1);
            let run = sandbox.netlab_fault(&format!("fail@{step}"), &lab.command(&["run"], &lab.script()));
            if run.code == Some(0) {
                // A script may try what it expects to fail: then the failure is its own business, and the run goes on.
                let was_caught =
                    sandbox.try_sh(&format!("grep NETLAB_FAULT /var/lib/netlab/{}/journal.jsonl", lab.name));
                sandbox.netlab(&["down", lab.name]).ends_with(0);
                assert_same(&before, &sandbox, &format!("{title} that finished despite a failure at step {step}"));
                if !was_caught.status.success() {
                    break;
                }
                steps = step;
                continue;
            }
            steps = step;
            assert!(run.stderr.contains("this step was made to fail"), "{title} at step {step}: {run}");
            assert!(run.stdout.ends_with("host unchanged\n"), "{title} at step {step}: {run}");
            run.ends_with(1);
            assert_same(&before, &sandbox, &format!("{title} failed at step {step}"));
        }
        assert!(steps >= 3, "{} has only {steps} steps", lab.title());
        count.fetch_add(steps, Ordering::Relaxed);
        aloud(&format!("{}: failed at each of {steps} steps", lab.title()));
    });
    aloud(&format!("rollback: {} failed runs in {} s", count.into_inner(), begun.elapsed().as_secs()));
}
