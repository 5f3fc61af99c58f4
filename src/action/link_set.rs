//! A link is changed: up or down, MTU, MAC, name, master, alias, and options of its kind.

use serde::{Deserialize, Serialize};

use super::link_words::mac_list;
use super::port::{bridge_options, bridge_words, needs};
use super::text::{Names, Options, dev, on, opt};
use super::{After, Change, Context, Failure, Subject, failed};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::bridge::BridgeOptions;
use crate::kernel::link::kind::{LinkKind, MacvlanMode};
use crate::kernel::link::{self, LinkKey, LinkSet};
use crate::kernel::netlink::Request;
use crate::snapshot::scope::Touch;
use crate::types::mac::Mac;
use crate::types::name::IfName;

/// A link is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// The link.
    pub link: LinkKey,
    /// The link's name before the change.
    pub dev: IfName,
    /// What is set on any kind of link.
    #[serde(flatten)]
    pub set: LinkSet,
    /// The new master's name, for the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_name: Option<String>,
    /// What is set on a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<BridgeOptions>,
    /// The senders that a source-mode macvlan lets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<Vec<Mac>>,
}

impl LinkChange {
    /// A change of nothing, to be filled in.
    pub fn new(link: LinkKey, dev: IfName, set: LinkSet) -> Self {
        Self { link, dev, set, master_name: None, bridge: None, macs: None }
    }

    fn requests(&self) -> Vec<Request> {
        let mut requests = Vec::new();
        if self.set != LinkSet::default() {
            requests.push(link::set(self.link.index, &self.set));
        }
        if let Some(options) = &self.bridge {
            requests.push(link::set_kind(self.link.index, LinkKind::Bridge(options.clone()).infos(None)));
        }
        if let Some(macs) = &self.macs {
            // The parent is not part of a change; the kind and its mode must be said again.
            let kind = LinkKind::Macvlan { link: self.link, mode: MacvlanMode::Source, macs: macs.clone() };
            requests.push(link::set_kind(self.link.index, kind.infos(None)));
        }
        requests
    }
}

impl Change for LinkChange {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let socket = ctx.socket(self.link.netns).map_err(Failure::clean)?;
        socket.change_all(self.requests()).map_err(|(_, e)| Failure::partial(explain(self, e)))?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        let set = &self.set;
        let names = [
            ("up", set.up.is_some()),
            ("mtu", set.mtu.is_some()),
            ("mac", set.mac.is_some()),
            ("name", set.name.is_some()),
            ("master", set.master.is_some()),
            ("alias", set.alias.is_some()),
            ("txqlen", set.txqlen.is_some()),
            ("promisc", set.promisc.is_some()),
        ];
        let holds = names.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned()).collect();
        let mut touches = vec![Touch::Link(self.link, holds)];
        if let Some(master) = set.master.filter(|m| *m > 0) {
            touches.push(Touch::Link(LinkKey { netns: self.link.netns, index: master }, Vec::new()));
        }
        Ok(touches)
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.link)
    }

    fn needs(&self) -> Vec<&'static str> {
        self.bridge.iter().flat_map(needs).collect()
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        let ip = names.ip(self.link.netns);
        let dev = dev(self.dev.as_str());
        let mut lines = Vec::new();
        let mut line = String::new();
        opt(&mut line, "mtu", self.set.mtu);
        opt(&mut line, "address", self.set.mac);
        opt(&mut line, "txqueuelen", self.set.txqlen);
        opt(&mut line, "promisc", self.set.promisc.map(on));
        opt(&mut line, "alias", self.set.alias.as_ref().map(|a| format!("{a:?}")));
        match (self.set.master, &self.master_name) {
            (Some(0), _) => line.push_str(" nomaster"),
            (Some(_), Some(name)) => opt(&mut line, "master", Some(name)),
            (Some(index), None) => opt(&mut line, "master", Some(format!("if{index}"))),
            (None, _) => {}
        }
        opt(&mut line, "name", self.set.name.as_ref());
        if let Some(up) = self.set.up {
            line.push_str(if up { " up" } else { " down" });
        }
        if !line.is_empty() {
            lines.push(format!("{ip} link set {dev}{line}"));
        }
        if let Some(options) = &self.bridge {
            let mut line = format!("{ip} link set {dev} type bridge");
            bridge_words(&mut line, options);
            lines.push(line);
        }
        if let Some(macs) = &self.macs {
            let macs: Vec<String> = macs.iter().map(Mac::to_string).collect();
            lines.push(format!("{ip} link set {dev} type macvlan macaddr set {}", macs.join(" ")));
        }
        lines
    }

    fn rhai(&self, names: &Names) -> String {
        let mut text = names.link_handle(self.link, self.dev.as_str());
        // A link that joins a bond is down then, and one that is set down is so before anything else.
        if self.set.up == Some(false) {
            text.push_str(".down()");
        }
        let quoted = |text: String| format!("{text:?}");
        for (verb, value) in [
            ("mtu", self.set.mtu.map(|m| m.to_string())),
            ("mac", self.set.mac.map(|m| quoted(m.to_string()))),
            ("alias", self.set.alias.clone().map(quoted)),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(".{verb}({value})"));
            }
        }
        let mut options = Options::default();
        options.put("txqueuelen", self.set.txqlen);
        options.put("promisc", self.set.promisc);
        if let Some(bridge) = &self.bridge {
            bridge_options(&mut options, bridge);
        }
        options.put("macaddr", self.macs.as_deref().map(mac_list));
        if !options.is_empty() {
            text.push_str(&format!(".set({})", options.after([""; 0])));
        }
        match (self.set.master, &self.master_name) {
            (Some(0), _) => text.push_str(".nomaster()"),
            (Some(index), name) => {
                let key = LinkKey { netns: self.link.netns, index };
                let name = name.clone().unwrap_or_else(|| names.link(key));
                text.push_str(&format!(".master({})", names.link_handle(key, &name)));
            }
            (None, _) => {}
        }
        if self.set.up == Some(true) {
            text.push_str(".up()");
        }
        if let Some(name) = &self.set.name {
            text.push_str(&format!(".rename({:?})", name.as_str()));
        }
        text
    }
}

/// What a refused change means.
fn explain(change: &LinkChange, error: KernelError) -> Box<Diagnostic> {
    let (dev, set) = (&change.dev, &change.set);
    match error.errno {
        libc::ENODEV => super::deleted_by_others(dev.as_str()).kernel(error),
        libc::EEXIST if set.name.is_some() => {
            let name = set.name.as_ref().map_or("", IfName::as_str);
            Diagnostic::new(Code::NameTaken, format!("cannot rename `{dev}`: there is a link called `{name}` already"))
                .kernel(error)
        }
        libc::EINVAL if set.mtu.is_some() => {
            let reason = error.text.clone().unwrap_or_else(|| "its kind does not allow it".into());
            Diagnostic::new(
                Code::OutOfRange,
                format!("cannot set the MTU of `{dev}` to {}: {reason}", set.mtu.unwrap_or(0)),
            )
            .help("an Ethernet-like link takes 68 to 65535; IPv6 needs 1280")
            .kernel(error)
        }
        libc::EADDRNOTAVAIL if set.mac.is_some() => {
            Diagnostic::new(Code::BadMac, format!("`{dev}` cannot have this MAC"))
                .help("the lowest bit of the first byte must be 0, and not all may be zero: \"02:00:00:00:00:01\"")
                .kernel(error)
        }
        libc::ENOTCONN => {
            Diagnostic::new(Code::Busy, format!("cannot set up `{dev}`: its other end is gone")).kernel(error)
        }
        libc::EBUSY if set.master.is_some_and(|m| m > 0) => {
            Diagnostic::new(Code::Busy, format!("`{dev}` cannot become a port: something else uses it already"))
                .help("a link with a macvlan on it, or one that is a port elsewhere, must be freed first: .nomaster()")
                .kernel(error)
        }
        libc::EPERM if set.master.is_some_and(|m| m > 0) && error.text.as_ref().is_some_and(|t| t.contains("up")) => {
            Diagnostic::new(Code::Busy, format!("`{dev}` is up, and a link joins a bond while it is down"))
                .help("set it down before, and up afterwards: .down().master(bond).up()")
                .kernel(error)
        }
        libc::EOPNOTSUPP if set.master.is_some_and(|m| m > 0) => {
            Diagnostic::new(Code::Refused, format!("`{dev}` cannot become a port of that link"))
                .help("the master must be a bridge, and no bridge can be a port of another")
                .kernel(error)
        }
        libc::ELOOP => Diagnostic::new(
            Code::Refused,
            format!("`{dev}` cannot become a port: a bridge cannot be a port of a bridge"),
        )
        .help("join two bridges with a wire: veth(one.port(), two.port())")
        .kernel(error),
        _ => failed(&format!("change `{dev}`"), error),
    }
}
