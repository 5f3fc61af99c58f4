//! The proof that a lab left nothing behind: what the host held before, compared with what it holds now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::objects::Objects;
use super::told::Teller;
use crate::action::After;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::state::State;
use crate::kernel::effect;
use crate::kernel::netns;
use crate::kernel::space::{Kernel, NetnsCookie};
use crate::snapshot::aim::Handover;
use crate::snapshot::change::{Pair, Seen, between, leads_over};
use crate::snapshot::group::{Group, Item, Key, Snapshot};
use crate::snapshot::scope::{Scope, Table};
use crate::snapshot::{link, read, setting};

/// What a namespace holds as a whole, with the names of all namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// What it holds.
    #[serde(flatten)]
    pub seen: Seen,
    /// The names in /run/netns.
    pub spaces: BTreeSet<String>,
}

/// One difference between two moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs, for example `mtu of eth0` or `route default via 10.0.0.1 dev eth0`.
    pub what: String,
    /// What it was; nothing if it was not there.
    pub before: Option<String>,
    /// What it is; nothing if it is gone.
    pub now: Option<String>,
}

/// How closely it is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// A few dumps: a lab that only makes things of its own pays almost nothing.
    Quick,
    /// All that there is: all settings, forwarding entries, queueing disciplines.
    Whole,
}

impl Picture {
    /// Looks at a namespace.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn take(kernel: &mut Kernel, netns: NetnsCookie, care: Care) -> Result<Self> {
        let mut scope = Scope::new(netns);
        scope.tables.extend(match care {
            Care::Whole => &Table::ALL[..],
            Care::Quick => &[Table::Links, Table::Addrs, Table::Routes, Table::Rules, Table::Neighs, Table::Nexthops],
        });
        Self::again(kernel, &scope)
    }

    /// Looks as closely as another time.
    fn again(kernel: &mut Kernel, scope: &Scope) -> Result<Self> {
        let mut scope = Scope { tables: scope.tables.clone(), ..Scope::new(scope.netns) };
        if scope.tables.contains(&Table::Settings) {
            kernel.find(scope.netns);
            let fd = kernel.fd(scope.netns).ok_or_else(|| crate::action::gone(scope.netns))?;
            scope.settings.extend(setting::all(fd));
        }
        let snapshot = read::read_all(kernel, &mut scope).map_err(|e: KernelError| {
            Diagnostic::new(Code::Environment, "cannot read the state of the host's network").kernel(e)
        })?;
        let spaces = netns::names().iter().map(ToString::to_string).collect();
        Ok(Self { seen: Seen::new(scope, snapshot), spaces })
    }

    /// The same namespace as it is now.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn now(&self, kernel: &mut Kernel) -> Result<Self> {
        Self::again(kernel, &self.seen.scope)
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

    /// What differs from an earlier moment: the items, and the names of namespaces that came (true) or went.
    pub fn changes(&self, before: &Self) -> Changes {
        let (old, new) = (before.seen.snapshot(), self.seen.snapshot());
        let is_there = |snapshot: &Snapshot, link: u32| !snapshot.items(&Group::Link(link)).is_empty();
        let mut items = Vec::new();
        for changed in between(&old, &new, &[]) {
            let came_or_went = |link: u32| is_there(&old, link) != is_there(&new, link);
            // Of a link that came or went only its name is told, and nothing of what is on it.
            let is_side = |pair: &Pair| match (&changed.group, changed.group.link()) {
                (Group::Link(link), _) if came_or_went(*link) => pair.key().is_some_and(|k| k.0 != b"name"),
                (_, Some(link)) => came_or_went(link),
                _ => links(&changed.group, pair).into_iter().any(came_or_went),
            };
            let is_told = |pair: &Pair| pair.before.iter().chain(&pair.after).any(Item::is_told);
            // With a port's bridge its options as a port come and go.
            let is_plugged = changed.items.iter().any(|p| p.key().is_some_and(|k| k.0 == b"master"));
            let is_option = |pair: &Pair| is_plugged && pair.key().is_some_and(|k| k.0.starts_with(b"slave:"));
            let is_echo = |pair: &Pair| {
                matches!(changed.group, Group::Maddrs(_)) && pair.before.iter().chain(&pair.after).any(link::is_echo)
            };
            let is_left_out = |pair: &Pair| is_side(pair) || is_told(pair) || is_option(pair) || is_echo(pair);
            let told = changed.items.iter().filter(|pair| !is_left_out(pair));
            items.extend(told.map(|pair| (changed.group.clone(), pair.clone())));
        }
        let mut names = old.names;
        names.extend(new.names);
        let came = self.spaces.difference(&before.spaces).map(|name| (name.clone(), true));
        let went = before.spaces.difference(&self.spaces).map(|name| (name.clone(), false));
        Changes { items, spaces: came.chain(went).collect(), names }
    }

    /// How many links there are.
    pub fn links(&self) -> usize {
        self.seen.groups.iter().filter(|(group, _)| matches!(group, Group::Link(_))).count()
    }

    /// How many settings.
    pub fn settings(&self) -> usize {
        let count = |(group, items): &(Group, Vec<Item>)| match group {
            Group::Settings(_) => items.len(),
            _ => 0,
        };
        self.seen.groups.iter().map(count).sum()
    }

    /// Follows what another lab's undo did: what was as `old` and is as `new` now is so here, too. Whether anything was.
    pub fn follow(&mut self, old: &Self, new: &Self) -> bool {
        let before = self.clone();
        let (from, to) = (old.seen.snapshot(), new.seen.snapshot());
        let mut own = self.seen.snapshot();
        for changed in between(&from, &to, &[]) {
            for pair in &changed.items {
                replace(&mut own, &changed.group, pair);
            }
        }
        self.seen = Seen::new(self.seen.scope.clone(), own);
        for name in old.spaces.difference(&new.spaces) {
            self.spaces.remove(name);
        }
        *self != before
    }

    /// Takes over what was there before a lab that went, in the place of what that had left. Whether that was here.
    pub fn inherit(&mut self, handover: &Handover) -> bool {
        if handover.changed.netns != self.seen.scope.netns {
            return false;
        }
        let before = self.clone();
        let mut own = self.seen.snapshot();
        for pair in &handover.changed.items {
            let pair = Pair { before: handover.found.clone(), after: pair.before.clone() };
            replace(&mut own, &handover.changed.group, &pair);
        }
        self.seen = Seen::new(self.seen.scope.clone(), own);
        *self != before
    }
}

/// Puts an item in the place of one that is as before; elsewhere nothing is done.
fn replace(own: &mut Snapshot, group: &Group, pair: &Pair) {
    let items = own.groups.entry(group.clone()).or_default();
    match (&pair.before, &pair.after) {
        (Some(before), after) => {
            if let Some(at) = items.iter().position(|i| i.is_like(before)) {
                match after {
                    Some(after) => items[at] = after.clone(),
                    None => drop(items.remove(at)),
                }
            }
        }
        (None, Some(after)) if !items.iter().any(|i| i.key() == after.key()) => items.push(after.clone()),
        (None, _) => {}
    }
    if items.is_empty() {
        own.groups.remove(group);
    }
}

/// What differs between two pictures.
#[derive(Debug, Default)]
pub struct Changes {
    items: Vec<(Group, Pair)>,
    spaces: Vec<(String, bool)>,
    names: BTreeMap<u32, String>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.spaces.is_empty()
    }

    /// Leaves out what a lab that is up explains.
    pub fn forgive(&mut self, trail: &Trail) {
        self.items.retain(|(group, pair)| !trail.explains(group, pair));
        self.spaces.retain(|(name, _)| !trail.spaces.contains(name));
    }

    /// Leaves out the names of namespaces, which are told elsewhere.
    pub fn forget_names(&mut self) {
        self.spaces.clear();
    }

    /// Each in words.
    pub fn told(&self) -> Vec<Difference> {
        let teller = Teller { names: &self.names, option: "", exec: "" };
        let told = |(group, pair): &(Group, Pair)| {
            let item = pair.before.as_ref().or(pair.after.as_ref());
            let what = match (group, item) {
                (Group::Link(_), Some(item))
                    if item.label() == "name" && (pair.before.is_none() || pair.after.is_none()) =>
                {
                    format!("link {}", item.value.as_text())
                }
                (_, Some(item)) => teller.thing(group, item),
                (_, None) => String::new(),
            };
            let is_link = what.starts_with("link ");
            let value = |item: &Option<Item>| {
                item.as_ref().map(|i| teller.value(group, i).filter(|_| !is_link).unwrap_or_default())
            };
            Difference { what, before: value(&pair.before), now: value(&pair.after) }
        };
        let space = |(name, came): &(String, bool)| {
            let there = Some(String::new());
            let (before, now) = if *came { (None, there) } else { (there, None) };
            Difference { what: format!("namespace {name}"), before, now }
        };
        let mut all: Vec<Difference> = self.items.iter().map(told).chain(self.spaces.iter().map(space)).collect();
        all.sort_by(|a, b| a.what.cmp(&b.what));
        all
    }
}

/// Whether a key is that of either side.
fn is_any_of(pair: &Pair, key: Option<&Key>) -> bool {
    pair.before.iter().chain(&pair.after).any(|item| Some(item.key()) == key)
}

/// The links that a route or nexthop object leads or led over.
fn links(group: &Group, pair: &Pair) -> BTreeSet<u32> {
    pair.before.iter().chain(&pair.after).flat_map(|item| leads_over(group, item)).collect()
}

/// What a lab that is up explains of what is otherwise on the host.
#[derive(Debug, Default)]
pub struct Trail {
    links: BTreeSet<u32>,
    spaces: BTreeSet<String>,
    items: Vec<(Group, Pair)>,
}

impl Trail {
    /// Reads it off a lab's journal.
    pub fn of(objects: &Objects, state: &State, host: NetnsCookie) -> Self {
        let spots = objects.made_links().flat_map(|l| &l.spots).filter(|s| s.key.netns == host);
        let mut trail = Self {
            links: spots.map(|s| s.key.index).collect(),
            spaces: objects.named_netns().filter_map(|n| n.name.as_ref()).map(ToString::to_string).collect(),
            items: Vec::new(),
        };
        for step in state.steps.values() {
            match (&step.action, &step.after) {
                (crate::action::Action::NetnsDel(del), _) => drop(trail.spaces.insert(del.name.to_string())),
                (_, After::Changed { changes, .. }) => {
                    for changed in changes.iter().filter(|c| c.netns == host) {
                        trail.items.extend(changed.items.iter().map(|pair| (changed.group.clone(), pair.clone())));
                    }
                }
                _ => {}
            }
        }
        trail
    }

    fn explains(&self, group: &Group, pair: &Pair) -> bool {
        group.link().is_some_and(|link| self.links.contains(&link))
            || links(group, pair).iter().any(|link| self.links.contains(link))
            || self.items.iter().any(|(g, own)| g == group && is_any_of(own, pair.key()))
    }
}

/// The file beside the journal.
const FILE: &str = "host.json";

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bracketed = |text: &str| if text.is_empty() { String::new() } else { format!(" ({text})") };
        match (self.before.as_deref(), self.now.as_deref()) {
            (None, Some(now)) => write!(f, "{} is there and was not{}", self.what, bracketed(now)),
            (Some(before), None) => write!(f, "{} is gone{}", self.what, bracketed(before)),
            (Some(before), Some(now)) if before == now => write!(f, "{} is another one", self.what),
            (before, now) => {
                write!(f, "{} was {:?} and is {:?}", self.what, before.unwrap_or(""), now.unwrap_or(""))
            }
        }
    }
}
