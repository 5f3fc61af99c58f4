//! Labs of random verbs, many of which are refused: whatever a run did, `down` gives the machine back.
//!
//! `CASE="seed 17." cargo test --test random_labs` runs one again; `SEEDS=1000` runs more.

mod common;

use common::random_lab::script;
use common::sandbox::Sandbox;
use common::witness::{Reuse, in_sandboxes, run_script};
use common::world::{World, assert_same};

#[derive(Clone, Copy)]
struct Seed {
    number: u64,
    name: &'static str,
}

#[test]
fn down_gives_the_machine_back() {
    let count = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let seeds = (1..=count).map(|number| Seed { number, name: String::leak(format!("seed {number}.")) }).collect();
    in_sandboxes(seeds, |s| s.name, check);
}

fn check(seed: &Seed, sandbox: &Sandbox, before: &World) -> Reuse {
    let script = script(seed.number);
    let run = run_script(sandbox, &script);
    let thrown = run.code == Some(1) && run.stderr.contains("the end");
    assert!(run.code == Some(0) || thrown, "{script}\n{run}");
    if run.code == Some(0) {
        let down = sandbox.netlab(&["down"]);
        assert_eq!(down.code, Some(0), "{script}\n{down}");
        assert!(!down.stderr.contains("differ"), "{script}\n{down}");
    }
    let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_same(before, sandbox, "down")));
    if let Err(panic) = same {
        panic!("{}\n{script}", panic.downcast_ref::<String>().cloned().unwrap_or_default());
    }
    Reuse::Yes
}

/// The generator itself: the same seed gives the same script, another seed another, and verbs come out whole.
#[test]
fn a_seed_is_a_script() {
    assert_eq!(script(1), script(1));
    assert_ne!(script(1), script(2));
    for seed in 1..100 {
        let text = script(seed);
        assert!(!text.contains("#N") && !text.contains("#a") && text.lines().count() > 10, "{text}");
    }
}
