//! What a lab consists of, told by `ip -j`, so that only equal things are compared.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::Outcome;
use crate::lab::NETNS_DIR;

/// Every link of this namespace and of every named one, as sorted lines.
///
/// Left out is what may differ between equal labs: index, MAC, group, link-local addresses, and what lags behind
/// (operational state).
pub(crate) fn dump() -> Outcome<Vec<String>> {
    let mut lines = links("host", &[])?;
    for entry in fs::read_dir(NETNS_DIR)? {
        let name = entry?.file_name().display().to_string();
        lines.extend(links(&name, &["-n", &name])?);
    }
    lines.sort();
    Ok(lines)
}

/// How many namespaces, ports and addresses a dump has.
pub(crate) fn summary(dump: &[String]) -> String {
    let count = |what: &str| dump.iter().map(|line| line.matches(what).count()).sum::<usize>();
    let netns = dump.iter().filter(|line| !line.starts_with("host ") && line.contains(" lo ")).count();
    format!("{netns} namespaces, {} ports, {} addresses", count(" master "), count(" addr "))
}

/// The first line that only one of two dumps has, with its owner's name.
pub(crate) fn difference(a: &str, ours: &[String], b: &str, theirs: &[String]) -> Option<String> {
    let only = |some: &[String], other: &[String]| some.iter().find(|line| !other.contains(line)).cloned();
    let left = only(ours, theirs).map(|line| format!("only {a}: `{line}`"));
    let right = only(theirs, ours).map(|line| format!("only {b}: `{line}`"));
    match (left, right) {
        (Some(left), Some(right)) => Some(format!("{left}; {right}")),
        (left, right) => left.or(right),
    }
}

fn links(place: &str, options: &[&str]) -> Outcome<Vec<String>> {
    let output = Command::new("ip").args(options).args(["-j", "-d", "addr", "show"]).output()?;
    if !output.status.success() {
        return Err(format!("ip -j in {place}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let Value::Array(links) = serde_json::from_slice(&output.stdout)? else {
        return Err(format!("ip -j in {place} gave no list").into());
    };
    Ok(links.iter().map(|link| format!("{place} {}", describe(link))).collect())
}

fn describe(link: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let up = list(&link["flags"]).iter().any(|flag| flag == "UP");
    let mut line = format!(
        "{} {} {} mtu {}",
        text(&link["ifname"]),
        text(&link["linkinfo"]["info_kind"]),
        if up { "up" } else { "down" },
        link["mtu"]
    );
    if let Some(master) = link["master"].as_str() {
        line += &format!(" master {master}");
    }
    let mut addresses: Vec<String> = list(&link["addr_info"])
        .iter()
        .filter(|address| address["scope"] != "link")
        .map(|address| format!(" addr {}/{}", text(&address["local"]), address["prefixlen"]))
        .collect();
    addresses.sort();
    line + &addresses.concat()
}
