//! Why does this ping fail? The way of a packet, there and back, through all namespaces; the first break with its repair.
//!
//! At every hop the kernel itself is asked what it would do. Then a real packet is sent, and where the two disagree, that
//! is said: nothing is called a cause that is not proved.

pub mod cause;
mod crossing;
mod delivery;
mod missing;
pub mod probe;
mod refusal;
pub mod repair;
pub mod segment;
mod suggest;
pub mod told;
pub mod walk;
pub mod world;

use std::net::IpAddr;

use self::cause::{Break, Cause};
use self::probe::Heard;
use self::walk::{Hop, Walker};
use self::world::World;
use crate::diag::Result;
use crate::probe::Patience;

/// What is to get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An echo request.
    Ping,
    /// A TCP connection to a port.
    Tcp(u16),
    /// A UDP datagram to a port.
    Udp(u16),
}

/// Whom the question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An address.
    Address(IpAddr),
    /// A namespace, by its number in the world.
    Space(usize),
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The namespace that sends, by its number in the world.
    pub from: usize,
    /// Whom to.
    pub to: Target,
    /// What.
    pub kind: Kind,
    /// The payload of a ping, which must not be fragmented then; 56 bytes, as ping(8) sends, if not said.
    pub size: Option<u16>,
}

/// The answer.
#[derive(Debug)]
pub struct Answer {
    /// The namespace that sends.
    pub from: String,
    /// The destination's address, if it has one.
    pub addr: Option<IpAddr>,
    /// The namespace that has it.
    pub owner: Option<String>,
    /// What is to get there.
    pub kind: Kind,
    /// The way, up to the first break.
    pub hops: Vec<Hop>,
    /// What is wrong: the first on the way first.
    pub breaks: Vec<Break>,
    /// Whether the way leads out of the namespaces that can be seen.
    pub outside: bool,
    /// What is worth knowing, and is no cause.
    pub notes: Vec<String>,
    /// What came of a real packet; none if none was sent.
    pub heard: Option<Heard>,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It gets there, and nothing is wrong.
    Yes,
    /// It gets there, although the walk found something.
    YesAgainst,
    /// It does not, and this is why.
    No,
    /// It does not, and the cause was not found.
    Unknown,
}

impl Answer {
    /// What walk and packet come to together.
    pub fn verdict(&self) -> Verdict {
        let answered = self.heard.as_ref().map(|h| h.ok);
        match (self.breaks.first(), answered) {
            (None, Some(true) | None) => Verdict::Yes,
            (None, Some(false)) => Verdict::Unknown,
            (Some(first), Some(true)) if !first.cause.may_answer() => Verdict::YesAgainst,
            (Some(_), _) => Verdict::No,
        }
    }

    /// The cause, if one is proved.
    pub fn cause(&self) -> Option<&Break> {
        if self.verdict() == Verdict::No { self.breaks.first() } else { None }
    }
}

/// Walks the way, and sends a packet.
///
/// # Errors
/// Those of opening the probe, and `NL0506` and `NL0507` as [`Patience`] says.
pub fn ask(world: &mut World<'_>, question: &Question, patience: &Patience) -> Result<Answer> {
    let mut answer = walk(world, question);
    let Some(to) = answer.addr else { return Ok(answer) };
    // A packet that is lost while the links settle is sent again, so that no answer means that there is none.
    let heard = probe::send(world, question, to, patience)?;
    answer.heard = Some(heard);
    if answer.verdict() != Verdict::Yes {
        let hints = firewalls(world, &answer);
        answer.notes.extend(hints);
    }
    Ok(answer)
}

/// Only walks: for one who knows already that no answer comes.
pub fn walk(world: &mut World<'_>, question: &Question) -> Answer {
    let from = world.name(question.from);
    let (addr, space) = match question.to {
        Target::Address(addr) => (Some(addr), None),
        Target::Space(space) => (walk::address_of(world, question.from, space), Some(space)),
    };
    let Some(to) = addr else {
        let owner = space.map(|s| world.name(s)).unwrap_or_default();
        let cause = Break::new(Cause::NoAddress { ns: owner.clone(), what: "address" });
        return Answer {
            from,
            addr: None,
            hops: vec![Hop::broken(&owner, "has no address", false)],
            owner: Some(owner),
            kind: question.kind,
            breaks: vec![cause],
            outside: false,
            notes: Vec::new(),
            heard: None,
        };
    };
    let mut walker = Walker::new(world, question, to, space);
    walker.go();
    let Walker { hops, breaks, notes, owner, outside, .. } = walker;
    let owner = owner.map(|s| world.name(s));
    Answer { from, addr, owner, kind: question.kind, hops, breaks, outside, notes, heard: None }
}

/// What firewalls there are on the way: no cause, since their rules are not read, but a place to look.
fn firewalls(world: &World<'_>, answer: &Answer) -> Vec<String> {
    let mut notes = Vec::new();
    for space in world.all() {
        let name = world.name(space);
        if !answer.hops.iter().any(|h| h.ns == name) {
            continue;
        }
        let Some(rules) = world.firewall(space).filter(|r| !r.is_empty()) else { continue };
        let ns = cause::of(&name);
        let count =
            if rules.rules == 1 { "1 nftables rule".to_owned() } else { format!("{} nftables rules", rules.rules) };
        let drops = if rules.drops.is_empty() {
            String::new()
        } else {
            format!(", and drops by policy in {}", rules.drops.join(", "))
        };
        notes
            .push(format!("{ns} has {count} (table {}){drops}; `why` does not read them yet", rules.tables.join(", ")));
    }
    notes
}
