//! Labs with mistakes that nobody thought of: whatever a script says, netlab does not panic, and unless the run succeeds
//! nothing is left.
//!
//! The mistakes follow from a number: `FUZZ_SEED=7 cargo test --test errors_fuzz` makes others, `FUZZ_RUNS=5000` more.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use common::sandbox::Sandbox;
use common::{aloud, side_by_side};

/// What must be as before; the sandbox has nothing of its own, so names are enough.
const LOOK: &str = "ip -br link | cut -d' ' -f1 | sort; ls /run/netns; ip route; ip rule; cat /proc/sys/net/ipv4/ip_forward; \
    find /var/lib/netlab -mindepth 1 -type d 2>/dev/null; cat /etc/resolv.conf /etc/hosts; find /etc/netns 2>/dev/null; true";

#[test]
fn no_mistake_makes_it_panic_or_leave_something_behind() {
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(usual);
    let (seed, runs) = (number("FUZZ_SEED", 2), number("FUZZ_RUNS", 300));
    aloud(&format!("errors_fuzz: FUZZ_SEED={seed} FUZZ_RUNS={runs}"));
    let mut labs: Vec<PathBuf> = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rhai"))
        .collect();
    labs.sort();
    let labs: Vec<String> = labs.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let codes = Mutex::new(BTreeMap::<i32, usize>::new());
    // Each half has a sandbox that it uses again, since every run has to leave it as it was.
    side_by_side(vec![0, 1], |half| {
        let Some(sandbox) = Sandbox::new() else { return };
        let dir = tempfile::tempdir().unwrap();
        let before = sandbox.sh(LOOK);
        for run in (0..runs).filter(|run| run % 2 == half) {
            let mut chance = Chance(seed.wrapping_mul(1_000_003).wrapping_add(run));
            let script = mutate(&labs[chance.below(labs.len())], &mut chance);
            fs::write(dir.path().join("lab.rhai"), &script).unwrap();
            let told = format!("FUZZ_SEED={seed}, run {run}\n{}", String::from_utf8_lossy(&script));
            let result = sandbox.netlab_with(&["run", "-q", "--timeout", "4", "lab.rhai"], &[], dir.path());
            let is_known = matches!(result.code, Some(0 | 1 | 2 | 3 | 124));
            assert!(is_known && !result.stderr.contains("NL0901"), "{result}\n{told}");
            *codes.lock().unwrap().entry(result.code.unwrap_or(-1)).or_default() += 1;
            assert!(result.code == Some(0) || result.stderr.starts_with("error[NL"), "{result}\n{told}");
            if result.code == Some(0) {
                sandbox.netlab(&["down", "-q", "lab"]).ends_with(0);
            }
            let start = Instant::now();
            let mut after = sandbox.sh(LOOK);
            while after != before && start.elapsed() < Duration::from_secs(1) {
                thread::sleep(Duration::from_millis(50));
                after = sandbox.sh(LOOK);
            }
            assert!(before == after, "before:\n{before}\nafter:\n{after}\n{result}\n{told}");
        }
    });
    aloud(&format!("errors_fuzz: exit codes and how often: {:?}", codes.into_inner().unwrap()));
}

/// Changes a script in one to four places.
fn mutate(script: &str, chance: &mut Chance) -> Vec<u8> {
    let mut tokens = tokens(script);
    for _ in 0..=chance.below(4) {
        let at = chance.below(tokens.len());
        let other = chance.below(tokens.len());
        match chance.below(7) {
            0 => {
                tokens.remove(at);
            }
            1 => tokens.insert(at, tokens[at].clone()),
            2 => tokens.swap(at, other),
            3 => tokens[at] = tokens[other].clone(),
            4 => tokens[at] = WORDS[chance.below(WORDS.len())].as_bytes().to_vec(),
            5 => {
                let byte = u8::try_from(chance.below(256)).unwrap_or_default();
                let place = chance.below(tokens[at].len() + 1);
                tokens[at].insert(place, byte);
            }
            _ => tokens.truncate(at.max(1)),
        }
        if tokens.is_empty() {
            tokens.push(b";".to_vec());
        }
    }
    tokens.concat()
}

/// Values and words that are likely to be wrong where they come to stand.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "9223372036854775807",
    "65536",
    "4095",
    "\"\"",
    "\"lo\"",
    "\"10.0.0.1\"",
    "\"10.0.0.1/33\"",
    "\"0.0.0.0/0\"",
    "\"::/0\"",
    "\"a/b\"",
    "\"%d\"",
    "()",
    "[]",
    "#{}",
    "true",
    "host",
    "args",
    "1.5",
    "[host]",
    "#{ up: false }",
    "|x| x",
    "\"\\u{0}\"",
    "throw 1",
    "loop {}",
    "}",
    "(",
    ".del()",
    ".down()",
    "netns(\"x\")",
    "bridge(\"x\")",
    "attempt {",
];

/// The words, strings, signs and stretches of space of a script.
fn tokens(script: &str) -> Vec<Vec<u8>> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 0,
        c if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut tokens: Vec<String> = Vec::new();
    let mut last = None;
    for c in script.chars() {
        match tokens.last_mut() {
            Some(token) if last == Some(kind(c)) && kind(c) != 2 => token.push(c),
            _ => tokens.push(c.to_string()),
        }
        last = Some(kind(c));
    }
    tokens.into_iter().map(String::into_bytes).collect()
}

/// Numbers that look random and follow from the first (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most.max(1) as u64).unwrap_or_default()
    }
}
