//! Words for actions: namespaces and links by name, options as iproute2 and Rhai write them.

use std::collections::HashMap;
use std::fmt::Write;

use crate::kernel::link::LinkKey;
use crate::kernel::space::NetnsCookie;

/// The names of the namespaces that actions mention by cookie, and of the links that they mention by ifindex.
#[derive(Debug, Clone, Default)]
pub struct Names {
    netns: HashMap<NetnsCookie, String>,
    links: HashMap<LinkKey, String>,
}

impl Names {
    /// Learns a name.
    pub fn insert(&mut self, netns: NetnsCookie, name: impl Into<String>) {
        self.netns.insert(netns, name.into());
    }

    /// Learns the name of a link.
    pub fn insert_link(&mut self, link: LinkKey, name: impl Into<String>) {
        self.links.insert(link, name.into());
    }

    /// The name of a link; one that nobody has named is told by its ifindex, which iproute2 takes as well.
    pub fn link(&self, link: LinkKey) -> String {
        self.links.get(&link).cloned().unwrap_or_else(|| format!("if{}", link.index))
    }

    /// The name for a sentence; `host` for the namespace that the lab works in.
    pub fn netns(&self, netns: NetnsCookie) -> &str {
        self.netns.get(&netns).map_or("host", String::as_str)
    }

    /// The name as iproute2 takes it behind `netns`, where the host is the namespace of the first process.
    pub fn target(&self, netns: NetnsCookie) -> &str {
        self.netns.get(&netns).map_or("1", String::as_str)
    }

    /// `ip` or `ip -n NAME`.
    pub fn ip(&self, netns: NetnsCookie) -> String {
        self.tool("ip", netns)
    }

    /// A tool of iproute2 that knows `-n`.
    pub fn tool(&self, tool: &str, netns: NetnsCookie) -> String {
        self.netns.get(&netns).map_or_else(|| tool.into(), |name| format!("{tool} -n {name}"))
    }

    /// A program in a namespace.
    pub fn exec(&self, netns: NetnsCookie) -> String {
        self.netns.get(&netns).map_or_else(String::new, |name| format!("ip netns exec {name} "))
    }

    /// How a script would reach the namespace: `host` or `get_netns("…")`.
    pub fn handle(&self, netns: NetnsCookie) -> String {
        self.netns.get(&netns).map_or_else(|| "host".into(), |name| format!("get_netns({name:?})"))
    }
}

/// `on` or `off`, as iproute2 writes most switches.
pub fn on(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

/// `0` or `1`, as iproute2 writes the others.
pub fn bit(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

/// Appends ` word value` for an option that is given.
pub fn opt<T: std::fmt::Display>(line: &mut String, word: &str, value: Option<T>) {
    if let Some(value) = value {
        // Writing to a string cannot fail.
        let _ = write!(line, " {word} {value}");
    }
}
