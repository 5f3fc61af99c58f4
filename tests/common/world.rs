//! The witness: everything about a sandbox that has to be as before, in a form that two readings can be compared in.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::dump::{Dump, Netns};
use super::noise::{NEIGH_NOISE, ROUTE_NOISE, drop_noise, has, is_link_noise, is_noise, line, queue};
use super::sandbox::Sandbox;

/// The kernel finishes some things after the call that asked for them (carrier, the end of a namespace): so long may
/// two readings differ.
const GRACE: Duration = Duration::from_millis(600);

/// One reading. What has one value stands in `facts`, what is a list in `lists`, each under a name for a reader.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct World {
    facts: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
    /// What netlab keeps for itself; not compared.
    state: Vec<String>,
}

impl World {
    /// Reads all of it.
    #[track_caller]
    pub(crate) fn read(sandbox: &Sandbox) -> Self {
        let mut dump = Dump::read(sandbox);
        let mut world = Self { state: std::mem::take(&mut dump.state), ..Self::default() };
        for (what, lines) in [
            ("processes", &mut dump.processes),
            ("names in /run/netns", &mut dump.names),
            ("mounts", &mut dump.mounts),
            ("files", &mut dump.files),
        ] {
            world.lists.insert(what.to_owned(), sorted(std::mem::take(lines)));
        }
        dump.netns.values_mut().for_each(drop_noise);
        for (name, netns) in &dump.netns {
            world.add(name, netns);
            for link in &netns.links {
                // The number of a namespace is given at the first look and says nothing; who is at the other end does.
                let ifname = link["ifname"].as_str().unwrap_or("?");
                let other_end = dump.other_end(netns, link).into_iter();
                world.facts.extend(other_end.map(|there| (format!("{name}: link {ifname} other end"), there)));
            }
        }
        world
    }

    /// Reads it once the kernel has finished what was begun: every link that is up has its carrier, no address is
    /// tentative, and nothing moves for a tenth of a second.
    #[track_caller]
    pub(crate) fn settled(sandbox: &Sandbox) -> Self {
        let start = Instant::now();
        let mut last = Self::read(sandbox);
        loop {
            thread::sleep(Duration::from_millis(100));
            let now = Self::read(sandbox);
            let waits = now.facts.values().any(|v| v.contains("NO-CARRIER"))
                || now.lists.values().flatten().any(|line| line.contains("tentative true"));
            if !waits && now == last {
                return now;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "the sandbox does not settle:\n{:#?}", last.diff(&now));
            last = now;
        }
    }

    fn add(&mut self, name: &str, netns: &Netns) {
        for link in &netns.links {
            let ifname = link["ifname"].as_str().unwrap_or("?");
            self.flatten(&format!("{name}: link {ifname}"), link);
        }
        let (lists, facts) = (&mut self.lists, &mut self.facts);
        let mut list = |what: &str, lines: Vec<String>| lists.insert(format!("{name}: {what}"), lines);
        for addr in &netns.addrs {
            // In the order of the kernel: the first of a network is the primary one.
            let lines = addr["addr_info"].as_array().into_iter().flatten().map(|a| line(a, &[])).collect();
            list(&format!("addresses of {}", addr["ifname"].as_str().unwrap_or("?")), lines);
        }
        // The order among IPv4 routes decides which of equal ones is used; among IPv6 devices it means nothing.
        list("IPv4 routes", netns.routes4.iter().map(|r| line(r, ROUTE_NOISE)).collect());
        list("IPv6 routes", sorted(netns.routes6.iter().map(|r| line(r, ROUTE_NOISE)).collect()));
        list("IPv4 rules", netns.rules4.iter().map(|r| line(r, &[])).collect());
        list("IPv6 rules", netns.rules6.iter().map(|r| line(r, &[])).collect());
        list("nexthops", netns.nexthops.iter().map(|n| line(n, &[])).collect());
        // What a routing daemon has learned stays until somebody takes it away, though its state comes and goes.
        let kept = netns.neighbours.iter().filter_map(|n| match n.get("extern_learn") {
            _ if has(&n["state"], "PERMANENT") => Some(line(n, NEIGH_NOISE)),
            Some(_) => Some(line(n, &[NEIGH_NOISE, &["state"]].concat())),
            None => None,
        });
        list("lasting neighbours", sorted(kept.collect()));
        list("proxy neighbours", sorted(netns.proxies.iter().map(|n| line(n, NEIGH_NOISE)).collect()));
        let kept = netns.fdb.iter().filter(|f| has(&f["state"], "permanent") || has(&f["state"], "static"));
        list("FDB", sorted(kept.map(|f| line(f, NEIGH_NOISE)).collect()));
        let kept = netns.mdb.iter().flat_map(|all| all["mdb"].as_array()).flatten();
        list("MDB", sorted(kept.filter(|m| m["state"] == "permanent").map(|m| line(m, &["timer"])).collect()));
        list("bridge ports", sorted(netns.ports.iter().map(|p| line(p, &[])).collect()));
        list("VLANs", sorted(netns.vlans.iter().map(|v| line(v, &[])).collect()));
        for link in &netns.groups {
            let groups = link["maddr"].as_array().into_iter().flatten().map(|g| line(g, &[])).collect();
            list(&format!("groups of {}", link["ifname"].as_str().unwrap_or("?")), sorted(groups));
        }
        list("tokens", sorted(netns.tokens.iter().map(|t| line(t, &[])).collect()));
        list("address labels", sorted(netns.addrlabels.iter().map(|l| line(l, &[])).collect()));
        list("queues", sorted(netns.qdiscs.iter().map(queue).collect()));
        list("classes of queues", sorted(netns.classes.clone()));
        list("firewall", netns.nft.clone());
        for (key, value) in netns.sysctl.iter().filter(|(key, _)| !is_noise(key)) {
            facts.insert(format!("{name}: {key}"), value.clone());
        }
    }

    fn flatten(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields.iter().filter(|(key, _)| !is_link_noise(key)) {
                    self.flatten(&format!("{path} {key}"), value);
                }
            }
            value => {
                self.facts.insert(path.to_owned(), value.to_string());
            }
        }
    }

    /// Whether any list holds a line with this text.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.lists.values().flatten().any(|line| line.contains(text))
    }

    /// What differs, one line each: `-` was there before, `+` is there now, `~` has changed.
    pub(crate) fn diff(&self, now: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let keys: BTreeSet<_> = self.facts.keys().chain(now.facts.keys()).collect();
        for key in keys {
            match (self.facts.get(key), now.facts.get(key)) {
                (Some(old), None) => lines.push(format!("- {key} = {old}")),
                (None, Some(new)) => lines.push(format!("+ {key} = {new}")),
                (Some(old), Some(new)) if old != new => lines.push(format!("~ {key}: {old}, now {new}")),
                _ => {}
            }
        }
        let keys: BTreeSet<_> = self.lists.keys().chain(now.lists.keys()).collect();
        let none = Vec::new();
        for key in keys {
            let (old, new) = (self.lists.get(key).unwrap_or(&none), now.lists.get(key).unwrap_or(&none));
            let (gone, come) = (without(old, new), without(new, old));
            if gone.is_empty() && come.is_empty() && old != new {
                let at = old.iter().zip(new).position(|(old, new)| old != new).unwrap_or_default();
                lines.push(format!("~ {key}: in another order: {}, and now there {}", old[at], new[at]));
            }
            lines.extend(gone.iter().map(|line| format!("- {key}: {line}")));
            lines.extend(come.iter().map(|line| format!("+ {key}: {line}")));
        }
        lines
    }

    /// What netlab left in /run/netlab and /var/lib/netlab beyond empty infrastructure: files that are not empty, and
    /// folders of labs.
    pub(crate) fn leftover_state(&self) -> BTreeSet<&str> {
        let is_leftover = |line: &&str| {
            let mut parts = line.splitn(3, ' ');
            let (kind, size, path) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
            match kind {
                Some("d") => path.starts_with("/var/lib/netlab/"),
                Some("f") => size != Some("0"),
                _ => true,
            }
        };
        self.state.iter().map(String::as_str).filter(is_leftover).collect()
    }
}

/// Demands that the sandbox is as it was in `before`, and that netlab keeps for itself what it kept then: nothing, or
/// another lab that is up.
#[track_caller]
pub(crate) fn assert_same(before: &World, sandbox: &Sandbox, after_what: &str) {
    let world = await_same(before, sandbox, after_what);
    let (kept, now) = (before.leftover_state(), world.leftover_state());
    assert_eq!(now, kept, "after {after_what} netlab keeps something else than before");
}

/// Demands that the sandbox is as it was in `before`, whatever netlab keeps for itself.
#[track_caller]
pub(crate) fn assert_same_but_state(before: &World, sandbox: &Sandbox, after_what: &str) {
    await_same(before, sandbox, after_what);
}

#[track_caller]
fn await_same(before: &World, sandbox: &Sandbox, after_what: &str) -> World {
    let start = Instant::now();
    loop {
        let world = World::read(sandbox);
        let diff = before.diff(&world);
        if diff.is_empty() {
            return world;
        }
        let shown = diff.len().min(40);
        assert!(
            start.elapsed() < GRACE,
            "after {after_what} the machine is not as before:\n{}\n{}",
            diff[..shown].join("\n"),
            if shown < diff.len() { format!("… and {} more", diff.len() - shown) } else { String::new() }
        );
        thread::sleep(Duration::from_millis(30));
    }
}

/// The lines of `all` that `other` does not have, counting repeated ones.
fn without<'a>(all: &'a [String], other: &[String]) -> Vec<&'a String> {
    let mut rest: Vec<&String> = other.iter().collect();
    all.iter()
        .filter(|line| match rest.iter().position(|r| r == line) {
            Some(at) => {
                rest.swap_remove(at);
                false
            }
            None => true,
        })
        .collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
