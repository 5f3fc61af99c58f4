//! The object table: every namespace and link that a lab made or found, by ids that survive a move and a rename.

use std::collections::{HashMap, HashSet};

use crate::action::text::{Guest, Names};
use crate::action::{Action, link_add::LinkAdd};
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::link::LinkKey;
use crate::kernel::process::{self, ProcessKey};
use crate::kernel::space::NetnsCookie;
use crate::types::name::NsName;

/// A namespace in the object table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NsId(pub usize);

/// A link in the object table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkId(pub usize);

/// The namespace that the lab works in.
pub const HOST: NsId = NsId(0);

/// A namespace.
#[derive(Debug, Clone)]
pub struct NetnsObject {
    /// Which it is.
    pub cookie: NetnsCookie,
    /// Its name under /run/netns; the host and one found by PID have none.
    pub name: Option<NsName>,
    /// Whether the lab made it.
    pub made: bool,
    /// The number of the step that made it.
    pub made_at: Option<u64>,
    /// Where in the script it was made.
    pub site: Option<Site>,
    /// Where it was deleted.
    pub gone: Option<Site>,
    /// The container or machine that it belongs to, with the process by which it was found: when that ends, it is another's.
    pub guest: Option<(ProcessKey, Guest)>,
}

/// A link.
#[derive(Debug, Clone)]
pub struct LinkObject {
    /// Where it may be, last known place last; more than one only while a move or rename may or may not have happened.
    pub spots: Vec<Spot>,
    /// Its kind, in the kernel's word.
    pub kind: String,
    /// Whether the lab made it.
    pub made: bool,
    /// The number of the step that made it.
    pub made_at: Option<u64>,
    /// The other end of a veth.
    pub peer: Option<LinkId>,
    /// The link it sits on.
    pub parent: Option<LinkKey>,
    /// The link group it was made in.
    pub group: Option<u32>,
    /// The key it was born with, by which the journal knows it.
    pub birth: LinkKey,
    /// Where in the script it was made.
    pub site: Option<Site>,
    /// Where it was deleted.
    pub gone: Option<Site>,
}

/// A place where a link may be, and what it is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Namespace and ifindex.
    pub key: LinkKey,
    /// Name.
    pub name: String,
}

impl NetnsObject {
    /// Whether the container that it belongs to still is the one that was found: netlab itself keeps the namespace of one
    /// that has ended open, and would go on in it without a word.
    fn look_for_guest(&self) -> Result<()> {
        match &self.guest {
            Some((process, guest)) if !process::is_alive(*process) => Err(Diagnostic::new(
                Code::HandleGone,
                format!(
                    "`{}` was stopped or started again: its process {} is gone, and its namespace with it",
                    guest.title, process.pid
                ),
            )
            .help(format!("{} gives the one that it has now", guest.handle))),
            _ => Ok(()),
        }
    }
}

impl LinkObject {
    /// Where it is.
    pub fn spot(&self) -> &Spot {
        // A link is made with one spot, and spots are only replaced.
        &self.spots[self.spots.len() - 1]
    }

    /// Its key now.
    pub fn key(&self) -> LinkKey {
        self.spot().key
    }

    /// Its name now.
    pub fn name(&self) -> &str {
        &self.spot().name
    }
}

/// The object table.
#[derive(Debug, Default)]
pub struct Objects {
    netns: Vec<NetnsObject>,
    links: Vec<LinkObject>,
    by_cookie: HashMap<NetnsCookie, NsId>,
    by_key: HashMap<LinkKey, LinkId>,
    names: Names,
    next_index: HashMap<NetnsCookie, (u32, HashSet<u32>)>,
    /// The ifindexes that are taken in a namespace that was just made: the same in all of them.
    taken_when_new: Option<HashSet<u32>>,
    last_seq: u64,
    containers: Vec<String>,
}

impl Objects {
    /// A table that knows the host.
    pub fn new(host: NetnsCookie) -> Self {
        let mut objects = Self::default();
        objects.add_netns(host, None, false, None);
        objects
    }

    /// An action is about to be done: from here on what it makes may be there.
    pub fn started(&mut self, seq: u64, action: &Action, site: &Site) {
        self.last_seq = self.last_seq.max(seq);
        match action {
            Action::NetnsAdd(a) => {
                let id = self.add_netns(a.cookie, Some(a.name.clone()), true, Some(site.clone()));
                self.netns[id.0].made_at = Some(seq);
            }
            Action::NetnsAttach(a) => {
                let id = self.add_netns(a.cookie, Some(a.name.clone()), false, Some(site.clone()));
                // A second name of a namespace that has one is only another way to it.
                if self.netns[id.0].name.is_none() {
                    self.netns[id.0].name = Some(a.name.clone());
                    self.names.insert(a.cookie, a.name.to_string());
                }
            }
            Action::LinkAdd(a) => self.add_made(seq, a, site),
            Action::LinkMove(a) => self.shift(a.from, Spot { key: a.to, name: a.dev.to_string() }),
            Action::LinkSet(a) => {
                if let Some(name) = &a.set.name {
                    self.shift(a.link, Spot { key: a.link, name: name.to_string() });
                }
            }
            _ => {}
        }
    }

    /// An action has been done.
    pub fn done(&mut self, action: &Action, site: &Site) {
        self.containers.extend(container_of(action));
        match action {
            Action::LinkMove(a) => self.settle(a.to),
            Action::LinkSet(a) => self.settle(a.link),
            Action::LinkDel(a) => {
                if let Some(id) = self.by_key.get(&a.link).copied() {
                    self.set_gone(id, Some(site.clone()));
                }
            }
            Action::NetnsDel(a) => {
                if let Some(id) = self.by_cookie.get(&a.cookie) {
                    self.netns[id.0].gone = Some(site.clone());
                }
            }
            _ => {}
        }
    }

    /// An action has failed or was undone: what it would have made or moved is as it was before.
    pub fn failed(&mut self, action: &Action) {
        if let Some(container) = container_of(action) {
            self.containers.retain(|c| *c != container);
        }
        match action {
            Action::NetnsAdd(a) => self.lose_netns(a.cookie),
            Action::LinkAdd(a) => {
                for end in a.ends() {
                    if let Some(id) = self.by_key.remove(&end.link.key()) {
                        self.links[id.0].gone.get_or_insert_with(nowhere);
                    }
                }
            }
            Action::LinkMove(a) => self.unshift(a.to, a.from, a.dev.as_str()),
            Action::LinkSet(a) if a.set.name.is_some() => self.unshift(a.link, a.link, a.dev.as_str()),
            Action::LinkDel(a) => {
                if let Some(id) = self.by_key.get(&a.link).copied() {
                    self.set_gone(id, None);
                }
            }
            Action::NetnsDel(a) => {
                if let Some(id) = self.by_cookie.get(&a.cookie) {
                    self.netns[id.0].gone = None;
                }
            }
            _ => {}
        }
    }

    /// Enters a namespace, unless it is known.
    pub fn add_netns(&mut self, cookie: NetnsCookie, name: Option<NsName>, made: bool, site: Option<Site>) -> NsId {
        if let Some(id) = self.by_cookie.get(&cookie) {
            return *id;
        }
        let id = NsId(self.netns.len());
        if let Some(name) = &name {
            self.names.insert(cookie, name.to_string());
        }
        self.netns.push(NetnsObject { cookie, name, made, made_at: None, site, gone: None, guest: None });
        self.by_cookie.insert(cookie, id);
        id
    }

    /// The containers and machines that the lab made and that are there, as the command line names them.
    pub fn containers(&self) -> &[String] {
        &self.containers
    }

    /// Says how texts name the namespace of a container or machine.
    pub fn name_guest(&mut self, netns: NetnsCookie, guest: Guest) {
        self.names.insert_guest(netns, guest);
    }

    /// Says that a namespace is that of a container or machine.
    pub(super) fn set_guest(&mut self, id: NsId, process: ProcessKey, guest: Guest) {
        let netns = &mut self.netns[id.0];
        self.names.insert_guest(netns.cookie, guest.clone());
        netns.guest = Some((process, guest));
    }

    /// Enters a link that was found, unless it is known.
    pub fn add_found(&mut self, key: LinkKey, name: &str, kind: &str) -> LinkId {
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        self.push(LinkObject {
            spots: vec![Spot { key, name: name.into() }],
            kind: kind.into(),
            made: false,
            made_at: None,
            peer: None,
            parent: None,
            group: None,
            birth: key,
            site: None,
            gone: None,
        })
    }

    /// A namespace by its id.
    ///
    /// # Errors
    /// `NL0116` if it was deleted since, with the place.
    pub fn netns(&self, id: NsId) -> Result<&NetnsObject> {
        let object = &self.netns[id.0];
        match &object.gone {
            None => object.look_for_guest().map(|()| object),
            Some(gone) => {
                let name = object.name.as_ref().map_or("host", NsName::as_str);
                Err(gone_error(&format!("the namespace `{name}`"), object.site.as_ref(), gone))
            }
        }
    }

    /// A link by its id.
    ///
    /// # Errors
    /// `NL0116` if it was deleted since, with the place.
    pub fn link(&self, id: LinkId) -> Result<&LinkObject> {
        let object = &self.links[id.0];
        match &object.gone {
            Some(gone) => Err(gone_error(&format!("the link `{}`", object.name()), object.site.as_ref(), gone)),
            // A namespace takes its links along.
            None => match self.by_cookie.get(&object.key().netns).map(|id| &self.netns[id.0]) {
                Some(NetnsObject { gone: Some(gone), name, .. }) => {
                    let place = name.as_ref().map_or("host", NsName::as_str);
                    let what = format!("the link `{}` in the namespace `{place}`", object.name());
                    Err(gone_error(&what, object.site.as_ref(), gone))
                }
                Some(netns) => netns.look_for_guest().map(|()| object),
                None => Ok(object),
            },
        }
    }

    /// The namespace with a cookie.
    pub fn netns_by_cookie(&self, cookie: NetnsCookie) -> Option<NsId> {
        self.by_cookie.get(&cookie).copied()
    }

    /// The link with a key.
    pub fn link_by_key(&self, key: LinkKey) -> Option<LinkId> {
        self.by_key.get(&key).copied()
    }

    /// The link that was born with a key, gone or not.
    pub fn link_by_birth(&self, key: LinkKey) -> Option<&LinkObject> {
        self.links.iter().rev().find(|l| l.made && l.birth == key)
    }

    /// The namespaces that the lab made and that are there.
    pub fn made_netns(&self) -> impl Iterator<Item = &NetnsObject> {
        self.netns.iter().filter(|n| n.made && n.gone.is_none())
    }

    /// The namespaces that have a name and are there, made or attached.
    pub fn named_netns(&self) -> impl Iterator<Item = &NetnsObject> {
        self.netns.iter().filter(|n| n.name.is_some() && n.site.is_some() && n.gone.is_none())
    }

    /// The links that the lab made and that are there.
    pub fn made_links(&self) -> impl Iterator<Item = &LinkObject> {
        self.links.iter().filter(|l| l.made && l.gone.is_none())
    }

    /// Whether the lab made this namespace.
    pub fn is_own_netns(&self, cookie: NetnsCookie) -> bool {
        self.by_cookie.get(&cookie).is_some_and(|id| self.netns[id.0].made)
    }

    /// The step that made this namespace, if the lab did.
    pub fn made_netns_at(&self, cookie: NetnsCookie) -> Option<u64> {
        self.by_cookie.get(&cookie).and_then(|id| self.netns[id.0].made_at)
    }

    /// The step by which a link came to be the lab's: the one that made it or, for one that the kernel made with a namespace,
    /// the one that made that. Nothing for a link that was there before, wherever the lab has moved it.
    pub fn made_link_at(&self, key: LinkKey) -> Option<u64> {
        match self.by_key.get(&key).map(|id| &self.links[id.0]) {
            Some(link) => link.made_at.or_else(|| self.made_netns_at(link.birth.netns)),
            None => self.made_netns_at(key.netns),
        }
    }

    /// Whether the lab made this link.
    pub fn is_own_link(&self, key: LinkKey) -> bool {
        self.by_key.get(&key).is_some_and(|id| self.links[id.0].made)
    }

    /// The namespaces' names, for texts.
    pub fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Has the ifindexes that are taken looked at again.
    pub(crate) fn forget_indexes(&mut self) {
        self.next_index.clear();
        self.taken_when_new = None;
    }

    /// The ifindex for the next link in a namespace. `taken` is asked once for those in use.
    ///
    /// In the lab's own namespaces they are small; elsewhere they begin at `far`, which the kernel's own counter does not
    /// reach, so that no link that somebody else makes can be mistaken for one of ours.
    pub(crate) fn next_index(
        &mut self,
        netns: NetnsCookie,
        far: u32,
        taken: impl FnOnce() -> Result<Vec<u32>>,
    ) -> Result<u32> {
        if !self.next_index.contains_key(&netns) {
            let own = self.is_own_netns(netns);
            let taken = match &self.taken_when_new {
                Some(taken) if own => taken.clone(),
                _ => taken()?.into_iter().collect(),
            };
            if own {
                self.taken_when_new.get_or_insert_with(|| taken.clone());
            }
            let first = if own { taken.iter().max().map_or(1, |m| m + 1) } else { far };
            self.next_index.insert(netns, (first, taken));
        }
        let Some((next, taken)) = self.next_index.get_mut(&netns) else { return Ok(far) };
        while taken.contains(next) {
            *next += 1;
        }
        *next += 1;
        Ok(*next - 1)
    }

    fn add_made(&mut self, seq: u64, add: &LinkAdd, site: &Site) {
        let mut ids = Vec::new();
        for end in add.ends() {
            let key = end.link.key();
            ids.push(self.push(LinkObject {
                spots: vec![Spot { key, name: end.link.name.to_string() }],
                kind: add.kind.name().into(),
                made: true,
                made_at: Some(seq),
                peer: None,
                parent: add.kind.parent(),
                group: end.link.group,
                birth: key,
                site: Some(site.clone()),
                gone: None,
            }));
        }
        if let [a, b] = ids[..] {
            self.links[a.0].peer = Some(b);
            self.links[b.0].peer = Some(a);
        }
    }

    fn push(&mut self, link: LinkObject) -> LinkId {
        let id = LinkId(self.links.len());
        self.names.insert_link(link.key(), link.name());
        self.by_key.insert(link.key(), id);
        self.links.push(link);
        id
    }

    fn shift(&mut self, from: LinkKey, to: Spot) {
        if let Some(id) = self.by_key.get(&from).copied() {
            self.by_key.insert(to.key, id);
            self.names.insert_link(to.key, &to.name);
            self.links[id.0].spots.push(to);
        }
    }

    fn settle(&mut self, at: LinkKey) {
        if let Some(id) = self.by_key.get(&at) {
            let spots = &mut self.links[id.0].spots;
            for old in spots.drain(..spots.len() - 1) {
                if old.key != at {
                    self.by_key.remove(&old.key);
                }
            }
        }
    }

    fn unshift(&mut self, from: LinkKey, to: LinkKey, name: &str) {
        if let Some(id) = self.by_key.remove(&from) {
            self.by_key.insert(to, id);
            self.names.insert_link(to, name);
            self.links[id.0].spots = vec![Spot { key: to, name: name.into() }];
        }
    }

    fn set_gone(&mut self, id: LinkId, gone: Option<Site>) {
        // A veth takes its other end along.
        if let Some(peer) = self.links[id.0].peer {
            self.links[peer.0].gone.clone_from(&gone);
        }
        self.links[id.0].gone = gone;
    }

    fn lose_netns(&mut self, cookie: NetnsCookie) {
        if let Some(id) = self.by_cookie.remove(&cookie) {
            self.netns[id.0].gone.get_or_insert_with(nowhere);
        }
    }
}

/// The container or machine that an action makes.
fn container_of(action: &Action) -> Option<String> {
    match action {
        Action::DockerRun(run) => Some(format!("docker:{}", run.name)),
        Action::NspawnRun(run) => Some(format!("nspawn:{}", run.name)),
        _ => None,
    }
}

fn nowhere() -> Site {
    Site { file: String::new(), line: 0, column: 0 }
}

fn gone_error(what: &str, made: Option<&Site>, gone: &Site) -> Box<Diagnostic> {
    let made = made.map_or_else(String::new, |site| format!(" (made in line {})", site.line));
    let how = if gone.line == 0 { "was undone".into() } else { format!("was deleted in line {}", gone.line) };
    Diagnostic::new(Code::HandleGone, format!("{what}{made} {how}")).help("make it again, or use it before that")
}
