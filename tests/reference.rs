//! The manual: every function has a sentence and an example, and every example runs and leaves nothing.

mod common;

use common::aloud;
use common::sandbox::Sandbox;
use common::witness::{Reuse, in_sandboxes, run_script};
use common::world::{World, assert_same};
use netlab::script::reference::{Entry, entries};

#[test]
fn every_function_has_a_sentence_and_an_example() {
    let entries = entries();
    assert!(entries.len() > 80, "{}", entries.len());
    let mut wrong = Vec::new();
    for e in &entries {
        let first = e.first_line();
        if !first.ends_with('.') || first.len() < 12 || first.trim_end_matches('.').contains(". ") {
            wrong.push(format!("{}: the first line is no single sentence: {first:?}", e.signature));
        }
        if e.examples().is_empty() {
            wrong.push(format!("{}: no example", e.signature));
        }
        if !e.examples().iter().any(|x| uses(x, e)) {
            wrong.push(format!("{}: no example uses it", e.signature));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether an example holds the function's name as a word.
fn uses(example: &str, e: &Entry) -> bool {
    let words: Vec<&str> = example.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    words.contains(&e.name)
}

#[derive(Clone, Copy)]
struct Example {
    name: &'static str,
    text: &'static str,
}

#[test]
fn every_example_runs_and_leaves_nothing() {
    let mut examples = Vec::new();
    for e in entries() {
        for (n, text) in e.examples().into_iter().enumerate() {
            let name = String::leak(format!("{} #{}", e.signature, n + 1));
            examples.push(Example { name, text: String::leak(text.to_owned()) });
        }
    }
    in_sandboxes(examples, |e| e.name, check);
}

fn check(example: &Example, sandbox: &Sandbox, before: &World) -> Reuse {
    if example.text.starts_with("exercise(") {
        sandbox.write("/mnt/example.rhai", example.text);
        let home = [("HOME", "/mnt")];
        let netlab = |args: &[&str]| sandbox.netlab_with(args, &home, std::path::Path::new("/mnt"));
        netlab(&["exercise", "start", "--no-shell", "example.rhai"]).ends_with(0);
        // Nothing has been done yet.
        netlab(&["exercise", "check"]).ends_with(1);
        netlab(&["down"]).ends_with(0);
        assert_same(before, sandbox, "down");
        return Reuse::Yes;
    }
    let run = run_script(sandbox, example.text);
    let lacks = ["NL0401", "NL0402"].iter().any(|code| run.stderr.contains(code));
    if run.code == Some(3) && lacks && example.text.contains("needs(") {
        // Where there is a Docker daemon, `tests/containers` runs those that need one.
        aloud(&format!("skipped: the example of {}: this machine lacks it", example.name));
        assert_same(before, sandbox, "a refusal");
        return Reuse::Yes;
    }
    assert_eq!(run.code, Some(0), "{}\n{run}", example.text);
    sandbox.netlab(&["down"]).ends_with(0);
    assert_same(before, sandbox, "down");
    Reuse::Yes
}
