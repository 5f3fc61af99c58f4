//! Raw ICMP and ICMPv6 sockets: opened inside a namespace, used from anywhere.
// `setsockopt` for options that neither socket2 nor nix knows, and tokio's `AsyncFd::register`, have no safe form.
#![allow(unsafe_code)]

use std::io::{self, IoSliceMut};
use std::mem::size_of_val;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::kernel::probe_socket::{Family, disconnect};

/// `SOL_RAW` and `ICMP_FILTER` of `linux/icmp.h`, which libc does not have.
const SOL_RAW: i32 = 255;
const ICMP_FILTER: i32 = 1;
/// `ICMP6_FILTER` of `linux/icmpv6.h`.
const ICMP6_FILTER: i32 = 1;

/// A raw socket that sends ICMP of one family and receives its echo replies and errors; see raw(7).
///
/// A datagram ("ping") socket would need no privilege, but is `EACCES` in a new namespace even for root, since
/// `net.ipv4.ping_group_range` starts as `1 0` there.
#[derive(Debug)]
pub struct IcmpSocket {
    socket: Socket,
    family: Family,
}

/// One received packet: how much of the buffer it fills, and who sent it.
#[derive(Debug, Clone, Copy)]
pub struct Datagram {
    /// The bytes received. For IPv4 they begin with the IP header, for IPv6 with the ICMPv6 header.
    pub len: usize,
    /// The sender.
    pub from: IpAddr,
    /// The hop limit it arrived with; IPv6 only, since IPv4 has it in the header.
    pub hop_limit: Option<u8>,
}

impl IcmpSocket {
    /// Opens the socket in the calling thread's network namespace, where it stays.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW` in the namespace's user namespace, `EAFNOSUPPORT` for a kernel without IPv6.
    pub fn open(family: Family) -> io::Result<Self> {
        let (domain, protocol) = match family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.set_nonblocking(true)?;
        let this = Self { socket, family };
        match family {
            // A raw socket gets a copy of every ICMP packet of the namespace, so the many requests to a node that is
            // pinged itself are kept out of its buffer. A set bit blocks the type.
            Family::V4 => this.set(SOL_RAW, ICMP_FILTER, &!(1u32 << 0 | 1 << 3 | 1 << 11 | 1 << 12))?,
            Family::V6 => {
                this.socket.set_recv_hoplimit_v6(true)?;
                let mut block = [u32::MAX; 8];
                for kind in [1usize, 2, 3, 4, 129] {
                    block[kind / 32] &= !(1 << (kind % 32));
                }
                this.set(libc::IPPROTO_ICMPV6, ICMP6_FILTER, &block)?;
            }
        }
        Ok(this)
    }

    /// The family it was opened for.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Forbids fragmentation (`IP_PMTUDISC_DO`): what does not fit is then refused here with `EMSGSIZE`, or by a
    /// router with an ICMP error. Otherwise IPv4 packets go without the DF bit, so that routers may cut them.
    pub fn set_dont_fragment(&self, on: bool) -> io::Result<()> {
        match (self.family, on) {
            (Family::V4, true) => self.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, &libc::IP_PMTUDISC_DO),
            // The default is `WANT`, which sets DF on whatever fits the MTU known so far, and so loses the first packet.
            (Family::V4, false) => self.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, &libc::IP_PMTUDISC_DONT),
            (Family::V6, true) => self.set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, &libc::IPV6_PMTUDISC_DO),
            (Family::V6, false) => self.set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, &libc::IPV6_PMTUDISC_WANT),
        }
    }

    /// The TTL or hop limit of what is sent from now on, 1 to 255.
    pub fn set_ttl(&self, ttl: u8) -> io::Result<()> {
        match self.family {
            Family::V4 => self.socket.set_ttl_v4(ttl.into()),
            Family::V6 => self.socket.set_unicast_hops_v6(ttl.into()),
        }
    }

    /// The link to send on, by ifindex in the socket's namespace. Unlike `SO_BINDTODEVICE` it does not restrict what is
    /// received: "host unreachable" about a silent neighbour comes from the own machine, through `lo`.
    pub fn set_link(&self, ifindex: u32) -> io::Result<()> {
        // Both options take the index in network byte order; see ip(7).
        match self.family {
            Family::V4 => self.set(libc::IPPROTO_IP, libc::IP_UNICAST_IF, &ifindex.to_be()),
            Family::V6 => self.set(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_IF, &ifindex.to_be()),
        }
    }

    /// The source address, which must be one of the namespace (`EADDRNOTAVAIL`; also while an IPv6 one is tentative).
    pub fn bind(&self, source: IpAddr) -> io::Result<()> {
        self.socket.bind(&SocketAddr::new(source, 0).into())
    }

    /// Asks for a receive buffer of so many bytes; the kernel gives no more than `net.core.rmem_max`.
    pub fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes)
    }

    /// Sends one ICMP message, without blocking. The kernel fills in the checksum for IPv6 only.
    pub fn send_to(&self, message: &[u8], to: IpAddr) -> io::Result<()> {
        self.socket.send_to(message, &SocketAddr::new(to, 0).into()).map(drop)
    }

    /// Takes the next packet from the buffer, without blocking: `None` if there is none.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        let mut control = cmsg_space!(i32);
        let mut parts = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let message = match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
            Ok(message) => message,
            Err(nix::Error::EAGAIN) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let from = message.address.as_ref().and_then(address).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let hop_limit = message.cmsgs()?.find_map(|c| match c {
            ControlMessageOwned::Ipv6HopLimit(hops) => u8::try_from(hops).ok(),
            _ => None,
        });
        Ok(Some(Datagram { len: message.bytes, from, hop_limit }))
    }

    /// The MTU in bytes that the kernel knows for the way to an address: the link's, or less if a router said so.
    ///
    /// The socket has to be connected for a moment to ask this, and then receives from that address alone.
    pub fn path_mtu(&self, to: IpAddr) -> io::Result<u32> {
        self.socket.connect(&SocketAddr::new(to, 0).into())?;
        let mtu = match self.family {
            Family::V4 => self.get(libc::IPPROTO_IP, libc::IP_MTU),
            Family::V6 => self.get(libc::IPPROTO_IPV6, libc::IPV6_MTU),
        };
        disconnect(&self.socket)?;
        mtu
    }

    /// Hands the socket to the calling thread's tokio runtime, so that many can be waited for at once.
    pub fn register(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the socket owns its file descriptor, which is neither closed nor replaced before the socket is dropped.
        unsafe { AsyncFd::register(self) }.map_err(|e| e.into_parts().1)
    }

    fn set<T>(&self, level: i32, option: i32, value: &T) -> io::Result<()> {
        let len = size_of_val(value) as libc::socklen_t;
        // SAFETY: the pointer and the length describe `value`, which lives through the call; the kernel only reads it.
        let done = unsafe { libc::setsockopt(self.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), len) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn get(&self, level: i32, option: i32) -> io::Result<u32> {
        let mut value = 0u32;
        let mut len = size_of_val(&value) as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes to `value`, and the length to `len`; both live through the call.
        let done = unsafe { libc::getsockopt(self.as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut len) };
        if done == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
    }
}

impl AsFd for IcmpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for IcmpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn address(storage: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = storage.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}
