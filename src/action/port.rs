//! Options of a bridge's port, and the VLANs it is in.

use serde::{Deserialize, Serialize};

use super::text::{Names, Options, bit, on, opt};
use super::{After, Change, Context, Failure, Subject, failed};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::bridge::{self, BridgeOptions, PortOptions, PortVlan};
use crate::kernel::link::{self, LinkKey};
use crate::kernel::space::NetnsCookie;
use crate::snapshot::scope::Touch;
use crate::types::name::IfName;

/// Options of a port are set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSet {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
    /// The options.
    pub set: PortOptions,
}

impl PortSet {
    fn put(&self, options: &PortOptions, ctx: &mut Context<'_>) -> Result<()> {
        let what = format!("set the port options of `{}`", self.dev);
        ctx.socket(self.link.netns)?.change_all(requests(self.link.index, options)).map_err(|(_, e)| explain(&what, e))
    }
}

impl Change for PortSet {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        self.put(&self.set, ctx).map_err(Failure::partial)?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        // With the last port that forwards a bridge loses its carrier, and what hangs on that.
        let is_state = self.set.state.is_some();
        Ok(vec![if is_state { Touch::Link(self.link, Vec::new()) } else { Touch::Port(self.link, Vec::new()) }])
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.link)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![words(&self.dev, &self.set, self.link.netns, names)]
    }

    fn rhai(&self, names: &Names) -> String {
        let mut options = Options::default();
        port_options(&mut options, &self.set);
        format!("{}.set({})", names.link_handle(self.link, self.dev.as_str()), options.after([""; 0]))
    }
}

/// A port, or the bridge itself, joins a VLAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanAdd {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
    /// The VLAN.
    pub vlan: PortVlan,
    /// The link is the bridge itself.
    pub own: bool,
}

impl Change for VlanAdd {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = bridge::vlan_add(self.link.index, self.vlan, self.own);
        let socket = ctx.socket(self.link.netns).map_err(Failure::clean)?;
        let what = format!("add VLAN {} to `{}`", self.vlan.vid.get(), self.dev);
        socket.change(message, flags).map_err(|e| Failure::clean(explain(&what, e)))?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Port(self.link, Vec::new())])
    }

    fn needs(&self) -> Vec<&'static str> {
        vec!["bridge-vlan-filtering"]
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.link)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![vlan_words("add", &self.dev, self.vlan, self.own, self.link.netns, names)]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![vlan_words("del", &self.dev, self.vlan, self.own, self.link.netns, names)]
    }

    fn rhai(&self, names: &Names) -> String {
        let mut options = Options::default();
        options.put_flag("pvid", self.vlan.pvid);
        options.put_flag("untagged", self.vlan.untagged);
        let args = options.after([self.vlan.vid.get().to_string()]);
        format!("{}.vlan_add({args})", names.link_handle(self.link, self.dev.as_str()))
    }
}

/// A port, or the bridge itself, leaves a VLAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanDel {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
    /// The VLAN, as it was.
    pub vlan: PortVlan,
    /// The link is the bridge itself.
    pub own: bool,
}

impl VlanDel {
    fn opposite(&self) -> VlanAdd {
        VlanAdd { link: self.link, dev: self.dev.clone(), vlan: self.vlan, own: self.own }
    }
}

impl Change for VlanDel {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let id = self.vlan.vid.get();
        let what = format!("take VLAN {id} from `{}`", self.dev);
        let missing = format!("`{}` is not in VLAN {id}", self.dev);
        super::take_away(bridge::vlan_del(self.link.index, self.vlan, self.own), self.link.netns, (&what, missing), ctx)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Port(self.link, Vec::new())])
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
        format!("{}.vlan_del({})", names.link_handle(self.link, self.dev.as_str()), self.vlan.vid.get())
    }
}

/// The messages that set options of a port.
pub(crate) fn requests(index: u32, options: &PortOptions) -> Vec<crate::kernel::netlink::Request> {
    let mut requests = Vec::new();
    if !(PortOptions { state: None, ..options.clone() }).is_empty() {
        requests.push(link::set_port(index, options));
    }
    requests.extend(options.state.map(|state| link::set_port_state(index, state)));
    requests
}

/// What a refused port option or VLAN means.
pub(crate) fn explain(what: &str, error: KernelError) -> Box<Diagnostic> {
    match error.errno {
        libc::EOPNOTSUPP => {
            Diagnostic::new(Code::NoFeature, format!("cannot {what}: it is no port of a bridge that can do this"))
                .help("VLANs need a bridge with vlan_filtering, and a kernel with CONFIG_BRIDGE_VLAN_FILTERING")
                .kernel(error)
        }
        _ => failed(what, error),
    }
}

/// Port options as `bridge link set` takes them.
pub fn words(dev: &IfName, o: &PortOptions, netns: NetnsCookie, names: &Names) -> String {
    let mut line = format!("{} link set dev {dev}", names.tool("bridge", netns));
    opt(&mut line, "state", o.state);
    opt(&mut line, "priority", o.priority);
    opt(&mut line, "cost", o.cost);
    for (word, value) in switches(o) {
        opt(&mut line, word, value.map(on));
    }
    line
}

/// The same as a script takes them.
pub(super) fn port_options(options: &mut Options, o: &PortOptions) {
    options.put_text("state", o.state.and_then(|state| PortOptions::STATES.get(usize::from(state))));
    options.put("priority", o.priority);
    options.put("cost", o.cost);
    for (word, value) in switches(o) {
        options.put(word, value);
    }
}

fn switches(o: &PortOptions) -> [(&'static str, Option<bool>); 11] {
    [
        ("hairpin", o.hairpin),
        ("guard", o.guard),
        ("root_block", o.root_block),
        ("fastleave", o.fastleave),
        ("learning", o.learning),
        ("flood", o.flood),
        ("mcast_flood", o.mcast_flood),
        ("bcast_flood", o.bcast_flood),
        ("isolated", o.isolated),
        ("neigh_suppress", o.neigh_suppress),
        ("locked", o.locked),
    ]
}

/// A VLAN as `bridge vlan add` takes it.
pub fn vlan_words(verb: &str, dev: &IfName, vlan: PortVlan, own: bool, netns: NetnsCookie, names: &Names) -> String {
    let mut line = format!("{} vlan {verb} dev {dev} vid {}", names.tool("bridge", netns), vlan.vid.get());
    if verb == "add" {
        if vlan.pvid {
            line.push_str(" pvid");
        }
        if vlan.untagged {
            line.push_str(" untagged");
        }
    }
    if own {
        line.push_str(" self");
    }
    line
}

/// Bridge options as `ip link add … type bridge` takes them.
pub fn bridge_words(line: &mut String, o: &BridgeOptions) {
    for (word, value) in bridge_switches(o) {
        opt(line, word, value.map(bit));
    }
    for (word, value) in bridge_numbers(o) {
        opt(line, word, value);
    }
}

/// The same as a script takes them.
pub(super) fn bridge_options(options: &mut Options, o: &BridgeOptions) {
    for (word, value) in bridge_switches(o) {
        options.put(word, value);
    }
    for (word, value) in bridge_numbers(o) {
        options.put(word, value);
    }
}

fn bridge_switches(o: &BridgeOptions) -> [(&'static str, Option<bool>); 7] {
    [
        ("stp_state", o.stp_state),
        ("vlan_filtering", o.vlan_filtering),
        ("mcast_snooping", o.mcast_snooping),
        ("mcast_querier", o.mcast_querier),
        ("nf_call_iptables", o.nf_call_iptables),
        ("nf_call_ip6tables", o.nf_call_ip6tables),
        ("nf_call_arptables", o.nf_call_arptables),
    ]
}

fn bridge_numbers(o: &BridgeOptions) -> [(&'static str, Option<u32>); 7] {
    [
        ("vlan_default_pvid", o.vlan_default_pvid.map(u32::from)),
        ("priority", o.priority.map(u32::from)),
        ("forward_delay", o.forward_delay),
        ("hello_time", o.hello_time),
        ("max_age", o.max_age),
        ("ageing_time", o.ageing_time),
        ("group_fwd_mask", o.group_fwd_mask.map(u32::from)),
    ]
}

/// The features that options of a bridge need.
pub(super) fn needs(options: &BridgeOptions) -> Vec<&'static str> {
    let is_on = [("bridge-stp", options.stp_state), ("bridge-vlan-filtering", options.vlan_filtering)];
    is_on.into_iter().filter(|(_, on)| *on == Some(true)).map(|(name, _)| name).collect()
}
