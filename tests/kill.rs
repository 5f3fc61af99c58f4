//! SIGKILL at every effect of a run, a rollback, a `down` and a `recover`: afterwards `netlab recover` leaves the machine
//! as it was before.
//!
//! An effect is each write to the journal and each thing that changes the machine (`kernel::effect`); `kill@N` ends the
//! process right before its N-th, so one more N is one more thing that has happened.

mod common;

use std::sync::Mutex;
use std::time::Instant;

use common::labs::{LABS, furnish_beside_a_lab};
use common::sandbox::{Run, Sandbox};
use common::world::{World, assert_same};
use common::{aloud, side_by_side};

/// What is run: a lab of scripts/, or a script of this suite.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// Nothing for a lab that comes with netlab.
    script: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case { name: "settings", script: Some(SETTINGS) },
    Case { name: "create-ns", script: None },
    Case { name: "serialnet-ns", script: None },
    Case { name: "vxlan", script: None },
    Case { name: "create-ns-bridge", script: None },
    Case { name: "stretches", script: Some(STRETCHES) },
];

/// Everything that is not a link: settings of the host, files, addresses, routes, rules and neighbours on the user's own
/// links, a program.
const SETTINGS: &str = r#"
host.forward(true);
host.resolv_conf("nameserver 10.7.7.1\n");
let a = netns("kill-a");
a.resolv_conf(["10.7.7.2"]);
host["lo"].addr("10.7.7.7/32");
host.route("10.7.8.0/24", "10.98.0.2");
host.route("10.97.0.0/16", "10.98.0.77", #{ metric: 50, replace: true });
host.rule(#{ from: "10.7.9.0/24", table: 100, priority: 2000 });
host.neigh("10.98.0.88", "02:00:00:00:00:88", #{ dev: "my0" });
host.forward6(true);
host.sysctl("net.ipv4.conf.my0.rp_filter", "0");
a.start("sleep 1000");
"#;

/// What is taken back and what is deleted before the end: `attempt`, `del`, `stop`.
const STRETCHES: &str = r#"
let lan = bridge("kill-lan");
let a = netns("kill-a");
veth(a.port("eth0", "10.7.7.1/24"), lan.port("kill-port"));
let failed = false;
try {
    attempt {
        host.forward(true);
        a["eth0"].addr("10.7.8.1/24");
        a.route("default", "10.7.7.9");
        veth(netns("kill-b").port("eth0", "10.7.7.2/24"), lan.port("kill-more"));
        throw "no";
    }
} catch { failed = true; }
expect(failed);
let c = netns("kill-c");
let cable = veth("kill-x", "kill-y");
cable.b.move_to(c);
let sleeper = c.start("sleep 1000");
sleeper.stop();
cable.a.del();
c.del();
"#;

/// One case in a sandbox of its own.
struct Bench {
    case: Case,
    sandbox: Sandbox,
    before: World,
    file: String,
}

impl Bench {
    fn new(case: Case) -> Option<Self> {
        let sandbox = Sandbox::new()?;
        let before = furnish_beside_a_lab(&sandbox);
        let file = match case.script {
            Some(text) => {
                let file = format!("/mnt/{}.rhai", case.name);
                sandbox.write(&file, text);
                file
            }
            None => {
                assert!(LABS.iter().any(|lab| lab.name == case.name), "there is no lab {}", case.name);
                format!("{}.rhai", case.name)
            }
        };
        Some(Self { case, sandbox, before, file })
    }

    fn run(&self, fault: &str) -> Run {
        self.sandbox.netlab_fault(fault, &["run", "--quiet", &self.file])
    }

    /// The journal as the killed process left it; nothing if there is none.
    fn journal(&self) -> String {
        let output = self.sandbox.try_sh(&format!("cat /var/lib/netlab/{}/journal.jsonl 2>/dev/null", self.case.name));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn assert_same(&self, after_what: &str) {
        assert_same(&self.before, &self.sandbox, &format!("{}: {after_what}", self.case.name));
    }

    /// Finishes what a killed process left, which must bring back the machine.
    fn recover(&self, after_what: &str) {
        let run = self.sandbox.netlab(&["recover"]);
        assert_eq!(run.code, Some(0), "{}: recover after {after_what}: {run}", self.case.name);
        self.assert_same(after_what);
    }

    /// Calls `kill` with N from `first` on until the process lives to its end, which is checked by `end`; recovers after
    /// each. Gives back how many were killed.
    fn each(&self, what: &str, first: usize, kill: impl Fn(usize) -> Run, end: impl FnOnce(Run)) -> usize {
        for n in first.. {
            let run = kill(n);
            if !run.was_killed() {
                end(run);
                return n - first;
            }
            self.recover(&format!("{what} that was killed before effect {n}"));
        }
        unreachable!("the effects of a process have an end")
    }

    /// How many effects a run has that succeeds.
    fn effects_of_a_run(&self) -> usize {
        first_at(|n| {
            let run = self.run(&format!("kill@{n}"));
            let lived = !run.was_killed();
            let verb: &[&str] = if lived { &["down", self.case.name] } else { &["recover"] };
            self.sandbox.netlab(verb).ends_with(0);
            lived
        }) - 1
    }

    fn down(&self) {
        self.sandbox.netlab(&["down", self.case.name]).ends_with(0);
    }
}

/// The first number from 1 on of which `is_there` says so, if it says so of all that follow.
fn first_at(is_there: impl Fn(usize) -> bool) -> usize {
    let mut top = 16;
    while !is_there(top) {
        top *= 2;
    }
    let (mut low, mut high) = (0, top);
    while low + 1 < high {
        let middle = (low + high) / 2;
        if is_there(middle) { high = middle } else { low = middle }
    }
    high
}

/// Does `work` for each case, and prints the counts that it gives back.
fn for_each_case(title: &str, work: impl Fn(&Bench) -> usize + Sync) {
    let (counts, begun) = (Mutex::new(Vec::new()), Instant::now());
    side_by_side(CASES.to_vec(), |case| {
        let Some(bench) = Bench::new(case) else { return };
        let count = work(&bench);
        assert!(count >= 10, "{} was killed only {count} times while {title}", case.name);
        counts.lock().expect("no other case has failed").push((case.name, count));
    });
    let counts = counts.into_inner().expect("no case has failed");
    let all: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let sum: usize = counts.iter().map(|(_, count)| count).sum();
    aloud(&format!("killed while {title}: {sum} times ({}) in {} s", all.join(", "), begun.elapsed().as_secs()));
}

#[test]
fn while_it_runs() {
    for_each_case("it runs", |bench| {
        bench.each(
            "a run",
            1,
            |n| bench.run(&format!("kill@{n}")),
            |run| {
                run.ends_with(0);
                bench.down();
                bench.assert_same("run and down");
            },
        )
    });
}

#[test]
fn while_it_rolls_back() {
    for_each_case("it rolls back", |bench| {
        let steps = first_at(|k| {
            let run = bench.run(&format!("fail@{k}"));
            let failed = bench.journal().contains("NETLAB_FAULT") || run.code == Some(1);
            if run.code == Some(0) {
                bench.down();
            }
            !failed
        }) - 1;
        let fault = |n: usize| format!("fail@{steps},kill@{n}");
        // From the first effect on that comes after the failure; the ones before it are those of a run.
        let first = first_at(|n| {
            let killed = bench.run(&fault(n)).was_killed();
            let begun = !killed || bench.journal().contains("NETLAB_FAULT");
            if killed {
                bench.sandbox.netlab(&["recover"]).ends_with(0);
            }
            begun
        });
        bench.each(
            &format!("a rollback from step {steps}"),
            first,
            |n| bench.run(&fault(n)),
            |run| {
                run.ends_with(1);
                bench.assert_same("a rollback");
            },
        )
    });
}

#[test]
fn while_it_goes_down() {
    for_each_case("it goes down", |bench| {
        let down = |n: usize| {
            bench.run("").ends_with(0);
            bench.sandbox.netlab_fault(&format!("kill@{n}"), &["down", bench.case.name])
        };
        // Before the first effect nothing has happened, not even in the journal: the lab is still up.
        let run = down(1);
        assert!(run.was_killed(), "{run}");
        bench.sandbox.netlab(&["recover"]).ends_with(0);
        assert!(bench.journal().ends_with("{\"record\":\"closed\",\"outcome\":\"up\"}\n"), "{}", bench.journal());
        bench.down();
        bench.assert_same("a `down` that was killed before it began");
        1 + bench.each("a down", 2, down, |run| {
            run.ends_with(0);
            bench.assert_same("down");
        })
    });
}

#[test]
fn while_it_recovers() {
    for_each_case("it recovers", |bench| {
        let effects = bench.effects_of_a_run();
        // In its middle, and right before its last line.
        [effects / 2, effects]
            .into_iter()
            .map(|at| {
                let recover = |n: usize| {
                    let run = bench.run(&format!("kill@{at}"));
                    assert!(run.was_killed(), "{run}");
                    bench.sandbox.netlab_fault(&format!("kill@{n}"), &["recover"])
                };
                bench.each(&format!("a recover of a run that was killed before effect {at}"), 1, recover, |run| {
                    run.ends_with(0);
                    bench.assert_same("recover");
                })
            })
            .sum()
    });
}
