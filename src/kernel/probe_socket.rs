//! TCP and UDP sockets of the probes, and the one way in which they wait.
// `connect` to no address has no safe form.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// The family of a socket and of the addresses it can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(addr: IpAddr) -> Self {
        if addr.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    fn domain(self) -> Domain {
        match self {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        }
    }
}

/// A TCP socket of the calling thread's network namespace, without blocking, not yet connected.
pub fn tcp(family: Family) -> io::Result<Socket> {
    let socket = Socket::new(family.domain(), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A UDP socket of the calling thread's network namespace, without blocking.
pub fn udp(family: Family) -> io::Result<Socket> {
    let socket = Socket::new(family.domain(), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Lets a connected UDP socket hear of every ICMP error: else it hears of "port unreachable" only, and waits in vain
/// after "host unreachable"; see `IP_RECVERR` in ip(7). Each error also stays in a queue, so use it for one exchange.
pub fn hear_all_errors(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        Family::V6 => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// A listening TCP socket of the calling thread's namespace. A port of 0 lets the kernel choose one.
pub fn tcp_listener(at: SocketAddr) -> io::Result<Socket> {
    let socket = tcp(Family::of(at.ip()))?;
    // Else a listener that follows another on the same port is refused for a minute (TIME_WAIT).
    socket.set_reuse_address(true)?;
    if at.is_ipv6() {
        // So that a listener on `::` and one on `0.0.0.0` can stand side by side, whatever `bindv6only` says.
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    socket.listen(1024)?;
    Ok(socket)
}

/// A bound UDP socket of the calling thread's namespace. A port of 0 lets the kernel choose one.
pub fn udp_server(at: SocketAddr) -> io::Result<Socket> {
    let socket = udp(Family::of(at.ip()))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

/// Begins to connect: `Ok(true)` when it is done at once, `Ok(false)` when the answer is still to come.
pub fn connect(socket: &Socket, to: SocketAddr) -> io::Result<bool> {
    match socket.connect(&to.into()) {
        Ok(()) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Takes back a `connect`, so that the socket can be used anew; see connect(2) on `AF_UNSPEC`.
pub fn disconnect(socket: &Socket) -> io::Result<()> {
    let none = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    let len = size_of_val(&none) as libc::socklen_t;
    // SAFETY: the pointer and the length describe `none`, which lives through the call; the kernel only reads it.
    let done = unsafe { libc::connect(socket.as_raw_fd(), &raw const none, len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// Something can be received, or an error is pending.
    Read,
    /// Something can be sent: the connection is made, or an error is pending.
    Write,
}

/// Waits until one of the files can be read, but not longer than so; an interrupted wait counts as over.
///
/// # Errors
/// Those of poll(2).
pub fn wait_any(files: &[BorrowedFd<'_>], most: Duration) -> io::Result<()> {
    let timeout = PollTimeout::try_from(most.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX);
    let mut files: Vec<PollFd<'_>> = files.iter().map(|file| PollFd::new(*file, PollFlags::POLLIN)).collect();
    match nix::poll::poll(&mut files, timeout) {
        Ok(_) | Err(nix::Error::EINTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Waits until the file is ready, but not longer than so; an interrupted wait counts as over.
pub fn wait(file: BorrowedFd<'_>, ready: Ready, most: Duration) -> io::Result<bool> {
    let flags = match ready {
        Ready::Read => PollFlags::POLLIN,
        Ready::Write => PollFlags::POLLOUT,
    };
    // Rounded up, since a wait of 0.9 ms must not become a busy loop.
    let timeout = PollTimeout::try_from(most.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX);
    let mut files = [PollFd::new(file.as_fd(), flags)];
    match nix::poll::poll(&mut files, timeout) {
        Ok(n) => Ok(n > 0),
        Err(nix::Error::EINTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
