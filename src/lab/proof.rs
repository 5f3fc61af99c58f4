//! The proof that a lab left nothing behind: what the host held before, compared with what it holds now.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::objects::Objects;
use crate::action::Action;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::effect;
use crate::kernel::neigh::Table;
use crate::kernel::netns;
use crate::kernel::space::{Kernel, NetnsCookie};
use crate::probe::state::{addr, link, neigh, route, rule};

/// What the host holds, line by line. A few dumps: no walk over all settings, so that a lab that only makes things of its
/// own pays almost nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    lines: BTreeMap<String, String>,
    /// Whether all settings below /proc/sys/net are among the lines.
    pub settings: bool,
}

/// One difference between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs, for example `link eth0` or `route default table 254`.
    pub what: String,
    /// What it was; nothing if it was not there.
    pub before: Option<String>,
    /// What it is; nothing if it is gone.
    pub now: Option<String>,
}

impl Digest {
    /// Looks at the host; with `settings` at everything below /proc/sys/net too.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn read(kernel: &mut Kernel, host: NetnsCookie, settings: bool) -> Result<Self> {
        let socket = kernel.socket(host).ok_or_else(|| crate::action::gone(host))?;
        let broken = |e: KernelError| {
            Diagnostic::new(Code::Environment, "cannot read the state of the host's network").kernel(e)
        };
        let links = link::read(socket).map_err(broken)?;
        let names = link::names(&links);
        let mut lines = BTreeMap::new();
        for l in &links {
            let text = format!(
                "{} index {} {} mtu {}{}{}",
                l.kind(),
                l.ifindex,
                if l.up { "up" } else { "down" },
                l.mtu,
                l.master.as_ref().map_or_else(String::new, |m| format!(" master {m}")),
                l.address.map_or_else(String::new, |a| format!(" {a}")),
            );
            lines.insert(format!("link {}", l.ifname), text.trim().to_owned());
        }
        for a in addr::read(socket, None, &names).map_err(broken)? {
            let peer = a.address.map_or_else(String::new, |p| format!("peer {p} "));
            let key = format!("address {}/{} on {}", a.local, a.prefixlen, a.dev);
            lines.insert(key, format!("{peer}{}", a.label.unwrap_or_default()));
        }
        for r in route::read(socket, &names, false).map_err(broken)? {
            let key = format!(
                "route {} table {} metric {}{}",
                r.dst,
                r.table,
                r.metric.unwrap_or(0),
                r.dev.as_ref().map_or_else(String::new, |d| format!(" on {d}")),
            );
            let via = r.gateway.map_or_else(String::new, |g| format!("via {g}"));
            let hops: Vec<String> =
                r.nexthops.iter().map(|h| format!("{:?} {} {}", h.gateway, h.dev, h.weight)).collect();
            lines.insert(key, format!("{} {via} {}", r.kind.unwrap_or("unicast"), hops.join(" ")).trim().to_owned());
        }
        for r in rule::read(socket).map_err(broken)? {
            lines.insert(format!("rule {} {} {r:?}", r.family, r.priority), String::new());
        }
        for table in [Table::Neighbours, Table::Proxies] {
            for n in neigh::read(socket, table, &names).map_err(broken)? {
                if let (true, Some(dst)) = (n.proxy || n.state == "PERMANENT", n.dst) {
                    let mac = n.mac.map_or_else(String::new, |m| m.to_string());
                    lines.insert(format!("neighbour {dst} on {}", n.dev), mac);
                }
            }
        }
        for name in netns::names() {
            lines.insert(format!("namespace {name}"), String::new());
        }
        if settings {
            // /proc/sys shows the namespace of whoever looks.
            let fd = kernel.fd(host).ok_or_else(|| crate::action::gone(host))?;
            let walked = netns::within(fd, || walk(Path::new("/proc/sys/net"), &mut lines));
            walked.map_err(|e| broken(KernelError::from_io("setns", &e)))?;
        }
        Ok(Self { lines, settings })
    }

    /// Keeps it beside the journal.
    ///
    /// # Errors
    /// `NL0119`.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let text = serde_json::to_string(self).unwrap_or_default();
        // Beside and renamed: other labs that go write this file too, and may be killed at it.
        let beside = dir.join(format!("{FILE}.{}", std::process::id()));
        effect::here();
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path)).map_err(|e| {
            Diagnostic::new(Code::BadFile, "cannot write down what the host holds")
                .kernel(KernelError::from_io(format!("write {}", path.display()), &e))
        })
    }

    /// Reads what was kept; nothing if the run was killed before it could be.
    pub fn load(dir: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(dir.join(FILE)).ok()?).ok()
    }

    /// What differs from an earlier moment.
    pub fn differences(&self, before: &Self) -> Vec<Difference> {
        let keys: BTreeSet<&String> = before.lines.keys().chain(self.lines.keys()).collect();
        // What is on a link that came or went is said by that link's own line.
        let came_or_went = |link: &str| {
            let line = format!("link {link}");
            before.lines.contains_key(&line) != self.lines.contains_key(&line)
        };
        keys.into_iter()
            .filter(|key| before.lines.get(*key) != self.lines.get(*key))
            .filter(|key| !link_of(key).is_some_and(came_or_went))
            .map(|key| Difference {
                what: key.clone(),
                before: before.lines.get(key).cloned(),
                now: self.lines.get(key).cloned(),
            })
            .collect()
    }

    /// Takes out the lines that a lab explains which has gone, and is gone with it: what `now` still holds was the user's,
    /// who may well have a default route and permanent neighbours too. Whether there were any.
    pub fn remove(&mut self, trail: &Trail, now: &Self) -> bool {
        let count = self.lines.len();
        let stays = |key: &String, line: &String| !key.starts_with("setting ") && now.lines.get(key) == Some(line);
        self.lines.retain(|key, line| stays(key, line) || !trail.explains(key));
        self.lines.len() < count
    }
}

/// What a lab may have written on the host: the lines of a digest that it explains.
#[derive(Debug, Default)]
pub struct Trail {
    links: HashSet<String>,
    lines: HashSet<String>,
    starts: Vec<String>,
}

impl Trail {
    /// Reads it off a lab's objects and actions.
    pub fn of<'a>(objects: &Objects, actions: impl Iterator<Item = &'a Action>, host: NetnsCookie) -> Self {
        let mut trail = Self::default();
        for netns in objects.named_netns().filter_map(|n| n.name.as_ref()) {
            trail.lines.insert(format!("namespace {netns}"));
        }
        for link in objects.made_links().flat_map(|l| &l.spots).filter(|s| s.key.netns == host) {
            trail.lines.insert(format!("link {}", link.name));
            trail.links.insert(link.name.clone());
        }
        for action in actions {
            match action {
                Action::NetnsAttach(a) => {
                    trail.lines.insert(format!("namespace {}", a.name));
                }
                Action::AddrAdd(a) if a.link.netns == host => {
                    trail.lines.insert(format!("address {} on {}", a.addr, a.dev));
                }
                Action::RouteAdd(a) if a.netns == host => trail.starts.push(format!("route {} ", a.route.dst)),
                Action::RouteReplace(a) if a.netns == host => trail.starts.push(format!("route {} ", a.route.dst)),
                Action::RuleAdd(a) if a.netns == host => {
                    let family = if a.rule.v6 { "inet6" } else { "inet" };
                    trail.starts.push(format!("rule {family} {} ", a.rule.priority));
                }
                Action::NeighAdd(a) if a.link.netns == host => trail.starts.push("neighbour ".into()),
                Action::SysctlSet(a) if a.netns == host => {
                    trail.starts.extend(a.before.iter().map(|(path, _)| format!("setting {}", path.display())));
                }
                _ => {}
            }
        }
        trail
    }

    /// Whether a line can come from this lab.
    pub fn explains(&self, key: &str) -> bool {
        self.lines.contains(key)
            || self.starts.iter().any(|start| key.starts_with(start))
            || link_of(key).is_some_and(|link| self.links.contains(link))
    }
}

/// The link that a line is about, other than the link's own: what is on it, or a setting of it.
fn link_of(key: &str) -> Option<&str> {
    match key.strip_prefix("setting /proc/sys/net/") {
        Some(path) => path.split('/').skip_while(|part| !matches!(*part, "conf" | "neigh")).nth(1),
        None => key.rsplit_once(" on ").map(|(_, link)| link),
    }
}

/// All settings below a folder, but those that count or that change by themselves.
fn walk(dir: &Path, lines: &mut BTreeMap<String, String>) {
    let restless =
        ["_count", "dentry-state", "random", "stable_secret", "flush", "_key", "tcp_available", "tcp_allowed"];
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, lines);
        } else if !restless.iter().any(|word| path.to_string_lossy().contains(word))
            && let Ok(value) = fs::read_to_string(&path)
        {
            lines.insert(format!("setting {}", path.display()), value.trim().to_owned());
        }
    }
}

/// The file beside the journal.
const FILE: &str = "host.json";

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bracketed = |text: &str| if text.is_empty() { String::new() } else { format!(" ({text})") };
        match (&self.before, &self.now) {
            (None, Some(now)) => write!(f, "{} is there and was not{}", self.what, bracketed(now)),
            (Some(before), None) => write!(f, "{} is gone{}", self.what, bracketed(before)),
            (before, now) => {
                write!(
                    f,
                    "{} was {:?} and is {:?}",
                    self.what,
                    before.as_deref().unwrap_or(""),
                    now.as_deref().unwrap_or("")
                )
            }
        }
    }
}
