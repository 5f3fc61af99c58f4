//! Names of links, namespaces and labs, checked against what the kernel and the file system accept.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::diag::{Code, Diagnostic, Result};

/// The longest link name, in bytes: `IFNAMSIZ` less the final zero (`include/uapi/linux/if.h`).
pub const IFNAME_MAX: usize = 15;

/// The name of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IfName(String);

impl IfName {
    /// Checks a link name by the kernel's own rules (`dev_valid_name` in `net/core/dev.c`) and ours.
    ///
    /// # Errors
    /// `NL0102` for an empty name, one over 15 bytes, one with `/`, `:`, `%` or white space, and the names
    /// that /proc/sys/net uses for itself. A `%d` would be accepted by the kernel as a pattern (`a%d` makes `a0`).
    pub fn new(name: &str) -> Result<Self> {
        let bad = |why: String| Diagnostic::new(Code::BadName, format!("link name `{}` {why}", shown(name)));
        if name.is_empty() {
            return Err(empty("link", "veth0"));
        }
        if name.len() > IFNAME_MAX {
            let short: String = name
                .chars()
                .scan(0, |n, c| {
                    *n += c.len_utf8();
                    (*n <= IFNAME_MAX).then_some(c)
                })
                .collect();
            return Err(bad(format!("has {} bytes; the kernel allows {IFNAME_MAX}", name.len()))
                .help(format!("\"{short}\" would fit")));
        }
        if let Some(c) = name.chars().find(|c| c.is_whitespace() || c.is_control() || "/:%".contains(*c)) {
            let error = bad(format!("contains {c:?}, which no link name may"));
            let is_address = name.split('/').next().is_some_and(|a| a.parse::<std::net::IpAddr>().is_ok());
            return Err(if is_address {
                error.help(format!("this is an address, which goes behind the name: port(\"eth0\", {name:?})"))
            } else {
                error.help(would_do(name, |c| c.is_whitespace() || c.is_control() || "/:%".contains(c)))
            });
        }
        if matches!(name, "." | ".." | "all" | "default") {
            return Err(
                bad("is taken by the kernel for a folder under /proc/sys/net".into()).help("choose another name")
            );
        }
        Ok(Self(name.into()))
    }

    /// As much of `base` as leaves room for `tail` behind it, in the kernel's bytes and not in characters.
    pub fn cut(base: &str, tail: &str) -> String {
        let room = IFNAME_MAX.saturating_sub(tail.len());
        let end = (0..=room.min(base.len())).rev().find(|i| base.is_char_boundary(*i)).unwrap_or(0);
        format!("{}{tail}", &base[..end])
    }

    /// A name for a link of which only the ifindex is known.
    pub fn placeholder(index: u32) -> Self {
        Self(format!("if{index}"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a namespace: a file under /run/netns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NsName(String);

impl NsName {
    /// Checks a namespace name.
    ///
    /// # Errors
    /// `NL0102` for what cannot be one file name, and for names that `ip netns` would not show or take for an option.
    pub fn new(name: &str) -> Result<Self> {
        file_name("namespace", name)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a lab: a folder in the state directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LabName(String);

impl LabName {
    /// Checks a lab name.
    ///
    /// # Errors
    /// `NL0102` for what cannot be one file name.
    pub fn new(name: &str) -> Result<Self> {
        file_name("lab", name)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What must hold for anything that becomes one file name.
fn file_name(what: &str, name: &str) -> Result<()> {
    let bad = |why: String| Diagnostic::new(Code::BadName, format!("{what} name `{}` {why}", shown(name)));
    if name.is_empty() {
        return Err(empty(what, if what == "lab" { "my-lab" } else { "ns1" }));
    }
    if name.len() > 200 {
        return Err(bad(format!("has {} bytes; a file name allows 255 and netlab 200", name.len())));
    }
    if let Some(c) = name.chars().find(|c| c.is_whitespace() || c.is_control() || "/\\".contains(*c)) {
        let refused = |c: char| c.is_whitespace() || c.is_control() || "/\\".contains(c);
        return Err(bad(format!("contains {c:?}, which no {what} name may")).help(would_do(name, refused)));
    }
    if name.starts_with('.') || name.starts_with('-') {
        return Err(bad("starts with a dot or a dash".into()).help("let it begin with a letter or a digit"));
    }
    Ok(())
}

fn empty(what: &str, example: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::BadName, format!("the name of a {what} cannot be empty"))
        .help(format!("give it a name such as {example:?}"))
}

/// A name as one line shows it.
fn shown(name: &str) -> String {
    if name.contains(char::is_control) { name.escape_debug().to_string() } else { name.to_owned() }
}

/// The hint with the nearest name that would be taken.
fn would_do(name: &str, refused: impl Fn(char) -> bool) -> String {
    let good: String = name.chars().map(|c| if refused(c) { '-' } else { c }).collect();
    let good = good.trim_matches(['-', '.']);
    if good.is_empty() { "letters, digits, - and _ are fine".into() } else { format!("{good:?} would do") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names() {
        for good in ["a", "eth0", "veth-s-rtr", "123456789012345", "bär"] {
            assert_eq!(IfName::new(good).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", "the name of a link cannot be empty"),
            ("1234567890123456", "link name `1234567890123456` has 16 bytes; the kernel allows 15"),
            ("a/b", "link name `a/b` contains '/', which no link name may"),
            ("a%d", "link name `a%d` contains '%', which no link name may"),
            ("a b", "link name `a b` contains ' ', which no link name may"),
            ("all", "link name `all` is taken by the kernel for a folder under /proc/sys/net"),
        ] {
            assert_eq!(IfName::new(bad).unwrap_err().message, why);
        }
        let long = IfName::new("veth-left-side-host0").unwrap_err();
        assert_eq!(long.help.as_deref(), Some("\"veth-left-side-\" would fit"));
    }

    #[test]
    fn namespace_names() {
        assert_eq!(NsName::new("ns_web").unwrap().as_str(), "ns_web");
        for (bad, why) in [
            ("../etc", "namespace name `../etc` contains '/', which no namespace name may"),
            ("-x", "namespace name `-x` starts with a dot or a dash"),
            ("", "the name of a namespace cannot be empty"),
        ] {
            assert_eq!(NsName::new(bad).unwrap_err().message, why);
        }
    }
}
