//! Settings that are not as in a new namespace.

use std::collections::BTreeMap;

use super::scope::Scope;
use super::{Draft, Part, Wanted};
use crate::action::Action;
use crate::action::netns::NetnsAdd;
use crate::action::sysctl_set::SysctlSet;
use crate::kernel::space::Kernel;
use crate::snapshot::group::Of;
use crate::snapshot::setting::{self, LinkNames};
use crate::types::name::NsName;
use crate::why::world::World;

/// All settings of a namespace by what they are about and their names.
type Settings = BTreeMap<(Of, String), String>;

/// The ifindex of `lo`.
const LO: u32 = 1;

/// What a new namespace has.
#[derive(Debug)]
pub(super) struct Usual(Settings);

impl Usual {
    /// Looks into one that is made for it, and gone afterwards.
    pub(super) fn read() -> Self {
        let new = Kernel::open().and_then(|mut kernel| {
            let cookie = kernel.make()?;
            Ok(kernel.fd(cookie).map(|fd| look(fd, &[LO], &LinkNames::from([(LO, "lo".into())]))))
        });
        Self(new.ok().flatten().unwrap_or_default())
    }
}

/// What the links of each namespace get when they are made.
#[derive(Debug, Default)]
pub(super) struct Defaults(BTreeMap<usize, Settings>);

impl Defaults {
    /// Whether new links of a namespace have no IPv6.
    pub(super) fn without_v6(&self, space: usize) -> bool {
        let key = (Of::Default, "ipv6/conf/disable_ipv6".to_owned());
        self.0.get(&space).and_then(|of| of.get(&key)).is_some_and(|value| value == "1")
    }
}

/// Makes the namespaces, and sets what concerns each as a whole.
pub(super) fn of_spaces(
    world: &mut World<'_>,
    scope: &Scope,
    wanted: &Wanted,
    usual: &Usual,
    draft: &mut Draft,
) -> Defaults {
    let mut defaults = Defaults::default();
    for space in scope.all() {
        let (cookie, name) = (world.space(space).cookie, world.name(space));
        let is_host = space == scope.host;
        if !is_host {
            let Ok(name) = NsName::new(&name) else { continue };
            let lo = world.space(space).links.iter().any(|l| l.loopback && l.up);
            draft.push(Part::Netns, Action::NetnsAdd(NetnsAdd { name, cookie, lo }));
        }
        let names = names(world, space);
        let Some(all) = world.fd(space).map(|fd| look(fd, &[LO], &names)) else { continue };
        let forwards = all.get(&(Of::All, "ipv4/conf/forwarding".to_owned())).is_some_and(|value| value == "1");
        // The switch for forwarding turns it off (net/ipv4/devinet.c, `inet_forward_change`).
        let turned = |of: Of, leaf: &str, value: &str| {
            (of, leaf, value) == (Of::All, "ipv4/conf/accept_redirects", "0") && forwards
        };
        let is_wanted = |of: Of, leaf: &str| {
            !is_host
                || scope.whole
                || [setting::path(of, leaf, &names), file(of, leaf, &names)]
                    .iter()
                    .flatten()
                    .any(|p| wanted.settings.contains(p))
        };
        let mut found: Vec<(&(Of, String), &String)> = all
            .iter()
            .filter(|((of, leaf), value)| {
                let like_all = || all.get(&(Of::All, leaf.clone())) == Some(*value);
                let key = (*of, leaf.clone());
                is_wanted(*of, leaf)
                    && is_somebodys(leaf)
                    && !turned(*of, leaf, value)
                    && if is_host && !scope.whole {
                        !matches!(of, Of::Link(_))
                    } else {
                        usual.0.get(&key).is_some_and(|usual| usual != *value)
                            && !(matches!(of, Of::Link(_)) && like_all())
                            && !(*of == Of::Default && goes_with_all(leaf) && like_all())
                    }
            })
            .collect();
        found.sort_by_key(|((of, leaf), _)| (setting::turn(*of, leaf), *of, leaf.clone()));
        for ((of, leaf), value) in found {
            if let Some(path) = file(*of, leaf, &names) {
                let value = value.clone();
                draft.push(Part::Netns, set(cookie, path, value));
            }
        }
        defaults.0.insert(space, all);
    }
    defaults
}

/// Sets what concerns single links, where it is not what they got when they were made.
pub(super) fn of_links(world: &mut World<'_>, scope: &Scope, usual: &Usual, defaults: &Defaults, draft: &mut Draft) {
    for space in scope.all() {
        let Some(all) = defaults.0.get(&space) else { continue };
        let (cookie, names) = (world.space(space).cookie, names(world, space));
        let has = |index: &u32| *index != LO && scope.has(crate::why::world::Spot { space, link: *index });
        let links: Vec<u32> = names.keys().filter(|index| has(index)).copied().collect();
        let Some(own) = world.fd(space).and_then(|fd| setting::read(fd, &links, &[], &names, &BTreeMap::new()).ok())
        else {
            continue;
        };
        for (of, items) in own {
            let mut items: Vec<(String, String)> =
                items.iter().map(|item| (item.label(), item.value.as_text())).collect();
            items.sort_by_key(|(leaf, _)| setting::turn(of, leaf));
            for (leaf, value) in items {
                let is = |of: Of| all.get(&(of, leaf.clone())).is_some_and(|there| *there == value);
                // The folder of neighbours' defaults is only to be seen in the first namespace of the machine.
                let is_hidden = !all.contains_key(&(Of::Default, leaf.clone()));
                let is_usual = || usual.0.get(&(Of::Link(LO), leaf.clone())).is_some_and(|usual| *usual == value);
                let is_given = is(Of::Default) || (goes_with_all(&leaf) && is(Of::All)) || (is_hidden && is_usual());
                if !is_given && is_somebodys(&leaf) && !is_kernels(&leaf, &value) {
                    let path = setting::path(of, &leaf, &names);
                    path.into_iter().for_each(|path| draft.push(Part::Settings, set(cookie, path, value.clone())));
                }
            }
        }
    }
}

fn set(netns: crate::kernel::space::NetnsCookie, path: std::path::PathBuf, value: String) -> Action {
    // The kernel tells several numbers with tabs between.
    Action::SysctlSet(SysctlSet { netns, path, value: value.replace('\t', " ") })
}

/// The file of a setting, by the name that people know it by.
fn file(of: Of, leaf: &str, names: &LinkNames) -> Option<std::path::PathBuf> {
    if (of, leaf) == (Of::All, "ipv4/conf/forwarding") {
        return Some(std::path::Path::new(crate::kernel::sysctl::ROOT).join("net/ipv4/ip_forward"));
    }
    setting::path(of, leaf, names)
}

fn names(world: &World<'_>, space: usize) -> LinkNames {
    world.space(space).links.iter().map(|l| (l.ifindex, l.ifname.clone())).collect()
}

fn look(fd: std::os::fd::BorrowedFd<'_>, links: &[u32], names: &LinkNames) -> Settings {
    let others = setting::all(fd);
    let read = setting::read(fd, links, &others, names, &BTreeMap::new()).unwrap_or_default();
    let pairs = read
        .into_iter()
        .flat_map(|(of, items)| items.into_iter().map(move |item| ((of, item.label()), item.value.as_text())));
    pairs.collect()
}

/// Whether the kernel writes it to the links, and to `default`, with that of `all`.
fn goes_with_all(leaf: &str) -> bool {
    matches!(leaf, "ipv4/conf/forwarding" | "ipv6/conf/forwarding" | "ipv6/conf/disable_ipv6")
}

/// Whether a person sets it: not what follows from something else, or is told a second time in other units.
fn is_somebodys(leaf: &str) -> bool {
    !matches!(
        leaf,
        "ipv6/conf/mtu"
            | "ipv4/neigh/base_reachable_time"
            | "ipv6/neigh/base_reachable_time"
            | "ipv4/neigh/retrans_time"
            | "ipv6/neigh/retrans_time"
            | "ipv4/neigh/unres_qlen"
            | "ipv6/neigh/unres_qlen"
    )
}

/// Whether the kernel gives it this value on links of some kinds (`ipv6_add_dev` of net/ipv6/addrconf.c).
fn is_kernels(leaf: &str, value: &str) -> bool {
    matches!(leaf, "ipv6/conf/use_tempaddr" | "ipv6/conf/accept_dad") && value == "-1"
}
