//! Each lab beside what the user had: it builds what the training's bash builds, and `down` leaves nothing of it.

mod common;

use common::lab_state::{assert_same_lab, lab_state};
use common::labs::{Lab, chosen, furnish_beside_a_lab};
use common::sandbox::Sandbox;
use common::world::assert_same;
use common::{aloud, side_by_side};

#[test]
fn each_lab_is_what_bash_makes_and_goes_without_a_trace() {
    side_by_side(chosen(), |lab| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        if !lab.can_run(&sandbox) {
            return refused(&lab, &sandbox, &before);
        }
        let title = lab.title();
        sandbox.netlab(&lab.command(&["run"], &lab.script())).ends_with(0);
        let netlab = lab_state(&sandbox);
        let run = sandbox.netlab(&["down", lab.name]).ends_with(0);
        assert!(run.stdout.ends_with("host unchanged\n") && run.stderr.is_empty(), "{title}: {run}");
        assert_same(&before, &sandbox, &format!("run and down of {title}"));
        // In the same sandbox, so that both begin with the same.
        sandbox.bash(&lab.reference(), lab.args);
        assert_same_lab(&title, &netlab, &lab_state(&sandbox));
    });
}

/// The build machine's kernel has no VLANs: the lab must say so before its first step.
fn refused(lab: &Lab, sandbox: &Sandbox, before: &common::world::World) {
    let (title, option) = (lab.title(), lab.needs.unwrap_or_default());
    let run = sandbox.netlab(&lab.command(&["run"], &lab.script())).ends_with(3);
    assert!(run.stderr.contains(option), "{title}: the error does not name {option}\n{run}");
    assert_same(before, sandbox, &format!("the refusal of {title}"));
    aloud(&format!("{title}: refused with code 3, since this kernel lacks {option}"));
}

/// A lab runs by name from anywhere, and again after it went down.
#[test]
fn embedded_and_again() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish_beside_a_lab(&sandbox);
    for turn in ["the first time", "the second time"] {
        sandbox.netlab(&["run", "create-ns-bridge.rhai"]).ends_with(0);
        sandbox.netlab(&["run", "--replace", "create-ns-bridge.rhai"]).ends_with(0);
        sandbox.netlab(&["down", "create-ns-bridge"]).ends_with(0);
        assert_same(&before, &sandbox, turn);
    }
}
