//! The program as a script of netlab's.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::{Part, Program, Step};
use crate::action::Action;
use crate::action::netns::NetnsAdd;
use crate::action::text::{Names, Options};
use crate::kernel::link::LinkKey;
use crate::kernel::space::NetnsCookie;

/// Words that cannot be variables: those of the language, and netlab's own values.
const TAKEN: &[&str] = &[
    "abs",
    "args",
    "as",
    "async",
    "attempt",
    "await",
    "break",
    "case",
    "catch",
    "const",
    "continue",
    "default",
    "do",
    "else",
    "eval",
    "export",
    "expect",
    "exit",
    "false",
    "fn",
    "for",
    "global",
    "goto",
    "host",
    "if",
    "import",
    "in",
    "is",
    "let",
    "loop",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "shared",
    "spawn",
    "static",
    "super",
    "switch",
    "sync",
    "this",
    "thread",
    "throw",
    "true",
    "try",
    "until",
    "use",
    "var",
    "void",
    "while",
    "with",
    "yield",
    "Fn",
    "call",
    "curry",
    "debug",
    "print",
    "type_of",
    "is_def_var",
];

/// The widest line that a chain of calls may have.
const WIDE: usize = 100;

/// Writes it.
pub fn text(program: &Program) -> String {
    let mut names = program.names.clone();
    let holders = variables(program, &mut names);
    let mut lines: Vec<(Part, String)> = Vec::new();
    let mut rest = program.steps.as_slice();
    while let Some((step, after)) = rest.split_first() {
        rest = after;
        let made = maker(&step.action);
        let call = match &step.action {
            Action::NetnsAdd(add) => {
                let (call, used) = netns(add, after);
                rest = &after[used..];
                call
            }
            action => action.change().rhai(&names),
        };
        let line = match made.and_then(|made| holders.get(&made)) {
            Some(variable) => format!("let {variable} = {call}"),
            None => call,
        };
        join(&mut lines, step.part, line, made.is_some());
    }
    let used: HashSet<String> = lines.iter().flat_map(|(_, line)| words(without_let(line))).collect();
    let mut text = format!("// The network of the lab `{}`, as it was when it was exported.\n", program.title);
    let mut part = None;
    for (of, line) in &lines {
        if part != Some(*of) {
            text.push('\n');
        }
        part = Some(*of);
        let _ = writeln!(text, "{};", without_idle_let(line, &used));
    }
    if !program.missing.is_empty() {
        text.push('\n');
    }
    for missing in &program.missing {
        let _ = writeln!(text, "// not exported: {}", missing.text().replace('\n', " "));
    }
    text
}

/// What an action makes that a variable can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Made {
    Netns(NetnsCookie),
    Link(LinkKey),
}

fn maker(action: &Action) -> Option<Made> {
    match action {
        Action::NetnsAdd(add) => Some(Made::Netns(add.cookie)),
        Action::LinkAdd(add) if add.peer.is_none() => Some(Made::Link(add.end.link.key())),
        _ => None,
    }
}

/// Chooses a variable for each namespace, and for each link that others are made on or plugged into.
fn variables(program: &Program, names: &mut Names) -> HashMap<Made, String> {
    let mut taken: HashSet<String> = TAKEN.iter().map(|word| (*word).to_owned()).collect();
    let mut chosen = HashMap::new();
    for Step { action, .. } in &program.steps {
        if let Action::NetnsAdd(add) = action {
            let variable = free(&mut taken, add.name.as_str(), "ns");
            names.insert_handle(add.cookie, &variable);
            chosen.insert(Made::Netns(add.cookie), variable);
        }
    }
    let needed: HashSet<LinkKey> = program.steps.iter().flat_map(|step| needs(&step.action)).collect();
    for Step { action, .. } in &program.steps {
        let Some(made @ Made::Link(key)) = maker(action) else { continue };
        if needed.contains(&key) {
            let variable = free(&mut taken, &names.link(key), "link");
            names.insert_link_handle(key, &variable);
            chosen.insert(made, variable);
        }
    }
    chosen
}

fn needs(action: &Action) -> Vec<LinkKey> {
    match action {
        Action::LinkAdd(add) => {
            let masters = add.ends().filter_map(|e| Some(LinkKey { netns: e.link.netns, index: e.link.master? }));
            masters.chain(add.kind.parent().filter(|_| !add.kind.names_parent_itself())).collect()
        }
        Action::LinkSet(change) => {
            let master = change.set.master.map(|index| LinkKey { netns: change.link.netns, index });
            master.into_iter().chain([change.link]).collect()
        }
        Action::AddrAdd(add) => vec![add.link],
        Action::VlanAdd(add) => vec![add.link],
        Action::VlanDel(del) => vec![del.link],
        Action::QdiscSet(set) => vec![set.link],
        _ => Vec::new(),
    }
}

/// A name as a variable: letters, digits and underscores, not taken by anything else.
fn free(taken: &mut HashSet<String>, name: &str, kind: &str) -> String {
    let mut word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        word = format!("{kind}_{}", word.trim_start_matches('_'));
    }
    let again = (2..).map(|n| format!("{word}_{n}"));
    let tries = [word.clone(), format!("{word}_{kind}")].into_iter().chain(again);
    let found = tries.into_iter().find(|word| !taken.contains(word)).unwrap_or_default();
    taken.insert(found.clone());
    found
}

/// A namespace with the settings that its maker takes, and how many of the steps behind it those are.
fn netns(add: &NetnsAdd, after: &[Step]) -> (String, usize) {
    let mut options = Options::default();
    options.put("lo", (!add.lo).then_some(false));
    let forward = |step: &Step| match &step.action {
        Action::SysctlSet(set) if set.netns == add.cookie && set.path.ends_with("net/ipv4/ip_forward") => {
            Some(set.value == "1")
        }
        _ => None,
    };
    // A new namespace of a script does not forward, whatever the machine's own does.
    let used = match after.first().and_then(forward) {
        Some(on) => {
            options.put_flag("forward", on);
            1
        }
        None => 0,
    };
    (format!("netns({})", options.after([format!("\"{}\"", add.name)])), used)
}

/// Appends a line, or its calls to the line before if that is about the same link.
fn join(lines: &mut Vec<(Part, String)>, part: Part, line: String, makes: bool) {
    if let Some((of, last)) = lines.last_mut().filter(|_| !makes)
        && *of == part
        && let Some((receiver, calls)) = receiver(&line)
        && last.len() + calls.len() < WIDE
    {
        let is_made_by_it = last.strip_prefix("let ").is_some_and(|rest| rest.starts_with(&format!("{receiver} = ")));
        let is_about_it = last.strip_prefix(receiver).is_some_and(|rest| rest.starts_with('.'));
        if (is_made_by_it || is_about_it) && is_link(receiver, &line) {
            last.push_str(calls);
            return;
        }
    }
    lines.push((part, line));
}

/// What a call is made on, and the call with its dot.
fn receiver(line: &str) -> Option<(&str, &str)> {
    let end = match line.find(['.', '[']) {
        Some(at) if line[at..].starts_with('[') => at + line[at..].find(']')? + 1,
        Some(at) => at,
        None => return None,
    };
    let is_call = line[end..].starts_with('.') && !line[..end].contains(['(', '"']) | line[..end].ends_with(']');
    is_call.then(|| line.split_at(end))
}

/// Whether it is a link that is called: calls of a namespace stand on lines of their own.
fn is_link(receiver: &str, line: &str) -> bool {
    let verbs =
        [".addr(", ".master(", ".vlan_add(", ".vlan_del(", ".set(", ".alias(", ".up(", ".down(", ".netem(", ".fdb("];
    verbs.iter().any(|verb| line[receiver.len()..].starts_with(verb))
}

fn words(line: &str) -> Vec<String> {
    // A word in quotes is a name, and no variable.
    let outside = line.split('"').step_by(2);
    let words = outside.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn without_let(line: &str) -> &str {
    line.strip_prefix("let ").and_then(|rest| rest.split_once(" = ")).map_or(line, |(_, call)| call)
}

/// A line without its variable, if nothing uses that.
fn without_idle_let<'a>(line: &'a str, used: &HashSet<String>) -> &'a str {
    let variable = line.strip_prefix("let ").and_then(|rest| rest.split_once(" = ")).map(|(variable, _)| variable);
    if variable.is_some_and(|variable| !used.contains(variable)) { without_let(line) } else { line }
}
