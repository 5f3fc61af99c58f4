//! The answer as text, with the way drawn, and as JSON.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::cause::{Break, of};
use super::repair::Repair;
use super::{Answer, Kind, Verdict};
use crate::diag::Code;

/// The marks of a line: so that colour is not needed.
const FINE: &str = "✓";
const BROKEN: &str = "✗";

/// The answer as text. `paint` colours a mark: true for what is well.
pub fn text(answer: &Answer, paint: &dyn Fn(&str, bool) -> String) -> String {
    let mut lines = vec![format!("{}: {}", question(answer), word(answer)), String::new()];
    lines.extend(way(answer, paint));
    lines.push(String::new());
    match (answer.verdict(), answer.breaks.split_first()) {
        (Verdict::No, Some((first, rest))) => {
            lines.push(format!("why[{}]: {}", first.cause.code(), first.cause.sentence()));
            lines.extend(fix(first));
            lines.extend(more(rest));
        }
        (Verdict::YesAgainst, Some((first, _))) => {
            lines.push(format!("an answer comes, although by what can be read {}", first.cause.sentence()));
        }
        (Verdict::Unknown, _) => {
            let end = if answer.outside {
                "so far as one can see, all looks well"
            } else {
                "everything on the way looks well"
            };
            lines.push(format!("why[{}]: the cause was not found: {end}", Code::WhyUnknown));
        }
        _ => {}
    }
    if let Some(heard) = answer.heard.as_ref().filter(|_| answer.verdict() != Verdict::Yes) {
        lines.push(format!("  probe: {}", heard.text));
    }
    lines.extend(answer.notes.iter().map(|note| format!("  note: {note}")));
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}

/// The answer in one sentence, for an error.
pub fn sentence(first: &Break) -> String {
    format!("{} ({})", first.cause.sentence(), first.cause.code())
}

/// What to type, in one line.
pub fn help(first: &Break) -> Option<String> {
    let calls: Vec<String> = first.repairs.iter().map(Repair::rhai).collect();
    let commands: Vec<String> = first.repairs.iter().map(Repair::ip).collect();
    (!calls.is_empty()).then(|| format!("{} — or: {}", calls.join(" "), commands.join("; ")))
}

fn question(answer: &Answer) -> String {
    let what = match answer.kind {
        Kind::Ping => String::new(),
        Kind::Tcp(port) => format!(" TCP port {port}"),
        Kind::Udp(port) => format!(" UDP port {port}"),
    };
    match (&answer.addr, &answer.owner) {
        (Some(addr), Some(owner)) => format!("{} → {addr} ({owner}){what}", answer.from),
        (Some(addr), None) => format!("{} → {addr}{what}", answer.from),
        (None, owner) => format!("{} → {}{what}", answer.from, owner.as_deref().unwrap_or("?")),
    }
}

fn word(answer: &Answer) -> &'static str {
    let answered = answer.heard.as_ref().is_some_and(|h| h.ok);
    match answer.verdict() {
        Verdict::Yes | Verdict::YesAgainst => "yes",
        Verdict::No if answered => "an answer comes, but not surely from there",
        Verdict::No | Verdict::Unknown => "no",
    }
}

/// The lines of the way. The way back is one line, unless it is broken.
fn way(answer: &Answer, paint: &dyn Fn(&str, bool) -> String) -> Vec<String> {
    let broken_back = answer.hops.iter().any(|h| h.back && !h.ok);
    let shown: Vec<_> = answer.hops.iter().filter(|h| !h.back || broken_back).collect();
    let width = shown.iter().map(|h| h.place.width()).chain([4]).max().unwrap_or(0);
    let line = |ok: bool, place: &str, text: &str| {
        let mark = paint(if ok { FINE } else { BROKEN }, ok);
        let pad = " ".repeat(width.saturating_sub(place.width()));
        format!("  {mark} {place}{pad}   {text}")
    };
    let mut lines = Vec::new();
    let mut back = false;
    for hop in shown {
        if hop.back && !std::mem::replace(&mut back, true) {
            lines.push("  and back".to_owned());
        }
        lines.push(line(hop.ok, &hop.place, &hop.text));
    }
    let stops: Vec<&str> = answer.hops.iter().filter(|h| h.back).map(|h| h.place.as_str()).collect();
    if !broken_back && !stops.is_empty() {
        lines.push(line(true, "back", &stops.join(" → ")));
    }
    lines
}

fn fix(first: &Break) -> Vec<String> {
    let calls = first.repairs.iter().map(Repair::rhai);
    let commands = first.repairs.iter().map(Repair::ip);
    let mut lines: Vec<String> = calls.chain(commands).map(|line| format!("       {line}")).collect();
    if let Some(head) = lines.first_mut() {
        head.replace_range(..7, "  fix: ");
    }
    lines
}

fn more(rest: &[Break]) -> Option<String> {
    let told: Vec<String> = rest.iter().map(|b| b.cause.sentence()).collect();
    match told.len() {
        0 => None,
        1 => Some(format!("  1 more break behind it: {}", told[0])),
        n => Some(format!("  {n} more breaks behind it: {}", told.join("; "))),
    }
}

/// The answer for a program.
pub fn json(answer: &Answer) -> Value {
    let found = |b: &Break| {
        json!({
            "code": b.cause.code().to_string(),
            "message": b.cause.sentence(),
            "at": b.cause.place(),
            "evidence": b.evidence,
            "fix": b.repairs.iter().map(Repair::rhai).collect::<Vec<_>>(),
            "ip": b.repairs.iter().map(Repair::ip).collect::<Vec<_>>(),
            "program": b.repairs.iter().any(Repair::needs_program),
        })
    };
    let verdict = answer.verdict();
    let hops = answer.hops.iter().map(|h| json!({ "ok": h.ok, "place": h.place, "text": h.text, "back": h.back }));
    let cause = answer.cause().map(found);
    let rest = if cause.is_some() { &answer.breaks[1..] } else { &answer.breaks[..] };
    json!({
        "from": answer.from,
        "to": answer.addr.map(|a| a.to_string()),
        "netns": answer.owner,
        "ok": matches!(verdict, Verdict::Yes | Verdict::YesAgainst),
        "code": match verdict {
            Verdict::Unknown => Some(Code::WhyUnknown.to_string()),
            _ => answer.cause().map(|b| b.cause.code().to_string()),
        },
        "cause": cause,
        "more": rest.iter().map(found).collect::<Vec<_>>(),
        "hops": hops.collect::<Vec<_>>(),
        "probe": answer.heard.as_ref().map(|h| json!({ "ok": h.ok, "text": h.text })),
        "notes": answer.notes,
    })
}

/// The sentence for why it does not get through; empty if it does.
pub fn why(answer: &Answer) -> String {
    match (answer.verdict(), answer.cause()) {
        (_, Some(first)) => {
            format!("{}, so nothing gets from {} to {}", first.cause.sentence(), of(&answer.from), place(answer))
        }
        (Verdict::Unknown, _) => {
            let heard = answer.heard.as_ref().map(|h| h.text.clone()).unwrap_or_default();
            format!("{heard}, and the cause was not found")
        }
        _ => String::new(),
    }
}

fn place(answer: &Answer) -> String {
    answer.addr.map_or_else(|| of(answer.owner.as_deref().unwrap_or_default()), |a| a.to_string())
}
