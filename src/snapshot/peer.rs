//! The other end of a wire, which feels what happens to this one; it may be in another namespace.

use std::os::fd::{AsRawFd, RawFd};

use super::group::attribute;
use super::link;
use crate::kernel::link::LinkKey;
use crate::kernel::netlink::Socket;
use crate::kernel::netns;
use crate::kernel::raw::{Attribute, Raw};
use crate::kernel::space::{Kernel, NetnsCookie};

/// The link at the other end of a veth, or below another one, if a name leads to its namespace or netlab is in it already.
pub fn find(kernel: &mut Kernel, key: LinkKey) -> Option<LinkKey> {
    let links = link::dump(kernel.socket(key.netns)?).ok()?;
    let items = link::items(links.iter().find(|l| link::index(l) == key.index)?);
    let index: u32 = attribute(&items, "~link")?.parse().ok()?;
    let netns = match attribute(&items, "~netnsid") {
        None => key.netns,
        Some(id) => with_id(kernel, key.netns, id.parse().ok()?)?,
    };
    Some(LinkKey { netns, index })
}

/// The namespace that another one knows by a number.
fn with_id(kernel: &mut Kernel, from: NetnsCookie, id: u32) -> Option<NetnsCookie> {
    for netns in kernel.opened() {
        let fd = kernel.fd(netns)?.as_raw_fd();
        if id_of(kernel.socket(from)?, fd) == Some(id) {
            return Some(netns);
        }
    }
    for name in netns::names() {
        let Ok(Some(fd)) = netns::of_name(&name) else { continue };
        if id_of(kernel.socket(from)?, fd.as_raw_fd()) == Some(id) {
            return kernel.adopt(fd).ok();
        }
    }
    None
}

/// The number by which a socket's namespace knows another one; to ask gives none.
fn id_of(socket: &mut Socket, fd: RawFd) -> Option<u32> {
    const RTM_GETNSID: u16 = 90;
    /// `NETNSA_*` of linux/net_namespace.h.
    const NSID: u16 = 1;
    const FD: u16 = 3;
    let question = Raw { kind: RTM_GETNSID, header: vec![0; 4], attributes: vec![Attribute::u32(FD, fd as u32)] };
    // One that has no number is told as -1.
    socket.get_raw(&question).ok()?.get(NSID)?.number().filter(|id| *id != u32::MAX)
}
