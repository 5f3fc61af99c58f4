//! Words for actions: namespaces and links by name, options as iproute2 and Rhai write them.

use std::collections::HashMap;
use std::fmt::Write;

use crate::kernel::link::LinkKey;
use serde::{Deserialize, Serialize};

use crate::kernel::space::NetnsCookie;

/// The names of the namespaces that actions mention by cookie, and of the links that they mention by ifindex.
#[derive(Debug, Clone, Default)]
pub struct Names {
    netns: HashMap<NetnsCookie, Name>,
    links: HashMap<LinkKey, String>,
    handles: HashMap<NetnsCookie, String>,
    link_handles: HashMap<LinkKey, String>,
    host_pid: Option<&'static str>,
}

/// What a namespace is called.
#[derive(Debug, Clone)]
enum Name {
    /// By its name under /run/netns.
    Netns(String),
    /// By whom it belongs to.
    Guest(Guest),
}

/// A container or machine, whose namespace has no name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// Its own name: `web`.
    pub name: String,
    /// What it is called in sentences: `docker:web`.
    pub title: String,
    /// A command that prints the PID of its first process.
    pub pid: String,
    /// How a script finds it: `docker("web")`.
    pub handle: String,
}

impl Guest {
    fn enter(&self) -> String {
        format!("nsenter -n -t {} ", self.pid)
    }
}

impl Names {
    /// Learns a name.
    pub fn insert(&mut self, netns: NetnsCookie, name: impl Into<String>) {
        self.netns.insert(netns, Name::Netns(name.into()));
    }

    /// Learns whose namespace it is, unless that has a name.
    pub fn insert_guest(&mut self, netns: NetnsCookie, guest: Guest) {
        self.netns.entry(netns).or_insert(Name::Guest(guest));
    }

    /// Learns the name of a link.
    pub fn insert_link(&mut self, link: LinkKey, name: impl Into<String>) {
        self.links.insert(link, name.into());
    }

    /// Learns the variable of a script that holds a namespace.
    pub fn insert_handle(&mut self, netns: NetnsCookie, variable: impl Into<String>) {
        self.handles.insert(netns, variable.into());
    }

    /// Learns the variable of a script that holds a link.
    pub fn insert_link_handle(&mut self, link: LinkKey, variable: impl Into<String>) {
        self.link_handles.insert(link, variable.into());
    }

    /// Learns a process in the namespace that the lab works in, in the words of a shell; the first one otherwise.
    pub fn set_host_pid(&mut self, pid: &'static str) {
        self.host_pid = Some(pid);
    }

    /// The name of a link; one that nobody has named is told by its ifindex, which iproute2 takes as well.
    pub fn link(&self, link: LinkKey) -> String {
        self.links.get(&link).cloned().unwrap_or_else(|| format!("if{}", link.index))
    }

    /// The name for a sentence; `host` for the namespace that the lab works in.
    pub fn netns(&self, netns: NetnsCookie) -> &str {
        match self.netns.get(&netns) {
            None => "host",
            Some(Name::Netns(name)) => name,
            Some(Name::Guest(guest)) => &guest.title,
        }
    }

    /// `ip` or `ip -n NAME`.
    pub fn ip(&self, netns: NetnsCookie) -> String {
        self.tool("ip", netns)
    }

    /// A tool of iproute2 that knows `-n`.
    pub fn tool(&self, tool: &str, netns: NetnsCookie) -> String {
        match self.netns.get(&netns) {
            None => tool.into(),
            Some(Name::Netns(name)) => format!("{tool} -n {name}"),
            Some(Name::Guest(guest)) => format!("{}{tool}", guest.enter()),
        }
    }

    /// A program in a namespace.
    pub fn exec(&self, netns: NetnsCookie) -> String {
        match self.netns.get(&netns) {
            None => String::new(),
            Some(Name::Netns(name)) => format!("ip netns exec {name} "),
            Some(Name::Guest(guest)) => guest.enter(),
        }
    }

    /// What `ip` takes for a namespace to make a link in, or to move it to; the host is the namespace of the first process.
    pub fn target(&self, netns: NetnsCookie) -> &str {
        match self.netns.get(&netns) {
            None => self.host_pid.unwrap_or("1"),
            Some(Name::Netns(name)) => name,
            Some(Name::Guest(guest)) => &guest.pid,
        }
    }

    /// How a script would reach the namespace: by its variable, `host` or `get_netns("…")`.
    pub fn handle(&self, netns: NetnsCookie) -> String {
        if let Some(variable) = self.handles.get(&netns) {
            return variable.clone();
        }
        match self.netns.get(&netns) {
            None => "host".into(),
            Some(Name::Netns(name)) => format!("get_netns({name:?})"),
            Some(Name::Guest(guest)) => guest.handle.clone(),
        }
    }
}

impl Names {
    /// How a script would reach the namespace of this name.
    pub fn handle_by_name(&self, name: &str) -> String {
        let has_it = |known: &Name| matches!(known, Name::Netns(known) if known == name);
        let netns = self.netns.iter().find(|(_, known)| has_it(known)).map(|(netns, _)| *netns);
        netns.map_or_else(|| format!("get_netns({name:?})"), |netns| self.handle(netns))
    }

    /// How a script would reach a link of this name: by its variable, or `get_netns("…")["eth0"]`.
    pub fn link_handle(&self, link: LinkKey, name: &str) -> String {
        let variable = self.link_handles.get(&link).cloned();
        variable.unwrap_or_else(|| format!("{}[{name:?}]", self.handle(link.netns)))
    }
}

/// The options of a call in a script, `#{ mtu: 1400, up: false }`.
#[derive(Debug, Clone, Default)]
pub struct Options(Vec<String>);

impl Options {
    /// Adds a number or a truth, if it is given.
    pub fn put<T: std::fmt::Display>(&mut self, key: &str, value: Option<T>) {
        self.0.extend(value.map(|value| format!("{key}: {value}")));
    }

    /// Adds a text, if it is given.
    pub fn put_text<T: std::fmt::Display>(&mut self, key: &str, value: Option<T>) {
        self.put(key, value.map(|value| format!("{:?}", value.to_string())));
    }

    /// Adds what is true.
    pub fn put_flag(&mut self, key: &str, value: bool) {
        self.put(key, value.then_some(true));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The arguments of a call: those that are given, and the options behind them, if there are any.
    pub fn after<T: Into<String>>(self, args: impl IntoIterator<Item = T>) -> String {
        let mut all: Vec<String> = args.into_iter().map(Into::into).collect();
        if !self.0.is_empty() {
            all.push(format!("#{{ {} }}", self.0.join(", ")));
        }
        all.join(", ")
    }
}

/// A link as `ip link set` and `del` take it: behind `dev` if iproute2 took its name for the beginning of a word of its own.
pub fn dev(name: &str) -> String {
    /// The words of `iplink_parse` that may be cut short (ip/iplink.c of iproute2).
    const WORDS: [&str; 34] = [
        "up",
        "down",
        "name",
        "index",
        "link",
        "address",
        "broadcast",
        "txqueuelen",
        "qlen",
        "txqlen",
        "mtu",
        "xdp",
        "netns",
        "multicast",
        "allmulticast",
        "promisc",
        "trailers",
        "arp",
        "carrier",
        "dynamic",
        "addrgenmode",
        "vf",
        "master",
        "nomaster",
        "type",
        "alias",
        "group",
        "mode",
        "state",
        "protodown",
        "dev",
        "help",
        "numtxqueues",
        "numrxqueues",
    ];
    if WORDS.iter().any(|word| word.starts_with(name)) { format!("dev {name}") } else { name.to_owned() }
}

/// A number with the largest of some units in which it is whole: `5ms` of 5000000 nanoseconds. The last unit is 1.
pub fn in_units(number: u64, units: &[(&'static str, u64)]) -> String {
    let (word, size) = units.iter().find(|(_, size)| number.is_multiple_of(*size)).unwrap_or(&("", 1));
    format!("{}{word}", number / size)
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
