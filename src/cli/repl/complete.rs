//! What may come next at the prompt: functions, the methods of the value before the dot, and what is there now.

use super::words::WORDS;
use crate::cli::netns;
use crate::script::live::Live;
use crate::script::reference::{self, Entry};
use crate::script::values::Of;

/// A line of the list fits in the narrowest terminal.
const WIDTH: usize = 78;

/// One way to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// What stands there then.
    pub(super) text: String,
    /// What is shown in the list.
    pub(super) shown: String,
}

/// The ways to go on at the end of a line, and where the word begins that they stand for.
pub(super) fn candidates(live: &mut Live, line: &str) -> (usize, Vec<Candidate>) {
    if let Some(start) = open_quote(line) {
        return (start, names(live, &line[..start - 1], &line[start..]));
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let start =
        line.rfind(|c: char| !is_word(c)).map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let (before, word) = (&line[..start], &line[start..]);
    if let Some(receiver) = before.strip_suffix('.') {
        let of = kind_of(live, receiver);
        return (start, methods(word, of));
    }
    let mut all = Vec::new();
    let head = before.trim_start();
    if head.is_empty() {
        let words = WORDS.iter().filter(|(name, ..)| name.starts_with(word));
        all.extend(words.map(|(name, _, rest, about)| candidate(name, &format!("{name} {rest}"), about)));
    }
    let variables = live.variables();
    let first = head.split_whitespace().next().unwrap_or_default();
    let is_short_form = head.ends_with(' ')
        && (first == "why" || netns::names().iter().any(|n| n == first) || kind_of(live, first) == Some(Of::Netns));
    if head.is_empty() || is_short_form {
        let here = netns::names()
            .into_iter()
            .filter(|name| name.starts_with(word) && !variables.iter().any(|(v, _)| v == name));
        all.extend(here.map(|name| candidate(&name, &name, "namespace")));
    }
    if is_short_form {
        all.extend(
            ["ping", "sh", "ip"]
                .into_iter()
                .filter(|w| w.starts_with(word) && first != "why")
                .map(|w| candidate(w, w, "")),
        );
    }
    for (name, of) in variables.iter().filter(|(name, _)| name.starts_with(word)) {
        if !is_short_form || *of == Some(Of::Netns) {
            all.push(candidate(name, name, of.map_or("variable", Of::type_name)));
        }
    }
    if !is_short_form {
        let own: Vec<String> = live.functions().into_iter().filter(|call| call.starts_with(word)).collect();
        all.extend(
            own.iter().map(|call| candidate(&format!("{}(", call.split('(').next().unwrap_or_default()), call, "")),
        );
        all.extend(reference::entries().iter().filter(|e| e.of.is_empty() && e.name.starts_with(word)).map(of_entry));
    }
    (start, all)
}

fn candidate(text: &str, head: &str, about: &str) -> Candidate {
    let mut shown = if about.is_empty() { head.to_owned() } else { format!("{head:<30}  {about}") };
    if shown.chars().count() > WIDTH {
        shown = shown.chars().take(WIDTH - 1).chain(['…']).collect();
    }
    Candidate { text: text.to_owned(), shown }
}

fn of_entry(entry: &Entry) -> Candidate {
    let text = if entry.property { entry.name.to_owned() } else { format!("{}(", entry.name) };
    candidate(&text, &entry.signature, entry.first_line())
}

fn methods(word: &str, of: Option<Of>) -> Vec<Candidate> {
    let Some(of) = of else { return Vec::new() };
    let entries = reference::entries();
    let mut seen = std::collections::BTreeSet::new();
    let fitting = entries.iter().filter(|e| e.of == of.word() && e.name.starts_with(word));
    fitting.filter(|e| seen.insert((e.name, e.property))).map(of_entry).collect()
}

/// What kind of value stands before the dot; nothing where only a run could tell.
fn kind_of(live: &Live, receiver: &str) -> Option<Of> {
    let receiver = receiver.trim_end();
    if let Some(inner) = receiver.strip_suffix(']') {
        let open = inner.rfind('[')?;
        return (kind_of(live, &inner[..open])? == Of::Netns).then_some(Of::Link);
    }
    if let Some(inner) = receiver.strip_suffix(')') {
        let open = opening(inner)?;
        let name_start = inner[..open].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        let (name, before) = (&inner[name_start..open], &inner[..name_start]);
        let of = before.strip_suffix('.').map(|receiver| kind_of(live, receiver));
        let entries = reference::entries();
        let found = entries
            .iter()
            .find(|e| e.name == name && of.map_or(e.of.is_empty(), |of| of.is_some_and(|of| of.word() == e.of)))?;
        return named(found.gives, of.flatten());
    }
    let start = receiver.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    let name = &receiver[start..];
    if let Some(before) = receiver[..start].strip_suffix('.') {
        let of = kind_of(live, before)?;
        let entries = reference::entries();
        let found = entries.iter().find(|e| e.name == name && e.of == of.word() && e.property)?;
        return named(found.gives, Some(of));
    }
    live.variables().into_iter().find(|(known, _)| known == name).and_then(|(_, of)| of)
}

/// The kind of what a function gives, in the words of the reference.
fn named(gives: &str, this: Option<Of>) -> Option<Of> {
    match gives.split([',', ' ', ':']).next().unwrap_or_default() {
        "ns" | "namespace" => Some(Of::Netns),
        "link" => Some(Of::Link),
        "wire" => Some(Of::Wire),
        "program" => Some(Of::Program),
        "net" | "subnet" => Some(Of::Subnet),
        "this" | "itself" => this,
        _ => None,
    }
}

/// Where the bracket opens that closes at the end.
fn opening(inner: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in inner.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' if depth == 0 => return Some(at),
            '(' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Where the text begins in which the line ends, behind its quote.
fn open_quote(line: &str) -> Option<usize> {
    let mut open = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => open = if open.is_some() { None } else { Some(at + 1) },
            _ => {}
        }
    }
    open
}

/// Names of what is there, for a text: links behind `ns[`, else namespaces and addresses.
fn names(live: &mut Live, before: &str, word: &str) -> Vec<Candidate> {
    let namespace = before.strip_suffix('[').map(str::to_owned);
    let links = namespace.map(|receiver| {
        let start = receiver.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        // To find a namespace by its name changes nothing.
        let found = receiver.rfind("get_netns(").filter(|_| receiver.ends_with("\")"));
        let value = match found {
            Some(at) => live.run("<prompt>", &receiver[at..]).ok(),
            None => live.value(&receiver[start..]),
        };
        value.map(|value| live.links(&value)).unwrap_or_default()
    });
    let (all, what) = match links {
        Some(links) => (links, "link"),
        None if before.ends_with("get_netns(") => (netns::names(), "namespace"),
        None => (live.addresses(), "address"),
    };
    all.iter().filter(|name| name.starts_with(word)).map(|name| candidate(&format!("{name}\""), name, what)).collect()
}
