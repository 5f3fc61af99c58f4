//! A port: a link end that is not born yet, with the place where it will live.

use super::objects::{LinkId, NsId};
use super::{Lab, wire};
use crate::action::link_add::NewEnd;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::addr::AddrSpec;
use crate::kernel::link::bridge::{PortOptions, PortVlan};
use crate::kernel::link::{self, LinkEnd};
use crate::kernel::space::NetnsCookie;
use crate::probe::state::link::LinkState;
use crate::types::mac::Mac;
use crate::types::name::IfName;

/// Where a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a namespace.
    Netns(NsId),
    /// On a bridge, in the bridge's namespace.
    Bridge(LinkId),
}

/// A link end that is not born yet. What it leaves out is chosen by one rule each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Where it will be.
    pub place: Place,
    /// Its name; otherwise `eth0`, `eth1`… in a namespace, and the guest's name on a bridge and on the host.
    pub name: Option<IfName>,
    /// Its addresses.
    pub addrs: Vec<AddrSpec>,
    /// Its MAC; otherwise the kernel's choice.
    pub mac: Option<Mac>,
    /// Its MTU; otherwise the kind's default.
    pub mtu: Option<u32>,
    /// Whether it is set up.
    pub up: bool,
    /// Its options on its bridge.
    pub options: PortOptions,
    /// Its VLANs on its bridge.
    pub vlans: Vec<PortVlan>,
}

impl Port {
    /// A port that says nothing but its place.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            name: None,
            addrs: Vec::new(),
            mac: None,
            mtu: None,
            up: true,
            options: PortOptions::default(),
            vlans: Vec::new(),
        }
    }

    /// The same with a name.
    pub fn named(place: Place, name: IfName) -> Self {
        Self { name: Some(name), ..Self::new(place) }
    }
}

impl Lab {
    /// The namespace that a port will be in.
    ///
    /// # Errors
    /// `NL0116` if its place is gone.
    pub fn port_netns(&self, port: &Port) -> Result<NetnsCookie> {
        match port.place {
            Place::Netns(id) => Ok(self.objects.netns(id)?.cookie),
            Place::Bridge(id) => Ok(self.objects.link(id)?.key().netns),
        }
    }

    /// Chooses all that a port leaves out. `guest` is the name of the namespace at the other end.
    /// `other` is the end that will be born together with it.
    pub(crate) fn born(&mut self, port: &Port, guest: Option<&str>, other: Option<&LinkEnd>) -> Result<NewEnd> {
        let netns = self.port_netns(port)?;
        let (master, master_name) = match port.place {
            Place::Netns(_) => (None, None),
            Place::Bridge(id) => {
                let bridge = self.objects.link(id)?;
                if !port.addrs.is_empty() {
                    return Err(Diagnostic::new(
                        Code::AddressOnPort,
                        format!(
                            "a port of the bridge `{}` cannot use an address: what arrives there goes into the bridge",
                            bridge.name()
                        ),
                    )
                    .help("put the address on the bridge itself, or on the other end of the wire"));
                }
                (Some(bridge.key().index), Some(bridge.name().to_owned()))
            }
        };
        let name = match &port.name {
            Some(name) => name.clone(),
            None => self.free_name(port, netns, guest, other)?,
        };
        let mut index = self.index(netns)?;
        if other.is_some_and(|o| o.index == index) {
            index = self.index(netns)?;
        }
        let group = (!self.objects.is_own_netns(netns)).then_some(self.header.group);
        Ok(NewEnd {
            link: LinkEnd { netns, name, index, mac: port.mac, mtu: port.mtu, master, group, up: port.up },
            addrs: port.addrs.clone(),
            port: port.options.clone(),
            vlans: port.vlans.clone(),
            master_name,
        })
    }

    /// The next ifindex in a namespace.
    pub(crate) fn index(&mut self, netns: NetnsCookie) -> Result<u32> {
        let far = wire::far_index(self.header.seed);
        let (objects, kernel) = (&mut self.objects, &mut self.kernel);
        objects.next_index(netns, far, || {
            kernel.find(netns);
            let socket = kernel.socket(netns).ok_or_else(|| crate::action::gone(netns))?;
            let links =
                link::dump(socket).map_err(|e| Diagnostic::new(Code::Refused, "cannot list the links").kernel(e))?;
            Ok(links.iter().map(|l| l.header.index).collect())
        })
    }

    fn free_name(
        &mut self,
        port: &Port,
        netns: NetnsCookie,
        guest: Option<&str>,
        other: Option<&LinkEnd>,
    ) -> Result<IfName> {
        let inside = matches!(port.place, Place::Netns(_)) && netns != self.header.host;
        let socket = self.kernel.socket(netns).ok_or_else(|| crate::action::gone(netns))?;
        let other = other.filter(|o| o.netns == netns).map(|o| o.name.as_str());
        let mut taken = |name: &str| other == Some(name) || link::get_by_name(socket, name).is_ok();
        if inside {
            let mut numbers = 0..;
            return numbers
                .find_map(|n: u32| Some(format!("eth{n}")).filter(|name| !taken(name)))
                .map_or_else(|| IfName::new("eth"), |name| IfName::new(&name));
        }
        // What a namespace may be called and a link may not.
        let base = guest.unwrap_or("veth").replace([':', '%'], "-");
        let whole = IfName::cut(&base, "");
        if !taken(&whole) {
            return IfName::new(&whole);
        }
        // A guest with several wires to the same place: its name and a number, cut so that both fit.
        (2..)
            .map(|n: u32| IfName::cut(&base, &format!("-{n}")))
            .find(|name| !taken(name))
            .map_or_else(|| IfName::new(&whole), |name| IfName::new(&name))
    }

    /// A link's state, freshly read.
    ///
    /// # Errors
    /// `NL0116` if it was deleted by the lab, `NL0105` if by somebody else.
    pub fn link_state(&mut self, id: LinkId) -> Result<LinkState> {
        let object = self.objects.link(id)?;
        let (key, name) = (object.key(), object.name().to_owned());
        let socket = self.context_socket(key.netns)?;
        let message = link::get(socket, key.index).map_err(|e| {
            Diagnostic::new(Code::NoSuchLink, format!("link `{name}` is gone: somebody else deleted it")).kernel(e)
        })?;
        let mut state = LinkState::new(&message);
        self.as_on_the_machine(key.netns, &mut state);
        Ok(state)
    }

    pub(crate) fn context_socket(&mut self, netns: NetnsCookie) -> Result<&mut crate::kernel::netlink::Socket> {
        self.kernel.find(netns);
        self.kernel.socket(netns).ok_or_else(|| crate::action::gone(netns))
    }
}
