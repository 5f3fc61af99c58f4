//! Giving back: makes a namespace what an undo aims at, and looks again until it is so or nothing more helps.
//!
//! The order is the kernel's: links before what is on them, carriers before the settings that a carrier writes anew, addresses
//! before the routes that need them. Duplicate address detection is off meanwhile, or what comes back would be tentative
//! for a second or two.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::aim::Aim;
use super::group::{Group, Item, Key, Of, attribute};
use super::link::MCAST_SNOOPING;
use super::setting::{self, ACCEPT_DAD};
use super::view::View;
use super::{addr, link, make, read};
use crate::diag::KernelError;
use crate::kernel::link::LinkKey;
use crate::kernel::raw::{Bytes, Raw};
use crate::kernel::space::{Kernel, NetnsCookie};

/// How long it is tried; the kernel sits on the news of a carrier for up to a second.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// What could not be given back.
#[derive(Debug, Clone)]
pub struct Lack {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The group.
    pub group: Group,
    /// What should be there and is not, or is otherwise.
    pub missing: Vec<Item>,
    /// What should not be there and is.
    pub surplus: Vec<Item>,
    /// What the kernel said to the last attempt.
    pub error: Option<KernelError>,
}

/// What tells one lack from another.
type Print = (NetnsCookie, Group, Vec<Item>, Vec<Item>);

impl Lack {
    fn print(&self) -> Print {
        (self.netns, self.group.clone(), self.missing.clone(), self.surplus.clone())
    }
}

/// Makes all of it as aimed at, and says what could not be. The namespaces are done together, since a wire has an end in
/// each of two.
///
/// # Errors
/// The kernel's answer to a dump.
pub fn restore(aims: &[Aim], kernel: &mut Kernel) -> Result<Vec<Lack>, KernelError> {
    restore_within(PATIENCE, aims, kernel)
}

/// The same, with as much patience as is said.
///
/// # Errors
/// As [`restore`].
pub fn restore_within(patience: Duration, aims: &[Aim], kernel: &mut Kernel) -> Result<Vec<Lack>, KernelError> {
    // When something last changed: a machine with much to do is slow, and not stuck.
    let mut start = Instant::now();
    // A namespace that is gone took all along that was in it.
    let aims: Vec<&Aim> = aims.iter().filter(|aim| kernel.find(aim.scope.netns)).collect();
    let put_back = put_back(&aims);
    let mut work = Work { aims: &aims, kernel, patience, errors: BTreeMap::new(), put_back, unmade: false };
    let mut last: Option<Vec<Print>> = None;
    for aim in &aims {
        let view = work.view(aim)?;
        work.clear_ways(&view);
    }
    loop {
        let lacks = work.lacks()?;
        if lacks.is_empty() && !work.is_searching()? {
            return Ok(lacks);
        }
        let print: Vec<Print> = lacks.iter().map(Lack::print).collect();
        let is_stale = !print.is_empty() && last.as_ref() == Some(&print);
        if last.as_ref().is_some_and(|last| *last != print && print.len() < last.len()) {
            start = Instant::now();
        }
        if start.elapsed() > patience || (is_stale && start.elapsed() > patience / 5) {
            return Ok(lacks);
        }
        if print.is_empty() || is_stale {
            std::thread::sleep(PAUSE);
        }
        if !lacks.is_empty() {
            work.errors.clear();
            work.go_through(&lacks)?;
        }
        last = Some(print);
    }
}

pub(super) struct Work<'a> {
    aims: &'a [&'a Aim],
    pub(super) kernel: &'a mut Kernel,
    patience: Duration,
    errors: BTreeMap<(NetnsCookie, Group), KernelError>,
    /// The addresses that are put back, which are not back before the search for duplicates has ended.
    put_back: BTreeSet<(NetnsCookie, Group, Key)>,
    /// Whether the macvlans on links that came back have been deleted.
    unmade: bool,
}

/// The IPv6 addresses of disturbed links.
fn put_back(aims: &[&Aim]) -> BTreeSet<(NetnsCookie, Group, Key)> {
    let mut all = BTreeSet::new();
    for aim in aims {
        for (group, items) in &aim.wanted {
            if matches!(group, Group::Addrs { v6: true, link } if aim.disturbed.contains(link)) {
                all.extend(items.iter().map(|i| (aim.scope.netns, group.clone(), i.key().clone())));
            }
        }
    }
    all
}

impl Work<'_> {
    fn view<'a>(&mut self, aim: &'a Aim) -> Result<View<'a>, KernelError> {
        let now = read::read(self.kernel, &aim.scope)?;
        let has_routes = |(group, _): &(Group, Vec<Item>)| matches!(group, Group::Routes(_));
        let receiving = match self.kernel.socket(aim.scope.netns).filter(|_| aim.wanted.iter().any(has_routes)) {
            Some(socket) => addr::receiving(socket)?,
            None => BTreeSet::new(),
        };
        Ok(View { aim, now, receiving })
    }

    /// Deletes the macvlans on links that came back from another namespace, to be made again. A link forgets on the way which
    /// groups the macvlans on it listen to; they believe that they have told it, even when they are opened again, and nobody
    /// would find their IPv6 addresses any more (net/core/dev_addr_lists.c, `sync_cnt`).
    fn unmake_macvlans(&mut self) -> Result<(), KernelError> {
        let aims = self.aims;
        if std::mem::replace(&mut self.unmade, true) {
            return Ok(());
        }
        for aim in aims.iter().filter(|aim| !aim.remade.is_empty()) {
            let view = self.view(aim)?;
            for (index, _) in aim.remade.iter().filter(|(index, _)| !view.now.items(&Group::Link(*index)).is_empty()) {
                self.send(&view, &Group::Link(*index), &make::delete(*index), 0);
            }
        }
        Ok(())
    }

    /// Has bridges that lost their IPv6 listen to the group of all snoopers again, which they do only when their snooping or
    /// they themselves are switched on (net/bridge/br_multicast.c).
    fn wake_snoopers(&mut self, lacks: &[Lack]) -> Result<(), KernelError> {
        let aims = self.aims;
        for aim in aims {
            let view = self.view(aim)?;
            for (index, _, kind) in view.links().into_iter().filter(|(.., kind)| kind == "bridge") {
                let lost = |l: &&Lack| l.netns == aim.scope.netns && l.group == Group::Addrs { link: index, v6: true };
                let is_on =
                    view.now.items(&Group::Link(index)).iter().any(|i| i.label() == MCAST_SNOOPING && i.value.0 == [1]);
                if !is_on || !lacks.iter().any(|l| lost(&l)) {
                    continue;
                }
                for on in [0, 1] {
                    let item = Item { name: Some(Key::text(MCAST_SNOOPING)), value: Bytes(vec![on]), life: None };
                    let message = link::set(index, &item, &kind);
                    message.and_then(|m| self.send(&view, &Group::Link(index), &m, 0));
                }
            }
        }
        Ok(())
    }

    fn lacks(&mut self) -> Result<Vec<Lack>, KernelError> {
        let mut lacks = Vec::new();
        for aim in self.aims {
            let view = self.view(aim)?;
            lacks.extend(view.lacks(&self.errors));
        }
        Ok(lacks)
    }

    fn is_searching(&mut self) -> Result<bool, KernelError> {
        let netns: BTreeSet<NetnsCookie> = self.put_back.iter().map(|(netns, ..)| *netns).collect();
        for netns in netns {
            let searching = read::searching(self.kernel, netns)?;
            if searching.into_iter().any(|(group, key)| self.put_back.contains(&(netns, group, key))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One round through everything, in the order in which things depend on each other.
    fn go_through(&mut self, lacks: &[Lack]) -> Result<(), KernelError> {
        let disturbs = |lack: &Lack| match &lack.group {
            Group::Link(_) => {
                lack.missing.iter().any(|i| matches!(i.label().as_str(), "up" | "mtu" | "name" | "master" | "mac"))
            }
            Group::Addrs { v6, .. } => *v6,
            Group::Settings(_) => lack.missing.iter().any(|i| i.label() == "ipv6/conf/disable_ipv6"),
            _ => false,
        };
        let aims = self.aims;
        let phases: &[fn(&mut Self, &View<'_>)] = &[
            Self::links,
            Self::settings,
            Self::ports,
            Self::vlans,
            Self::qdiscs,
            Self::addrs,
            Self::nexthops,
            Self::routes,
            Self::neighs,
            Self::mdb,
            Self::maddrs,
            Self::rules,
        ];
        const ADDRS: usize = 5;
        let quiet = lacks.iter().any(disturbs);
        self.unmake_macvlans()?;
        for aim in aims {
            let view = self.view(aim)?;
            self.stop_routing(&view);
        }
        self.make_links()?;
        if quiet {
            self.hush(true)?;
        }
        for (number, phase) in phases.iter().enumerate() {
            for aim in aims.iter().filter(|a| lacks.iter().any(|l| l.netns == a.scope.netns)) {
                let view = self.view(aim)?;
                phase(self, &view);
            }
            if number == 0 {
                self.wake_snoopers(lacks)?;
                self.await_carriers()?;
                self.say_up()?;
            }
            // A route may have an address as its source; and one that was put here quietly must not be looked at aloud.
            if number == ADDRS && quiet {
                self.await_addresses()?;
            }
        }
        let switches = |lack: &Lack| matches!(&lack.group, Group::Settings(_));
        if quiet || lacks.iter().any(switches) {
            self.hush(false)?;
        }
        Ok(())
    }

    /// Links that were deleted, parents before those that sit on them: until nothing more succeeds.
    fn make_links(&mut self) -> Result<(), KernelError> {
        let aims = self.aims;
        let mut missing: Vec<LinkKey> = aims
            .iter()
            .flat_map(|aim| aim.made.iter().map(|index| LinkKey { netns: aim.scope.netns, index: *index }))
            .collect();
        loop {
            let before = missing.len();
            for key in std::mem::take(&mut missing) {
                if self.is_there(key)? {
                    continue;
                }
                let items = self.wanted(key);
                let peer = self.other_end(key, &items);
                let peer_items = peer.map(|p| self.wanted(p));
                let other = peer.zip(peer_items.as_deref());
                if let Err(error) = make::make(key, &items, other, self.kernel) {
                    self.errors.insert((key.netns, Group::Link(key.index)), error);
                    missing.push(key);
                }
            }
            if missing.is_empty() || missing.len() == before {
                return Ok(());
            }
        }
    }

    fn wanted(&self, key: LinkKey) -> Vec<Item> {
        let aim = self.aims.iter().find(|a| a.scope.netns == key.netns);
        aim.map_or_else(Vec::new, |aim| make::of(&aim.wanted, key.index).to_vec())
    }

    /// The other end of a veth that is gone: the one that names this one, in this namespace or in another.
    fn other_end(&self, key: LinkKey, items: &[Item]) -> Option<LinkKey> {
        let index: u32 = attribute(items, "~link")?.parse().ok()?;
        let is_far = attribute(items, "~netnsid").is_some();
        let names_us = |aim: &&&Aim| {
            (aim.scope.netns != key.netns) == is_far
                && aim.made.contains(&index)
                && attribute(make::of(&aim.wanted, index), "~link") == Some(key.index.to_string())
        };
        self.aims.iter().find(names_us).map(|aim| LinkKey { netns: aim.scope.netns, index })
    }

    fn is_there(&mut self, key: LinkKey) -> Result<bool, KernelError> {
        let Some(socket) = self.kernel.socket(key.netns) else { return Ok(false) };
        Ok(link::dump(socket)?.iter().any(|l| link::index(l) == key.index))
    }

    /// Switches the search for duplicate addresses off at all links of the aims, or back to what is wanted.
    fn hush(&mut self, quiet: bool) -> Result<(), KernelError> {
        let aims = self.aims;
        for aim in aims {
            let view = self.view(aim)?;
            for (group, items) in &aim.wanted {
                let Group::Settings(of @ (Of::Link(_) | Of::Default)) = group else { continue };
                for item in items.iter().filter(|i| i.label() == ACCEPT_DAD) {
                    let value = if quiet { "0".to_owned() } else { item.value.as_text() };
                    self.write(&view, *of, ACCEPT_DAD, &value);
                }
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, view: &View<'_>, of: Of, name: &str, value: &str) {
        let is_so = |i: &Item| i.label() == name && i.value.as_text() == value;
        let group = Group::Settings(of);
        // One that is not there is not missed: a link without IPv6 has none of it.
        if view.now.items(&group).iter().any(is_so) {
            return;
        }
        let netns = view.now.netns;
        let Some(fd) = self.kernel.fd(netns) else { return };
        if let Err(error) = setting::write(fd, of, name, value, &view.now.names) {
            self.errors.insert((netns, group), error);
        }
    }

    /// The attributes of links that differ; bridges last, and of one link in the order of [`link::turn`].
    fn links(&mut self, view: &View<'_>) {
        let mut todo = Vec::new();
        for (index, wanted, kind) in view.links() {
            for item in view.missing(&Group::Link(index), wanted).iter().filter(|i| !i.label().starts_with("slave:")) {
                let port: u32 = attribute(wanted, "~portno").and_then(|n| n.parse().ok()).unwrap_or(0);
                todo.push((link::turn(&item.label(), &kind), port, index, kind.clone(), item.clone()));
            }
            for key in view.surplus(&Group::Link(index)) {
                let label = key.as_text();
                if let Some(message) = link::unset(index, &label) {
                    self.send(view, &Group::Link(index), &message, 0);
                } else if let Some(borrowed) = wanted.iter().find(|i| i.label() == format!("~{label}")) {
                    // What a bridge had from its ports was chosen; set as it was it is as if it had it from them again.
                    let item = Item { name: Some(key), ..borrowed.clone() };
                    todo.push((link::turn("mac", &kind), 0, index, kind.clone(), item));
                }
            }
        }
        // Names may go round in a circle, so all that change are taken off first.
        let renamed: Vec<u32> =
            todo.iter().filter(|(.., item)| item.label() == "name").map(|(_, _, i, ..)| *i).collect();
        for index in renamed.iter().filter(|_| renamed.len() > 1) {
            if let Some(message) = link::set(*index, &Item::named("name", format!("netlab-{index}")), "") {
                self.send(view, &Group::Link(*index), &message, 0);
            }
        }
        // Ports get the lowest free number, so they are plugged in in the order of their numbers.
        todo.sort_by_key(|(turn, port, index, ..)| (*turn, *port, *index));
        for (_, _, index, kind, item) in todo {
            // A bridge may have taken it from its ports meanwhile.
            if matches!(item.label().as_str(), "mac" | "mtu") && kind == "bridge" && self.has(view, index, &item) {
                continue;
            }
            let Some(message) = link::set(index, &item, &kind) else { continue };
            let group = Group::Link(index);
            if self.send(view, &group, &message, 0) == Some(libc::EBUSY) && item.label() != "up" {
                // Some cards change only while they are down; what they lose by that comes back in the next round.
                let down = link::set(index, &Item::named("up", "0"), &kind);
                let up = link::set(index, &Item::named("up", "1"), &kind);
                for message in [down, Some(message), up].into_iter().flatten() {
                    self.send(view, &group, &message, 0);
                }
            }
        }
    }

    fn has(&mut self, view: &View<'_>, index: u32, item: &Item) -> bool {
        let Some(socket) = self.kernel.socket(view.now.netns) else { return false };
        let links = link::dump(socket).unwrap_or_default();
        let found = links.iter().find(|l| link::index(l) == index);
        found.is_some_and(|l| link::items(l).iter().any(|i| i.is_like(item)))
    }

    /// Waits until each link that had its carrier has it again, since a carrier writes settings and makes addresses.
    fn await_carriers(&mut self) -> Result<(), KernelError> {
        let start = Instant::now();
        let aims = self.aims;
        let mut waiting: Vec<&Aim> = aims.to_vec();
        loop {
            let mut still = Vec::new();
            for aim in waiting {
                if self.view(aim)?.waits() {
                    still.push(aim);
                }
            }
            if still.is_empty() || start.elapsed() > self.patience / 2 {
                return Ok(());
            }
            waiting = still;
            std::thread::sleep(PAUSE);
        }
    }

    /// A link that got its carrier before it was up is not known to be up until somebody says so.
    fn say_up(&mut self) -> Result<(), KernelError> {
        let aims = self.aims;
        for aim in aims {
            let view = self.view(aim)?;
            for (index, wanted, kind) in view.links() {
                let is = view.now.attribute(index, "~operstate").unwrap_or_default();
                if is == "0" && attribute(wanted, "~operstate").is_some_and(|s| s == "6") {
                    let message = link::set(index, &Item::named("~operstate", "6"), &kind);
                    message.and_then(|m| self.send(&view, &Group::Link(index), &m, 0));
                }
            }
        }
        Ok(())
    }

    /// Waits until no address is tentative, which takes the kernel a moment even where it does not look for duplicates.
    fn await_addresses(&mut self) -> Result<(), KernelError> {
        let start = Instant::now();
        while self.is_searching()? && start.elapsed() < self.patience / 2 {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn settings(&mut self, view: &View<'_>) {
        let mut todo: Vec<(u8, Of, Item)> = Vec::new();
        for (group, wanted) in &view.aim.wanted {
            let Group::Settings(of) = group else { continue };
            // That of one link or of new ones comes at the very end, see `hush`.
            let is_late = |i: &Item| i.label() == ACCEPT_DAD && *of != Of::All;
            todo.extend(
                wanted.iter().filter(|i| !is_late(i)).map(|i| (setting::turn(*of, &i.label()), *of, i.clone())),
            );
        }
        todo.sort_by_key(|(turn, of, item)| (*turn, *of, item.label()));
        let mut fresh: Option<View<'_>> = None;
        let mut last = 0;
        for (turn, of, item) in todo {
            // What was written may have written others along.
            if turn != last {
                fresh = self.view(view.aim).ok();
                last = turn;
            }
            let view = fresh.as_ref().unwrap_or(view);
            let is_so = view.now.item(&Group::Settings(of), item.key()).is_none_or(|now| now.is_like(&item));
            if !is_so {
                self.write(view, of, &item.label(), &item.value.as_text());
            }
        }
    }

    pub(super) fn blame(&mut self, view: &View<'_>, group: &Group, error: KernelError) {
        self.errors.insert((view.now.netns, group.clone()), error);
    }

    /// Sends a message and remembers what the kernel said against it; gives back the errno.
    pub(super) fn send(&mut self, view: &View<'_>, group: &Group, message: &Raw, flags: u16) -> Option<i32> {
        let netns = view.now.netns;
        let error = self.kernel.socket(netns)?.change_raw(message, flags).err()?;
        let errno = error.errno;
        self.errors.insert((netns, group.clone()), error);
        Some(errno)
    }
}
