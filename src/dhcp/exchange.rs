//! The client at work: its sockets on a link, and the exchange that ends with a lease or a reason.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::client::{Client, Do, To, Who};
use super::lease::Lease;
use super::message::{self, Draft, Heard};
use super::wire::{self, BROADCAST, CLIENT, End, SERVER};
use crate::kernel::netns;
use crate::kernel::packet::PacketSocket;
use crate::kernel::probe_socket::wait_any;
use crate::kernel::process::since_boot;
use crate::types::mac::Mac;

/// The longest wait without a look at whether to go on.
const SLICE: u64 = 50;
/// The most frames that are read before it is looked at the time: somebody may send without end.
const MOST: usize = 256;
/// No frame is longer, whatever the MTU.
const FRAME: usize = 65_536;

/// A link as a DHCP client uses it.
#[derive(Debug)]
pub struct Line {
    dhcp: PacketSocket,
    arp: PacketSocket,
    mac: Mac,
    buffer: Vec<u8>,
}

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A DHCP message.
    Heard(Box<Heard>),
    /// Somebody says that the address is its own.
    Claimed(Mac),
}

impl Line {
    /// Opens the sockets in a namespace.
    ///
    /// # Errors
    /// Those of setns(2) and of packet sockets.
    pub fn open(netns: BorrowedFd<'_>, index: u32, mac: Mac) -> io::Result<Self> {
        netns::within(netns, || Self::here(index, mac))?
    }

    /// Opens them in the namespace of the calling thread.
    ///
    /// # Errors
    /// Those of packet sockets.
    pub fn here(index: u32, mac: Mac) -> io::Result<Self> {
        let (dhcp, arp) = (PacketSocket::udp(index, CLIENT)?, PacketSocket::arp(index)?);
        Ok(Self { dhcp, arp, mac, buffer: vec![0; FRAME] })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&self, draft: &Draft, to: To) -> io::Result<()> {
        let (from, mac, ip) = match to {
            To::All => (Ipv4Addr::UNSPECIFIED, BROADCAST, Ipv4Addr::BROADCAST),
            To::AllFrom(from) => (from, BROADCAST, Ipv4Addr::BROADCAST),
            To::Server { from, ip, mac } => (from, mac, ip),
        };
        let from = End { mac: self.mac, ip: from, port: CLIENT };
        self.dhcp.send(&wire::frame(from, End { mac, ip, port: SERVER }, &draft.bytes()))
    }

    /// Asks who has an address.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn probe(&self, address: Ipv4Addr) -> io::Result<()> {
        self.arp.send(&wire::arp_probe(self.mac, address))
    }

    /// Waits for what comes in, but not longer than so many milliseconds. `address` is the one that nobody else may have.
    ///
    /// # Errors
    /// `ENETDOWN` when the link went down or away.
    pub fn wait(&mut self, most: u64, address: Option<Ipv4Addr>) -> io::Result<Vec<Event>> {
        wait_any(&[self.dhcp.as_fd(), self.arp.as_fd()], Duration::from_millis(most))?;
        let mut events = Vec::new();
        for _ in 0..MOST {
            let Some(frame) = self.dhcp.recv(&mut self.buffer)? else { break };
            let datagram = wire::parse(&self.buffer[..frame.len], frame.summed);
            let heard = datagram.filter(|d| d.to.port == CLIENT).and_then(|d| message::read(d.payload, d.from.mac));
            events.extend(heard.map(|heard| Event::Heard(Box::new(heard))));
        }
        for _ in 0..MOST {
            let Some(frame) = self.arp.recv(&mut self.buffer)? else { break };
            let claim = address.and_then(|ip| wire::arp_claim(&self.buffer[..frame.len], self.mac, ip));
            events.extend(claim.map(Event::Claimed));
        }
        Ok(events)
    }
}

/// Why there is no lease.
#[derive(Debug)]
pub enum NoLease {
    /// Nobody answered in time, or nothing of use; what was said last of an answer that was not taken.
    Silence(Option<String>),
    /// The link does not work.
    Broken(io::Error),
    /// The lease could not be written down.
    Unwritten(io::Error),
    /// Whoever asked does not want to go on.
    Ended,
}

/// How an exchange goes on and ends.
pub struct Terms<'a> {
    /// When it is given up, in milliseconds since the boot.
    pub until: u64,
    /// Whether to go on.
    pub goes_on: &'a dyn Fn() -> bool,
    /// Writes down a lease that the server may have given.
    pub note: &'a dyn Fn(&Lease) -> io::Result<()>,
    /// Told what happens, as `dhclient -v` prints it.
    pub say: &'a mut dyn FnMut(&str),
}

/// Obtains a lease.
///
/// # Errors
/// Why there is none.
pub fn obtain(line: &mut Line, who: Who, xid: u32, terms: Terms<'_>) -> Result<Lease, NoLease> {
    let mut client = Client::new(who, xid, since_boot());
    let mut probed = None;
    let mut refused = None;
    let mut todo = client.tick(since_boot());
    loop {
        for step in todo.drain(..) {
            match step {
                Do::Say(line) => {
                    if line.contains("not taken") || line.starts_with("DHCPNAK") || line.contains("in use") {
                        refused = Some(line.clone());
                    }
                    (terms.say)(&line);
                }
                Do::Note(lease) => (terms.note)(&lease).map_err(NoLease::Unwritten)?,
                Do::Send(draft, to) => line.send(&draft, to).map_err(NoLease::Broken)?,
                Do::Probe(address) => {
                    probed = Some(address);
                    line.probe(address).map_err(NoLease::Broken)?;
                }
                Do::Bound(lease) => return Ok(*lease),
                Do::Renewed(_) | Do::Lost(_) => {}
            }
        }
        let now = since_boot();
        if !(terms.goes_on)() {
            return Err(NoLease::Ended);
        }
        if now >= terms.until {
            return Err(NoLease::Silence(refused));
        }
        let wakes = client.wakes().unwrap_or(terms.until).min(terms.until);
        let events = line.wait(wakes.saturating_sub(now).min(SLICE), probed).map_err(NoLease::Broken)?;
        let now = since_boot();
        for event in events {
            todo.extend(match event {
                Event::Heard(heard) => client.hear(&heard, now),
                Event::Claimed(owner) => client.conflict(owner, now),
            });
        }
        todo.extend(client.tick(now));
    }
}

/// Gives a lease back. Nobody answers to that, so it is said once, as others do.
///
/// # Errors
/// Those of the sockets.
pub fn release(line: &Line, who: &Who, lease: &Lease, xid: u32) -> io::Result<()> {
    let to = To::Server { from: lease.address, ip: lease.server, mac: lease.server_mac };
    line.send(&who.release(lease, xid), to)?;
    // The other end of a wire may be in a namespace that is taken down next; it gets the frame first.
    std::thread::sleep(Duration::from_millis(1));
    Ok(())
}
