//! The codes: each is explained, and each example of these really gives its code.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::sandbox::Sandbox;
use common::{aloud, tell_all};
use netlab::script::codes::{self, Explained};

/// Those that no example gives on every machine.
const WITHOUT: [(&str, &str); 6] = [
    ("NL0124", "needs a daemon"),
    ("NL0125", "needs a daemon"),
    ("NL0126", "needs a daemon"),
    ("NL0302", "takes a kernel that gives no sockets"),
    ("NL0690", "what it takes would be a cause that `why` does not know"),
    ("NL0901", "a bug"),
];

/// The codes as they stand in the source.
fn declared() -> Vec<String> {
    let source = include_str!("../src/diag.rs");
    let start = source.find("pub enum Code").unwrap();
    let body = &source[start..start + source[start..].find("\n}").unwrap()];
    let numbers = body.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    let mut all: Vec<String> = numbers.map(|(_, number)| format!("NL{:04}", number.parse::<u16>().unwrap())).collect();
    all.sort();
    all
}

/// The examples of a text with the language of each.
fn examples(text: &str) -> Vec<(&str, &str)> {
    text.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect()
}

#[test]
fn each_is_explained() {
    let explained: Vec<&str> = codes::all().iter().map(|e| e.code).collect();
    assert_eq!(explained, declared());
    for Explained { code, title, text } in codes::all() {
        assert!(!title.ends_with('.') && text.split("```").next().unwrap().trim().ends_with('.'), "{code}");
        let is_without = WITHOUT.iter().any(|(without, _)| *without == code);
        assert_eq!(examples(text).is_empty(), is_without, "{code}: an example, or why there is none");
        assert!(text.lines().all(|line| line.chars().count() <= 150), "{code}: a long line");
    }
}

#[test]
fn each_example_gives_its_code() {
    let all = codes::all();
    let cases: Vec<(Explained, &str, &str)> =
        all.iter().flat_map(|e| examples(e.text).into_iter().map(|(kind, text)| (*e, kind, text))).collect();
    tell_all(
        cases,
        |(explained, ..)| explained.code.to_owned(),
        |(explained, kind, text)| {
            let Some(sandbox) = Sandbox::new() else { return };
            let (lines, code) = match kind {
                "rhai" => {
                    sandbox.write("/mnt/example.rhai", text);
                    let option = if explained.code == "NL0700" { "--deny-warnings" } else { "--explain" };
                    (format!("netlab run {option} example.rhai"), true)
                }
                "sh" => (text.to_owned(), false),
                other => panic!("{}: an example in {other}", explained.code),
            };
            let netlab = Path::new(env!("CARGO_BIN_EXE_netlab")).parent().unwrap().display();
            let run = sandbox.try_sh(&format!("export PATH={netlab}:$PATH; cd /mnt\n{lines}"));
            if run.status.success() && explained.code == "NL0401" {
                return aloud("skipped: the example of NL0401: this kernel has everything");
            }
            if code && run.status.code() == Some(3) && text.contains("needs(") && explained.code != "NL0401" {
                return aloud(&format!("skipped: the example of {}: this kernel lacks it", explained.code));
            }
            let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
            assert!(said.contains(explained.code), "{}: its example says\n{said}", explained.code);
        },
    );
}

#[test]
fn docs_tells_them() {
    let Some(sandbox) = Sandbox::new() else { return };
    let expected = "NL0112  No destination

A destination is `\"default\"`, a network, or one address. A network has no host bits: that of 10.1.1.1/24 is 10.1.1.0/24.

```rhai
netns(\"a\").route(\"10.1.1.1/24\", #{ type: \"blackhole\" });
```
";
    for name in ["NL0112", "nl0112", "112"] {
        assert_eq!(sandbox.netlab(&["docs", name]).ends_with(0).stdout, expected);
    }
    assert_eq!(sandbox.netlab(&["docs", "codes"]).ends_with(0).stdout.lines().count(), declared().len());
    let wrong = sandbox.netlab(&["docs", "NL9999"]).ends_with(2);
    assert_eq!(
        wrong.stderr,
        "error[NL0210]: there is no function `NL9999`\n  help: `netlab docs` lists all, and `netlab docs codes` those of errors\n"
    );
}
