//! A neighbour, proxy or forwarding entry is made or deleted.

use serde::{Deserialize, Serialize};

use super::text::{Names, Options};
use super::{After, Change, Context, Failure, Subject, failed};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::neigh::{self, NeighSpec, Table};
use crate::probe::state;
use crate::snapshot::scope::Touch;
use crate::types::name::IfName;

/// An entry is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighAdd {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
    /// The entry.
    pub entry: NeighSpec,
}

impl Change for NeighAdd {
    fn check(&self, ctx: &mut Context<'_>) -> Result<()> {
        let table = match self.entry {
            NeighSpec::Neigh { .. } => Table::Neighbours,
            NeighSpec::Proxy { .. } => Table::Proxies,
            NeighSpec::Fdb { .. } => Table::Fdb,
        };
        let there = state::neigh::read(ctx.socket(self.link.netns)?, table, &Default::default())
            .map_err(|e| failed(&format!("read the neighbours of `{}`", self.dev), e))?;
        let same = |e: &state::neigh::NeighState| {
            e.index == self.link.index
                && match &self.entry {
                    // An entry that was only learned is replaced by the kernel's own aging; a fixed one would be lost.
                    NeighSpec::Neigh { addr, .. } => e.dst == Some(*addr) && e.state == "PERMANENT",
                    NeighSpec::Proxy { addr } => e.dst == Some(*addr),
                    NeighSpec::Fdb { mac, dst, vlan, .. } => {
                        e.mac == Some(*mac) && e.dst == *dst && e.vlan == vlan.map(|v| v.get())
                    }
                }
        };
        if there.iter().any(same) { Err(taken(self)) } else { Ok(()) }
    }

    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = neigh::add(self.link.index, &self.entry);
        let answer = ctx.socket(self.link.netns).map_err(Failure::clean)?.change(message, flags);
        let answer = match (&self.entry, answer) {
            // An entry that the kernel learned by itself stands in the way; it may be forgotten, a fixed one may not. On the
            // lab's own links nobody has looked for one before.
            (NeighSpec::Neigh { .. }, Err(e)) if e.errno == libc::EEXIST => {
                self.check(ctx).map_err(|error| Failure::clean(error.kernel(e)))?;
                let socket = ctx.socket(self.link.netns).map_err(Failure::clean)?;
                let (message, _) = neigh::add(self.link.index, &self.entry);
                socket.change(message, netlink_packet_core::NLM_F_CREATE | netlink_packet_core::NLM_F_REPLACE)
            }
            (_, answer) => answer,
        };
        answer.map_err(|e| {
            Failure::clean(match e.errno {
                libc::EEXIST => taken(self).kernel(e),
                libc::ENODEV => super::deleted_by_others(self.dev.as_str()).kernel(e),
                _ => failed(&format!("make the entry for {} on `{}`", who(&self.entry), self.dev), e),
            })
        })?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Neighs(self.link)])
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.link)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![words(self.link, &self.dev, &self.entry, "add", names)]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![words(self.link, &self.dev, &self.entry, "del", names)]
    }

    fn rhai(&self, names: &Names) -> String {
        call("", self.link, &self.dev, &self.entry, names)
    }
}

/// An entry is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighDel {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
    /// The entry.
    pub entry: NeighSpec,
}

impl NeighDel {
    fn opposite(&self) -> NeighAdd {
        NeighAdd { link: self.link, dev: self.dev.clone(), entry: self.entry.clone() }
    }
}

impl Change for NeighDel {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let what = format!("delete the entry for {} on `{}`", who(&self.entry), self.dev);
        let missing = format!("`{}` has no entry for {}", self.dev, who(&self.entry));
        super::take_away(neigh::del(self.link.index, &self.entry), self.link.netns, (&what, missing), ctx)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Neighs(self.link)])
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
        call("del_", self.link, &self.dev, &self.entry, names)
    }
}

fn who(entry: &NeighSpec) -> String {
    match entry {
        NeighSpec::Neigh { addr, .. } | NeighSpec::Proxy { addr } => addr.to_string(),
        NeighSpec::Fdb { mac, .. } => mac.to_string(),
    }
}

/// The call of a script that makes an entry, or with `del_` deletes it.
fn call(prefix: &str, link: LinkKey, dev: &IfName, entry: &NeighSpec, names: &Names) -> String {
    let mut options = Options::default();
    let (to, verb, args) = match entry {
        NeighSpec::Neigh { addr, mac } => (names.handle(link.netns), "neigh", vec![addr.to_string(), mac.to_string()]),
        NeighSpec::Proxy { addr } => {
            options.put_flag("proxy", true);
            (names.handle(link.netns), "neigh", vec![addr.to_string()])
        }
        NeighSpec::Fdb { mac, dst, vlan, master, append } => {
            options.put_text("dst", *dst);
            options.put("vlan", vlan.map(|vlan| vlan.get()));
            // Without a word, what has no tunnel end is for the bridge's table.
            options.put("master", Some(*master).filter(|master| *master != dst.is_none()));
            options.put_flag("append", *append && prefix.is_empty());
            (names.link_handle(link, dev.as_str()), "fdb", vec![mac.to_string()])
        }
    };
    if verb == "neigh" {
        options.put_text("dev", Some(dev));
    }
    format!("{to}.{prefix}{verb}({})", options.after(args.iter().map(|arg| format!("\"{arg}\""))))
}

fn words(link: LinkKey, dev: &IfName, entry: &NeighSpec, verb: &str, names: &Names) -> String {
    match entry {
        NeighSpec::Neigh { addr, mac } => {
            format!("{} neighbour {verb} {addr} lladdr {mac} dev {dev} nud permanent", names.ip(link.netns))
        }
        NeighSpec::Proxy { addr } => format!("{} neighbour {verb} proxy {addr} dev {dev}", names.ip(link.netns)),
        NeighSpec::Fdb { mac, dst, vlan, master, append } => {
            let verb = if *append && verb == "add" { "append" } else { verb };
            let mut line = format!("{} fdb {verb} {mac} dev {dev}", names.tool("bridge", link.netns));
            super::text::opt(&mut line, "dst", *dst);
            super::text::opt(&mut line, "vlan", vlan.map(|v| v.get()));
            line.push_str(if *master { " master static" } else { " self permanent" });
            line
        }
    }
}

fn taken(add: &NeighAdd) -> Box<Diagnostic> {
    Diagnostic::new(Code::EntryTaken, format!("`{}` already has an entry for {}", add.dev, who(&add.entry)))
}
