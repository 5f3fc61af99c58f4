//! Traceroute: who stands on the way, found by packets that may go one hop further each time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::diag::{KernelError, Result};
use crate::kernel::icmp::IcmpSocket;
use crate::kernel::probe_socket::{Family, Ready, udp_server};
use crate::probe::failure::{check_family, failed, send_words};
use crate::probe::icmp_error::IcmpError;
use crate::probe::patience::Patience;
use crate::probe::wire::{self, Body, Mark, Quote};

/// The first port that traceroute(8) sends to, in the hope that nothing listens there.
const FIRST_PORT: u16 = 33434;
/// How many distances are tried at once after a hop that kept silent.
const WAVE: u8 = 8;

/// The sockets of one traceroute, in the namespace that they were opened in.
#[derive(Debug)]
pub struct TraceSocket {
    icmp: IcmpSocket,
    udp: Socket,
}

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// ICMP echo requests; the destination replies.
    #[default]
    Icmp,
    /// UDP to high ports; the destination says that the port is unreachable.
    Udp,
}

/// How far to look, and how long to wait.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// What to send.
    pub method: Method,
    /// The most hops to look at, 1 to 64; 30 unless told otherwise.
    pub max_hops: u8,
    /// How many packets to send to each distance, 1 to 3; 1 unless told otherwise.
    pub tries: u8,
    /// How long to wait for each distance; 1 s unless told otherwise.
    pub timeout: Duration,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self { method: Method::Icmp, max_hops: 30, tries: 1, timeout: Duration::from_secs(1) }
    }
}

/// The way to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The destination.
    pub to: IpAddr,
    /// Whether it answered.
    pub reached: bool,
    /// The hops in order, up to the destination, to who could not go on, or to the limit.
    pub hops: Vec<Hop>,
    /// Why the own kernel did not send at all.
    pub send_error: Option<KernelError>,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Its distance, from 1.
    pub ttl: u8,
    /// Who answered; `None` if nobody did.
    pub address: Option<IpAddr>,
    /// The shortest time of the answers.
    pub rtt: Option<Duration>,
    /// What is to be said of it: an ICMP error that ends the way, or further addresses that answered too.
    pub note: Option<String>,
}

impl Trace {
    /// Whether the destination answered.
    pub fn ok(&self) -> bool {
        self.reached
    }

    /// The addresses on the way, the destination last. A hop that kept silent is `None`: left out, the way would look
    /// shorter than it is.
    pub fn path(&self) -> Vec<Option<IpAddr>> {
        self.hops.iter().map(|hop| hop.address).collect()
    }

    /// Why it failed, in one sentence; `None` if it did not.
    pub fn why(&self) -> Option<String> {
        if self.reached {
            return None;
        }
        if let Some(error) = &self.send_error {
            return Some(send_words(error, self.to));
        }
        let last = self.hops.iter().rev().find_map(|hop| Some((hop, hop.address?)));
        Some(match last {
            Some((Hop { note: Some(note), .. }, address)) => format!("{address} says: {note}"),
            Some((hop, address)) if hop.ttl as usize == self.hops.len() => {
                format!("{} is further away than hop {}, {address}, the last that was looked at", self.to, hop.ttl)
            }
            Some((hop, address)) => format!("nobody answers after hop {}, {address}", hop.ttl),
            None => format!("nobody answers on the way to {}", self.to),
        })
    }
}

impl TraceSocket {
    /// Opens the sockets in the calling thread's network namespace.
    ///
    /// # Errors
    /// `NL0109` without `CAP_NET_RAW`, `NL0302` for a family that the kernel does not have.
    pub fn open(family: Family) -> Result<Self> {
        let any = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let what = "cannot open the sockets of a traceroute";
        let icmp = IcmpSocket::open(family).map_err(|e| failed(what, "socket SOCK_RAW", &e))?;
        let udp = udp_server(SocketAddr::new(any, 0)).map_err(|e| failed(what, "socket SOCK_DGRAM", &e))?;
        Ok(Self { icmp, udp })
    }

    /// Follows the way to an address; ends at the destination, at an error, or at the limit.
    ///
    /// Distances are tried one after the other while somebody answers, since routers limit how many errors they send;
    /// after a silent hop eight at a time, so that a dead way costs seconds and not half a minute.
    ///
    /// # Errors
    /// `NL0103` for an address of the other family, `NL0506` and `NL0507` as [`Patience`] says.
    pub fn run(self, to: IpAddr, options: &TraceOptions, patience: &Patience) -> Result<Trace> {
        check_family(self.icmp.family(), to)?;
        let source = self.udp.local_addr().ok().and_then(|a| a.as_socket()).map_or(0, |a| a.port());
        let mut run = Run { socket: self, to, options, source, mark: Mark::random(), sent: HashMap::new(), next: 0 };
        let mut trace = Trace { to, reached: false, hops: Vec::new(), send_error: None };
        let last = options.max_hops.clamp(1, 64);
        let mut first = 1;
        while first <= last {
            let silent = trace.hops.last().is_some_and(|hop| hop.address.is_none());
            let end = if silent { last.min(first + WAVE - 1) } else { first };
            if let Err(error) = run.send(first..=end) {
                // The own kernel knows no way, so a greater distance would not help.
                trace.send_error = Some(error);
                return Ok(trace);
            }
            let answers = run.collect(patience)?;
            for ttl in first..=end {
                let (hop, over) = hop(ttl, &answers, to);
                trace.hops.push(hop);
                if let Some(reached) = over {
                    trace.reached = reached;
                    return Ok(trace);
                }
            }
            first = end + 1;
        }
        Ok(trace)
    }
}

/// What came back for one packet.
struct Answer {
    ttl: u8,
    from: IpAddr,
    rtt: Duration,
    /// `None` for an echo reply.
    error: Option<IcmpError>,
}

/// Sums up the answers from one distance, and says whether the way ends here, at the destination (true) or before it.
fn hop(ttl: u8, answers: &[Answer], to: IpAddr) -> (Hop, Option<bool>) {
    let mut hop = Hop { ttl, address: None, rtt: None, note: None };
    let mut over = None;
    let mut others: Vec<String> = Vec::new();
    for answer in answers.iter().filter(|a| a.ttl == ttl) {
        let first = *hop.address.get_or_insert(answer.from);
        if answer.from != first && !others.contains(&answer.from.to_string()) {
            others.push(answer.from.to_string());
        }
        hop.rtt = Some(hop.rtt.map_or(answer.rtt, |rtt| rtt.min(answer.rtt)));
        match &answer.error {
            None => over = Some(true),
            Some(error) if error.is_time_exceeded() => {}
            Some(error) if error.is_port_unreachable() && answer.from == to => over = Some(true),
            Some(error) => {
                over = over.or(Some(false));
                hop.note = Some(error.words());
            }
        }
    }
    if hop.note.is_none() && !others.is_empty() {
        hop.note = Some(format!("also {}", others.join(", ")));
    }
    (hop, over)
}

struct Run<'a> {
    socket: TraceSocket,
    to: IpAddr,
    options: &'a TraceOptions,
    /// The UDP source port, by which errors about UDP are known to be ours.
    source: u16,
    mark: Mark,
    /// The packets not yet answered: the number on the wire, the distance, the time.
    sent: HashMap<u16, (u8, Instant)>,
    next: u16,
}

impl Run<'_> {
    fn send(&mut self, distances: std::ops::RangeInclusive<u8>) -> std::result::Result<(), KernelError> {
        self.sent.clear();
        for ttl in distances {
            for _ in 0..self.options.tries.clamp(1, 3) {
                let number = self.next;
                self.next += 1;
                let at = Instant::now();
                self.send_one(number, ttl).map_err(|e| KernelError::from_io("sendto", &e))?;
                self.sent.insert(number, (ttl, at));
            }
        }
        Ok(())
    }

    fn send_one(&self, number: u16, ttl: u8) -> std::io::Result<()> {
        let TraceSocket { icmp, udp } = &self.socket;
        match (self.options.method, icmp.family()) {
            (Method::Icmp, family) => {
                icmp.set_ttl(ttl)?;
                icmp.send_to(&wire::echo_request(family, self.mark, number, 32), self.to)
            }
            (Method::Udp, family) => {
                match family {
                    Family::V4 => udp.set_ttl_v4(ttl.into())?,
                    Family::V6 => udp.set_unicast_hops_v6(ttl.into())?,
                }
                udp.send_to(&[b'@'; 32], &SocketAddr::new(self.to, FIRST_PORT + number).into()).map(drop)
            }
        }
    }

    /// Waits until each packet is answered or the time is over.
    fn collect(&mut self, patience: &Patience) -> Result<Vec<Answer>> {
        let until = Instant::now() + self.options.timeout;
        let mut buffer = vec![0; 1 << 16];
        let mut answers = Vec::new();
        while !self.sent.is_empty() && Instant::now() < until {
            if !patience.wait(self.socket.icmp.as_fd(), Ready::Read, until)? {
                break;
            }
            let got = self.socket.icmp.recv(&mut buffer);
            let got = got.map_err(|e| failed("cannot receive the answers to a traceroute", "recvmsg", &e))?;
            let Some(datagram) = got else { continue };
            let now = Instant::now();
            let message = wire::parse(self.socket.icmp.family(), &buffer, &datagram);
            answers.extend(message.and_then(|m| self.answer(&m, now)));
        }
        Ok(answers)
    }

    fn answer(&mut self, message: &wire::Incoming<'_>, now: Instant) -> Option<Answer> {
        let number = match &message.body {
            Body::Reply(echo) if self.mark.is_on(echo) => echo.seq,
            Body::Error { to, quote: Quote::Echo(echo), .. } if *to == self.to && self.mark.is_on(echo) => echo.seq,
            Body::Error { to, quote: Quote::Udp { source, dest }, .. } if *to == self.to && *source == self.source => {
                dest.checked_sub(FIRST_PORT)?
            }
            _ => return None,
        };
        let (ttl, at) = self.sent.remove(&number)?;
        let error = match message.body {
            Body::Reply(_) => None,
            Body::Error { kind, code, mtu, .. } => {
                Some(IcmpError { from: message.from, seq: ttl.into(), kind, code, mtu })
            }
        };
        Some(Answer { ttl, from: message.from, rtt: now.saturating_duration_since(at), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ttl: u8, from: &str, error: Option<(u8, u8)>) -> Answer {
        let from: IpAddr = from.parse().unwrap();
        let error = error.map(|(kind, code)| IcmpError { from, seq: 1, kind, code, mtu: None });
        Answer { ttl, from, rtt: Duration::from_millis(ttl.into()), error }
    }

    #[test]
    fn a_hop_from_its_answers() {
        let to = "10.0.3.2".parse().unwrap();
        let routers = [answer(1, "10.0.0.1", Some((11, 0))), answer(1, "10.0.0.9", Some((11, 0)))];
        let (first, over) = hop(1, &routers, to);
        assert_eq!((first.address, over), (Some("10.0.0.1".parse().unwrap()), None));
        assert_eq!(first.note.as_deref(), Some("also 10.0.0.9"));
        assert_eq!(hop(2, &routers, to).0, Hop { ttl: 2, address: None, rtt: None, note: None });
        assert_eq!(hop(2, &[answer(2, "10.0.3.2", None)], to).1, Some(true));
        assert_eq!(hop(2, &[answer(2, "10.0.3.2", Some((3, 3)))], to).1, Some(true));
        assert_eq!(hop(2, &[answer(2, "10.0.1.1", Some((3, 3)))], to).1, Some(false), "another's port");
        let (end, over) = hop(2, &[answer(2, "10.0.1.1", Some((3, 1)))], to);
        assert_eq!((end.note.as_deref(), over), (Some("destination host unreachable"), Some(false)));
    }

    #[test]
    fn the_reason() {
        let to = "10.0.3.2".parse().unwrap();
        let mut trace = Trace { to, reached: false, hops: Vec::new(), send_error: None };
        assert_eq!(trace.why().unwrap(), "nobody answers on the way to 10.0.3.2");
        trace.hops.push(hop(1, &[answer(1, "10.0.0.1", Some((11, 0)))], to).0);
        assert_eq!(trace.why().unwrap(), "10.0.3.2 is further away than hop 1, 10.0.0.1, the last that was looked at");
        trace.hops.push(hop(2, &[], to).0);
        assert_eq!(trace.why().unwrap(), "nobody answers after hop 1, 10.0.0.1");
        assert_eq!(trace.path(), [Some("10.0.0.1".parse().unwrap()), None]);
        trace.hops.push(hop(3, &[answer(3, "10.0.2.1", Some((3, 1)))], to).0);
        assert_eq!(trace.why().unwrap(), "10.0.2.1 says: destination host unreachable");
        trace.reached = true;
        assert_eq!(trace.why(), None);
    }
}
