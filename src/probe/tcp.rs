//! TCP: does a port accept connections, and a small server that accepts them.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::diag::{KernelError, Result};
use crate::kernel::probe_socket::{self, Family, Ready};
use crate::probe::failure::{check_family, failed, send_words, time};
use crate::probe::patience::{Patience, TICK};

/// How long the server listens to a client that keeps its end open after the answer.
const LINGER: Duration = Duration::from_secs(10);
/// The most connections that the server keeps open at once.
const MOST_OPEN: usize = 256;

/// A socket for one connection attempt, in the namespace that it was opened in.
#[derive(Debug)]
pub struct TcpSocket {
    socket: Socket,
    family: Family,
}

/// What came of a connection attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpProbe {
    /// The destination.
    pub to: SocketAddr,
    /// From the first packet to the connection being made; `None` if it was not.
    pub rtt: Option<Duration>,
    /// Why not; `None` as well if nobody answered in time.
    pub error: Option<KernelError>,
    /// How long it was waited for.
    pub timeout: Duration,
}

impl TcpProbe {
    /// Whether the connection was made.
    pub fn ok(&self) -> bool {
        self.rtt.is_some()
    }

    /// Why it failed, in one sentence; `None` if it did not.
    pub fn why(&self) -> Option<String> {
        if self.ok() {
            return None;
        }
        let (addr, port) = (self.to.ip(), self.to.port());
        Some(match &self.error {
            Some(error) if error.errno == libc::ECONNREFUSED => {
                format!("{addr} refuses connections to TCP port {port}: nothing listens there")
            }
            Some(error) if error.errno != libc::ETIMEDOUT => send_words(error, addr),
            _ => format!("no answer from {addr} on TCP port {port} in {}", time(self.timeout)),
        })
    }
}

impl TcpSocket {
    /// Opens the socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// `NL0302` for a family that the kernel does not have.
    pub fn open(family: Family) -> Result<Self> {
        let socket = probe_socket::tcp(family);
        socket.map(|socket| Self { socket, family }).map_err(|e| failed("cannot open a TCP socket", "socket", &e))
    }

    /// Tries to connect, and closes the connection at once. The kernel repeats the first packet after 1 s, 3 s, 7 s …
    ///
    /// # Errors
    /// `NL0103` for an address of the other family, `NL0506` and `NL0507` as [`Patience`] says.
    pub fn run(self, to: IpAddr, port: u16, timeout: Duration, patience: &Patience) -> Result<TcpProbe> {
        check_family(self.family, to)?;
        let to = SocketAddr::new(to, port);
        let begin = Instant::now();
        let mut probe = TcpProbe { to, rtt: None, error: None, timeout };
        match probe_socket::connect(&self.socket, to) {
            Ok(true) => probe.rtt = Some(begin.elapsed()),
            Ok(false) if patience.wait(self.socket.as_fd(), Ready::Write, begin + timeout)? => {
                let rtt = begin.elapsed();
                match self.socket.take_error() {
                    Ok(None) => probe.rtt = Some(rtt),
                    Ok(Some(e)) | Err(e) => probe.error = Some(KernelError::from_io("connect", &e)),
                }
            }
            Ok(false) => {}
            Err(e) => probe.error = Some(KernelError::from_io("connect", &e)),
        }
        Ok(probe)
    }
}

/// A listening socket, in the namespace that it was opened in.
#[derive(Debug)]
pub struct TcpListenSocket(Socket);

impl TcpListenSocket {
    /// Begins to listen on an address of the calling thread's network namespace; port 0 lets the kernel choose one.
    /// From now on connections succeed, even before [`TcpListenSocket::serve`].
    ///
    /// # Errors
    /// `NL0302` if the port is taken or the address is not there, `NL0109` for a port under 1024 without privilege.
    pub fn open(at: SocketAddr) -> Result<Self> {
        let socket = probe_socket::tcp_listener(at);
        socket.map(Self).map_err(|e| failed(format!("cannot listen on TCP `{at}`"), "bind", &e))
    }

    /// Accepts connections on a thread of its own until the handle is stopped or dropped. Each is sent the answer and
    /// closed; what the client sends is read and thrown away.
    ///
    /// # Errors
    /// `NL0302` if there can be no thread.
    pub fn serve(self, answer: Option<Vec<u8>>) -> Result<TcpServer> {
        let address = self.0.local_addr().ok().and_then(|a| a.as_socket());
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let (stop, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop_there, count) = (stop.clone(), connections.clone());
        let thread = std::thread::Builder::new()
            .name("tcp-listen".into())
            .spawn(move || accept(&self.0, &answer.unwrap_or_default(), &stop_there, &count))
            .map_err(|e| failed("cannot start a thread to listen on", "clone", &e))?;
        Ok(TcpServer { address, stop, connections, thread: Some(thread) })
    }
}

/// A running server.
#[derive(Debug)]
pub struct TcpServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl TcpServer {
    /// Where it listens, with the port that the kernel chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections have come so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Stops listening, closes what is open, and says how many connections came.
    pub fn stop(mut self) -> u64 {
        self.end();
        self.connections()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed already, and there is nothing to be undone for it.
            let _ = thread.join();
        }
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.end();
    }
}

fn accept(listener: &Socket, answer: &[u8], stop: &AtomicBool, count: &AtomicU64) {
    let mut open: Vec<(TcpStream, Instant)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // Too many open at once are left to wait in the kernel's queue.
        let is_ready = if open.len() < MOST_OPEN {
            probe_socket::wait(listener.as_fd(), Ready::Read, TICK).unwrap_or(false)
        } else {
            std::thread::sleep(TICK);
            false
        };
        if is_ready && let Ok((client, _)) = listener.accept() {
            count.fetch_add(1, Ordering::Relaxed);
            let mut client = TcpStream::from(client);
            // A client that is gone already, or does not read, is no concern of the server.
            let _ = client.set_nonblocking(true);
            let _ = client.write_all(answer);
            let _ = client.shutdown(std::net::Shutdown::Write);
            open.push((client, Instant::now()));
        }
        // Closed with something unread, the kernel would send a reset, and the client might lose the answer.
        open.retain_mut(|(client, since)| since.elapsed() < LINGER && !is_done(client));
    }
}

/// Throws away what has come, and says whether the client has closed its end.
fn is_done(client: &mut TcpStream) -> bool {
    let mut rubbish = [0; 4096];
    match client.read(&mut rubbish) {
        Ok(n) => n == 0,
        Err(e) => e.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason() {
        let to = "10.0.0.2:80".parse().unwrap();
        let mut probe = TcpProbe { to, rtt: None, error: None, timeout: Duration::from_secs(1) };
        assert_eq!(probe.why().unwrap(), "no answer from 10.0.0.2 on TCP port 80 in 1 s");
        probe.error = Some(KernelError::new("connect", libc::ECONNREFUSED));
        assert_eq!(probe.why().unwrap(), "10.0.0.2 refuses connections to TCP port 80: nothing listens there");
        probe.error = Some(KernelError::new("connect", libc::ENETUNREACH));
        assert_eq!(probe.why().unwrap(), "network is unreachable: no route to 10.0.0.2");
        probe.rtt = Some(Duration::ZERO);
        assert_eq!(probe.why(), None);
    }
}
