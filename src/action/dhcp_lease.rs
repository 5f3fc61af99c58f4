//! A lease is obtained by DHCP, and given back. What comes with it is put in place by actions of its own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone, failed};
use crate::dhcp::client::Who;
use crate::dhcp::exchange::{self, Line, NoLease, Terms};
use crate::dhcp::lease::Lease;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::process::since_boot;
use crate::kernel::space::NetnsCookie;

/// A lease is obtained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpLease {
    /// The link.
    pub link: LinkKey,
    /// Who asks.
    pub who: Who,
    /// How long an answer is waited for, in milliseconds.
    pub timeout: u64,
    /// The number of the first exchange.
    pub xid: u32,
    /// Where the lease is written down before it is asked for, and kept up to date by its keeper.
    pub file: PathBuf,
    /// Whether it is said what happens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verbose: bool,
}

impl DhcpLease {
    fn line(&self, ctx: &mut Context<'_>) -> Result<Option<Line>> {
        if !ctx.exists(self.link.netns) {
            return Ok(None);
        }
        let Some(fd) = ctx.kernel.fd(self.link.netns) else { return Ok(None) };
        Line::open(fd, self.link.index, self.who.mac).map(Some).map_err(|e| self.broken(&e))
    }

    fn broken(&self, error: &std::io::Error) -> Box<Diagnostic> {
        let dev = &self.who.dev;
        let kernel = KernelError::from_io(format!("packet socket on {dev}"), error);
        match kernel.errno {
            libc::ENETDOWN => {
                Diagnostic::new(Code::NoLease, format!("`{dev}` is down, so nobody can be asked for a lease"))
                    .help("set it up first: .up()")
                    .kernel(kernel)
            }
            libc::ENODEV | libc::ENXIO => super::deleted_by_others(dev).kernel(kernel),
            _ => failed(&format!("ask for a lease on `{dev}`"), kernel),
        }
    }

    fn explain(&self, why: NoLease) -> Box<Diagnostic> {
        let (dev, seconds) = (&self.who.dev, self.timeout as f64 / 1000.0);
        match why {
            NoLease::Silence(None) => {
                Diagnostic::new(Code::NoLease, format!("no DHCP server answered on `{dev}` in {seconds} s")).help(
                    "is there one at the other end of the wire, and are both ends up? `.dhcp_server(…)` on a link starts one; \
                     #{ timeout: 30 } waits longer, #{ verbose: true } shows what was sent",
                )
            }
            NoLease::Silence(Some(said)) => {
                Diagnostic::new(Code::NoLease, format!("no DHCP server gave a lease on `{dev}` in {seconds} s: {said}"))
                    .help("#{ verbose: true } shows the whole exchange")
            }
            NoLease::Broken(e) => self.broken(&e),
            NoLease::Unwritten(e) => {
                let kernel = KernelError::from_io(format!("write {}", self.file.display()), &e);
                Diagnostic::new(Code::BadFile, "cannot write a lease down").kernel(kernel)
            }
            NoLease::Ended => Diagnostic::new(Code::Interrupted, format!("interrupted while waiting for a lease on `{dev}`")),
        }
    }
}

impl Change for DhcpLease {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let gone = || Failure::clean(super::gone(self.link.netns));
        let mut line = self.line(ctx).map_err(Failure::clean)?.ok_or_else(gone)?;
        let wait = ctx.wait.clone();
        let mut voice = ctx.voice.filter(|_| self.verbose);
        let terms = Terms {
            until: since_boot() + self.timeout,
            goes_on: &|| wait.check().is_ok(),
            note: &|lease| lease.save(&self.file),
            say: &mut |words| {
                if let Some(voice) = &mut voice {
                    voice(words);
                }
            },
        };
        match exchange::obtain(&mut line, self.who.clone(), self.xid, terms) {
            Ok(lease) => Ok(After::Lease(Box::new(lease))),
            // A server may have given what was asked for and not been heard; it is told.
            Err(why) => Err(Failure::partial(self.explain(why))),
        }
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        let Some(lease) = Lease::load(&self.file) else { return Ok(Undone::Already) };
        if lease.lost.is_none() && lease.left(since_boot()) != Some(0) {
            // Best effort: with the link down or gone the server hears nothing, and takes the address back in time.
            if let Ok(Some(line)) = self.line(ctx) {
                let released = exchange::release(&line, &self.who, &lease, self.xid);
                if let (Ok(()), Some(voice)) = (released, ctx.voice.filter(|_| self.verbose)) {
                    voice(&format!("DHCPRELEASE of {} on {} to {} port 67", lease.address, self.who.dev, lease.server));
                }
            }
        }
        crate::kernel::effect::here();
        match std::fs::remove_file(&self.file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                let kernel = KernelError::from_io(format!("unlink {}", self.file.display()), &e);
                Err(Diagnostic::new(Code::BadFile, "cannot remove the file of a lease").kernel(kernel))
            }
            _ => Ok(Undone::Yes),
        }
    }

    fn subject(&self) -> Subject {
        // The server has to be told, whatever becomes of the link.
        Subject::Machine
    }

    fn places(&self) -> Vec<NetnsCookie> {
        vec![self.link.netns]
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{}dhclient -v {}  # does what follows, too", names.exec(self.link.netns), self.who.dev)]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![format!("{}dhclient -r {}", names.exec(self.link.netns), self.who.dev)]
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}[{:?}].dhcp()", names.handle(self.link.netns), self.who.dev)
    }
}
