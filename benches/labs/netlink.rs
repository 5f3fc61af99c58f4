//! Hand-made rtnetlink messages: only what the floor and the pause between two cells need.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// A netlink socket; it keeps talking to the namespace it was opened in.
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// Opens a socket in the namespace this thread is in now.
    pub(crate) fn open() -> io::Result<Self> {
        let protocol = SockProtocol::NetlinkRoute;
        Ok(Self(socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?))
    }

    /// Sends requests in one system call and waits for the answer to the last.
    ///
    /// Only the last asks for an acknowledgement: the kernel works through a datagram in order, before `send`
    /// returns, and reports an error unasked.
    pub(crate) fn call(&self, requests: &[Request]) -> Result<(), Errno> {
        let mut bytes = Vec::new();
        for (i, request) in requests.iter().enumerate() {
            request.write(&mut bytes, i + 1 == requests.len());
        }
        send(self.0.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut answer = vec![0; 32 * 1024];
        loop {
            let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            if let Some(errno) = verdict(&answer[..length]) {
                return if errno == 0 { Ok(()) } else { Err(Errno::from_raw(-errno)) };
            }
        }
    }
}

/// One message: its type and flags, the family's header, then attributes.
pub(crate) struct Request {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Request {
    /// Creates something that must not exist yet.
    pub(crate) fn create(kind: u16, header: &[u8]) -> Self {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
        Self { kind, flags, body: header.to_vec() }
    }

    /// Changes, asks for, or deletes something.
    pub(crate) fn on(kind: u16, header: &[u8]) -> Self {
        Self { kind, flags: libc::NLM_F_REQUEST as u16, body: header.to_vec() }
    }

    /// Adds an attribute.
    pub(crate) fn attr(self, kind: u16, value: &[u8]) -> Self {
        self.nest(kind, |inner| {
            let mut inner = inner;
            inner.body.extend_from_slice(value);
            inner
        })
    }

    /// Adds a name, with the zero byte that the kernel expects at its end.
    pub(crate) fn name(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// Adds a number.
    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Adds a file descriptor, which the kernel reads as a number.
    pub(crate) fn fd(self, kind: u16, value: RawFd) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Adds bytes as they are: the header inside a veth's peer attribute.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.body.extend_from_slice(bytes);
        self
    }

    /// Adds an attribute that holds what `fill` adds; its length is known only afterwards.
    pub(crate) fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.body.len();
        self.body.extend_from_slice(&[0; 4]);
        let mut this = fill(self);
        let length = (this.body.len() - start) as u16;
        this.body[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        this.body[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
        this.body.resize(this.body.len().next_multiple_of(4), 0);
        this
    }

    fn write(&self, out: &mut Vec<u8>, acknowledged: bool) {
        let flags = self.flags | if acknowledged { libc::NLM_F_ACK as u16 } else { 0 };
        out.extend_from_slice(&(16 + self.body.len() as u32).to_ne_bytes());
        out.extend_from_slice(&self.kind.to_ne_bytes());
        out.extend_from_slice(&flags.to_ne_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.body);
    }
}

/// The header of a link message (`struct ifinfomsg`): index 0 lets the kernel choose; `up` raises the link.
pub(crate) fn link(index: u32, up: bool) -> [u8; 16] {
    let up = if up { libc::IFF_UP as u32 } else { 0 };
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&up.to_ne_bytes());
    header[12..16].copy_from_slice(&up.to_ne_bytes());
    header
}

/// The header of an IPv4 address message (`struct ifaddrmsg`).
pub(crate) fn address(index: u32, prefix: u8) -> [u8; 8] {
    let mut header = [libc::AF_INET as u8, prefix, 0, 0, 0, 0, 0, 0];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header
}

/// A veth whose peer is born in another namespace, both ends with an index of our choice.
///
/// The peer's index counts only because the main half has one too. `near` adds the main half's attributes.
pub(crate) fn veth(near: Request, peer_name: &str, peer_index: u32, peer_netns: RawFd) -> Request {
    /// `VETH_INFO_PEER` of `linux/veth.h`, which libc lacks.
    const PEER: u16 = 1;
    near.nest(libc::IFLA_LINKINFO, |info| {
        info.attr(libc::IFLA_INFO_KIND, b"veth").nest(libc::IFLA_INFO_DATA, |data| {
            data.nest(PEER, |peer| {
                peer.raw(&link(peer_index, false))
                    .name(libc::IFLA_IFNAME, peer_name)
                    .fd(libc::IFLA_NET_NS_FD, peer_netns)
            })
        })
    })
}

/// The errno of the first error or acknowledgement in a datagram, 0 for success; none in mere data.
fn verdict(mut rest: &[u8]) -> Option<i32> {
    while rest.len() >= 20 {
        let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        if i32::from(u16::from_ne_bytes([rest[4], rest[5]])) == libc::NLMSG_ERROR {
            return Some(i32::from_ne_bytes([rest[16], rest[17], rest[18], rest[19]]));
        }
        rest = rest.get(length.next_multiple_of(4).max(16)..).unwrap_or_default();
    }
    None
}
