//! The real packet that is sent after the walk: only what it says is proof.

use std::net::IpAddr;
use std::time::Duration;

use super::world::World;
use super::{Kind, Question};
use crate::diag::Result;
use crate::probe::{Family, Patience, PingOptions, PingSocket, TcpSocket, UdpSocket};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Whether an answer came.
    pub ok: bool,
    /// What was sent, and what came, in one sentence.
    pub text: String,
}

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(1);

/// For so long the first packet is sent again, since a link that has just come up loses some.
const INSIST: Duration = Duration::from_millis(500);

/// Sends it.
///
/// # Errors
/// Those of opening a probe; `NL0506` and `NL0507` as [`Patience`] says.
pub fn send(world: &World<'_>, question: &Question, to: IpAddr, patience: &Patience) -> Result<Heard> {
    let (family, space) = (Family::of(to), question.from);
    let (ok, why, what) = match question.kind {
        Kind::Ping => {
            let mut how = PingOptions { timeout: WAIT, retry_first_for: INSIST, ..PingOptions::default() };
            if let Some(size) = question.size {
                (how.size, how.dont_fragment) = (size, true);
            }
            let result = world.within(space, || PingSocket::open(family))??.run(to, &how, patience)?;
            (result.ok(), result.why(), "ping".to_owned())
        }
        Kind::Tcp(port) => {
            let result = world.within(space, || TcpSocket::open(family))??.run(to, port, WAIT, patience)?;
            (result.ok(), result.why(), format!("TCP connection to port {port}"))
        }
        Kind::Udp(port) => {
            let result = world.within(space, || UdpSocket::open(family))??.run(to, port, WAIT, patience)?;
            (result.ok(), result.why(), format!("UDP datagram to port {port}"))
        }
    };
    let text = match why {
        Some(why) => why,
        None => format!("a {what} is answered"),
    };
    Ok(Heard { ok, text })
}
