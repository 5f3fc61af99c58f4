//! A link is moved to another namespace; and what a link holds, which the kernel drops on the way.

use serde::{Deserialize, Serialize};

use super::link_set::LinkChange;
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone, failed};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::addr::{self, AddrSpec};
use crate::kernel::link::{self, LinkKey, LinkSet};
use crate::kernel::route::{self, RouteSpec};
use crate::kernel::sysctl;
use crate::probe::state::link::LinkState;
use crate::types::name::IfName;

/// A link is moved to another namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkMove {
    /// Where it was.
    pub from: LinkKey,
    /// Where it will be; the ifindex is chosen by us.
    pub to: LinkKey,
    /// Its name.
    pub dev: IfName,
    /// What it held, if it must be possible to go back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Held>>,
}

impl Change for LinkMove {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        ctx.socket(self.to.netns).map_err(Failure::clean)?;
        shift(self.from, self.to, ctx).map_err(|e| {
            Failure::clean(match e.errno {
                libc::EEXIST => Diagnostic::new(
                    Code::NameTaken,
                    format!("cannot move `{}`: there is a link of that name already where it should go", self.dev),
                )
                .kernel(e),
                libc::EINVAL => Diagnostic::new(
                    Code::Refused,
                    format!("`{}` cannot be moved to another namespace", self.dev),
                )
                .help("a bridge, `lo`, and tunnels bound to their namespace stay where they were made: make it there")
                .kernel(e),
                libc::ENODEV => Diagnostic::new(Code::NoSuchLink, format!("link `{}` is gone", self.dev)).kernel(e),
                _ => failed(&format!("move `{}`", self.dev), e),
            })
        })?;
        Ok(After::Nothing)
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        let Some(before) = &self.before else { return Ok(Undone::Already) };
        if ctx.exists(self.to.netns) && link::get(ctx.socket(self.to.netns)?, self.to.index).is_ok() {
            shift(self.to, self.from, ctx).map_err(|e| failed(&format!("move `{}` back", self.dev), e))?;
        }
        before.give_back(self.from, ctx)
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.from)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        let target = match names.netns(self.to.netns) {
            "host" => "1".into(),
            name => name.to_owned(),
        };
        vec![format!("{} link set {} netns {target}", names.ip(self.from.netns), self.dev)]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        LinkMove { from: self.to, to: self.from, dev: self.dev.clone(), before: None }.ip(names)
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}[{:?}].move_to({})", names.handle(self.from.netns), self.dev.as_str(), names.handle(self.to.netns))
    }
}

fn shift(from: LinkKey, to: LinkKey, ctx: &mut Context<'_>) -> std::result::Result<(), crate::diag::KernelError> {
    let lost = || crate::diag::KernelError::new("RTM_NEWLINK", libc::ENODEV);
    let target = ctx.kernel.target(from.netns, to.netns).ok_or_else(lost)?;
    let (message, flags) = link::move_to(from.index, target, to.index, None);
    ctx.kernel.socket(from.netns).ok_or_else(lost)?.change(message, flags)
}

/// What a link is and holds; the kernel drops some of it when the link goes down, moves, or shrinks below IPv6's minimum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its own attributes.
    pub link: LinkSet,
    /// Its options as a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<crate::kernel::link::bridge::BridgeOptions>,
    /// Its addresses, in the kernel's order.
    pub addrs: Vec<AddrSpec>,
    /// The routes that leave by it, in every table.
    pub routes: Vec<RouteSpec>,
}

impl Held {
    /// Looks at a link.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn read(key: LinkKey, ctx: &mut Context<'_>) -> Result<Self> {
        let socket = ctx.socket(key.netns)?;
        let what = |e| failed("read what the link holds", e);
        let state = LinkState::new(&link::get(socket, key.index).map_err(what)?);
        let mut routes = Vec::new();
        for v6 in [false, true] {
            let dump = route::dump(socket, v6).map_err(what)?;
            routes.extend(dump.iter().filter_map(RouteSpec::read).filter(|r| r.uses(key.index)));
        }
        Ok(Self {
            link: LinkSet {
                up: Some(state.up),
                mtu: Some(state.mtu),
                mac: state.address,
                name: Some(IfName::new(&state.ifname)?),
                master: Some(state.master_index.unwrap_or(0)),
                alias: Some(state.ifalias.clone().unwrap_or_default()),
                txqlen: Some(state.txqlen),
                promisc: Some(state.promisc),
            },
            bridge: (state.kind() == "bridge").then(|| super::port::bridge_options(&state)),
            addrs: addr::dump(socket, Some(key.index)).map_err(what)?.iter().filter_map(AddrSpec::read).collect(),
            routes,
        })
    }

    /// Makes the link so again: its attributes, then the addresses that are missing, then the routes.
    ///
    /// # Errors
    /// What the kernel said to the attributes; addresses and routes are tried until nothing more succeeds.
    pub fn give_back(&self, key: LinkKey, ctx: &mut Context<'_>) -> Result<Undone> {
        if !ctx.exists(key.netns) {
            return Ok(Undone::Already);
        }
        let Ok(now) = Self::read(key, ctx) else { return Ok(Undone::Already) };
        if now == *self {
            return Ok(Undone::Already);
        }
        let name = self.link.name.clone().unwrap_or_else(|| IfName::placeholder(key.index));
        let mut back = LinkChange::new(key, name.clone(), self.difference(&now.link));
        back.bridge = self.bridge.clone().filter(|_| now.bridge != self.bridge);
        // Addresses that come back must not be tentative for a second or two while IPv6 looks for duplicates.
        let accept_dad = sysctl::path(&format!("net/ipv6/conf/{name}/accept_dad"))?;
        let fd = ctx.kernel.fd(key.netns).ok_or_else(|| super::gone(key.netns))?;
        let dad = sysctl::read(fd, &accept_dad).ok();
        if dad.is_some() {
            let _ = sysctl::write(fd, &accept_dad, "0");
        }
        back.apply(ctx).map_err(|failure| failure.error)?;
        self.refill(key, ctx)?;
        if let (Some(dad), Some(fd)) = (dad, ctx.kernel.fd(key.netns)) {
            let _ = sysctl::write(fd, &accept_dad, &dad);
        }
        Ok(Undone::Yes)
    }

    /// Only what differs: setting a MAC or a name again has effects of its own.
    fn difference(&self, now: &LinkSet) -> LinkSet {
        fn differing<T: PartialEq + Clone>(wanted: &Option<T>, now: &Option<T>) -> Option<T> {
            if wanted == now { None } else { wanted.clone() }
        }
        let wanted = &self.link;
        LinkSet {
            up: differing(&wanted.up, &now.up),
            mtu: differing(&wanted.mtu, &now.mtu),
            mac: differing(&wanted.mac, &now.mac),
            name: differing(&wanted.name, &now.name),
            master: differing(&wanted.master, &now.master),
            alias: differing(&wanted.alias, &now.alias),
            txqlen: differing(&wanted.txqlen, &now.txqlen),
            promisc: differing(&wanted.promisc, &now.promisc),
        }
    }

    fn refill(&self, key: LinkKey, ctx: &mut Context<'_>) -> Result<()> {
        let now = Self::read(key, ctx)?;
        let socket = ctx.socket(key.netns)?;
        for spec in now.addrs.iter().filter(|a| !self.addrs.contains(a)) {
            let (message, flags) = addr::del(key.index, spec);
            let _ = socket.change(message, flags);
        }
        for spec in self.addrs.iter().filter(|a| !now.addrs.contains(a)) {
            let (message, flags) = addr::add(key.index, spec);
            let _ = socket.change(message, flags);
        }
        // A gateway needs the route to its own network first, whatever the order of the dump.
        let mut missing: Vec<&RouteSpec> = self.routes.iter().filter(|r| !now.routes.contains(r)).collect();
        loop {
            let before = missing.len();
            missing.retain(|spec| {
                let (message, flags) = route::add(spec);
                socket.change(message, flags).is_err_and(|e| e.errno != libc::EEXIST)
            });
            if missing.len() == before {
                return Ok(());
            }
        }
    }
}
