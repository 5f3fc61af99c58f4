//! One question to one name server: by UDP, and by TCP when the answer is too long for that (RFC 7766).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::diag::{KernelError, Result};
use crate::kernel::probe_socket::{self, Family, Ready};
use crate::probe::dns::message::{self, Kind, Reply};
use crate::probe::failure::failed;
use crate::probe::patience::Patience;
use crate::probe::wire::random;

/// The sockets to one server. The one for TCP is connected and disconnected for each use.
#[derive(Debug)]
pub(super) struct Server {
    to: SocketAddr,
    udp: Socket,
    tcp: Socket,
}

/// What was heard of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// An answer to the question.
    Reply(Reply),
    /// The server cannot be reached.
    Error(KernelError),
    /// Nothing, or nothing to be understood, in time.
    Nothing,
}

impl Server {
    pub(super) fn open(addr: IpAddr) -> Result<Self> {
        let family = Family::of(addr);
        let refused = |e| failed(format!("cannot open a socket to the name server `{addr}`"), "socket", &e);
        let udp = probe_socket::udp(family).map_err(refused)?;
        let tcp = probe_socket::tcp(family).map_err(refused)?;
        Ok(Self { to: SocketAddr::new(addr, 53), udp, tcp })
    }

    pub(super) fn addr(&self) -> IpAddr {
        self.to.ip()
    }

    pub(super) fn ask(&self, name: &str, kind: Kind, timeout: Duration, patience: &Patience) -> Result<Heard> {
        let id = random() as u16;
        let query = message::query(id, name, kind)?;
        let read = |bytes: &[u8]| message::read(bytes, id, name, kind);
        match self.by_udp(&query, &read, Instant::now() + timeout, patience)? {
            Heard::Reply(Reply::Truncated) => {
                let heard = self.by_tcp(&query, &read, Instant::now() + timeout, patience);
                // Whether or not it was connected: a failed attempt leaves traces, too.
                let clean = probe_socket::disconnect(&self.tcp);
                clean.map_err(|e| failed("cannot close the connection to a name server", "connect AF_UNSPEC", &e))?;
                heard
            }
            heard => Ok(heard),
        }
    }

    fn by_udp(
        &self,
        query: &[u8],
        read: &dyn Fn(&[u8]) -> Reply,
        until: Instant,
        patience: &Patience,
    ) -> Result<Heard> {
        // Connected, it hears of a closed port, and of nobody but the server.
        let sent = probe_socket::connect(&self.udp, self.to).map_err(|e| KernelError::from_io("connect", &e));
        let sent = sent.and_then(|_| self.udp.send(query).map_err(|e| KernelError::from_io("send", &e)));
        if let Err(error) = sent {
            return Ok(Heard::Error(error));
        }
        let mut buffer = [0; 4096];
        while Instant::now() < until && patience.wait(self.udp.as_fd(), Ready::Read, until)? {
            match (&self.udp).read(&mut buffer) {
                Ok(n) => match read(&buffer[..n]) {
                    Reply::NotOurs => {}
                    reply => return Ok(Heard::Reply(reply)),
                },
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Ok(Heard::Error(KernelError::from_io("recv", &e))),
            }
        }
        Ok(Heard::Nothing)
    }

    fn by_tcp(
        &self,
        query: &[u8],
        read: &dyn Fn(&[u8]) -> Reply,
        until: Instant,
        patience: &Patience,
    ) -> Result<Heard> {
        let error = |request: &str, e: &io::Error| Ok(Heard::Error(KernelError::from_io(request, e)));
        if let Err(e) = probe_socket::connect(&self.tcp, self.to) {
            return error("connect", &e);
        }
        if !patience.wait(self.tcp.as_fd(), Ready::Write, until)? {
            return Ok(Heard::Nothing);
        }
        if let Ok(Some(e)) | Err(e) = self.tcp.take_error() {
            return error("connect", &e);
        }
        // A length stands before each message. A question is so short that it always fits into the send buffer.
        let framed = [&(query.len() as u16).to_be_bytes(), query].concat();
        if let Err(e) = (&self.tcp).write_all(&framed) {
            return error("send", &e);
        }
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        while Instant::now() < until && patience.wait(self.tcp.as_fd(), Ready::Read, until)? {
            match (&self.tcp).read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => received.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return error("recv", &e),
            }
            if let Some(message) = whole(&received) {
                return Ok(match read(message) {
                    // A server that cuts its answers even here has none.
                    Reply::NotOurs | Reply::Truncated => Heard::Nothing,
                    reply => Heard::Reply(reply),
                });
            }
        }
        Ok(Heard::Nothing)
    }
}

/// The first message of a stream, if it has come completely.
fn whole(received: &[u8]) -> Option<&[u8]> {
    let (len, rest) = received.split_first_chunk::<2>()?;
    rest.get(..u16::from_be_bytes(*len).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_a_stream() {
        assert_eq!(whole(&[]), None);
        assert_eq!(whole(&[0, 3, 1, 2]), None);
        assert_eq!(whole(&[0, 3, 1, 2, 3, 4]), Some(&[1, 2, 3][..]));
    }
}
