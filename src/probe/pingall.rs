//! Pingall: every node pings every other, side by side, on one thread.

use std::cell::{Cell as Shared, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::diag::{KernelError, Result};
use crate::kernel::icmp::IcmpSocket;
use crate::kernel::probe_socket::Family;
use crate::probe::failure::{failed, send_words, time};
use crate::probe::icmp_error::IcmpError;
use crate::probe::pace::Pace;
use crate::probe::patience::{Patience, TICK};
use crate::probe::ping::{PingOptions, PingSocket, set_options};
use crate::probe::wire::{self, Body, Mark, Quote};

/// A node has up to a hundred requests and more under way; the kernel counts about 800 bytes for each small packet.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The time in which the kernel drops unused entries from a full neighbour table.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// One of the nodes.
#[derive(Debug)]
pub struct Node {
    /// Its name, as the matrix shows it.
    pub name: String,
    /// Its IPv4 socket, opened in its namespace; without one it reaches no IPv4 address.
    pub v4: Option<PingSocket>,
    /// Its IPv6 socket, likewise.
    pub v6: Option<PingSocket>,
    /// The addresses at which the others are to reach it: all of them, or the pair has failed.
    pub addresses: Vec<IpAddr>,
}

/// How long to wait, and how much at once.
#[derive(Debug, Clone)]
pub struct PingallOptions {
    /// How long to wait for each reply; 1 s unless told otherwise.
    pub timeout: Duration,
    /// How often to ask before a pair has failed; 2 unless told otherwise, since the burst of ARP that a pingall begins
    /// with loses packets that a single ping does not.
    pub tries: u8,
    /// The most requests under way at once; 512 unless told otherwise.
    pub in_flight: usize,
}

impl Default for PingallOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(1), tries: 2, in_flight: 512 }
    }
}

/// Who reaches whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// The names of the nodes; their order is that of the cells.
    pub names: Vec<String>,
    /// The results, row by row: a row is who pings, a column who is pinged. The diagonal is empty.
    cells: Vec<Option<Cell>>,
    /// How long it took.
    pub took: Duration,
    /// What is to be said of the whole: that the kernel's neighbour table was too small for so many pairs.
    pub note: Option<String>,
}

/// The result for one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The longest round trip to the addresses; `None` if one of them did not answer.
    pub rtt: Option<Duration>,
    /// Why not, in one sentence.
    pub why: Option<String>,
}

impl Cell {
    /// Whether all addresses answered.
    pub fn ok(&self) -> bool {
        self.why.is_none()
    }
}

impl Matrix {
    /// The result for a pair, by position; `None` for a node with itself, and beyond the end.
    pub fn get(&self, from: usize, to: usize) -> Option<&Cell> {
        if to >= self.names.len() {
            return None;
        }
        self.cells.get(from * self.names.len() + to)?.as_ref()
    }

    /// All pairs in order, as (from, to, result).
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str, &Cell)> {
        let n = self.names.len();
        let name = |i: usize| self.names[i].as_str();
        self.cells.iter().enumerate().filter_map(move |(i, cell)| Some((name(i / n), name(i % n), cell.as_ref()?)))
    }

    /// The pairs that failed, as (from, to, why).
    pub fn failed(&self) -> Vec<(&str, &str, &str)> {
        self.pairs().filter_map(|(from, to, cell)| Some((from, to, cell.why.as_deref()?))).collect()
    }

    /// Whether everybody reaches everybody.
    pub fn ok(&self) -> bool {
        self.pairs().all(|(_, _, cell)| cell.ok())
    }

    /// How many pairs failed, and the first of them; `None` if none did.
    pub fn why(&self) -> Option<String> {
        let failed = self.failed();
        let (from, to, why) = failed.first()?;
        Some(format!("{} of {} pairs fail; {from} → {to}: {why}", failed.len(), self.pairs().count()))
    }
}

/// Pings all ordered pairs. There is one socket per node and family, whatever the number of pairs.
///
/// On one network, more than some thirty nodes fill the kernel's neighbour table as it is by default (see `pace.rs`);
/// the pairs that then could not be tried say so, and the matrix has a note on what to type.
///
/// The times are those at which this one thread saw the replies, and so grow with the number under way. Must not be
/// called from within another tokio runtime.
///
/// # Errors
/// `NL0302` if the runtime cannot be made, `NL0506` and `NL0507` as [`Patience`] says.
pub fn pingall(nodes: Vec<Node>, options: &PingallOptions, patience: &Patience) -> Result<Matrix> {
    let begin = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|e| failed("cannot start the runtime of a pingall", "epoll_create", &e))?;
    let local = LocalSet::new();
    let matrix = local.block_on(&runtime, run(nodes, options.clone(), patience))?;
    Ok(Matrix { took: begin.elapsed(), ..matrix })
}

async fn run(nodes: Vec<Node>, options: PingallOptions, patience: &Patience) -> Result<Matrix> {
    let n = nodes.len();
    let mut names = Vec::with_capacity(n);
    let mut ends = Vec::with_capacity(n);
    for node in nodes {
        names.push(node.name);
        let end = |socket: Option<PingSocket>| socket.map(|s| Port::new(s.0)).transpose();
        ends.push(End { v4: end(node.v4)?, v6: end(node.v6)?, addresses: node.addresses });
    }
    for port in ends.iter().flat_map(|end| [&end.v4, &end.v6]).flatten() {
        tokio::task::spawn_local(listen(port.clone()));
    }
    let pairs = pairs(n);
    let workers = options.in_flight.clamp(1, pairs.len().max(1));
    let cells = RefCell::new(vec![None; n * n]);
    let all = Rc::new(All { ends, options, pace: Pace::new(), pairs, next: Shared::new(0), cells });
    let mut work: Vec<_> = (0..workers).map(|_| tokio::task::spawn_local(all.clone().work())).collect();
    while let Some(worker) = work.last_mut() {
        patience.check()?;
        if tokio::time::timeout(TICK, worker).await.is_ok() {
            work.pop();
        }
    }
    Ok(Matrix { names, cells: all.cells.take(), took: Duration::ZERO, note: all.pace.note() })
}

/// Every two nodes once. First each with the next in line, then with the one after, and so on, so that no node is asked
/// by all at once; both directions go together, since they need the same two entries in the neighbour table.
fn pairs(n: usize) -> Vec<(usize, usize)> {
    let distance = |d: usize| (0..n).map(move |i| (i, (i + d) % n));
    // With an even number, the nodes halfway round would come twice.
    let twice = |d: usize, i: usize| 2 * d == n && i >= d;
    (1..=n / 2).flat_map(|d| distance(d).filter(move |(i, _)| !twice(d, *i))).collect()
}

/// One socket with what it waits for.
struct Port {
    socket: AsyncFd<IcmpSocket>,
    family: Family,
    mark: Mark,
    next: Shared<u16>,
    waiting: RefCell<HashMap<u16, Waiting>>,
}

struct Waiting {
    to: IpAddr,
    at: Instant,
    answer: oneshot::Sender<Answer>,
}

enum Answer {
    Reply(Duration),
    Error(IcmpError),
}

impl Port {
    fn new(socket: IcmpSocket) -> Result<Rc<Self>> {
        let refused = |e: io::Error| failed("cannot prepare a socket for a pingall", "setsockopt", &e);
        set_options(&socket, &PingOptions::default())?;
        socket.set_receive_buffer(RECEIVE_BUFFER).map_err(refused)?;
        let family = socket.family();
        let socket = socket.register().map_err(refused)?;
        let (next, waiting) = (Shared::new(0), RefCell::default());
        Ok(Rc::new(Self { socket, family, mark: Mark::random(), next, waiting }))
    }

    /// Sends one request and waits for what comes of it.
    async fn ask(&self, to: IpAddr, timeout: Duration) -> std::result::Result<Duration, String> {
        let seq = self.next.get();
        self.next.set(seq.wrapping_add(1));
        let packet = wire::echo_request(self.family, self.mark, seq, 56);
        let (answer, coming) = oneshot::channel();
        self.waiting.borrow_mut().insert(seq, Waiting { to, at: Instant::now(), answer });
        let sent = self.socket.async_io(tokio::io::Interest::WRITABLE, |socket| socket.send_to(&packet, to)).await;
        let result = match sent {
            Err(e) => Err(send_words(&KernelError::from_io("sendto", &e), to)),
            Ok(()) => match tokio::time::timeout(timeout, coming).await {
                Ok(Ok(Answer::Reply(rtt))) => Ok(rtt),
                Ok(Ok(Answer::Error(error))) => Err(error.to_string()),
                _ => Err(format!("no reply from {to} in {}", time(timeout))),
            },
        };
        self.waiting.borrow_mut().remove(&seq);
        result
    }

    fn take(&self, message: &wire::Incoming<'_>, now: Instant) {
        let (echo, to) = match &message.body {
            Body::Reply(echo) => (echo, message.from),
            Body::Error { quote: Quote::Echo(echo), to, .. } => (echo, *to),
            Body::Error { .. } => return,
        };
        if !self.mark.is_on(echo) {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.get(&echo.seq).is_none_or(|w| w.to != to) {
            return;
        }
        let Some(Waiting { at, answer, .. }) = waiting.remove(&echo.seq) else { return };
        let what = match message.body {
            Body::Reply(_) => Answer::Reply(now.saturating_duration_since(at)),
            Body::Error { kind, code, mtu, .. } => {
                Answer::Error(IcmpError { from: message.from, seq: echo.seq, kind, code, mtu })
            }
        };
        // Who asked may have given up just now.
        let _ = answer.send(what);
    }
}

/// Hands each packet of a socket to who waits for it, until the runtime ends.
async fn listen(port: Rc<Port>) {
    let mut buffer = vec![0; 2048];
    while let Ok(mut guard) = port.socket.readable().await {
        for _ in 0..64 {
            match port.socket.get_ref().recv(&mut buffer) {
                Ok(Some(datagram)) => {
                    if let Some(message) = wire::parse(port.family, &buffer, &datagram) {
                        port.take(&message, Instant::now());
                    }
                }
                Ok(None) => {
                    guard.clear_ready();
                    break;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The requests under way then find no answer, which is all there is to say.
                Err(_) => return,
            }
        }
        // A flood must neither keep the other sockets waiting nor hide that somebody wants us to stop.
        drop(guard);
        tokio::task::yield_now().await;
    }
}

struct End {
    v4: Option<Rc<Port>>,
    v6: Option<Rc<Port>>,
    addresses: Vec<IpAddr>,
}

struct All {
    ends: Vec<End>,
    options: PingallOptions,
    pace: Pace,
    pairs: Vec<(usize, usize)>,
    next: Shared<usize>,
    cells: RefCell<Vec<Option<Cell>>>,
}

impl All {
    /// Takes pair after pair until none is left.
    async fn work(self: Rc<Self>) {
        let n = self.ends.len();
        while let Some((one, other)) = self.pairs.get(self.next.replace(self.next.get() + 1)).copied() {
            let room = self.pace.pass().await;
            for (from, to) in [(one, other), (other, one)] {
                let cell =
                    if room { self.pair(from, to).await } else { Cell { rtt: None, why: Some(self.pace.full()) } };
                self.cells.borrow_mut()[from * n + to] = Some(cell);
            }
        }
    }

    async fn pair(&self, from: usize, to: usize) -> Cell {
        let (from, to) = (&self.ends[from], &self.ends[to]);
        let mut longest = None;
        for addr in &to.addresses {
            let port = if addr.is_ipv4() { &from.v4 } else { &from.v6 };
            let Some(port) = port else {
                return Cell { rtt: None, why: Some(format!("no socket to reach {addr} from")) };
            };
            match self.insist(port, *addr).await {
                Ok(rtt) => longest = longest.max(Some(rtt)),
                Err(why) => return Cell { rtt: None, why: Some(why) },
            }
        }
        if longest.is_none() {
            return Cell { rtt: None, why: Some("it has no address to be reached at".into()) };
        }
        Cell { rtt: longest, why: None }
    }

    /// Asks as often as the options say, and once more if the neighbour table may be what is in the way.
    async fn insist(&self, port: &Port, addr: IpAddr) -> std::result::Result<Duration, String> {
        let (mut tries, mut excused) = (1, false);
        loop {
            let result = port.ask(addr, self.options.timeout).await;
            if result.is_err() && !excused && self.pace.is_tight() {
                excused = true;
                tokio::time::sleep(CLEAN_UP).await;
            } else if result.is_ok() || tries >= self.options.tries {
                return result;
            } else {
                tries += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix() {
        let good = Cell { rtt: Some(Duration::from_millis(1)), why: None };
        let bad = Cell { rtt: None, why: Some("no reply from 10.0.0.2 in 1 s".into()) };
        let names = vec!["a".to_string(), "b".to_string()];
        let mut matrix =
            Matrix { names, cells: vec![None, Some(bad), Some(good), None], took: Duration::ZERO, note: None };
        assert_eq!(matrix.failed(), [("a", "b", "no reply from 10.0.0.2 in 1 s")]);
        assert_eq!(matrix.why().unwrap(), "1 of 2 pairs fail; a → b: no reply from 10.0.0.2 in 1 s");
        assert!(matrix.get(1, 0).unwrap().ok() && matrix.get(0, 0).is_none() && matrix.get(0, 2).is_none());
        matrix.cells[1] = matrix.cells[2].clone();
        assert!(matrix.ok() && matrix.why().is_none());
    }

    #[test]
    fn every_pair_once() {
        for n in 0..12 {
            let mut seen: Vec<_> = pairs(n).into_iter().flat_map(|(a, b)| [(a, b), (b, a)]).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!((seen.len(), pairs(n).len()), (n * n.saturating_sub(1), n * n.saturating_sub(1) / 2), "{n}");
            assert!(seen.iter().all(|(a, b)| a != b && *b < n));
        }
    }

    #[test]
    fn nobody_and_one_are_fine() {
        let patience = Patience::endless();
        assert!(pingall(Vec::new(), &PingallOptions::default(), &patience).unwrap().ok());
        let one = Node { name: "a".into(), v4: None, v6: None, addresses: Vec::new() };
        assert!(pingall(vec![one], &PingallOptions::default(), &patience).unwrap().ok());
    }
}
