//! Packet sockets: whole Ethernet frames on one link, for what speaks before it has an address (packet(7)).
// `bind` to a link, and an option that socket2 does not know, have no safe form.
#![allow(unsafe_code)]

use std::io::{self, IoSliceMut};
use std::mem::size_of_val;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use socket2::{Domain, SockFilter, Socket, Type};

use super::effect;

/// `ETH_P_IP` of linux/if_ether.h.
pub const IP: u16 = 0x0800;
/// `ETH_P_ARP`.
pub const ARP: u16 = 0x0806;

/// `TP_STATUS_CSUMNOTREADY` of linux/if_packet.h.
const CHECKSUM_NOT_READY: u32 = 1 << 3;
/// The bytes of a `struct tpacket_auxdata`, which begins with the status.
const AUXDATA: usize = 20;

/// A socket that sends and receives frames of one protocol on one link.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
}

/// A received frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// How much of the buffer it fills.
    pub len: usize,
    /// Whether its checksums are in it. A process of the same machine sends without them: the card would put them in.
    pub summed: bool,
}

impl PacketSocket {
    /// Opens one on a link of the calling thread's namespace, for ARP.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV` for a link that is not there, `ENETDOWN` for one that is down.
    pub fn arp(index: u32) -> io::Result<Self> {
        Self::open(index, ARP, &[])
    }

    /// The same for UDP datagrams to a port.
    ///
    /// # Errors
    /// As [`PacketSocket::arp`].
    pub fn udp(index: u32, port: u16) -> io::Result<Self> {
        Self::open(index, IP, &to_port(port))
    }

    /// One that only sends.
    ///
    /// # Errors
    /// As [`PacketSocket::arp`].
    pub fn sender(index: u32) -> io::Result<Self> {
        Self::open(index, 0, &[])
    }

    fn open(index: u32, protocol: u16, filter: &[SockFilter]) -> io::Result<Self> {
        // Of no protocol at first: nothing may come in before the filter stands.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        if !filter.is_empty() {
            socket.attach_filter(filter)?;
        }
        let on: libc::c_int = 1;
        // SAFETY: the pointer and the length describe `on`, which lives through the call; the kernel only reads it.
        let done = unsafe {
            let len = size_of_val(&on) as libc::socklen_t;
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_AUXDATA, (&raw const on).cast(), len)
        };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: all fields of this struct are numbers, for which zero is a value.
        let mut at: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        at.sll_family = libc::AF_PACKET as libc::c_ushort;
        at.sll_protocol = protocol.to_be();
        at.sll_ifindex = i32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
        // SAFETY: the pointer and the length describe `at`, which lives through the call; the kernel only reads it.
        let done =
            unsafe { libc::bind(socket.as_raw_fd(), (&raw const at).cast(), size_of_val(&at) as libc::socklen_t) };
        if done == 0 { Ok(Self { socket }) } else { Err(io::Error::last_os_error()) }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// `ENETDOWN` when the link went down, `ENXIO` when it is gone.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        effect::here();
        self.socket.send(frame).map(drop)
    }

    /// Takes the next frame from the buffer, without waiting: `None` if there is none.
    ///
    /// # Errors
    /// As [`PacketSocket::send`].
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<Frame>> {
        let mut control = cmsg_space!([u8; AUXDATA]);
        let mut parts = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let message = match recvmsg::<()>(fd, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT) {
            Ok(message) => message,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let status = message.cmsgs()?.find_map(|c| match c {
            ControlMessageOwned::Unknown(c) if c.cmsg_header.cmsg_level == libc::SOL_PACKET => {
                Some(u32::from_ne_bytes(c.data_bytes.get(..4)?.try_into().ok()?))
            }
            _ => None,
        });
        Ok(Some(Frame { len: message.bytes, summed: status.unwrap_or(0) & CHECKSUM_NOT_READY == 0 }))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A UDP socket of the calling thread's namespace that hears what comes in on one link only, broadcasts too.
///
/// # Errors
/// `ENODEV` for a link that is not there, `EADDRINUSE` if another program listens there.
pub fn server(dev: &str, at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    // One on another link may listen on the same port.
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(dev.as_bytes()))?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// A filter of the kernel's (linux/filter.h) for whole UDP datagrams in IPv4 to a port: on a busy link nothing else should
/// wake whoever waits for an answer.
fn to_port(port: u16) -> [SockFilter; 11] {
    let code = |code: u32| code as u16;
    let load_half = code(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS);
    let load_byte = code(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS);
    let equal = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    let any_bit = code(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K);
    let give = code(libc::BPF_RET | libc::BPF_K);
    [
        SockFilter::new(load_half, 0, 0, 12),
        SockFilter::new(equal, 0, 8, u32::from(IP)),
        SockFilter::new(load_byte, 0, 0, 23),
        SockFilter::new(equal, 0, 6, 17),
        SockFilter::new(load_half, 0, 0, 20),
        SockFilter::new(any_bit, 4, 0, 0x1fff),
        // The length of the IP header, which the port follows.
        SockFilter::new(code(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH), 0, 0, 14),
        SockFilter::new(code(libc::BPF_LD | libc::BPF_H | libc::BPF_IND), 0, 0, 16),
        SockFilter::new(equal, 0, 1, u32::from(port)),
        SockFilter::new(give, 0, 0, u32::from(u16::MAX)),
        SockFilter::new(give, 0, 0, 0),
    ]
}
