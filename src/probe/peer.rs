//! The other end of a link that leads into another namespace.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use super::state::link::LinkState;
use crate::kernel::link;
use crate::kernel::netlink::Socket;
use crate::kernel::space::{Kernel, NetnsCookie};

/// The other end of a veth, or the link that a link sits on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its namespace, as it was given.
    pub netns: String,
    /// Its name there.
    pub ifname: String,
}

/// Finds the other ends of links of `netns` among the namespaces `others`, by ifindex. What lies in none of them is missing.
///
/// A link tells its peer's ifindex, which many namespaces have, and the number by which its own namespace knows the other
/// (`IFLA_LINK_NETNSID`); so each of the others is asked for by that number.
pub fn peers(
    kernel: &mut Kernel,
    netns: NetnsCookie,
    links: &[LinkState],
    others: &[(String, NetnsCookie)],
) -> HashMap<u32, Peer> {
    let far: Vec<(u32, u32, i32)> =
        links.iter().filter_map(|l| Some((l.ifindex, l.link_index?, l.link_netnsid?))).collect();
    if far.is_empty() {
        return HashMap::new();
    }
    let cookies: Vec<NetnsCookie> = others.iter().map(|(_, cookie)| *cookie).collect();
    let numbers = numbers(kernel, netns, &cookies);
    far.into_iter()
        .filter_map(|(index, there, nsid)| {
            let (name, cookie) = others.get(*numbers.get(&nsid)?)?;
            let message = link::get(kernel.socket(*cookie)?, there).ok()?;
            Some((index, Peer { netns: name.clone(), ifname: LinkState::new(&message).ifname }))
        })
        .collect()
}

/// Which of the namespaces `others` the numbers mean that `netns` knows them by (`IFLA_LINK_NETNSID`).
pub fn numbers(kernel: &mut Kernel, netns: NetnsCookie, others: &[NetnsCookie]) -> HashMap<i32, usize> {
    let fds: Vec<(usize, RawFd)> =
        others.iter().enumerate().filter_map(|(i, o)| Some((i, kernel.fd(*o)?.as_raw_fd()))).collect();
    let Some(socket) = kernel.socket(netns) else { return HashMap::new() };
    fds.into_iter().filter_map(|(i, fd)| Some((number(socket, fd)?, i))).collect()
}

/// The number by which the socket's namespace knows another one, if it does. To ask does not make one up.
fn number(socket: &mut Socket, netns: RawFd) -> Option<i32> {
    let mut question = NsidMessage::default();
    question.attributes.push(NsidAttribute::Fd(u32::try_from(netns).ok()?));
    let RouteNetlinkMessage::NewNsId(answer) = socket.get(RouteNetlinkMessage::GetNsId(question)).ok()? else {
        return None;
    };
    // `NETNSA_NSID_NOT_ASSIGNED` is -1.
    answer
        .attributes
        .iter()
        .find_map(|a| if let NsidAttribute::Id(id) = a { Some(*id) } else { None })
        .filter(|id| *id >= 0)
}
