//! What keeps a lease alive after the run has ended: a process of the lab that renews it, gives the address its new time, and
//! takes it away when the lease is lost.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{Client, Do, Who};
use super::exchange::{Event, Line};
use super::lease::{Lease, Route};
use crate::diag::KernelError;
use crate::kernel::addr::{self, AddrSpec};
use crate::kernel::netlink::Socket;
use crate::kernel::probe_socket::{udp_server, wait_any};
use crate::kernel::process::{begun, since_boot};
use crate::kernel::route::{self, RouteSpec};
use crate::kernel::signal::Nudge;
use crate::probe::wire::random;
use crate::types::address::Prefix;

/// The longest sleep: the clock of poll(2) stands still while the machine sleeps, that of a lease does not.
const LONGEST: u64 = 60_000;
/// The longest wait for an answer without a look at the signals.
const SLICE: u64 = 100;

/// The pause between two looks at a link that does not work.
const LAME: u64 = 1000;

/// What a keeper is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// The link, in the namespace that the keeper is started in.
    pub index: u32,
    /// Who asks.
    pub who: Who,
    /// Where the lease is, and is written again whenever it changes.
    pub file: PathBuf,
    /// Whether the lab made the link, so that whatever is put on it goes with it. On any other link only what the lab itself
    /// has put there may come back after a loss: its undo knows of nothing else.
    pub own: bool,
    /// The routes that the lab made.
    pub routes: Vec<RouteSpec>,
}

/// Keeps the lease, and looks for a new one when it is lost. SIGUSR1 has it renewed at once.
///
/// # Errors
/// Those of reading the lease and of signals; what goes wrong with the network is tried again until the lease is over.
pub fn run(keep: &Keep) -> io::Result<()> {
    let lease = Lease::load(&keep.file).ok_or_else(|| io::Error::other("there is no lease to keep"))?;
    let nudge = Nudge::catch()?;
    begun();
    let mut client = Client::resume(keep.who.clone(), random() as u32, lease, since_boot());
    // Open only while something is asked: who has a packet socket on a link is in the way of others.
    let mut line: Option<Line> = None;
    // What a server sends to the address would else be answered by the kernel: nobody listens there.
    let mut _ear = None;
    let (mut todo, mut probed) = (Vec::new(), None);
    loop {
        if nudge.asked()? {
            todo.extend(client.renew(since_boot()));
        }
        todo.extend(client.tick(since_boot()));
        if !client.listens() && todo.is_empty() {
            (line, _ear) = (None, None);
            let wakes = client.wakes().map_or(LONGEST, |wakes| wakes.saturating_sub(since_boot()));
            sleep(&nudge, wakes.min(LONGEST))?;
            continue;
        }
        if line.is_none() {
            line = match Line::here(keep.index, keep.who.mac) {
                Ok(line) => Some(line),
                Err(e) if e.raw_os_error() == Some(libc::ENODEV) => {
                    say(&format!("`{}` is gone, and the lease with it", keep.who.dev));
                    return lose(keep, "its link is gone".into());
                }
                Err(_) => None,
            };
            let address = client.lease().map(|l| SocketAddr::new(IpAddr::V4(l.address), super::wire::CLIENT));
            _ear = address.and_then(|at| udp_server(at).ok());
        }
        let mut more = Vec::new();
        for step in todo.drain(..) {
            match step {
                Do::Probe(address) => probed = Some(address),
                Do::Bound(lease) if !may_take(keep, &lease) => {
                    say(&format!("{} is another address than the lab knows of, and is not taken", lease.address));
                    more.extend(client.leave(&lease, since_boot()));
                    continue;
                }
                _ => {}
            }
            carry_out(keep, step, line.as_ref());
        }
        todo.extend(more);
        let wait = client.wakes().map_or(0, |wakes| wakes.saturating_sub(since_boot()).min(SLICE));
        match line.as_mut().map(|line| line.wait(wait, probed)) {
            Some(Ok(events)) => {
                for event in events {
                    todo.extend(match event {
                        Event::Heard(heard) => client.hear(&heard, since_boot()),
                        Event::Claimed(owner) => client.conflict(owner, since_boot()),
                    });
                }
            }
            // A link that is down may come up again before the lease is over.
            Some(Err(_)) => {
                line = None;
                sleep(&nudge, LAME)?;
            }
            None => sleep(&nudge, LAME)?,
        }
    }
}

fn carry_out(keep: &Keep, step: Do, line: Option<&Line>) {
    let result = match step {
        Do::Say(words) => {
            say(&words);
            Ok(())
        }
        Do::Send(draft, to) => line.map_or(Ok(()), |line| line.send(&draft, to)),
        Do::Renewed(lease) => give_time(keep, &lease).and_then(|()| lease.save(&keep.file)),
        Do::Lost(why) => {
            say(&format!("the lease is lost: {why}"));
            lose(keep, why)
        }
        Do::Probe(address) => line.map_or(Ok(()), |line| line.probe(address)),
        Do::Bound(lease) => {
            // A route that cannot be made is said, and the address is there all the same.
            let taken = take(keep, &lease);
            lease.save(&keep.file).and(taken)
        }
        // Not asked for by the lab: if it is killed now, the server has to wait for its end.
        Do::Note(_) => Ok(()),
    };
    if let Err(error) = result {
        say(&format!("{}: {error}", keep.who.dev));
    }
}

/// Gives the address the time of the new lease. One that is not there any more has been taken away by somebody else.
fn give_time(keep: &Keep, lease: &Lease) -> io::Result<()> {
    let Some(spec) = spec(lease, since_boot()) else { return Ok(()) };
    let mut socket = Socket::open()?;
    if is_there(&mut socket, keep.index, &spec)? {
        let (message, flags) = addr::refresh(keep.index, &spec);
        socket.change(message, flags).map_err(plain)?;
    }
    Ok(())
}

fn may_take(keep: &Keep, lease: &Lease) -> bool {
    keep.own || Lease::load(&keep.file).is_some_and(|had| (had.address, had.len) == (lease.address, lease.len))
}

/// Puts a new lease in place, after one was lost.
fn take(keep: &Keep, lease: &Lease) -> io::Result<()> {
    let Some(spec) = spec(lease, since_boot()) else { return Ok(()) };
    let routes = if keep.own && !keep.routes.is_empty() {
        routes(lease, keep.index, keep.routes.first().and_then(|route| route.metric))
    } else {
        keep.routes.clone()
    };
    let mut socket = Socket::open()?;
    let requests = std::iter::once(addr::add(keep.index, &spec)).chain(routes.iter().map(route::add));
    for (message, flags) in requests {
        match socket.change(message, flags) {
            Err(e) if e.errno != libc::EEXIST => return Err(plain(e)),
            _ => {}
        }
    }
    Ok(())
}

/// The routes of a lease, without the one that the address brings along.
pub fn routes(lease: &Lease, index: u32, metric: Option<u32>) -> Vec<RouteSpec> {
    let Some(network) = lease.cidr().map(|cidr| cidr.network()) else { return Vec::new() };
    let wanted = |route: &Route| {
        let dst = Prefix { addr: IpAddr::V4(route.dst), len: route.len };
        let mut spec = RouteSpec::new(dst);
        spec.dev = Some(index);
        spec.metric = metric;
        if route.via != Ipv4Addr::UNSPECIFIED {
            spec.via = Some(IpAddr::V4(route.via));
            // Some networks give a single address, and a router beside it.
            spec.onlink = !network.contains(IpAddr::V4(route.via));
        }
        (dst != network).then_some(spec)
    };
    lease.routes().iter().filter_map(wanted).collect()
}

fn lose(keep: &Keep, why: String) -> io::Result<()> {
    let Some(mut lease) = Lease::load(&keep.file) else { return Ok(()) };
    lease.lost = Some(why);
    // Written first: after a kill in between the kernel ends the address by itself, as its time is over soon.
    lease.save(&keep.file)?;
    let Some(spec) = spec(&lease, since_boot()) else { return Ok(()) };
    let mut socket = Socket::open()?;
    if is_there(&mut socket, keep.index, &spec).unwrap_or(false) {
        let (message, flags) = addr::del(keep.index, &spec);
        socket.change(message, flags).map_err(plain)?;
    }
    Ok(())
}

/// The address of a lease, as it is put on the link: with the time that is left.
pub fn spec(lease: &Lease, now: u64) -> Option<AddrSpec> {
    let mut spec = AddrSpec::new(lease.cidr()?);
    spec.valid_lft = lease.left(now);
    spec.preferred_lft = spec.valid_lft;
    Some(spec)
}

fn is_there(socket: &mut Socket, index: u32, spec: &AddrSpec) -> io::Result<bool> {
    let all = addr::dump(socket, Some(index)).map_err(plain)?;
    Ok(all.iter().filter_map(AddrSpec::read).any(|a| a.addr == spec.addr))
}

fn plain(error: KernelError) -> io::Error {
    io::Error::from_raw_os_error(error.errno)
}

fn sleep(nudge: &Nudge, most: u64) -> io::Result<()> {
    wait_any(&[nudge.as_fd()], Duration::from_millis(most))
}

/// Into the log of the lab.
pub(super) fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(io::stdout(), "{line}");
}
