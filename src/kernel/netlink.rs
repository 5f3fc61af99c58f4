//! A blocking rtnetlink socket: requests, batches of requests in one send, dumps; every error with the kernel's own text.
//!
//! The async handle of `rtnetlink` drops the extended-ACK text and the error code of a dump's end, so its message builders
//! are used over this transport. A socket belongs for ever to the namespace that the thread was in when it was opened.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket as RawSocket, SocketAddr, protocols::NETLINK_ROUTE};

use super::effect;
use super::raw::Raw;
use crate::diag::KernelError;

const HEADER: usize = 16;
/// The flags of a question for all objects.
const ASK_ALL: u16 = NLM_F_DUMP | NLM_F_REQUEST;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLMSGERR_ATTR_MSG` of `include/uapi/linux/netlink.h`.
const ATTR_MSG: u16 = 1;

/// A socket for rtnetlink requests in one namespace.
pub struct Socket {
    raw: RawSocket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// A request with its netlink flags (`NLM_F_CREATE`, `NLM_F_EXCL` …); `REQUEST` and `ACK` are added when it is sent.
pub type Request = (RouteNetlinkMessage, u16);

impl Socket {
    /// Opens a socket in the namespace that the calling thread is in.
    ///
    /// # Errors
    /// Those of socket(2) and bind(2).
    pub fn open() -> io::Result<Self> {
        let mut raw = RawSocket::new(NETLINK_ROUTE)?;
        raw.bind_auto()?;
        raw.connect(&SocketAddr::new(0, 0))?;
        raw.set_ext_ack(true)?;
        // Do not send my request back with an error: only its header is needed to find the text.
        raw.set_cap_ack(true)?;
        // The kernel checks and honours the filters of a dump only when it is told to.
        raw.set_netlink_get_strict_chk(true)?;
        Ok(Self { raw, sequence: 0, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends one request that changes something and waits for its acknowledgement.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), KernelError> {
        self.change_all(vec![(message, flags)]).map_err(|(_, error)| error)
    }

    /// Sends several requests in one send. The kernel takes them one by one and goes on after an error.
    ///
    /// # Errors
    /// The number of the first request that failed, from 0, and the kernel's answer to it.
    pub fn change_all(&mut self, requests: Vec<Request>) -> Result<(), (usize, KernelError)> {
        let Some(last) = requests.len().checked_sub(1) else { return Ok(()) };
        let names: Vec<&'static str> = requests.iter().map(|(m, _)| request_name(m.message_type())).collect();
        let mut out = Vec::with_capacity(requests.len() * 256);
        for (i, (message, flags)) in requests.into_iter().enumerate() {
            // Errors are always answered, so only the last one asks for an ACK; hundreds would overflow the queue.
            let ack = if i == last { NLM_F_ACK } else { 0 };
            self.append(&mut out, message, flags | NLM_F_REQUEST | ack);
        }
        self.exchange(&out, &names)
    }

    /// Sends one request that changes something, as bytes, and waits for its acknowledgement.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn change_raw(&mut self, message: &Raw, flags: u16) -> Result<(), KernelError> {
        let mut out = Vec::new();
        self.append_raw(&mut out, message, flags | NLM_F_REQUEST | NLM_F_ACK);
        self.exchange(&out, &[request_name(message.kind)]).map_err(|(_, error)| error)
    }

    /// Sends what has been appended last, and reads the answers to all of it.
    fn exchange(&mut self, out: &[u8], names: &[&'static str]) -> Result<(), (usize, KernelError)> {
        let last = names.len() - 1;
        let first_sequence = self.sequence.wrapping_sub(last as u32);
        effect::here();
        let failed = |i: usize, e: &io::Error| (i, KernelError::from_io(names[i], e));
        self.raw.send(out, 0).map_err(|e| failed(0, &e))?;
        let mut first_error = None;
        loop {
            self.receive().map_err(|e| failed(last, &e))?;
            for packet in Packets::new(&self.buffer) {
                let index = packet.sequence.wrapping_sub(first_sequence) as usize;
                if index > last || packet.kind != NLMSG_ERROR {
                    continue;
                }
                if let Some(error) = packet.error(names[index])
                    && first_error.is_none()
                {
                    first_error = Some((index, error));
                }
                if index == last {
                    return first_error.map_or(Ok(()), Err);
                }
            }
        }
    }

    /// Asks for all objects of a kind.
    ///
    /// # Errors
    /// The kernel's answer. A dump that the kernel marks as disturbed by a change is asked for again.
    pub fn dump(&mut self, message: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, KernelError> {
        let name = request_name(message.message_type());
        let question = |socket: &mut Self, out: &mut Vec<u8>| socket.append(out, message.clone(), ASK_ALL);
        self.dump_as(name, &question, &|packet| packet.message())
    }

    /// Asks for all objects of a kind, and keeps the answers as bytes. `message` is the question: its kind and header.
    ///
    /// # Errors
    /// As [`Socket::dump`].
    pub fn dump_raw(&mut self, message: &Raw) -> Result<Vec<Raw>, KernelError> {
        let name = request_name(message.kind);
        let question = |socket: &mut Self, out: &mut Vec<u8>| socket.append_raw(out, message, ASK_ALL);
        self.dump_as(name, &question, &|packet| Raw::read(packet.kind, packet.payload))
    }

    fn dump_as<T>(
        &mut self,
        name: &'static str,
        question: &dyn Fn(&mut Self, &mut Vec<u8>) -> u32,
        read: &dyn Fn(&Packet<'_>) -> Option<T>,
    ) -> Result<Vec<T>, KernelError> {
        for _ in 0..20 {
            let (mut out, mut answers) = (Vec::with_capacity(256), Vec::new());
            let sequence = question(self, &mut out);
            if self.ask(&out, sequence, name, &mut |packet| answers.extend(read(packet)))? {
                return Ok(answers);
            }
        }
        Err(KernelError::new(name, libc::EAGAIN))
    }

    /// Asks for one object.
    ///
    /// # Errors
    /// The kernel's answer; `ENOENT` if it sent none.
    pub fn get(&mut self, message: RouteNetlinkMessage) -> Result<RouteNetlinkMessage, KernelError> {
        let name = request_name(message.message_type());
        let mut answer = None;
        // With an ACK asked for, an answer that this library cannot read still ends the wait.
        let mut out = Vec::with_capacity(256);
        let sequence = self.append(&mut out, message, NLM_F_ACK | NLM_F_REQUEST);
        self.ask(&out, sequence, name, &mut |packet| answer = packet.message().or(answer.take()))?;
        answer.ok_or_else(|| KernelError::new(name, libc::ENOENT))
    }

    /// Asks for one object, and keeps the answer as bytes.
    ///
    /// # Errors
    /// As [`Socket::get`].
    pub fn get_raw(&mut self, message: &Raw) -> Result<Raw, KernelError> {
        let (name, mut answer, mut out) = (request_name(message.kind), None, Vec::new());
        let sequence = self.append_raw(&mut out, message, NLM_F_ACK | NLM_F_REQUEST);
        let mut take = |packet: &Packet<'_>| answer = Raw::read(packet.kind, packet.payload).or(answer.take());
        self.ask(&out, sequence, name, &mut take)?;
        answer.ok_or_else(|| KernelError::new(name, libc::ENOENT))
    }

    /// Sends a question and reads to its end; false if the kernel says that a dump was disturbed.
    fn ask(
        &mut self,
        out: &[u8],
        sequence: u32,
        name: &'static str,
        take: &mut dyn FnMut(&Packet<'_>),
    ) -> Result<bool, KernelError> {
        let io = |e: &io::Error| KernelError::from_io(name, e);
        self.raw.send(out, 0).map_err(|e| io(&e))?;
        let mut whole = true;
        loop {
            self.receive().map_err(|e| io(&e))?;
            for packet in Packets::new(&self.buffer) {
                if packet.sequence != sequence {
                    continue;
                }
                whole &= packet.flags & NLM_F_DUMP_INTR == 0;
                match packet.kind {
                    NLMSG_ERROR | NLMSG_DONE => return packet.error(name).map_or(Ok(whole), Err),
                    _ => take(&packet),
                }
            }
        }
    }

    fn append(&mut self, out: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, message.into());
        packet.finalize();
        let (start, len) = (out.len(), packet.buffer_len());
        out.resize(start + align(len), 0);
        packet.serialize(&mut out[start..start + len]);
        self.sequence
    }

    fn append_raw(&mut self, out: &mut Vec<u8>, message: &Raw, flags: u16) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        let payload = message.payload();
        let start = out.len();
        // The five fields of a `struct nlmsghdr`; port 0 is the kernel.
        out.extend(((HEADER + payload.len()) as u32).to_ne_bytes());
        out.extend(message.kind.to_ne_bytes());
        out.extend(flags.to_ne_bytes());
        out.extend(self.sequence.to_ne_bytes());
        out.extend(0u32.to_ne_bytes());
        out.extend(payload);
        out.resize(start + align(out.len() - start), 0);
        self.sequence
    }

    fn receive(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            match self.raw.recv(&mut self.buffer, 0) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the socket is, and the socket is borrowed for as long as the answer.
        #[allow(unsafe_code)]
        unsafe {
            BorrowedFd::borrow_raw(self.raw.as_raw_fd())
        }
    }
}

/// One netlink message as it lies in the receive buffer.
struct Packet<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    header: NetlinkHeader,
    payload: &'a [u8],
}

impl Packet<'_> {
    /// The error that this message carries: `NLMSG_ERROR` and `NLMSG_DONE` both begin with a negative errno or 0.
    fn error(&self, request: &str) -> Option<KernelError> {
        let code = i32::from_ne_bytes(self.payload.get(..4)?.try_into().ok()?);
        if code == 0 {
            return None;
        }
        let text = if self.flags & NLM_F_ACK_TLVS == 0 { None } else { self.text() };
        Some(KernelError { request: request.into(), errno: -code, text })
    }

    fn text(&self) -> Option<String> {
        let rest = self.payload.get(4..)?;
        let attributes = if self.kind == NLMSG_DONE {
            rest
        } else {
            // After the code stands my request: its header alone if the answer is capped, else all of it.
            let length = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?) as usize;
            rest.get(if self.flags & NLM_F_CAPPED != 0 { HEADER } else { align(length) }..)?
        };
        let mut at = 0;
        while let Some(head) = attributes.get(at..at + 4) {
            let length = u16::from_ne_bytes([head[0], head[1]]) as usize;
            let value = attributes.get(at + 4..at + length)?;
            if u16::from_ne_bytes([head[2], head[3]]) & 0x3fff == ATTR_MSG {
                return Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned());
            }
            at += align(length);
        }
        None
    }

    /// The message, unless this library cannot read it: a newer kernel may send what it does not know.
    fn message(&self) -> Option<RouteNetlinkMessage> {
        RouteNetlinkMessage::deserialize(&self.header, self.payload).ok()
    }
}

struct Packets<'a>(&'a [u8]);

impl<'a> Packets<'a> {
    fn new(buffer: &'a [u8]) -> Self {
        Self(buffer)
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let head = self.0.get(..HEADER)?;
        let length = u32::from_ne_bytes(head[..4].try_into().ok()?) as usize;
        let payload = self.0.get(HEADER..length)?;
        let mut header = NetlinkHeader::default();
        header.length = length as u32;
        header.message_type = u16::from_ne_bytes([head[4], head[5]]);
        header.flags = u16::from_ne_bytes([head[6], head[7]]);
        header.sequence_number = u32::from_ne_bytes(head[8..12].try_into().ok()?);
        header.port_number = u32::from_ne_bytes(head[12..16].try_into().ok()?);
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some(Packet {
            kind: header.message_type,
            flags: header.flags,
            sequence: header.sequence_number,
            header,
            payload,
        })
    }
}

/// Netlink aligns messages and attributes to four bytes (`NLMSG_ALIGN`).
fn align(length: usize) -> usize {
    length.div_ceil(4) * 4
}

/// The kernel's name of a request, from `include/uapi/linux/rtnetlink.h`.
fn request_name(kind: u16) -> &'static str {
    match kind {
        16 => "RTM_NEWLINK",
        17 => "RTM_DELLINK",
        18 => "RTM_GETLINK",
        19 => "RTM_SETLINK",
        20 => "RTM_NEWADDR",
        21 => "RTM_DELADDR",
        22 => "RTM_GETADDR",
        24 => "RTM_NEWROUTE",
        25 => "RTM_DELROUTE",
        26 => "RTM_GETROUTE",
        28 => "RTM_NEWNEIGH",
        29 => "RTM_DELNEIGH",
        30 => "RTM_GETNEIGH",
        32 => "RTM_NEWRULE",
        33 => "RTM_DELRULE",
        34 => "RTM_GETRULE",
        36 => "RTM_NEWQDISC",
        37 => "RTM_DELQDISC",
        38 => "RTM_GETQDISC",
        40 => "RTM_NEWTCLASS",
        41 => "RTM_DELTCLASS",
        42 => "RTM_GETTCLASS",
        46 => "RTM_GETTFILTER",
        84 => "RTM_NEWMDB",
        85 => "RTM_DELMDB",
        86 => "RTM_GETMDB",
        88 => "RTM_NEWNSID",
        90 => "RTM_GETNSID",
        104 => "RTM_NEWNEXTHOP",
        105 => "RTM_DELNEXTHOP",
        106 => "RTM_GETNEXTHOP",
        _ => "rtnetlink request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An `NLMSG_ERROR` as the kernel sends it with `NETLINK_CAP_ACK`: code, request header, text attribute.
    fn error_packet(text: Option<&str>, flags: u16) -> Vec<u8> {
        let mut payload = (-17i32).to_ne_bytes().to_vec();
        payload.extend([0; HEADER]);
        if let Some(text) = text {
            payload.extend((4 + text.len() as u16 + 1).to_ne_bytes());
            payload.extend(ATTR_MSG.to_ne_bytes());
            payload.extend(text.as_bytes());
            payload.push(0);
        }
        let mut packet = ((HEADER + payload.len()) as u32).to_ne_bytes().to_vec();
        packet.extend(NLMSG_ERROR.to_ne_bytes());
        packet.extend(flags.to_ne_bytes());
        packet.extend(7u32.to_ne_bytes());
        packet.extend(0u32.to_ne_bytes());
        packet.extend(payload);
        packet
    }

    #[test]
    fn the_kernels_text_is_kept() {
        let bytes = error_packet(Some("ipv4: Address already assigned"), NLM_F_ACK_TLVS | NLM_F_CAPPED);
        let packet = Packets::new(&bytes).next().unwrap();
        assert_eq!(packet.sequence, 7);
        assert_eq!(
            packet.error("RTM_NEWADDR").unwrap().to_string(),
            "RTM_NEWADDR → EEXIST: File exists — ipv4: Address already assigned"
        );
        let bytes = error_packet(None, NLM_F_CAPPED);
        assert_eq!(
            Packets::new(&bytes).next().unwrap().error("RTM_NEWLINK").unwrap().to_string(),
            "RTM_NEWLINK → EEXIST: File exists"
        );
    }

    #[test]
    fn cut_messages_are_no_panic() {
        let bytes = error_packet(Some("text"), NLM_F_ACK_TLVS | NLM_F_CAPPED);
        for end in 0..bytes.len() {
            for packet in Packets::new(&bytes[..end]) {
                packet.error("x");
            }
        }
    }
}
