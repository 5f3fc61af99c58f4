//! The namespaces that a process works in, each with one socket that is opened once and kept.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use serde::{Deserialize, Serialize};

use super::netlink::Socket;
use super::netns::{self, Maker};
use crate::types::name::NsName;

/// What the kernel calls a namespace (`SO_NETNS_COOKIE`): unique within one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetnsCookie(pub u64);

impl fmt::Display for NetnsCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "netns:[{}]", self.0)
    }
}

/// The kernel as this process reaches it: one open namespace per cookie.
pub struct Kernel {
    host: NetnsCookie,
    spaces: HashMap<NetnsCookie, Space>,
    maker: Option<Maker>,
    new_ones_forward: bool,
}

struct Space {
    fd: OwnedFd,
    socket: Socket,
}

impl Kernel {
    /// Opens the namespace that the calling thread is in; it is the host from here on.
    ///
    /// # Errors
    /// Those of opening a netlink socket and of asking for its cookie.
    pub fn open() -> io::Result<Self> {
        let (fd, socket) = (netns::of_this_thread()?, Socket::open()?);
        let host = netns::cookie(socket.as_fd())?;
        Ok(Self { host, spaces: HashMap::from([(host, Space { fd, socket })]), maker: None, new_ones_forward: false })
    }

    /// The namespace that the process was started in.
    pub fn host(&self) -> NetnsCookie {
        self.host
    }

    /// Says that `count` namespaces will be made soon, so that another core can begin.
    pub fn order(&mut self, count: usize) {
        self.maker.get_or_insert_with(Maker::start).order(count);
    }

    /// Makes a namespace without a name and keeps it open.
    ///
    /// # Errors
    /// See [`Maker::take`].
    pub fn make(&mut self) -> io::Result<NetnsCookie> {
        let fresh = self.maker.get_or_insert_with(Maker::start).take()?;
        self.spaces.insert(fresh.cookie, Space { fd: fresh.fd, socket: fresh.socket });
        self.new_ones_forward = fresh.forwards;
        Ok(fresh.cookie)
    }

    /// The namespaces that have been opened, the host among them.
    pub fn opened(&self) -> Vec<NetnsCookie> {
        let mut all: Vec<_> = self.spaces.keys().copied().collect();
        all.sort();
        all
    }

    /// Whether the namespace that was made last forwards IPv4 by itself: the kernel copies this from its first namespace.
    pub fn new_ones_forward(&self) -> bool {
        self.new_ones_forward
    }

    /// Opens a namespace of somebody else's and says which it is.
    ///
    /// # Errors
    /// Those of setns(2) and of opening a socket inside.
    pub fn adopt(&mut self, fd: OwnedFd) -> io::Result<NetnsCookie> {
        let socket = netns::within(fd.as_fd(), Socket::open)??;
        let cookie = netns::cookie(socket.as_fd())?;
        self.spaces.entry(cookie).or_insert(Space { fd, socket });
        Ok(cookie)
    }

    /// Opens the namespace with a name; `None` if the file is no namespace.
    ///
    /// # Errors
    /// `ENOENT` if there is no such name.
    pub fn adopt_name(&mut self, name: &NsName) -> io::Result<Option<NetnsCookie>> {
        netns::of_name(name)?.map(|fd| self.adopt(fd)).transpose()
    }

    /// Opens a namespace known only by its cookie, if some name or some process still leads to it.
    pub fn find(&mut self, cookie: NetnsCookie) -> bool {
        if self.spaces.contains_key(&cookie) {
            return true;
        }
        let named = netns::names().into_iter().filter_map(|name| netns::of_name(&name).ok().flatten());
        if self.adopt_if(cookie, named.collect()) {
            return true;
        }
        self.adopt_if(cookie, netns::kept()) || self.adopt_if(cookie, super::process::namespaces())
    }

    fn adopt_if(&mut self, cookie: NetnsCookie, candidates: Vec<OwnedFd>) -> bool {
        let borrowed: Vec<BorrowedFd<'_>> = candidates.iter().map(AsFd::as_fd).collect();
        let place = netns::cookies(&borrowed).iter().position(|c| matches!(c, Ok(c) if *c == cookie));
        let Some(fd) = place.and_then(|i| candidates.into_iter().nth(i)) else { return false };
        self.adopt(fd).is_ok()
    }

    /// The socket in a namespace that has been opened.
    pub fn socket(&mut self, netns: NetnsCookie) -> Option<&mut Socket> {
        self.spaces.get_mut(&netns).map(|space| &mut space.socket)
    }

    /// The namespace itself, for setns(2) and for `IFLA_NET_NS_FD`.
    pub fn fd(&self, netns: NetnsCookie) -> Option<BorrowedFd<'_>> {
        self.spaces.get(&netns).map(|space| space.fd.as_fd())
    }

    /// The same as a number, if a message that goes to `from` has to name it.
    pub fn target(&self, from: NetnsCookie, netns: NetnsCookie) -> Option<RawFd> {
        if from == netns { None } else { self.fd(netns).map(|fd| fd.as_raw_fd()) }
    }

    /// Closes a namespace; if it has no name and no process, it dies.
    pub fn close(&mut self, netns: NetnsCookie) {
        self.spaces.remove(&netns);
    }
}
