//! What stands for the machine in a plan: its namespaces, links, addresses, routes, rules and settings, made again in a
//! sandbox.
//!
//! What cannot be made again (a card, a link whose other end nobody can see) is a wire of its name, MAC and MTU whose far end is
//! in a namespace without a name: it has a carrier, and there is nobody behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::open;
use super::proof::{Care, Picture};
use super::told::Teller;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::{self as kernel_link, LinkKey, LinkSet};
use crate::kernel::netns;
use crate::kernel::space::{Kernel, NetnsCookie};
use crate::probe::peer::peers;
use crate::probe::state;
use crate::snapshot::aim::Aim;
use crate::snapshot::group::{Group, Item, Of, attribute};
use crate::snapshot::restore::{Lack, restore_within};
use crate::snapshot::{make, setting};
use crate::types::name::{LabName, NsName};

/// So long it is tried to make everything as it was: a plan that lacks a little is better than one that is late.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The name of the machine's own namespace among the others, which no other can have.
const HOST: &str = "host";

/// What the machine holds, as far as this user can see.
pub struct Machine {
    spaces: Vec<Space>,
    /// The names of namespaces that only root can look into.
    unseen: Vec<NsName>,
}

/// One namespace of the machine.
struct Space {
    /// Its names; the host's own namespace may have none.
    names: Vec<NsName>,
    cookie: NetnsCookie,
    picture: Picture,
    /// The links at the other ends of its wires that lead into other namespaces which can be seen.
    far: BTreeMap<u32, LinkKey>,
}

/// What was made in its place.
pub struct Standing {
    /// The namespaces that stand for the machine's own.
    pub there: BTreeSet<NetnsCookie>,
    /// The kinds of the links that something else stands for; empty for a card.
    pub kinds: HashMap<LinkKey, String>,
    /// What stands for nothing, or not exactly, a sentence each.
    pub notes: Vec<String>,
    /// It holds the namespaces without names open.
    _kernel: Kernel,
}

impl Machine {
    /// Looks at the machine, without changing anything.
    ///
    /// # Errors
    /// `NL0402` if the own namespace cannot be read.
    pub fn look() -> Result<Self> {
        let mut kernel = open::kernel()?;
        let mut found: Vec<(NetnsCookie, Vec<NsName>)> = vec![(kernel.host(), Vec::new())];
        let mut unseen = Vec::new();
        for name in netns::names() {
            match kernel.adopt_name(&name) {
                Ok(Some(cookie)) => match found.iter_mut().find(|(known, _)| *known == cookie) {
                    Some((_, names)) => names.push(name),
                    None => found.push((cookie, vec![name])),
                },
                // A name that stands for nothing.
                Ok(None) => {}
                Err(_) => unseen.push(name),
            }
        }
        let told: Vec<(String, NetnsCookie)> = found.iter().map(|(c, _)| (c.0.to_string(), *c)).collect();
        let mut spaces = Vec::new();
        for (cookie, names) in found {
            let picture = Picture::take(&mut kernel, cookie, Care::Whole)?;
            let links = kernel.socket(cookie).and_then(|socket| state::link::read(socket).ok()).unwrap_or_default();
            let mut far = BTreeMap::new();
            for (index, peer) in peers(&mut kernel, cookie, &links, &told) {
                let netns = peer.netns.parse().ok().map(NetnsCookie);
                let there = netns.and_then(|netns| {
                    let message = kernel_link::get_by_name(kernel.socket(netns)?, &peer.ifname).ok()?;
                    Some(LinkKey { netns, index: message.header.index })
                });
                far.extend(there.map(|key| (index, key)));
            }
            spaces.push(Space { names, cookie, picture, far });
        }
        Ok(Self { spaces, unseen })
    }

    /// Makes it again in the namespace that this process is in, and others.
    ///
    /// # Errors
    /// `NL0402` if namespaces cannot be made.
    pub fn stand_in(self) -> Result<Standing> {
        let mut kernel = open::kernel()?;
        let mut notes = Vec::new();
        let mut cookies: HashMap<NetnsCookie, NetnsCookie> = HashMap::new();
        for (number, space) in self.spaces.iter().enumerate() {
            let cookie = if number == 0 { kernel.host() } else { make_netns(&mut kernel)? };
            cookies.insert(space.cookie, cookie);
            space.names.iter().for_each(|name| put_name(&kernel, name, cookie, &mut notes));
        }
        let mut there: BTreeSet<NetnsCookie> = cookies.values().copied().collect();
        for name in &self.unseen {
            let cookie = make_netns(&mut kernel)?;
            there.insert(cookie);
            put_name(&kernel, name, cookie, &mut notes);
            notes.push(format!("namespace `{name}`, which is empty here: only root can look into it"));
        }
        let attic = make_netns(&mut kernel)?;
        let mut builder = Builder { kernel, attic, links: BTreeMap::new(), wires: BTreeMap::new() };
        let mut aims = Vec::new();
        for space in &self.spaces {
            aims.extend(cookies.get(&space.cookie).map(|cookie| builder.take_in(space, *cookie, &cookies, &mut notes)));
        }
        builder.make_links();
        let kinds = builder.stand_for(&mut aims);
        let lacks = restore_within(PATIENCE, &aims, &mut builder.kernel)
            .map_err(|e| Diagnostic::new(Code::Environment, "cannot look at the stand-ins of a plan").kernel(e))?;
        notes.extend(told(&self.spaces, &cookies, &lacks));
        Ok(Standing { there, kinds, notes, _kernel: builder.kernel })
    }
}

/// A link that is to be made.
struct Wanted {
    items: Vec<Item>,
    /// The other end of a wire, if that can be seen.
    peer: Option<LinkKey>,
    made: bool,
}

struct Builder {
    kernel: Kernel,
    attic: NetnsCookie,
    links: BTreeMap<LinkKey, Wanted>,
    /// The links that something else stands for, each with its far end's ifindex.
    wires: BTreeMap<LinkKey, u32>,
}

impl Builder {
    /// Takes in what a namespace is to hold; gives back what its stand-in aims at.
    fn take_in(
        &mut self,
        space: &Space,
        netns: NetnsCookie,
        cookies: &HashMap<NetnsCookie, NetnsCookie>,
        notes: &mut Vec<String>,
    ) -> Aim {
        let mut scope = space.picture.seen.scope.clone();
        scope.netns = netns;
        let mut wanted = space.picture.seen.groups.clone();
        let here = self.names(netns);
        for (index, name) in &space.picture.seen.names {
            match here.get(name) {
                // `lo`, and what the kernel makes in each new namespace.
                Some(there) if there == index => continue,
                Some(_) => {
                    wanted.retain(|(group, _)| group.link() != Some(*index));
                    scope.links.remove(index);
                    notes.push(format!("link `{name}`, which is as in a new namespace"));
                    continue;
                }
                None => {}
            }
            let items = make::of(&wanted, *index).to_vec();
            let below = attribute(&items, "~link").and_then(|i| i.parse().ok());
            let peer = match (space.far.get(index), attribute(&items, "~netnsid")) {
                (Some(far), _) => cookies.get(&far.netns).map(|netns| LinkKey { netns: *netns, index: far.index }),
                (None, Some(_)) => None,
                (None, None) => below.map(|index| LinkKey { netns, index }),
            };
            self.links.insert(LinkKey { netns, index: *index }, Wanted { items, peer, made: false });
        }
        Aim { scope, wanted, gone: Vec::new(), made: BTreeSet::new(), disturbed: BTreeSet::new(), remade: Vec::new() }
    }

    fn names(&mut self, netns: NetnsCookie) -> HashMap<String, u32> {
        let links = self.kernel.socket(netns).and_then(|s| state::link::read(s).ok()).unwrap_or_default();
        links.into_iter().map(|l| (l.ifname, l.ifindex)).collect()
    }

    /// Makes the links, parents before those that sit on them: until nothing more succeeds. Wires stand for the others.
    fn make_links(&mut self) {
        let native = |wanted: &Wanted| match attribute(&wanted.items, "~kind").unwrap_or_default().as_str() {
            "veth" => wanted.peer.is_some(),
            // Its carrier is a program, which does not run here.
            "tun" => !has_carrier(&wanted.items),
            // One that sits on a link in another namespace would have to name that by a number of the machine's.
            kind => make::KINDS.contains(&kind) && attribute(&wanted.items, "~netnsid").is_none(),
        };
        let (mut todo, wires): (Vec<LinkKey>, Vec<LinkKey>) =
            self.links.keys().copied().partition(|key| self.links.get(key).is_some_and(native));
        // Cards first: others sit on them.
        wires.into_iter().for_each(|key| self.make_wire(key));
        loop {
            let before = todo.len();
            todo.retain(|key| !self.make(*key));
            if todo.is_empty() {
                return;
            }
            if todo.len() == before {
                let key = todo.remove(0);
                self.make_wire(key);
            }
        }
    }

    fn make(&mut self, key: LinkKey) -> bool {
        let Some(wanted) = self.links.get(&key) else { return true };
        if wanted.made {
            return true;
        }
        let is_wire = attribute(&wanted.items, "~kind").is_some_and(|kind| kind == "veth");
        let peer = wanted.peer.filter(|_| is_wire);
        let other = peer.and_then(|peer| Some((peer, self.links.get(&peer)?.items.as_slice())));
        if make::make(key, &wanted.items, other, &mut self.kernel).is_err() {
            return false;
        }
        for key in [Some(key), peer].into_iter().flatten() {
            self.links.entry(key).and_modify(|wanted| wanted.made = true);
        }
        true
    }

    /// Makes a wire in the place of a link, with its far end where nobody is.
    fn make_wire(&mut self, key: LinkKey) {
        let far = LinkKey { netns: self.attic, index: 1000 + u32::try_from(self.wires.len()).unwrap_or(0) };
        let Some(wanted) = self.links.get_mut(&key) else { return };
        wanted.items = as_wire(&wanted.items);
        let far_items = [Item::named("name", format!("far{}", far.index))];
        if make::make(key, &wanted.items, Some((far, &far_items)), &mut self.kernel).is_err() {
            return;
        }
        wanted.made = true;
        if has_carrier(&wanted.items) {
            let up = LinkSet { up: Some(true), ..LinkSet::default() };
            let socket = self.kernel.socket(far.netns);
            socket.map(|socket| socket.change_all(vec![kernel_link::set(far.index, &up)]));
        }
        self.wires.insert(key, far.index);
    }

    /// Has the aims want wires where wires stand for something else. Gives back what they stand for.
    fn stand_for(&self, aims: &mut [Aim]) -> HashMap<LinkKey, String> {
        let mut kinds = HashMap::new();
        for aim in aims {
            let netns = aim.scope.netns;
            for (group, items) in &mut aim.wanted {
                let Group::Link(index) = group else { continue };
                let key = LinkKey { netns, index: *index };
                if self.wires.contains_key(&key) {
                    kinds.insert(key, attribute(items, "~kind").unwrap_or_default());
                    *items = as_wire(items);
                }
            }
        }
        kinds
    }
}

/// Whether a link had a carrier (`IF_OPER_UNKNOWN` and `IF_OPER_UP` of linux/if.h).
fn has_carrier(items: &[Item]) -> bool {
    matches!(attribute(items, "~operstate").as_deref(), Some("0" | "6"))
}

/// The attributes of a link that a wire can have as well.
fn as_wire(items: &[Item]) -> Vec<Item> {
    const MAC: usize = 6;
    const LONGEST: u32 = 65535;
    let keeps = |item: &&Item| match item.label().as_str() {
        "mac" => item.value.0.len() == MAC,
        "mtu" => item.value.as_text().parse().is_ok_and(|mtu: u32| mtu <= LONGEST),
        "~kind" | "~link" | "~netnsid" | "~xdp" => false,
        label => !label.starts_with("data:") && !label.starts_with("limit:"),
    };
    items.iter().filter(keeps).cloned().chain([Item::named("~kind", "veth")]).collect()
}

fn make_netns(kernel: &mut Kernel) -> Result<NetnsCookie> {
    kernel.make().map_err(|e| {
        Diagnostic::new(Code::Environment, "cannot make a namespace for the plan")
            .kernel(KernelError::from_io("unshare CLONE_NEWNET", &e))
    })
}

fn put_name(kernel: &Kernel, name: &NsName, netns: NetnsCookie, notes: &mut Vec<String>) {
    let put = LabName::new("machine").ok().zip(kernel.fd(netns)).map(|(lab, fd)| netns::put_name(name, fd, &lab));
    if !matches!(put, Some(Ok(()))) {
        notes.push(format!("namespace `{name}`, which is missing here"));
    }
}

/// What is not as it is on the machine, in words. Of many settings only the number: they belong to the machine as a whole.
fn told(spaces: &[Space], cookies: &HashMap<NetnsCookie, NetnsCookie>, lacks: &[Lack]) -> Vec<String> {
    const FEW: usize = 3;
    let mut notes = Vec::new();
    for space in spaces {
        let place = space.names.first().map_or_else(|| HOST.to_owned(), ToString::to_string);
        let names: BTreeMap<u32, String> = space.picture.seen.names.iter().cloned().collect();
        let teller = Teller { names: &names, option: "", exec: "" };
        let mut settings = Vec::new();
        for lack in lacks.iter().filter(|lack| cookies.get(&space.cookie) == Some(&lack.netns)) {
            for item in lack.missing.iter().filter(|item| !item.is_told()) {
                let thing = teller.thing(&lack.group, item);
                match &lack.group {
                    Group::Settings(of) if can_be_set(*of, &item.label(), &names) => settings.push(thing),
                    Group::Settings(_) => {}
                    _ => notes.push(format!("{thing} in `{place}`")),
                }
            }
        }
        if settings.len() > FEW {
            notes.push(format!("{} settings of `{place}`", settings.len()));
        } else {
            notes.extend(settings.into_iter().map(|setting| format!("{setting} of `{place}`")));
        }
    }
    notes
}

/// Whether somebody could have set a setting: some only tell what the kernel chose.
fn can_be_set(of: Of, name: &str, names: &BTreeMap<u32, String>) -> bool {
    let path = setting::path(of, name, names);
    path.and_then(|path| fs::metadata(path).ok()).is_none_or(|file| file.permissions().mode() & 0o222 != 0)
}
