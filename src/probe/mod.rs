//! Probes look and never change anything: ping, traceroute, TCP, UDP, name lookup. They need no tool installed.
//!
//! Each probe has two halves. `open` makes its sockets and must run on a thread that is inside the wanted network
//! namespace, where the sockets then stay for ever; it is cheap. `run` sends and waits, and works from any thread.
//! What nobody answers is a result that says `why`; an error means that the probe could not be made at all.

mod dns;
mod failure;
pub mod feature;
mod icmp_error;
mod pace;
mod patience;
pub mod peer;
mod ping;
mod pingall;
pub mod state;
mod tcp;
mod traceroute;
mod udp;
pub(crate) mod wire;

pub use crate::kernel::probe_socket::Family;
pub use dns::config::{Hosts, ResolvConf};
pub use dns::{Lookup, LookupSockets, Outcome, Want};
pub use icmp_error::IcmpError;
pub use patience::{Patience, TICK};
pub use ping::{Ping, PingOptions, PingSocket, Reply, RttStats};
pub use pingall::{Cell, Matrix, Node, PingallOptions, pingall};
pub use tcp::{TcpListenSocket, TcpProbe, TcpServer, TcpSocket};
pub use traceroute::{Hop, Method, Trace, TraceOptions, TraceSocket};
pub use udp::{UdpEchoServer, UdpEchoSocket, UdpProbe, UdpSocket};
pub use wire::MAX_SIZE;
