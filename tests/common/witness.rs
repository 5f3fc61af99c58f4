//! Scripts with what `ip -j` must show afterwards, as data; and the one function that runs them.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::labs::furnish;
use super::sandbox::{Run, Sandbox};
use super::world::{World, assert_same};
use super::{aloud, in_threads, is_root};

/// One script and its witnesses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// What it is about.
    pub(crate) name: &'static str,
    /// The script. Beside it is what [`furnish`] puts there.
    pub(crate) script: &'static str,
    /// Command lines, each with what it must print: JSON of which only the keys written must match (see [`matches`]),
    /// or text that must be equal but for white space at the ends.
    pub(crate) looks: &'static [(&'static str, &'static str)],
    /// A line of shell that runs before it and is part of what must be the same after `down`.
    pub(crate) before: &'static str,
    /// The exit code of the run; if it is not 0, standard error must hold the text.
    pub(crate) ends: (i32, &'static str),
}

/// A case that succeeds.
pub(crate) const fn case(
    name: &'static str,
    script: &'static str,
    looks: &'static [(&'static str, &'static str)],
) -> Case {
    Case { name, script, looks, before: "", ends: (0, "") }
}

/// A case that is refused and leaves nothing.
pub(crate) const fn refused(name: &'static str, script: &'static str, error: &'static str) -> Case {
    Case { name, script, looks: &[], before: "", ends: (1, error) }
}

/// Runs all cases, several in one sandbox as long as they go well, and tells all that failed.
#[track_caller]
pub(crate) fn run_cases(cases: &[Case]) {
    in_sandboxes(cases.to_vec(), |case| case.name, check);
}

/// Runs jobs on two threads, each with a furnished sandbox that is thrown away after a failure; all failures are told.
#[track_caller]
pub(crate) fn in_sandboxes<T: Send + Copy>(
    jobs: Vec<T>,
    name: impl Fn(&T) -> &'static str + Sync,
    check: impl Fn(&T, &Sandbox, &World) -> Reuse + Sync,
) {
    in_furnished(2, |sandbox| Some(furnish(sandbox)), jobs, name, check);
}

/// The same on more threads, with sandboxes furnished in a way of one's own, which gives back what it knows of them, or
/// nothing if this machine cannot.
#[track_caller]
pub(crate) fn in_furnished<T: Send + Copy, W: Send>(
    threads: usize,
    furnish: impl Fn(&Sandbox) -> Option<W> + Sync,
    jobs: Vec<T>,
    name: impl Fn(&T) -> &'static str + Sync,
    check: impl Fn(&T, &Sandbox, &W) -> Reuse + Sync,
) {
    if !is_root("each verb with its witness") {
        return;
    }
    let spare: Mutex<Vec<(Sandbox, W)>> = Mutex::new(Vec::new());
    let failed = Mutex::new(Vec::new());
    let wanted = std::env::var("CASE").ok();
    let jobs: Vec<T> = jobs
        .into_iter()
        .filter(|j| wanted.as_ref().is_none_or(|w| w.split(',').any(|w| name(j).contains(w))))
        .collect();
    let (count, start) = (jobs.len(), Instant::now());
    in_threads(threads, jobs, |job| {
        let ready = spare.lock().ok().and_then(|mut s| s.pop());
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let (sandbox, known) = ready.or_else(|| {
                let sandbox = Sandbox::new()?;
                let known = furnish(&sandbox)?;
                Some((sandbox, known))
            })?;
            (check(&job, &sandbox, &known) == Reuse::Yes).then_some((sandbox, known))
        }));
        match tried {
            Ok(ready) => {
                if let Ok(mut spare) = spare.lock() {
                    spare.extend(ready);
                }
            }
            Err(panic) => {
                let why = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "?".to_owned());
                if let Ok(mut failed) = failed.lock() {
                    failed.push(format!("=== {}\n{why}", name(&job)));
                }
            }
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    assert!(failed.is_empty(), "{} of {count} cases failed\n{}", failed.len(), failed.join("\n"));
    aloud(&format!("{count} cases in {:.1} s", start.elapsed().as_secs_f32()));
}

/// Whether the next job may have the same sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// It is as furnished.
    Yes,
    /// The job changed it for itself.
    No,
}

fn check(case: &Case, sandbox: &Sandbox, furnished: &World) -> Reuse {
    let own;
    let before = if case.before.is_empty() {
        furnished
    } else {
        sandbox.sh(case.before);
        own = World::settled(sandbox);
        &own
    };
    let run = run_script(sandbox, case.script);
    if case.ends.0 == 0 {
        assert_eq!(run.code, Some(0), "{}\n{run}", case.script);
        look(sandbox, case.looks);
        sandbox.netlab(&["down"]).ends_with(0);
    } else {
        assert_eq!(run.code, Some(case.ends.0), "{}\n{run}", case.script);
        assert!(run.stderr.contains(case.ends.1), "expected the error to hold: {}\n{run}", case.ends.1);
    }
    assert_same(before, sandbox, "down");
    if case.before.is_empty() { Reuse::Yes } else { Reuse::No }
}

/// Writes a script into the sandbox and runs it as the lab `x`.
pub(crate) fn run_script(sandbox: &Sandbox, script: &str) -> Run {
    write_script(sandbox, script);
    sandbox.netlab(&["run", "--quiet", "/run/x.rhai"])
}

/// Writes a script into the sandbox.
pub(crate) fn write_script(sandbox: &Sandbox, script: &str) {
    use std::io::Write;
    let mut command = sandbox.command(Path::new("/"), "sh", &["-c", "cat >/run/x.rhai"]);
    command.stdin(std::process::Stdio::piped());
    let mut child = command.spawn().expect("nsenter can be started");
    child.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("the shell reads");
    assert!(child.wait_with_output().expect("it ends").status.success());
}

/// Runs all commands in one shell and compares. What is not so at once may become so within a second: carriers lag.
#[track_caller]
pub(crate) fn look(sandbox: &Sandbox, looks: &[(&str, &str)]) {
    if looks.is_empty() {
        return;
    }
    let mut line = String::new();
    for (command, _) in looks {
        let _ = writeln!(line, "( {command} ) 2>&1; printf '\\036'");
    }
    let start = Instant::now();
    loop {
        let output = sandbox.try_sh(&line);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let outputs: Vec<&str> = text.split('\u{1e}').collect();
        let failures: Vec<String> = looks
            .iter()
            .zip(outputs)
            .filter_map(|((command, expected), shown)| {
                let why = judge(expected, shown).err()?;
                Some(format!("{command}\n  expected {expected}\n  {why}\n  shown {}", shown.trim()))
            })
            .collect();
        if failures.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{}", failures.join("\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Compares what a command printed with what is expected of it.
pub(crate) fn judge(expected: &str, shown: &str) -> Result<(), String> {
    let (negated, expected) = match expected.strip_prefix("no ") {
        Some(rest) if rest.starts_with(['{', '[']) => (true, rest),
        _ => (false, expected),
    };
    if !expected.starts_with(['{', '[']) {
        return if shown.trim() == expected.trim() { Ok(()) } else { Err("the text differs".to_owned()) };
    }
    let expected: Value = serde_json::from_str(expected).map_err(|e| format!("the test's own JSON is broken: {e}"))?;
    let shown: Value = if shown.trim().is_empty() {
        Value::Array(Vec::new())
    } else {
        serde_json::from_str(shown).map_err(|e| format!("it is no JSON: {e}"))?
    };
    match (matches(&expected, &shown), negated) {
        (Err(why), false) => Err(why),
        (Ok(()), true) => Err("it is there".to_owned()),
        _ => Ok(()),
    }
}

/// Whether what is shown has all that is expected: of a map the keys that are written, of a list each element that is
/// written (in its order), `null` for a key that must be missing, and for a map in the place of a list any of its elements.
/// The list `["=", …]` must have no other elements.
pub(crate) fn matches(expected: &Value, shown: &Value) -> Result<(), String> {
    match (expected, shown) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (key, value) in wanted {
                match (value, there.get(key)) {
                    (Value::Null, None | Some(Value::Null)) => {}
                    (_, None) => return Err(format!("`{key}` is missing")),
                    (_, Some(found)) => matches(value, found).map_err(|why| format!("{key}: {why}"))?,
                }
            }
            Ok(())
        }
        (Value::Object(_), Value::Array(list)) => {
            let mut whys: Vec<String> = Vec::new();
            for item in list {
                match matches(expected, item) {
                    Ok(()) => return Ok(()),
                    Err(why) => whys.push(why),
                }
            }
            Err(format!("no element fits: {}", whys.join("; ")))
        }
        (Value::Array(wanted), Value::Array(there)) => {
            let (exactly, wanted) = match wanted.split_first() {
                Some((first, rest)) if first == "=" => (true, rest),
                _ => (false, wanted.as_slice()),
            };
            let empty = serde_json::json!({});
            let there: Vec<&Value> = there.iter().filter(|v| **v != empty).collect();
            if exactly && there.len() != wanted.len() {
                return Err(format!("{} elements and not {}", there.len(), wanted.len()));
            }
            let mut rest = there.iter();
            for want in wanted {
                if !rest.any(|found| matches(want, found).is_ok()) {
                    return Err(format!("nothing there is {want}, in this order"));
                }
            }
            Ok(())
        }
        (a, b) if a == b => Ok(()),
        (a, b) => Err(format!("{b} and not {a}")),
    }
}
