//! The server at work: its sockets on a link, for as long as the lab is up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use super::keep::say;
use super::lease;
use super::message;
use super::pool::Binding;
use super::server::{Config, Server};
use super::wire::{self, CLIENT, End, SERVER};
use crate::kernel::packet::{self, PacketSocket};
use crate::kernel::probe_socket::{Ready, wait};
use crate::kernel::process::{begun, since_boot};

/// Serves until it is ended.
///
/// # Errors
/// Those of the socket that it listens on, and of writing down who has what.
pub fn run(config: &Config) -> io::Result<()> {
    let socket = packet::server(&config.dev, SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SERVER))?;
    let mut server = Server::new(config.clone());
    save(&config.file, &server.pool().bindings())?;
    begun();
    let mut buffer = vec![0; 65_536];
    loop {
        wait(socket.as_fd(), Ready::Read, Duration::from_secs(3600))?;
        let length = match io::Read::read(&mut &socket, &mut buffer) {
            Ok(length) => length,
            // The link may be down for a while.
            Err(_) => continue,
        };
        let Some(heard) = message::read(&buffer[..length], config.mac) else { continue };
        let before = server.pool().bindings();
        let answer = server.hear(&heard, since_boot());
        let after = server.pool().bindings();
        if before != after {
            // Written before it is said: what a client was told is in the file.
            save(&config.file, &after)?;
        }
        let Some(answer) = answer else {
            let words = format!("{:?}", heard.kind).to_uppercase();
            say(&format!("DHCP{words} from {}", heard.mac));
            continue;
        };
        say(&answer.said);
        let from = End { mac: config.mac, ip: config.address, port: SERVER };
        let to = End { mac: answer.mac, ip: answer.ip, port: CLIENT };
        // Open only for this: who has a packet socket on a link is in the way of others.
        let socket = PacketSocket::sender(config.index);
        let sent = socket.and_then(|socket| socket.send(&wire::frame(from, to, &answer.draft.bytes())));
        if let Err(error) = sent {
            say(&format!("{}: {error}", config.dev));
        }
    }
}

/// Who has what, as a server wrote it down.
///
/// # Errors
/// Those of reading the file.
pub fn load(path: &Path) -> io::Result<Vec<Binding>> {
    serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
}

fn save(path: &Path, bindings: &[Binding]) -> io::Result<()> {
    lease::put(path, &serde_json::to_vec(bindings).map_err(io::Error::other)?)
}
