//! Making links: veth pairs between two ports, and all other kinds at one.

use super::Lab;
use super::objects::{LinkId, NsId};
use super::port::{Place, Port};
use crate::action::Action;
use crate::action::link_add::LinkAdd;
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::link;
use crate::kernel::link::kind::LinkKind;
use crate::probe::feature;

/// A veth pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The end at the port that was named first.
    pub a: LinkId,
    /// The other end.
    pub b: LinkId,
}

impl Lab {
    /// Makes a veth pair, each end where its port says.
    ///
    /// # Errors
    /// Those of choosing what the ports leave out, and the kernel's.
    pub fn veth(&mut self, site: &Site, a: &Port, b: &Port) -> Result<Wire> {
        // The peer's half of the message cannot hold a master, so the end that has one is the main half.
        let swap = matches!((a.place, b.place), (Place::Netns(_), Place::Bridge(_)));
        let (main, peer) = if swap { (b, a) } else { (a, b) };
        let (main_guest, peer_guest) = (self.guest(peer)?, self.guest(main)?);
        let main = self.born(main, main_guest.as_deref(), None)?;
        // With equal ifindexes at both ends the kernel takes a carrier change for less urgent, and holds it for up to a second.
        let peer = self.born(peer, peer_guest.as_deref(), Some(&main.link))?;
        if (main.link.netns, &main.link.name) == (peer.link.netns, &peer.link.name) {
            return Err(Diagnostic::new(Code::NameTaken, format!("both ends would be called `{}`", main.link.name))
                .help("give each end a name: veth(host.port(\"veth0\"), host.port(\"veth1\"))"));
        }
        let keys = (main.link.key(), peer.link.key());
        let add = LinkAdd { kind: LinkKind::Veth, end: main, peer: Some(Box::new(peer)) };
        self.perform(site, Action::LinkAdd(add))?;
        let ends = (self.made_link(keys.0)?, self.made_link(keys.1)?);
        Ok(if swap { Wire { a: ends.1, b: ends.0 } } else { Wire { a: ends.0, b: ends.1 } })
    }

    /// Makes a link of any other kind.
    ///
    /// # Errors
    /// Those of choosing what the port leaves out, and the kernel's.
    pub fn add_link(&mut self, site: &Site, port: &Port, kind: LinkKind, default_name: &str) -> Result<LinkId> {
        let mut port = port.clone();
        if port.name.is_none() {
            port.name = Some(crate::types::name::IfName::new(default_name)?);
        }
        if matches!(kind, LinkKind::Gre(_)) {
            self.wake_gre(&port)?;
        }
        let mut end = self.born(&port, None, None)?;
        if let Some(below) = kind.parent().map(|below| below.netns).filter(|below| *below != end.link.netns) {
            // Linux 6.1 refuses an ifindex that is taken where the link below is, whence the message is sent.
            while link::get(self.context_socket(below)?, end.link.index).is_ok() {
                end.link.index = self.index(end.link.netns)?;
            }
        }
        let key = end.link.key();
        self.perform(site, Action::LinkAdd(LinkAdd { kind, end, peer: None }))?;
        self.made_link(key)
    }

    /// Has the kernel's module for GRE loaded: it makes `gre0`, `gretap0` and `erspan0` in every namespace then, which would take
    /// an ifindex that was chosen before.
    fn wake_gre(&mut self, port: &Port) -> Result<()> {
        let netns = self.port_netns(port)?;
        if link::get_by_name(self.context_socket(netns)?, "gre0").is_err() {
            // What keeps it from being loaded is told by the link that cannot be made.
            let _ = feature::has("gre");
            self.objects.forget_indexes();
        }
        Ok(())
    }

    fn made_link(&self, key: crate::kernel::link::LinkKey) -> Result<LinkId> {
        let bug = || Diagnostic::new(Code::Internal, "a link that was just made is not in the object table");
        self.objects.link_by_key(key).ok_or_else(bug)
    }

    /// The name of the namespace that a port is in, for the name of the other end; the host has none.
    fn guest(&self, port: &Port) -> Result<Option<String>> {
        let id: NsId = match port.place {
            Place::Netns(id) => id,
            Place::Bridge(id) => {
                let netns = self.objects.link(id)?.key().netns;
                match self.objects.netns_by_cookie(netns) {
                    Some(id) => id,
                    None => return Ok(None),
                }
            }
        };
        let netns = self.objects.netns(id)?;
        let guest = netns.guest.as_ref().map(|(_, guest)| guest.name.clone());
        Ok(netns.name.as_ref().map(ToString::to_string).or(guest))
    }
}

/// Where a lab's ifindexes begin in namespaces that are not its own: seven digits, beyond the kernel's own counter, and
/// different from lab to lab.
pub(crate) fn far_index(seed: u64) -> u32 {
    1_000_000 + (seed % 8_000) as u32 * 1_000
}
