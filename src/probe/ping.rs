//! Ping: ICMP and ICMPv6 echo requests, their replies, and the errors that come instead.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::diag::{KernelError, Result};
use crate::kernel::icmp::IcmpSocket;
use crate::kernel::probe_socket::{Family, Ready};
use crate::probe::failure::{check_family, failed, send_words, time};
use crate::probe::icmp_error::IcmpError;
use crate::probe::patience::Patience;
use crate::probe::wire::{self, Body, Mark, Quote};

/// A socket for one ping, in the namespace that it was opened in.
#[derive(Debug)]
pub struct PingSocket(pub(crate) IcmpSocket);

/// What to send, and how long to wait.
#[derive(Debug, Clone)]
pub struct PingOptions {
    /// How many requests to send; 1 unless told otherwise.
    pub count: u16,
    /// The payload of each in bytes, at most [`wire::MAX_SIZE`]; 56 unless told otherwise, as with ping(8).
    pub size: u16,
    /// The time from one request to the next; 200 ms unless told otherwise.
    pub interval: Duration,
    /// How long to wait for the answer to each request; 1 s unless told otherwise. A neighbour that does not answer
    /// ARP is noticed by the kernel only after 3 s.
    pub timeout: Duration,
    /// Whether routers must not fragment the packets: what is too big for a link is then an error. IPv6 routers never
    /// do; without this, the ends learn of a narrow link from the first packet in each direction, which is lost.
    pub dont_fragment: bool,
    /// The TTL or hop limit, 1 to 255, if not the namespace's default (64).
    pub ttl: Option<u8>,
    /// The address to send from, if not the one that the routes choose.
    pub source: Option<IpAddr>,
    /// The ifindex of the link to send on; an IPv6 link-local destination needs it.
    pub link: Option<u32>,
    /// A link that has just come up loses its first packets. Within this time the first request is sent again (after
    /// 20 ms, 40, 80, then every 100) while nobody has answered it and the kernel refuses or loses it; all these count
    /// as the one request. 0 unless told otherwise.
    pub retry_first_for: Duration,
}

impl Default for PingOptions {
    fn default() -> Self {
        Self {
            count: 1,
            size: 56,
            interval: Duration::from_millis(200),
            timeout: Duration::from_secs(1),
            dont_fragment: false,
            ttl: None,
            source: None,
            link: None,
            retry_first_for: Duration::ZERO,
        }
    }
}

/// What came of a ping.
#[derive(Debug, Clone, PartialEq)]
pub struct Ping {
    /// The destination.
    pub to: IpAddr,
    /// How many requests were made, also those that the kernel refused to send.
    pub sent: u32,
    /// The replies in time, the first to each request, in the order of their coming.
    pub replies: Vec<Reply>,
    /// How many more replies came to a packet that had its reply.
    pub duplicates: u32,
    /// The ICMP errors that came instead.
    pub errors: Vec<IcmpError>,
    /// The requests that the own kernel did not send, with the errno of each.
    pub send_errors: Vec<KernelError>,
    /// The size in bytes of one packet with its IP header.
    pub packet_size: u32,
    /// The MTU in bytes of the way, if the kernel refused the packet as too big for it.
    pub path_mtu: Option<u32>,
    /// How long each request was waited for.
    pub timeout: Duration,
}

/// One reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The number of the request, from 1.
    pub seq: u16,
    /// Who answered: not always the destination, for example when that is a multicast address.
    pub from: IpAddr,
    /// From sending the request to receiving its reply.
    pub rtt: Duration,
    /// The TTL or hop limit that the reply arrived with.
    pub ttl: Option<u8>,
}

/// The round-trip times in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RttStats {
    /// The shortest.
    pub min: Duration,
    /// The mean.
    pub avg: Duration,
    /// The longest.
    pub max: Duration,
    /// The standard deviation, which ping(8) calls so.
    pub mdev: Duration,
}

impl Ping {
    /// At least one reply came: what makes ping(8) exit with 0.
    pub fn ok(&self) -> bool {
        !self.replies.is_empty()
    }

    /// How many requests were answered.
    pub fn received(&self) -> u32 {
        self.replies.len() as u32
    }

    /// The requests without a reply, in percent.
    pub fn loss(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { 100.0 * f64::from(self.sent - self.received()) / f64::from(self.sent) }
    }

    /// The round-trip times in short, if there are any.
    pub fn rtt(&self) -> Option<RttStats> {
        let seconds = || self.replies.iter().map(|r| r.rtt.as_secs_f64());
        let n = self.replies.len() as f64;
        let avg = seconds().sum::<f64>() / n;
        let mdev = (seconds().map(|s| (s - avg).powi(2)).sum::<f64>() / n).sqrt();
        Some(RttStats {
            min: self.replies.iter().map(|r| r.rtt).min()?,
            avg: Duration::from_secs_f64(avg),
            max: self.replies.iter().map(|r| r.rtt).max()?,
            mdev: Duration::from_secs_f64(mdev),
        })
    }

    /// Why it failed, in one sentence; `None` if it did not.
    pub fn why(&self) -> Option<String> {
        if self.ok() {
            return None;
        }
        if let Some(error) = self.errors.last() {
            return Some(error.to_string());
        }
        Some(match (self.send_errors.last(), self.path_mtu) {
            (Some(error), Some(mtu)) if error.errno == libc::EMSGSIZE => {
                format!("a packet of {} bytes is too big: the way to {} takes {mtu}", self.packet_size, self.to)
            }
            (Some(error), _) => send_words(error, self.to),
            (None, _) => format!("no reply from {} in {}", self.to, time(self.timeout)),
        })
    }
}

impl PingSocket {
    /// Opens the socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// `NL0109` without `CAP_NET_RAW`, `NL0302` for a family that the kernel does not have.
    pub fn open(family: Family) -> Result<Self> {
        let socket = IcmpSocket::open(family);
        socket.map(Self).map_err(|e| failed("cannot open a raw ICMP socket to ping with", "socket SOCK_RAW", &e))
    }

    /// Pings; returns when each request is answered, has its error, or has waited long enough.
    ///
    /// # Errors
    /// `NL0103` for an address of the other family, `NL0302` for options that the kernel refuses, for example a source
    /// that is no address of the namespace, `NL0506` and `NL0507` as [`Patience`] says.
    pub fn run(self, to: IpAddr, options: &PingOptions, patience: &Patience) -> Result<Ping> {
        let socket = self.0;
        check_family(socket.family(), to)?;
        set_options(&socket, options)?;
        let size = options.size.min(wire::MAX_SIZE);
        let header = if to.is_ipv4() { 28 } else { 48 };
        let result = Ping {
            to,
            sent: 0,
            replies: Vec::new(),
            duplicates: 0,
            errors: Vec::new(),
            send_errors: Vec::new(),
            packet_size: u32::from(size) + header,
            path_mtu: None,
            timeout: options.timeout,
        };
        let run = Run {
            socket,
            size,
            options,
            patience,
            mark: Mark::random(),
            packets: HashMap::new(),
            next_packet: 1,
            waiting: BTreeMap::new(),
            buffer: vec![0; 1 << 16],
            result,
        };
        run.all()
    }
}

pub(crate) fn set_options(socket: &IcmpSocket, options: &PingOptions) -> Result<()> {
    let refused = |what: &str, request: &str, e| failed(format!("cannot ping: {what}"), request, &e);
    socket
        .set_dont_fragment(options.dont_fragment)
        .map_err(|e| refused("the kernel refuses the fragmentation setting", "setsockopt IP_MTU_DISCOVER", e))?;
    if let Some(ttl) = options.ttl {
        socket.set_ttl(ttl).map_err(|e| refused("the kernel refuses the TTL", "setsockopt IP_TTL", e))?;
    }
    if let Some(link) = options.link {
        socket.set_link(link).map_err(|e| refused("there is no such link", "setsockopt IP_UNICAST_IF", e))?;
    }
    if let Some(source) = options.source {
        check_family(socket.family(), source)?;
        socket.bind(source).map_err(|e| refused(&format!("`{source}` cannot be the source"), "bind", e))?;
    }
    Ok(())
}

struct Run<'a> {
    socket: IcmpSocket,
    size: u16,
    options: &'a PingOptions,
    patience: &'a Patience,
    mark: Mark,
    /// What was sent, by the sequence number on the wire.
    packets: HashMap<u16, Packet>,
    next_packet: u16,
    /// The requests still without an answer, and until when.
    waiting: BTreeMap<u16, Instant>,
    buffer: Vec<u8>,
    result: Ping,
}

/// One packet; the first request may have several.
struct Packet {
    request: u16,
    at: Instant,
    answered: bool,
}

impl Run<'_> {
    fn all(mut self) -> Result<Ping> {
        let mut next = 1;
        let mut due = Instant::now();
        loop {
            let now = Instant::now();
            self.waiting.retain(|_, until| *until > now);
            let more = next <= self.options.count;
            if more && now >= due {
                self.result.sent += 1;
                self.send(next);
                if next == 1 {
                    self.insist()?;
                }
                due = Instant::now() + self.options.interval;
                if next == u16::MAX {
                    break;
                }
                next += 1;
                continue;
            }
            let wake = self.waiting.values().copied().chain(more.then_some(due)).min();
            match wake {
                Some(wake) => self.receive(wake)?,
                None => break,
            }
        }
        Ok(self.result)
    }

    /// Sends the first request again and again, as [`PingOptions::retry_first_for`] says.
    fn insist(&mut self) -> Result<()> {
        let end = Instant::now() + self.options.retry_first_for;
        let mut pause = Duration::from_millis(20);
        let answered = |result: &Ping| !result.replies.is_empty() || !result.errors.is_empty();
        while !answered(&self.result) {
            let wake = (Instant::now() + pause).min(end);
            while Instant::now() < wake && !answered(&self.result) {
                self.receive(wake)?;
            }
            if answered(&self.result) || Instant::now() >= end {
                break;
            }
            self.result.send_errors.clear();
            self.send(1);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        Ok(())
    }

    fn send(&mut self, request: u16) {
        let seq = self.next_packet;
        self.next_packet = self.next_packet.wrapping_add(1);
        let packet = wire::echo_request(self.socket.family(), self.mark, seq, self.size);
        let at = Instant::now();
        match self.socket.send_to(&packet, self.result.to) {
            Ok(()) => {
                self.packets.insert(seq, Packet { request, at, answered: false });
                self.waiting.insert(request, at + self.options.timeout);
            }
            Err(e) => {
                if e.raw_os_error() == Some(libc::EMSGSIZE) {
                    self.result.path_mtu = self.socket.path_mtu(self.result.to).ok();
                }
                self.result.send_errors.push(KernelError::from_io("sendto", &e));
            }
        }
    }

    /// Waits until the time has come or packets have arrived, and takes these.
    fn receive(&mut self, until: Instant) -> Result<()> {
        if !self.patience.wait(self.socket.as_fd(), Ready::Read, until)? {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        // A flood must not keep us from looking at the clock.
        for _ in 0..256 {
            let got = self.socket.recv(&mut buffer);
            let got = got.map_err(|e| failed("cannot receive the replies to a ping", "recvmsg", &e))?;
            let Some(datagram) = got else { break };
            if let Some(message) = wire::parse(self.socket.family(), &buffer, &datagram) {
                self.take(&message, Instant::now());
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    fn take(&mut self, message: &wire::Incoming<'_>, now: Instant) {
        let echo = match &message.body {
            Body::Reply(echo) => echo,
            Body::Error { quote: Quote::Echo(echo), to, .. } if *to == self.result.to => echo,
            Body::Error { .. } => return,
        };
        let Some(packet) = self.packets.get_mut(&echo.seq).filter(|_| self.mark.is_on(echo)) else { return };
        let request = packet.request;
        match message.body {
            Body::Reply(_) => {
                if std::mem::replace(&mut packet.answered, true) {
                    self.result.duplicates += 1;
                } else if self.waiting.remove(&request).is_some() {
                    let rtt = now.saturating_duration_since(packet.at);
                    self.result.replies.push(Reply { seq: request, from: message.from, rtt, ttl: message.ttl });
                }
            }
            Body::Error { kind, code, mtu, .. } => {
                if self.waiting.remove(&request).is_some() {
                    self.result.errors.push(IcmpError { from: message.from, seq: request, kind, code, mtu });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> Ping {
        Ping {
            to: "10.0.0.2".parse().unwrap(),
            sent: 4,
            replies: Vec::new(),
            duplicates: 0,
            errors: Vec::new(),
            send_errors: Vec::new(),
            packet_size: 1528,
            path_mtu: None,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn statistics() {
        let mut ping = result();
        assert_eq!((ping.ok(), ping.loss(), ping.rtt()), (false, 100.0, None));
        for (seq, ms) in [(1, 10), (2, 20), (4, 30)] {
            ping.replies.push(Reply { seq, from: ping.to, rtt: Duration::from_millis(ms), ttl: Some(64) });
        }
        let rtt = ping.rtt().unwrap();
        let ms = Duration::from_millis;
        assert_eq!((ping.loss(), rtt.min, rtt.avg, rtt.max), (25.0, ms(10), ms(20), ms(30)));
        assert_eq!(rtt.mdev.as_micros(), 8164);
        assert_eq!(ping.why(), None);
    }

    #[test]
    fn the_reason() {
        let mut ping = result();
        assert_eq!(ping.why().unwrap(), "no reply from 10.0.0.2 in 1 s");
        ping.send_errors.push(KernelError::new("sendto", libc::ENETUNREACH));
        assert_eq!(ping.why().unwrap(), "network is unreachable: no route to 10.0.0.2");
        ping.send_errors.push(KernelError::new("sendto", libc::EMSGSIZE));
        ping.path_mtu = Some(1000);
        assert_eq!(ping.why().unwrap(), "a packet of 1528 bytes is too big: the way to 10.0.0.2 takes 1000");
        let from = "10.0.1.1".parse().unwrap();
        ping.errors.push(IcmpError { from, seq: 4, kind: 3, code: 1, mtu: None });
        assert_eq!(ping.why().unwrap(), "10.0.1.1 says: destination host unreachable");
    }
}
