//! Random machines under random scripts that change what was there before: after a failure, after `down`, and after
//! SIGKILL and `recover`, each is as it was.
//!
//! `CASE="seed 17." cargo test --test random_hosts` runs one again, `SEEDS=500` runs more, and `SHRINK=1` looks for the
//! smallest machine and script that still fail.

#[path = "../common/mod.rs"]
mod common;

mod host;
mod kept;
mod script;
mod trial;
mod words;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use common::random::Random;
use common::{aloud, in_threads, is_root, tell_all};
use host::Host;
use script::Script;
use trial::{End, Trial};

/// Without `SEEDS`, so many: what two processors do in two minutes.
const COUNT: u64 = 100;

/// Seeds that failed once. What a seed means changes with the tables; see `kept.rs` for what they were cut down to.
const ONCE_FAILED: &[u64] = &[];

/// What a seed is, all of it.
fn trial(seed: u64) -> Trial {
    let mut random = Random(seed);
    let host = Host::new(&mut random);
    let effect = 1 + random.below(300);
    let (end, throws) = match seed % 6 {
        0 | 1 => (End::Thrown, true),
        2 => (End::FailedAt(1 + random.below(20)), true),
        3 => (End::Down, false),
        4 => (End::KilledAt(effect), random.one_in(2)),
        _ => (End::DownKilledAt(effect), false),
    };
    let script = Script::new(&host, throws, &mut random);
    // A link that carries the default route is left alone unless somebody insists.
    Trial { host: host.lines, script, end, insists: random.one_in(2) }
}

#[test]
fn every_machine_is_as_it_was() {
    if !is_root("random machines") {
        return;
    }
    let count = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(COUNT);
    let wanted = std::env::var("CASE").ok();
    let seeds = ONCE_FAILED.iter().copied().filter(|s| *s > count).chain(1..=count);
    let seeds: Vec<u64> = seeds.filter(|s| wanted.as_ref().is_none_or(|w| w.contains(&format!("seed {s}.")))).collect();
    let (failed, sums, begun) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()), Instant::now());
    // Three, since a machine that is being built or that settles waits a lot.
    in_threads(3, seeds.clone(), |seed| {
        let trial = trial(seed);
        match trial.check() {
            Ok(counts) => {
                let mut sums = sums.lock().expect("no thread has failed");
                counts.into_iter().for_each(|(what, n)| *sums.entry(what).or_insert(0) += n);
            }
            Err(why) => {
                let text = format!("=== seed {seed}.\n{why}\n{trial}");
                let small = std::env::var_os("SHRINK").map(|_| trial.shrunk(&why)).unwrap_or_default();
                aloud(&format!("seed {seed}. failed\n{small}"));
                failed.lock().expect("no thread has failed").push(text);
            }
        }
    });
    let failed = failed.into_inner().expect("no thread has failed");
    let sums = sums.into_inner().expect("no thread has failed");
    let sums: Vec<String> = sums.iter().map(|(what, n): (&String, &u64)| format!("{what} {n}")).collect();
    aloud(&format!("{} random machines in {} s: {}", seeds.len(), begun.elapsed().as_secs(), sums.join(", ")));
    assert!(failed.is_empty(), "{} of {} machines are not as before\n{}", failed.len(), seeds.len(), failed.join("\n"));
}

/// What was found once, each cut down to what it takes.
#[test]
fn what_differed_once() {
    if !is_root("machines that differed once") {
        return;
    }
    tell_all(
        kept::trials(),
        |(name, trial)| format!("{name}, {:?}", trial.end),
        |(_, trial)| {
            if let Err(why) = trial.check() {
                panic!("{why}\n{trial}");
            }
        },
    );
}

/// The same seed gives the same machine and script, another seed others, and all is filled in.
#[test]
fn a_seed_is_a_machine_and_a_script() {
    assert_eq!(trial(1).to_string(), trial(1).to_string());
    assert_ne!(trial(1).to_string(), trial(2).to_string());
    for seed in 1..200 {
        let trial = trial(seed);
        let text = trial.to_string();
        assert!(!text.contains("#V") && !text.contains('@'), "{text}");
        assert!(trial.script.verbs.len() >= 5 && trial.script.verbs.len() <= 40);
    }
}
