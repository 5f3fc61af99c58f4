//! UDP: a server that sends back what it gets, and a probe that expects this.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
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
use crate::probe::wire::random;

/// A socket for one UDP probe, in the namespace that it was opened in.
#[derive(Debug)]
pub struct UdpSocket {
    socket: Socket,
    family: Family,
}

/// What came of a UDP probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpProbe {
    /// The destination.
    pub to: SocketAddr,
    /// From sending the datagram to its echo; `None` if there was none.
    pub rtt: Option<Duration>,
    /// Why not; `None` as well if nobody answered in time.
    pub error: Option<KernelError>,
    /// How long it was waited for.
    pub timeout: Duration,
}

impl UdpProbe {
    /// Whether the echo came.
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
                format!("{addr} refuses UDP port {port}: nothing listens there")
            }
            Some(error) => send_words(error, addr),
            None => format!("no echo from {addr} on UDP port {port} in {}", time(self.timeout)),
        })
    }
}

impl UdpSocket {
    /// Opens the socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// `NL0302` for a family that the kernel does not have.
    pub fn open(family: Family) -> Result<Self> {
        let refused = |e| failed("cannot open a UDP socket", "socket", &e);
        let socket = probe_socket::udp(family).map_err(refused)?;
        probe_socket::hear_all_errors(&socket, family).map_err(refused)?;
        Ok(Self { socket, family })
    }

    /// Sends one datagram and waits for the same to come back. An ICMP error ends the wait.
    ///
    /// # Errors
    /// `NL0103` for an address of the other family, `NL0506` and `NL0507` as [`Patience`] says.
    pub fn run(self, to: IpAddr, port: u16, timeout: Duration, patience: &Patience) -> Result<UdpProbe> {
        check_family(self.family, to)?;
        let to = SocketAddr::new(to, port);
        let token = random().to_be_bytes();
        let begin = Instant::now();
        let mut probe = UdpProbe { to, rtt: None, error: None, timeout };
        // Connected, it hears of ICMP errors, and of nobody but the destination.
        let sent = probe_socket::connect(&self.socket, to).map_err(|e| KernelError::from_io("connect", &e));
        let sent = sent.and_then(|_| self.socket.send(&token).map_err(|e| KernelError::from_io("send", &e)));
        if let Err(error) = sent {
            probe.error = Some(error);
            return Ok(probe);
        }
        let mut buffer = [0; 64];
        while patience.wait(self.socket.as_fd(), Ready::Read, begin + timeout)? {
            match (&self.socket).read(&mut buffer) {
                Ok(n) if buffer[..n] == token => {
                    probe.rtt = Some(begin.elapsed());
                    break;
                }
                // Something else from the same port; the echo may follow.
                Ok(_) if begin.elapsed() < timeout => {}
                Ok(_) => break,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => {
                    probe.error = Some(KernelError::from_io("recv", &e));
                    break;
                }
            }
        }
        Ok(probe)
    }
}

/// The socket of an echo server, in the namespace that it was opened in.
#[derive(Debug)]
pub struct UdpEchoSocket(Socket);

impl UdpEchoSocket {
    /// Takes an address of the calling thread's network namespace; port 0 lets the kernel choose one.
    ///
    /// On a machine with several addresses, name the one that is asked: with `0.0.0.0` the kernel answers from the
    /// address nearest to the client, and a client that asked another one does not take the answer.
    ///
    /// # Errors
    /// `NL0302` if the port is taken or the address is not there, `NL0109` for a port under 1024 without privilege.
    pub fn open(at: SocketAddr) -> Result<Self> {
        let socket = probe_socket::udp_server(at);
        socket.map(Self).map_err(|e| failed(format!("cannot listen on UDP `{at}`"), "bind", &e))
    }

    /// Sends everything back on a thread of its own until the handle is stopped or dropped.
    ///
    /// # Errors
    /// `NL0302` if there can be no thread.
    pub fn serve(self) -> Result<UdpEchoServer> {
        let address = self.0.local_addr().ok().and_then(|a| a.as_socket());
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let (stop, datagrams) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop_there, count) = (stop.clone(), datagrams.clone());
        let socket = StdUdpSocket::from(self.0);
        let thread = std::thread::Builder::new()
            .name("udp-echo".into())
            .spawn(move || echo(&socket, &stop_there, &count))
            .map_err(|e| failed("cannot start a thread for a UDP echo server", "clone", &e))?;
        Ok(UdpEchoServer { address, stop, datagrams, thread: Some(thread) })
    }
}

/// A running echo server.
#[derive(Debug)]
pub struct UdpEchoServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    datagrams: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl UdpEchoServer {
    /// Where it listens, with the port that the kernel chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many datagrams have come so far.
    pub fn datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::Relaxed)
    }

    /// Stops, and says how many datagrams came.
    pub fn stop(mut self) -> u64 {
        self.end();
        self.datagrams()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed already, and there is nothing to be undone for it.
            let _ = thread.join();
        }
    }
}

impl Drop for UdpEchoServer {
    fn drop(&mut self) {
        self.end();
    }
}

fn echo(socket: &StdUdpSocket, stop: &AtomicBool, count: &AtomicU64) {
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        if !probe_socket::wait(socket.as_fd(), Ready::Read, TICK).unwrap_or(false) {
            continue;
        }
        if let Ok((n, from)) = socket.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::Relaxed);
            // Who cannot be answered, for example for lack of a route, waits in vain: that is what is being probed.
            let _ = socket.send_to(&buffer[..n], from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason() {
        let to = "[fd00::2]:53".parse().unwrap();
        let mut probe = UdpProbe { to, rtt: None, error: None, timeout: Duration::from_millis(500) };
        assert_eq!(probe.why().unwrap(), "no echo from fd00::2 on UDP port 53 in 500 ms");
        probe.error = Some(KernelError::new("recv", libc::ECONNREFUSED));
        assert_eq!(probe.why().unwrap(), "fd00::2 refuses UDP port 53: nothing listens there");
        probe.error = Some(KernelError::new("recv", libc::EHOSTUNREACH));
        assert!(probe.why().unwrap().starts_with("host is unreachable: fd00::2"));
    }
}
