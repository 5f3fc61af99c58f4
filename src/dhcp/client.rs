//! The client as a state machine (RFC 2131, 4.4): it takes messages and the time, and says what to do.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::field::{Field, Kind, WANTED};
use super::lease::{FOR_EVER, Lease};
use super::message::{Draft, Heard, is_host};
use crate::types::mac::Mac;

/// The pauses between one message and the next of the same kind, in milliseconds; the last is used on.
const PAUSES: [u64; 4] = [1000, 2000, 4000, 8000];
/// How often an offer is asked for before another is looked for.
const REQUESTS: usize = 3;
/// When the address that was given is asked for on the link, and how long an answer is waited for, in milliseconds. On a link
/// of a lab it comes within one; the seconds of RFC 5227 are for wireless networks.
const PROBES: [u64; 2] = [0, 120];
const PROBED: u64 = 240;
/// How long nothing is asked after a declined address (RFC 2131, 3.1: at least ten seconds).
const DECLINED: u64 = 10_000;
/// The same after a lease that could not be used.
const LEFT: u64 = 60_000;
/// The least pause while a lease is being renewed; RFC 2131 has a minute, which no short lease would outlive.
const LEAST_PAUSE: u64 = 1000;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The link's Ethernet address.
    pub mac: Mac,
    /// The link's name, for the words.
    pub dev: String,
    /// The name that the server may enter somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// By what it wants to be known, in place of its Ethernet address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Everybody on the link, from no address.
    All,
    /// Everybody on the link, from the address of the lease.
    AllFrom(Ipv4Addr),
    /// The server, from the address of the lease.
    Server {
        /// From where.
        from: Ipv4Addr,
        /// Its address.
        ip: Ipv4Addr,
        /// Its Ethernet address.
        mac: Mac,
    },
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Do {
    /// Say this to whoever wants to follow.
    Say(String),
    /// Write this lease down before what follows: from here on the server may have given it.
    Note(Box<Lease>),
    /// Send this.
    Send(Draft, To),
    /// Ask on the link who has this address.
    Probe(Ipv4Addr),
    /// The lease is there.
    Bound(Box<Lease>),
    /// The lease is there for longer.
    Renewed(Box<Lease>),
    /// The lease is over.
    Lost(String),
}

/// The client.
#[derive(Debug)]
pub struct Client {
    who: Who,
    xid: u32,
    began: u64,
    state: State,
    /// The address that it had, which it asks for again.
    had: Option<Ipv4Addr>,
}

#[derive(Debug, Clone)]
enum State {
    /// Nothing is asked before a time.
    Pausing { until: u64 },
    /// Offers are looked for.
    Selecting { sent: usize, next: u64, since: u64 },
    /// An offer is asked for.
    Requesting { offer: Box<Lease>, sent: usize, next: u64 },
    /// The address is asked for on the link.
    Probing { lease: Box<Lease>, sent: usize, begun: u64 },
    /// There is a lease.
    Bound { lease: Box<Lease> },
    /// Its server is asked to renew it, and after T2 everybody.
    Renewing { lease: Box<Lease>, next: u64, since: u64 },
}

impl Client {
    /// A client without a lease. `xid` is the number of its first exchange.
    pub fn new(who: Who, xid: u32, now: u64) -> Self {
        Self { who, xid, began: now, state: State::Pausing { until: now }, had: None }
    }

    /// A client that has a lease.
    pub fn resume(who: Who, xid: u32, lease: Lease, now: u64) -> Self {
        Self { who, xid, began: now, state: State::Bound { lease: Box::new(lease) }, had: None }
    }

    /// The lease, once there is one.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound { lease } | State::Renewing { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// When it has something to do without having heard anything; `None` for never.
    pub fn wakes(&self) -> Option<u64> {
        match &self.state {
            State::Pausing { until } => Some(*until),
            State::Selecting { next, .. } | State::Requesting { next, .. } => Some(*next),
            State::Probing { sent, begun, .. } => Some(begun + PROBES.get(*sent).copied().unwrap_or(PROBED)),
            State::Bound { lease } => lease.after(lease.t1),
            State::Renewing { lease, next, .. } => Some(lease.ends().map_or(*next, |ends| ends.min(*next))),
        }
    }

    /// Whether it waits for an answer.
    pub fn listens(&self) -> bool {
        !matches!(self.state, State::Bound { .. } | State::Pausing { .. })
    }

    /// Asks for more time now.
    pub fn renew(&mut self, now: u64) -> Vec<Do> {
        match &self.state {
            State::Bound { lease } => {
                self.state = State::Renewing { lease: lease.clone(), next: now, since: now };
                self.tick(now)
            }
            _ => Vec::new(),
        }
    }

    /// What is to be done at this time.
    pub fn tick(&mut self, now: u64) -> Vec<Do> {
        if self.wakes().is_none_or(|wakes| now < wakes) {
            return Vec::new();
        }
        match self.state.clone() {
            State::Pausing { .. } => {
                self.xid = self.xid.wrapping_add(1);
                self.discover(0, now, now)
            }
            State::Selecting { sent, since, .. } => self.discover(sent, since, now),
            State::Requesting { sent, .. } if sent >= REQUESTS => {
                self.xid = self.xid.wrapping_add(1);
                self.discover(0, now, now)
            }
            State::Requesting { offer, sent, .. } => self.request(offer, sent, now),
            State::Probing { lease, sent, begun } if sent < PROBES.len() => {
                let address = lease.address;
                self.state = State::Probing { lease, sent: sent + 1, begun };
                vec![Do::Probe(address)]
            }
            State::Probing { lease, .. } => {
                let said = format!("bound to {} -- {}", lease.address, renewal(&lease));
                self.state = State::Bound { lease: lease.clone() };
                vec![Do::Say(said), Do::Bound(lease)]
            }
            State::Bound { lease } => {
                self.xid = self.xid.wrapping_add(1);
                self.extend(lease, now, now)
            }
            State::Renewing { lease, since, .. } => self.extend(lease, since, now),
        }
    }

    /// What is to be done about a message. One that is for somebody else, or not expected, changes nothing.
    pub fn hear(&mut self, heard: &Heard, now: u64) -> Vec<Do> {
        if !heard.is_reply || heard.xid != self.xid || heard.mac != self.who.mac {
            return Vec::new();
        }
        match (self.state.clone(), heard.kind) {
            (State::Selecting { since, .. }, Kind::Offer) => match lease_of(heard, since) {
                Ok(offer) => {
                    let said = format!("DHCPOFFER of {} from {}", offer.address, offer.server);
                    let mut todo = vec![Do::Say(said)];
                    todo.extend(self.request(Box::new(offer), 0, now));
                    todo
                }
                Err(why) => vec![Do::Say(format!("an offer of {} is not taken: {why}", heard.yiaddr))],
            },
            (State::Requesting { offer, .. }, Kind::Ack) => match lease_of(heard, now) {
                Ok(lease) if (lease.address, lease.server) == (offer.address, offer.server) => {
                    let lease = Lease { since: offer.since, ..lease };
                    let said = format!("DHCPACK of {} from {}", lease.address, lease.server);
                    self.state = State::Probing { lease: Box::new(lease.clone()), sent: 0, begun: now };
                    let mut todo = vec![Do::Say(said), Do::Note(Box::new(lease))];
                    todo.extend(self.tick(now));
                    todo
                }
                Ok(lease) => vec![Do::Say(format!("a DHCPACK of {} is not what was asked for", lease.address))],
                Err(why) => vec![Do::Say(format!("a DHCPACK of {} is not taken: {why}", heard.yiaddr))],
            },
            (State::Requesting { offer, .. }, Kind::Nak) if heard.server == Some(offer.server) => {
                let said = refusal(heard, offer.server);
                self.pause(now + PAUSES[0]);
                vec![Do::Say(said)]
            }
            (State::Renewing { lease, since, .. }, Kind::Ack) => match lease_of(heard, since) {
                Ok(new) if new.address == lease.address => {
                    let new = Lease { renewals: lease.renewals + 1, ..new };
                    let said = format!("DHCPACK of {} from {}", new.address, new.server);
                    let bound = format!("bound to {} -- {}", new.address, renewal(&new));
                    self.state = State::Bound { lease: Box::new(new.clone()) };
                    vec![Do::Say(said), Do::Say(bound), Do::Renewed(Box::new(new))]
                }
                Ok(new) => vec![Do::Say(format!("a DHCPACK of {} is not what was asked for", new.address))],
                Err(why) => vec![Do::Say(format!("a DHCPACK is not taken: {why}"))],
            },
            (State::Renewing { lease, .. }, Kind::Nak) => {
                let from = heard.server.unwrap_or(lease.server);
                self.begin_again(lease.address, now);
                let why = format!("the server {from} says that it is not ours any more");
                vec![Do::Say(refusal(heard, from)), Do::Lost(why)]
            }
            _ => Vec::new(),
        }
    }

    /// Somebody on the link has the address that was given.
    pub fn conflict(&mut self, owner: Mac, now: u64) -> Vec<Do> {
        let State::Probing { lease, .. } = self.state.clone() else { return Vec::new() };
        self.pause(now + DECLINED);
        let draft = self.draft(Kind::Decline, now).with(Field::RequestedAddress(lease.address));
        let draft = draft.with(Field::ServerIdentifier(lease.server));
        vec![
            Do::Say(format!("{} is in use by {owner}", lease.address)),
            Do::Say(format!("DHCPDECLINE of {} on {} to 255.255.255.255 port 67", lease.address, self.who.dev)),
            Do::Send(draft, To::All),
        ]
    }

    /// Leaves a lease that it was given and cannot use, and asks for none for some time.
    pub fn leave(&mut self, lease: &Lease, now: u64) -> Vec<Do> {
        self.pause(now + LEFT);
        let to = To::Server { from: lease.address, ip: lease.server, mac: lease.server_mac };
        vec![Do::Send(self.who.release(lease, self.xid), to)]
    }

    /// Looks for a new lease after one was lost.
    fn begin_again(&mut self, address: Ipv4Addr, now: u64) {
        (self.had, self.began) = (Some(address), now);
        self.pause(now + PAUSES[0]);
    }

    fn pause(&mut self, until: u64) {
        self.state = State::Pausing { until };
    }

    fn discover(&mut self, sent: usize, since: u64, now: u64) -> Vec<Do> {
        let pause = PAUSES[sent.min(PAUSES.len() - 1)];
        self.state = State::Selecting { sent: sent + 1, next: now + pause, since };
        let draft = self.asking(self.draft(Kind::Discover, now)).with_some(self.had.map(Field::RequestedAddress));
        let dev = &self.who.dev;
        let said = format!("DHCPDISCOVER on {dev} to 255.255.255.255 port 67 interval {}", pause / 1000);
        vec![Do::Say(said), Do::Send(draft, To::All)]
    }

    fn request(&mut self, mut offer: Box<Lease>, sent: usize, now: u64) -> Vec<Do> {
        if sent == 0 {
            offer.since = now;
        }
        let draft = self.asking(self.draft(Kind::Request, now));
        let draft = draft.with(Field::RequestedAddress(offer.address));
        let draft = draft.with(Field::ServerIdentifier(offer.server));
        let said = format!("DHCPREQUEST for {} on {} to 255.255.255.255 port 67", offer.address, self.who.dev);
        let note = Do::Note(offer.clone());
        self.state = State::Requesting { offer, sent: sent + 1, next: now + PAUSES[sent.min(PAUSES.len() - 1)] };
        vec![Do::Say(said), note, Do::Send(draft, To::All)]
    }

    /// Asks for more time: the server, and after T2 everybody.
    fn extend(&mut self, lease: Box<Lease>, since: u64, now: u64) -> Vec<Do> {
        let left = |until: Option<u64>| until.map_or(u64::MAX, |until| until.saturating_sub(now));
        if left(lease.ends()) == 0 {
            self.begin_again(lease.address, now);
            return vec![Do::Lost("its time is over, and nobody renewed it".into())];
        }
        let (t2, end) = (left(lease.after(lease.t2)), left(lease.ends()));
        let rebinds = t2 == 0;
        // Half of what is left until the next stage (RFC 2131, 4.4.5).
        let pause = (if rebinds { end } else { t2 } / 2).max(LEAST_PAUSE).min(if rebinds { end } else { t2 });
        let pause = pause.min(60_000);
        let draft = self.asking(self.draft(Kind::Request, now)).ciaddr(lease.address);
        let to = match rebinds {
            true => To::AllFrom(lease.address),
            false => To::Server { from: lease.address, ip: lease.server, mac: lease.server_mac },
        };
        let at = if rebinds { Ipv4Addr::BROADCAST } else { lease.server };
        let said = format!("DHCPREQUEST for {} on {} to {at} port 67", lease.address, self.who.dev);
        // What is answered late counts from the last time that it was asked for.
        let since = if since == now { since } else { now };
        self.state = State::Renewing { lease, next: now + pause, since };
        vec![Do::Say(said), Do::Send(draft, to)]
    }

    fn draft(&self, kind: Kind, now: u64) -> Draft {
        let draft = Draft::request(kind, self.xid, self.who.mac).secs(now.saturating_sub(self.began) / 1000);
        draft.with_some(self.who.id())
    }

    fn asking(&self, draft: Draft) -> Draft {
        draft
            .with(Field::ParameterRequestList(WANTED.to_vec()))
            .with(Field::MaxMessageSize(1472))
            .with_some(self.who.hostname.clone().map(Field::Hostname))
    }
}

impl Who {
    /// A text is of type 0: it is no hardware address (RFC 2132, 9.14).
    fn id(&self) -> Option<Field> {
        let id = self.client_id.as_ref()?;
        Some(Field::ClientIdentifier([&[0], id.as_bytes()].concat()))
    }

    /// What gives a lease back.
    pub fn release(&self, lease: &Lease, xid: u32) -> Draft {
        Draft::request(Kind::Release, xid, self.mac)
            .ciaddr(lease.address)
            .with(Field::ServerIdentifier(lease.server))
            .with_some(self.id())
    }
}

fn renewal(lease: &Lease) -> String {
    if lease.t1 == FOR_EVER { "for ever.".into() } else { format!("renewal in {} seconds.", lease.t1) }
}

fn refusal(heard: &Heard, from: Ipv4Addr) -> String {
    let why = heard.text.as_ref().map_or_else(String::new, |text| format!(": {text}"));
    format!("DHCPNAK from {from}{why}")
}

/// The lease in an offer or an acknowledgement, if it can be used.
fn lease_of(heard: &Heard, since: u64) -> std::result::Result<Lease, String> {
    let address = heard.yiaddr;
    if !is_host(address) {
        return Err("that is no address of a machine".into());
    }
    let server = heard.server.ok_or("it does not say which server it is from")?;
    let seconds = heard.seconds.filter(|s| *s > 0).ok_or("it does not say for how long")?;
    // Without a mask, the network is that of the ancient classes (RFC 2131, 4.4.1 leaves it to the client).
    let len = heard.len.unwrap_or(match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    });
    let host = u32::from(address) & u32::MAX.checked_shr(len.into()).unwrap_or(0);
    if len == 0 || (len < 31 && (host == 0 || host == u32::MAX >> len)) {
        return Err(format!("in a network of /{len} that is the network itself or its broadcast address"));
    }
    if server == address {
        return Err("that is the server's own address".into());
    }
    // What a server says has to be in order: T1 before T2 before the end.
    let part = |eighths: u64| u32::try_from(u64::from(seconds) * eighths / 8).unwrap_or(FOR_EVER).max(1);
    let (mut t1, mut t2) = (part(4), part(7));
    if let (Some(a), Some(b)) = (heard.t1.or(Some(t1)), heard.t2.or(Some(t2)))
        && 0 < a
        && a < b
        && b < seconds
    {
        (t1, t2) = (a, b);
    }
    if seconds == FOR_EVER {
        (t1, t2) = (FOR_EVER, FOR_EVER);
    }
    let mut options = heard.options.clone();
    options.routers.retain(|router| *router != address);
    options.routes.retain(|route| route.via != address);
    Ok(Lease { address, len, server, server_mac: heard.from, seconds, t1, t2, since, renewals: 0, options, lost: None })
}
