//! One thing is broken: the cause has to be exactly that, and its fix, run as it was printed, has to mend it.

use super::common::{aloud, tell_all_on};
use super::shapes::Shape;
use super::{built, ping, texts_of, why};
use super::{routes, wires};

/// One fault.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// How it is broken.
    pub(crate) hurt: &'static str,
    /// The code, and the namespace or bridge where it is.
    pub(crate) code: &'static str,
    pub(crate) at: &'static str,
    /// The commands that `why` has to print; empty where there is nothing to type.
    pub(crate) fix: &'static [&'static str],
    /// More arguments.
    pub(crate) args: &'static str,
    /// How much else is wrong.
    pub(crate) more: usize,
    /// Whether an answer may come all the same.
    pub(crate) answers: bool,
    /// Whether it is the same again when the fix is taken back.
    pub(crate) again: bool,
    /// Whether the statements are tried too: some need a program, whose changes no lab takes back.
    pub(crate) rhai: bool,
}

pub(crate) const fn fault(
    name: &'static str,
    shape: Shape,
    hurt: &'static str,
    code: &'static str,
    at: &'static str,
    fix: &'static [&'static str],
) -> Fault {
    Fault { name, shape, hurt, code, at, fix, args: "", more: 0, answers: false, again: true, rhai: true }
}

impl Fault {
    pub(crate) const fn ask(self, args: &'static str) -> Self {
        Self { args, ..self }
    }

    pub(crate) const fn no_rhai(self) -> Self {
        Self { rhai: false, ..self }
    }

    pub(crate) const fn once(self) -> Self {
        Self { again: false, ..self }
    }

    pub(crate) const fn seen_as(self, code: &'static str) -> Self {
        Self { code, ..self }
    }
}

#[test]
fn each_is_named_and_its_fix_mends_it() {
    let all: Vec<Fault> = wires::FAULTS.iter().chain(routes::FAULTS).copied().collect();
    let (count, tried) = (all.len(), all.iter().filter(|f| f.rhai && f.again && !f.fix.is_empty()).count());
    // One that is named wrongly fails the test below, so the table holds as long as its numbers do.
    let row = format!("| {count} | {count} | 0 | 0 | {tried} |");
    aloud(&format!("faults, right, wrong, no answer, fixes tried: {row}"));
    assert!(include_str!("../../README.md").contains(&row), "the README has another table than {row}");
    // They mostly wait for answers that do not come.
    tell_all_on(6, all, |f| f.name.to_owned(), check);
}

fn check(fault: Fault) {
    let Some(sandbox) = built(&fault.shape) else { return };
    let to = fault.args.split_whitespace().next().unwrap_or(fault.shape.to);
    let question = format!("{} {}", fault.shape.from, if fault.args.is_empty() { fault.shape.to } else { fault.args });
    let size = fault.args.split_once("--size ").map_or_else(String::new, |(_, n)| format!("-M do -s {n}"));
    // A name is for netlab only.
    let addr = if to.contains(['.', ':']) { to } else { fault.shape.to };
    let arrives = || ping(&sandbox, fault.shape.from, addr, &size);
    sandbox.sh(&format!("set -e\n{}", fault.hurt));
    let (code, said) = why(&sandbox, &question);
    let cause = &said["cause"];
    assert_eq!((code, cause["code"].as_str()), (1, Some(fault.code)), "{said:#}");
    assert_eq!(cause["at"], fault.at, "{said:#}");
    let fix = texts_of(&cause["ip"]);
    assert_eq!(fix, fault.fix, "{said:#}");
    assert_eq!(said["more"].as_array().map(Vec::len), Some(fault.more), "what else is wrong: {said:#}");
    assert!(fault.answers || !arrives(), "it is not broken at all");
    if fix.is_empty() {
        return;
    }
    if fault.rhai {
        // What was learned meanwhile would hide that nobody says it any more.
        let forget = || sandbox.sh("ip neigh flush all; ip -all netns exec ip neigh flush all >/dev/null");
        if fault.again {
            // Tried, it would help, and is as broken as before.
            let (code, tried) = why(&sandbox, &format!("{question} --try-fix"));
            let tried = &tried["tried"];
            assert_eq!(
                (code, tried["ok"].as_bool(), tried["undone"].as_bool()),
                (1, Some(true), Some(true)),
                "{tried:#}"
            );
            forget();
            assert!(fault.answers || !arrives(), "it is mended although it was only tried");
        }
        // Made, it does, and is a lab of its own, to be taken back.
        let (code, mended) = why(&sandbox, &format!("{question} --fix"));
        assert_eq!((code, mended["tried"]["lab"].as_str()), (0, Some("why-fix")), "{mended:#}");
        assert!(arrives(), "the statements do not mend it: {said:#}");
        sandbox.netlab(&["down", "--quiet"]).ends_with(0);
        forget();
        if !fault.again {
            return;
        }
        let (code, again) = why(&sandbox, &question);
        assert_eq!((code, again["cause"]["code"].as_str()), (1, Some(fault.code)), "after down: {again:#}");
    }
    for line in fix {
        sandbox.sh(line);
    }
    if fault.rhai || !fault.answers {
        assert!(arrives(), "the commands do not mend it: {said:#}");
        let (code, said) = why(&sandbox, &question);
        assert_eq!(code, 0, "afterwards: {said:#}");
    }
}
