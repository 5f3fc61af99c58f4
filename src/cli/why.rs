//! `netlab why`: the first thing that stops traffic from a namespace to an address, and its fix.

use super::netns::HOST;
use super::out::{self, Paint};
use super::{fail, fix, netns, place};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::process::raise_file_limit;
use crate::kernel::relay::Keys;
use crate::lab::open::{self, privileged};
use crate::probe::Patience;
use crate::types::address::ip;
use crate::why::world::World;
use crate::why::{self, Kind, Question, Target, Verdict, told};

/// The arguments of `why`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 it gets there; 1 it does not, whatever --try-fix came to; 2 wrong usage; 3 cannot look.\n\n\
                  Examples:\n  netlab why ns1 10.0.2.20\n  netlab why ns1 ns3 --tcp 80\n  netlab why host ns3 --size 1472\n  netlab why ns1 ns3 --try-fix"
)]
pub struct Args {
    /// The namespace that sends: a name, `host`, or LAB/NAMESPACE.
    #[arg(value_name = "FROM")]
    pub from: String,
    /// An address or a namespace.
    #[arg(value_name = "TO")]
    pub to: String,
    /// Ask for a TCP connection to this port instead of a ping.
    #[arg(long, value_name = "PORT", conflicts_with = "udp")]
    pub tcp: Option<u16>,
    /// Ask for a UDP datagram to this port instead of a ping.
    #[arg(long, value_name = "PORT")]
    pub udp: Option<u16>,
    /// Ask for a ping with so many bytes of payload that no router may fragment.
    #[arg(long, value_name = "BYTES", conflicts_with_all = ["tcp", "udp"], value_parser = clap::value_parser!(u16).range(0..=i64::from(crate::probe::MAX_SIZE)))]
    pub size: Option<u16>,
    /// Try the fix: make it, ask again, take it back.
    #[arg(long)]
    pub try_fix: bool,
    /// Make the fix, and those of what shows behind it, as a lab of its own.
    #[arg(long, conflicts_with = "try_fix")]
    pub fix: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Looks, sends, and says.
///
/// # Errors
/// `NL0108` for a namespace that is not there, `NL0109` without the privilege to look inside.
pub fn run(args: Args) -> Result<u8> {
    let (place, from) = match place::of(&args.from) {
        Ok(found) => found,
        Err(error) => return misnamed(error, args.json),
    };
    place.go(Keys::Outside, args.json, false, || look(&args, &from).or_else(|error| misnamed(error, args.json)))
}

/// Code 1 says here that traffic does not get through, so a name that is none has to be wrong usage.
fn misnamed(error: Box<Diagnostic>, json: bool) -> Result<u8> {
    if error.code != Code::NoSuchNetns {
        return Err(error);
    }
    fail::report(&error, json);
    Ok(Code::Usage.exit_code())
}

fn look(args: &Args, from: &str) -> Result<u8> {
    privileged()?;
    raise_file_limit();
    let mut kernel = open::kernel()?;
    let mut world = World::read(&mut kernel, &[])?;
    let from = space(&world, from)?;
    let kind = match (args.tcp, args.udp) {
        (Some(port), _) => Kind::Tcp(port),
        (_, Some(port)) => Kind::Udp(port),
        _ => Kind::Ping,
    };
    let to = match ip(&args.to) {
        Ok(addr) => Target::Address(addr),
        // Within a lab's sandbox the name alone is meant.
        Err(_) => Target::Space(space(&world, args.to.rsplit('/').next().unwrap_or(&args.to))?),
    };
    let sender = world.name(from);
    let answer = why::ask(&mut world, &Question { from, to, kind, size: args.size }, &Patience::endless())?;
    let mut told = told::json(&answer);
    if !args.json {
        let paint = |mark: &str, ok: bool| out::paint(mark, if ok { Paint::Green } else { Paint::Red });
        out::line(told::text(&answer, &paint));
    }
    let mut gets_there = matches!(answer.verdict(), Verdict::Yes | Verdict::YesAgainst);
    if let Some(cause) = answer.cause().filter(|_| args.fix || args.try_fix) {
        drop(kernel);
        let options = match kind {
            Kind::Tcp(port) => format!(", #{{ tcp: {port} }}"),
            Kind::Udp(port) => format!(", #{{ udp: {port} }}"),
            Kind::Ping => args.size.map_or_else(String::new, |size| format!(", #{{ size: {size} }}")),
        };
        let to =
            answer.addr.map_or_else(|| place_of(answer.owner.as_deref().unwrap_or(HOST)), |to| format!("\"{to}\""));
        let question = format!("{}.why({to}{options})", place_of(&sender));
        let tried = fix::go(cause, &question, args.fix, args.json)?;
        gets_there |= args.fix && tried.ok;
        told["tried"] = tried.value();
    }
    if args.json {
        out::json(&told);
    }
    Ok(u8::from(!gets_there))
}

/// A namespace in a script.
fn place_of(name: &str) -> String {
    if name == HOST { HOST.to_owned() } else { format!("get_netns({name:?})") }
}

/// The namespace with a name.
fn space(world: &World<'_>, name: &str) -> Result<usize> {
    if let Some(space) = world.find(name) {
        return Ok(space);
    }
    if name == HOST {
        return Ok(0);
    }
    // Of two names for one namespace the first is known.
    let (_, fd) = netns::open(name)?;
    let found = crate::kernel::netns::cookies(&[std::os::fd::AsFd::as_fd(&fd)]).pop().and_then(|c| c.ok());
    found
        .and_then(|cookie| world.find_cookie(cookie))
        .ok_or_else(|| Diagnostic::new(Code::NoSuchNetns, format!("the namespace `{name}` cannot be opened")))
}
