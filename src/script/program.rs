//! Programs in namespaces.

use std::time::{Duration, Instant};

use rhai::{Array, Dynamic, Map};

use super::function::{Form, Function};
use super::raise::wrong;
use super::values::{Of, Program, kind};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::process;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Netns,
        name: "exec",
        params: "line | [program, args…]",
        arity: (1, 1),
        gives: "#{ ok, code, stdout, stderr }",
        doc: "Runs a program in the namespace and waits for its end.\n\nThere is no shell between: quotes work, pipes and variables do not.\n\n```rhai\nlet r = netns(\"a\").exec(\"cat /proc/net/dev\");\nexpect(r.ok && r.stdout.contains(\"lo\"));\n```",
        form: Form::Call(|c| {
            let (id, argv) = (c.netns()?, argv(&c.args[0])?);
            let done = c.lab()?.exec(id, &argv)?;
            let map: Map = [
                ("ok", (done.code == 0).into()),
                ("code", i64::from(done.code).into()),
                ("stdout", done.stdout.into()),
                ("stderr", done.stderr.into()),
            ]
            .into_iter()
            .map(|(k, v): (&str, Dynamic)| (k.into(), v))
            .collect();
            Ok(map.into())
        }),
    },
    Function {
        of: Of::Netns,
        name: "start",
        params: "line | [program, args…], #{ stop, ready }?",
        arity: (1, 2),
        gives: "program, with `.pid` and `.stop()`",
        doc: "Starts a program that lives as long as the lab.\n\n* `stop` - how to end it kindly; SIGTERM otherwise\n* `ready` - seconds to wait until it can be used, for example `0.2`; it must live that long\n\n```rhai\nlet sleeper = netns(\"a\").start(\"sleep 60\");\nsleeper.stop();\n```",
        form: Form::Call(|c| {
            let (id, argv, site) = (c.netns()?, argv(&c.args[0])?, c.site.clone());
            let mut options = c.options(1)?;
            let stop = options.any("stop").map(|s| self::argv(&s)).transpose()?.unwrap_or_default();
            let ready = options.any("ready").map(seconds).transpose()?;
            options.finish()?;
            let process = c.lab()?.start(&site, id, argv.clone(), stop)?;
            if let Some(ready) = ready {
                let until = Instant::now() + ready;
                while Instant::now() < until {
                    c.look()?.may_go_on()?;
                    if !process::is_alive(process) {
                        let printed = c.look()?.printed(process);
                        return Err(Diagnostic::new(
                            Code::BadProgram,
                            format!("`{}` ended before it was ready", argv.join(" ")),
                        )
                        .help(printed));
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            Ok(Dynamic::from(Program(process)))
        }),
    },
    Function {
        of: Of::Program,
        name: "pid",
        params: "",
        arity: (0, 0),
        gives: "integer",
        doc: "The program's process id.\n\n```rhai\nexpect(netns(\"a\").start(\"sleep 60\").pid > 1);\n```",
        form: Form::Property(|c| Ok(i64::from(c.program()?.0.pid).into())),
    },
    Function {
        of: Of::Program,
        name: "is_alive",
        params: "",
        arity: (0, 0),
        gives: "bool",
        doc: "Whether the program still runs.\n\n```rhai\nexpect(netns(\"a\").start(\"sleep 60\").is_alive);\n```",
        form: Form::Property(|c| Ok(process::is_alive(c.program()?.0).into())),
    },
    Function {
        of: Of::Program,
        name: "stop",
        params: "",
        arity: (0, 0),
        gives: "()",
        doc: "Ends the program: kindly, then by SIGTERM, after two seconds by SIGKILL.\n\n```rhai\nnetns(\"a\").start(\"sleep 60\").stop();\n```",
        form: Form::Call(|c| {
            let program = c.program()?;
            c.lab()?.stop_program(program.0).map(|()| Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Free,
        name: "sleep",
        params: "seconds",
        arity: (1, 1),
        gives: "()",
        doc: "Waits for so many seconds.\n\nProbes wait by themselves for links that settle, so this is seldom needed.\n\n```rhai\nsleep(0.01);\n```",
        form: Form::Call(|c| {
            let until = Instant::now() + seconds(c.args[0].clone())?;
            while Instant::now() < until {
                c.look()?.may_go_on()?;
                std::thread::sleep((until - Instant::now()).min(Duration::from_millis(20)));
            }
            Ok(Dynamic::UNIT)
        }),
    },
];

/// The words of a command line, split as a shell splits them, or given as an array.
pub(super) fn argv(given: &Dynamic) -> Result<Vec<String>> {
    let words = if given.is_string() {
        let line = given.to_string();
        shlex::split(&line).ok_or_else(|| wrong(format!("`{line}` has a quote without its end")))?
    } else if given.is_array() {
        let array = given.clone().into_array().unwrap_or_default();
        array
            .into_iter()
            .map(|word| match word {
                w if w.is_string() || w.is_int() => Ok(w.to_string()),
                w => Err(wrong(format!("a program's argument is a string, not {}", kind(&w)))),
            })
            .collect::<Result<_>>()?
    } else {
        return Err(wrong(format!("a program is a line or an array of words, not {}", kind(given))));
    };
    if words.is_empty() {
        return Err(wrong("there is no program in an empty line"));
    }
    Ok(words)
}

/// A time in seconds, whole or not.
pub(super) fn seconds(given: Dynamic) -> Result<Duration> {
    let value = given.as_float().or_else(|_| given.as_int().map(|n| n as f64));
    match value {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(seconds) => Err(Diagnostic::new(Code::OutOfRange, format!("{seconds} seconds is out of range: 0 to a day"))),
        Err(_) => Err(wrong(format!("a time is a number of seconds, not {}", kind(&given)))),
    }
}

/// An array of texts as a value.
pub(super) fn texts(items: impl IntoIterator<Item = String>) -> Dynamic {
    items.into_iter().map(Dynamic::from).collect::<Array>().into()
}
