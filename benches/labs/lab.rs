//! The labs that are built, and the files in which each contestant is told to build them.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::Outcome;

/// Where named namespaces are, for everybody.
pub(crate) const NETNS_DIR: &str = "/run/netns";
/// Only the start of a process.
pub(crate) const PROCESS: &str = "process-start";
/// A script that does nothing.
pub(crate) const EMPTY: &str = "empty-script";
const TRAINING: &str = "create-ns-bridge";
const TRAINING_CHECKED: &str = "create-ns-bridge-expect";

/// What one row of the table builds: a bridge with namespaces around it, or nothing at all.
pub(crate) struct Lab {
    /// Also the stem of the script, and so the lab's name for `netlab down`.
    pub(crate) name: String,
    /// None where nothing is built.
    pub(crate) bridge: Option<&'static str>,
    /// The namespaces, each with one wire to the bridge.
    pub(crate) hosts: Vec<Host>,
    /// The lab ends with the training's pings.
    pub(crate) checked: bool,
    script: String,
}

/// A namespace and its wire.
pub(crate) struct Host {
    pub(crate) netns: String,
    /// The end on the bridge.
    pub(crate) port: String,
    /// The end in the namespace.
    pub(crate) inner: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
}

impl Host {
    /// The namespace's name as a file.
    pub(crate) fn path(&self) -> String {
        format!("{NETNS_DIR}/{}", self.netns)
    }
}

impl Lab {
    /// The lab of a row's name; `star-N` for any N up to 60000.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let nothing = |script: &str| Self {
            name: name.to_owned(),
            bridge: None,
            hosts: Vec::new(),
            checked: false,
            script: script.to_owned(),
        };
        match name {
            PROCESS | EMPTY => Some(nothing("")),
            TRAINING => Some(Self::training(name, false)),
            TRAINING_CHECKED => Some(Self::training(name, true)),
            _ => {
                let size = name.strip_prefix("star-")?.parse().ok()?;
                (1..=60_000).contains(&size).then(|| Self::star(name, size))
            }
        }
    }

    /// Rounds that give a steady median without taking minutes.
    pub(crate) fn rounds(&self) -> usize {
        match self.hosts.len() {
            0..=10 => 21,
            11..=100 => 9,
            101..=500 => 5,
            _ => 3,
        }
    }

    /// One `ip` per step takes half a minute and more here, so it is run only once.
    pub(crate) fn is_slow_in_bash(&self) -> bool {
        self.hosts.len() > 100
    }

    /// Writes the files of all contestants.
    pub(crate) fn write(&self, dir: &Path) -> Outcome<()> {
        fs::write(dir.join(format!("{}.rhai", self.name)), &self.script)?;
        fs::write(dir.join("up.batch"), self.batch_up(dir))?;
        fs::write(dir.join("down.batch"), self.batch_down())?;
        fs::write(dir.join("up.sh"), self.bash_up())?;
        fs::write(dir.join("down.sh"), self.bash_down())?;
        for host in &self.hosts {
            let inner = &host.inner;
            let lines =
                format!("addr add {}/{} dev {inner}\nlink set {inner} up\nlink set lo up\n", host.address, host.prefix);
            fs::write(dir.join(&host.netns), lines)?;
        }
        Ok(())
    }

    /// The training's first script, with its names and addresses.
    fn training(name: &str, checked: bool) -> Self {
        let mut script = "let lan = bridge(\"stdocker\");\n\nfor n in 1..=3 {\n    let ns = netns(`ns${n}`);\n    \
             veth(ns.port(`veth${2 * n - 2}`, `194.168.1.${n + 1}/8`), lan.port(`veth${2 * n - 1}`));\n}\n"
            .to_owned();
        if checked {
            script += "\nexpect(get_netns(\"ns1\").ping(\"194.168.1.4\"), \"ns1 reaches ns3\");\n";
        }
        let host = |n: u8| Host {
            netns: format!("ns{n}"),
            port: format!("veth{}", 2 * n - 1),
            inner: format!("veth{}", 2 * n - 2),
            address: Ipv4Addr::new(194, 168, 1, n + 1),
            prefix: 8,
        };
        let hosts = (1..=3).map(host).collect();
        Self { name: name.to_owned(), bridge: Some("stdocker"), hosts, checked, script }
    }

    fn star(name: &str, size: u32) -> Self {
        let host = |n: u32| Host {
            netns: format!("h{n}"),
            port: format!("h{n}"),
            inner: "eth0".to_owned(),
            address: Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + n),
            prefix: 16,
        };
        let script = format!("let hosts = netns(\"h\", 1..={size});\nstar(bridge(\"lan\"), hosts, \"10.0.0.0/16\");\n");
        Self {
            name: name.to_owned(),
            bridge: Some("lan"),
            hosts: (1..=size).map(host).collect(),
            checked: false,
            script,
        }
    }

    /// The best that one `ip -batch` can do: it may do all on the host in one process, with the veth made in place, but
    /// has no line that works inside another namespace, so it starts one more `ip` for each.
    fn batch_up(&self, dir: &Path) -> String {
        let Some(bridge) = self.bridge else { return String::new() };
        let mut text = format!("link add name {bridge} group 77 type bridge\n");
        for Host { netns, port, inner, .. } in &self.hosts {
            let veth = format!("link add name {port} up master {bridge} group 77 type veth peer name {inner}");
            let _ = writeln!(text, "netns add {netns}\n{veth} netns {netns}");
            let _ = writeln!(text, "netns exec {netns} ip -batch {}", dir.join(netns).display());
        }
        text + "link set " + bridge + " up\n"
    }

    fn batch_down(&self) -> String {
        let mut text = String::new();
        if self.bridge.is_some() {
            text += "link del group 77\n";
        }
        for Host { netns, .. } in &self.hosts {
            let _ = writeln!(text, "netns del {netns}");
        }
        text
    }

    /// As the training writes it, and nearly every script in the wild: one `ip` per step, the veth made and then moved.
    fn bash_up(&self) -> String {
        let mut text = "set -e\n".to_owned();
        let Some(bridge) = self.bridge else { return text };
        let _ = writeln!(text, "ip link add name {bridge} type bridge\nip link set {bridge} up");
        for Host { netns, port, inner, address, prefix } in &self.hosts {
            let inside = format!("ip netns exec {netns} ip");
            let _ = writeln!(text, "ip netns add {netns}");
            let _ = writeln!(text, "ip link add dev {port} type veth peer name {inner}");
            let _ = writeln!(text, "ip link set {inner} netns {netns}");
            let _ = writeln!(text, "ip link set {port} master {bridge}\nip link set {port} up");
            let _ = writeln!(text, "{inside} link set lo up\n{inside} link set {inner} up");
            let _ = writeln!(text, "{inside} address add {address}/{prefix} dev {inner}");
        }
        if let (true, Some(first), Some(last)) = (self.checked, self.hosts.first(), self.hosts.last()) {
            let _ = writeln!(text, "ip netns exec {} ping -c 1 -W 2 {}", first.netns, last.address);
        }
        text
    }

    fn bash_down(&self) -> String {
        let mut text = "set -e\n".to_owned();
        for Host { netns, .. } in &self.hosts {
            let _ = writeln!(text, "ip netns del {netns}");
        }
        if let Some(bridge) = self.bridge {
            let _ = writeln!(text, "ip link del {bridge}");
        }
        text
    }
}
