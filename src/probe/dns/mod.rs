//! Name lookup as programs in a namespace do it: the hosts file, then the name servers of resolv.conf.

pub(crate) mod config;
mod message;
mod transport;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::diag::{KernelError, Result};
use crate::probe::dns::config::{Hosts, ResolvConf};
use crate::probe::dns::message::{Kind, Reply};
use crate::probe::dns::transport::{Heard, Server};
use crate::probe::failure::{send_words, time};
use crate::probe::patience::Patience;

/// The most aliases that are followed by questions of our own.
const MAX_ALIASES: usize = 8;

/// The sockets of lookups, in the namespace that they were opened in: UDP and TCP for each name server.
#[derive(Debug)]
pub struct LookupSockets {
    conf: ResolvConf,
    servers: Vec<Server>,
}

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Want {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// Both, IPv4 first.
    #[default]
    Both,
}

impl Want {
    fn kinds(self) -> &'static [Kind] {
        match self {
            Want::V4 => &[Kind::A],
            Want::V6 => &[Kind::Aaaa],
            Want::Both => &[Kind::A, Kind::Aaaa],
        }
    }

    fn wants(self, addr: IpAddr) -> bool {
        self == Want::Both || (self == Want::V4) == addr.is_ipv4()
    }
}

/// What came of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The name as it was asked for.
    pub name: String,
    /// The full names that servers were asked for, in order; empty if none was asked.
    pub tried: Vec<String>,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The names that the last of `tried` is an alias of, in order; the addresses belong to the last of these.
    pub aliases: Vec<String>,
    /// The name server that answered last; `None` for the hosts file or no answer.
    pub server: Option<IpAddr>,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a lookup ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There are addresses.
    Found,
    /// The server says that there is no such name (`NXDOMAIN`).
    NoSuchName,
    /// The name is there, but has no address of the kind.
    NoAddress,
    /// The server does not say, in its own words: `server failure`, `query refused`.
    Failure(String),
    /// A server could not be asked: which, and the errno.
    Unreachable(IpAddr, KernelError),
    /// No server answered with anything to be understood in this time each.
    NoReply(Duration),
}

impl Lookup {
    /// Whether there are addresses.
    pub fn ok(&self) -> bool {
        self.outcome == Outcome::Found
    }

    /// Why it failed, in one sentence; `None` if it did not.
    pub fn why(&self) -> Option<String> {
        let name = &self.name;
        let server = self.server.map_or_else(|| "the hosts file".to_string(), |s| s.to_string());
        let tried = if self.tried.len() > 1 { format!(" (tried {})", self.tried.join(", ")) } else { String::new() };
        Some(match &self.outcome {
            Outcome::Found => return None,
            Outcome::NoSuchName => format!("{server} says that there is no name `{name}`{tried}"),
            Outcome::NoAddress => format!("{server} has no such address for `{name}`{tried}"),
            Outcome::Failure(words) => format!("{server} says: {words}"),
            Outcome::Unreachable(server, error) if error.errno == libc::ECONNREFUSED => {
                format!("no name server listens on {server}")
            }
            Outcome::Unreachable(server, error) => send_words(error, server),
            Outcome::NoReply(timeout) => format!("no name server answers about `{name}` in {}", time(*timeout)),
        })
    }

    fn new(name: &str, outcome: Outcome) -> Self {
        let (tried, addresses, aliases) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.to_string(), tried, addresses, aliases, server: None, took: Duration::ZERO, outcome }
    }
}

impl LookupSockets {
    /// Opens the sockets in the calling thread's network namespace.
    ///
    /// # Errors
    /// `NL0302` for a server of a family that the kernel does not have.
    pub fn open(conf: ResolvConf) -> Result<Self> {
        let servers = conf.nameservers.iter().map(|addr| Server::open(*addr)).collect::<Result<_>>()?;
        Ok(Self { conf, servers })
    }

    /// Looks a name up. An address is its own answer.
    ///
    /// # Errors
    /// `NL0102` for what cannot be a name, `NL0506` and `NL0507` as [`Patience`] says.
    pub fn run(&self, name: &str, hosts: &Hosts, want: Want, patience: &Patience) -> Result<Lookup> {
        let begin = Instant::now();
        let known = name.parse().map_or_else(|_| hosts.get(name), |addr| vec![addr]);
        let mut lookup = Lookup::new(name, Outcome::Found);
        lookup.addresses = known.into_iter().filter(|addr| want.wants(*addr)).collect();
        if !lookup.addresses.is_empty() {
            return Ok(lookup);
        }
        lookup.outcome = Outcome::NoSuchName;
        for candidate in self.conf.candidates(name) {
            let was = std::mem::replace(&mut lookup.outcome, Outcome::NoSuchName);
            self.one(&candidate, want, patience, &mut lookup)?;
            lookup.tried.push(candidate);
            match lookup.outcome {
                // That the name exists in some domain says more than that it does not in the next.
                Outcome::NoSuchName if was == Outcome::NoAddress => lookup.outcome = was,
                Outcome::NoSuchName | Outcome::NoAddress => {}
                _ => break,
            }
        }
        lookup.took = begin.elapsed();
        Ok(lookup)
    }

    /// Asks for all that is wanted of one full name, and follows its aliases.
    fn one(&self, name: &str, want: Want, patience: &Patience, lookup: &mut Lookup) -> Result<()> {
        lookup.aliases.clear();
        for kind in want.kinds() {
            let mut aliases: Vec<String> = Vec::new();
            for _ in 0..=MAX_ALIASES {
                let asked = aliases.last().map_or(name, String::as_str);
                match self.ask(asked, *kind, patience, lookup)? {
                    Ok(answer) => {
                        lookup.outcome = Outcome::NoAddress;
                        let more = !answer.aliases.is_empty() && answer.addresses.is_empty();
                        aliases.extend(answer.aliases);
                        lookup.addresses.extend(answer.addresses);
                        if !more {
                            break;
                        }
                    }
                    Err(Outcome::NoSuchName) => {
                        lookup.outcome = Outcome::NoSuchName;
                        break;
                    }
                    Err(other) if lookup.addresses.is_empty() => {
                        lookup.outcome = other;
                        return Ok(());
                    }
                    Err(_) => break,
                }
            }
            if aliases.len() > lookup.aliases.len() {
                lookup.aliases = aliases;
            }
        }
        if !lookup.addresses.is_empty() {
            lookup.outcome = Outcome::Found;
        }
        Ok(())
    }

    /// Asks one question, of each server in turn, as often as resolv.conf says.
    fn ask(
        &self,
        name: &str,
        kind: Kind,
        patience: &Patience,
        lookup: &mut Lookup,
    ) -> Result<std::result::Result<Records, Outcome>> {
        let mut worst = Outcome::NoReply(self.conf.timeout);
        for _ in 0..self.conf.attempts {
            for server in &self.servers {
                match server.ask(name, kind, self.conf.timeout, patience)? {
                    Heard::Reply(reply) => {
                        lookup.server = Some(server.addr());
                        match reply {
                            Reply::Records { aliases, addresses } => return Ok(Ok(Records { aliases, addresses })),
                            Reply::NoSuchName => return Ok(Err(Outcome::NoSuchName)),
                            Reply::Failure(words) => worst = Outcome::Failure(words),
                            // Neither gets here: the one is asked for again over TCP, the other waited out.
                            Reply::Truncated | Reply::NotOurs => {}
                        }
                    }
                    Heard::Error(error) => worst = Outcome::Unreachable(server.addr(), error),
                    Heard::Nothing => {}
                }
            }
        }
        Ok(Err(worst))
    }
}

struct Records {
    aliases: Vec<String>,
    addresses: Vec<IpAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason() {
        let why = |outcome| {
            let server = Some("10.0.0.53".parse().unwrap());
            let tried = vec!["web.lab".to_string(), "web".to_string()];
            Lookup { server, tried, ..Lookup::new("web", outcome) }.why()
        };
        assert_eq!(why(Outcome::Found), None);
        let no_name = "10.0.0.53 says that there is no name `web` (tried web.lab, web)";
        assert_eq!(why(Outcome::NoSuchName).unwrap(), no_name);
        assert_eq!(why(Outcome::Failure("query refused".into())).unwrap(), "10.0.0.53 says: query refused");
        let no_reply = why(Outcome::NoReply(Duration::from_secs(5)));
        assert_eq!(no_reply.unwrap(), "no name server answers about `web` in 5 s");
        let refused = KernelError::new("recv", libc::ECONNREFUSED);
        let nobody = why(Outcome::Unreachable("10.0.0.9".parse().unwrap(), refused));
        assert_eq!(nobody.unwrap(), "no name server listens on 10.0.0.9");
    }
}
