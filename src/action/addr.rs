//! An address is put on a link, or taken from it.

use serde::{Deserialize, Serialize};

use super::text::{Names, Options, opt};
use super::{After, Change, Context, Failure, Subject, failed};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::addr::{self, AddrSpec};
use crate::kernel::link::LinkKey;
use crate::probe::state;
use crate::snapshot::scope::Touch;
use crate::types::name::IfName;

/// An address is put on a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddrAdd {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
    /// The address.
    pub addr: AddrSpec,
}

impl Change for AddrAdd {
    fn check(&self, ctx: &mut Context<'_>) -> Result<()> {
        let there = state::addr::read(ctx.socket(self.link.netns)?, Some(self.link.index), &Default::default())
            .map_err(|e| failed(&format!("read the addresses of `{}`", self.dev), e))?;
        let same = |a: &state::addr::AddrState| {
            a.local == self.addr.addr.addr()
                && a.prefixlen == self.addr.addr.len()
                && (a.local.is_ipv6() || a.address == self.addr.peer)
        };
        if there.iter().any(same) { Err(taken(self, None)) } else { Ok(()) }
    }

    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = addr::add(self.link.index, &self.addr);
        let socket = ctx.socket(self.link.netns).map_err(Failure::clean)?;
        socket.change(message, flags).map_err(|e| Failure::clean(explain(self, e)))?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Addrs(self.link)])
    }

    fn needs(&self) -> Vec<&'static str> {
        self.addr.addr.addr().is_ipv6().then_some("ipv6").into_iter().collect()
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.link)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} address add {} dev {}", names.ip(self.link.netns), words(&self.addr), self.dev)]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![format!("{} address del {} dev {}", names.ip(self.link.netns), self.addr.addr, self.dev)]
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}.addr({})", names.link_handle(self.link, self.dev.as_str()), args(&self.addr))
    }
}

/// An address is taken from a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddrDel {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
    /// The address, as it was found.
    pub addr: AddrSpec,
}

impl AddrDel {
    fn opposite(&self) -> AddrAdd {
        AddrAdd { link: self.link, dev: self.dev.clone(), addr: self.addr.clone() }
    }
}

impl Change for AddrDel {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = addr::del(self.link.index, &self.addr);
        let socket = ctx.socket(self.link.netns).map_err(Failure::clean)?;
        socket.change(message, flags).map_err(|e| {
            Failure::clean(if e.errno == libc::EADDRNOTAVAIL {
                Diagnostic::new(Code::NoSuchEntry, format!("`{}` has no address {}", self.dev, self.addr.addr))
                    .kernel(e)
            } else {
                failed(&format!("take {} from `{}`", self.addr.addr, self.dev), e)
            })
        })?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        // With a primary address its secondary ones go, and routes of other links that send from it.
        Ok(vec![Touch::Addrs(self.link)])
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.link)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        self.opposite().by_hand(names)
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        self.opposite().ip(names)
    }

    fn rhai(&self, names: &Names) -> String {
        let mut options = Options::default();
        options.put_text("peer", self.addr.peer);
        let args = options.after([format!("\"{}\"", self.addr.addr)]);
        format!("{}.del_addr({args})", names.link_handle(self.link, self.dev.as_str()))
    }
}

/// An address as `ip address add` takes it.
pub fn words(spec: &AddrSpec) -> String {
    let mut line = match spec.peer {
        Some(peer) => format!("{} peer {peer}/{}", spec.addr.addr(), spec.addr.len()),
        None => spec.to_string(),
    };
    opt(&mut line, "broadcast", spec.broadcast);
    opt(&mut line, "scope", spec.scope);
    opt(&mut line, "label", spec.label.as_ref());
    opt(&mut line, "valid_lft", spec.valid_lft);
    opt(&mut line, "preferred_lft", spec.preferred_lft);
    if spec.nodad {
        line.push_str(" nodad");
    }
    if spec.noprefixroute {
        line.push_str(" noprefixroute");
    }
    line
}

/// An address as a script's `addr` takes it.
fn args(spec: &AddrSpec) -> String {
    let mut options = Options::default();
    options.put_text("peer", spec.peer);
    options.put_text("scope", spec.scope);
    options.put_text("broadcast", spec.broadcast);
    options.put_text("label", spec.label.as_ref());
    options.put("valid_lft", spec.valid_lft);
    options.put("preferred_lft", spec.preferred_lft);
    options.put_flag("nodad", spec.nodad);
    options.put_flag("noprefixroute", spec.noprefixroute);
    options.after([format!("\"{}\"", spec.addr)])
}

/// What a refused address means.
pub(crate) fn explain(add: &AddrAdd, error: KernelError) -> Box<Diagnostic> {
    let (dev, addr) = (&add.dev, add.addr.addr);
    match error.errno {
        libc::EEXIST => taken(add, Some(error)),
        libc::ENODEV => super::deleted_by_others(dev.as_str()).kernel(error),
        libc::EACCES if addr.addr().is_ipv6() => Diagnostic::new(
            Code::NoFeature,
            format!("`{dev}` takes no IPv6 address: IPv6 is switched off on it"),
        )
        .help(format!(
            "write sysctl(\"net.ipv6.conf.{dev}.disable_ipv6\", \"0\") first; an MTU below 1280 switches it off too"
        ))
        .kernel(error),
        libc::EINVAL | libc::ENOBUFS if addr.addr().is_ipv6() => {
            Diagnostic::new(Code::Refused, format!("`{dev}` takes no IPv6 address: IPv6 does not run on it"))
                .help("IPv6 needs an MTU of 1280 or more: .mtu(1500)")
                .kernel(error)
        }
        _ => failed(&format!("put {addr} on `{dev}`"), error),
    }
}

fn taken(add: &AddrAdd, error: Option<KernelError>) -> Box<Diagnostic> {
    let diagnostic =
        Diagnostic::new(Code::AddressTaken, format!("`{}` already has the address {}", add.dev, add.addr.addr));
    match error {
        Some(error) => diagnostic.kernel(error),
        None => diagnostic,
    }
}
