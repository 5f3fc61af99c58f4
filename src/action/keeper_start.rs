//! A process of netlab's own is started that works for the lab after the run has ended: for a lease, or as a server.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::process_start::{ProcessStart, printed};
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::process;
use crate::kernel::space::NetnsCookie;
use crate::types::name::IfName;

/// How long a keeper may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);

/// A keeper is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeeperStart {
    /// The process.
    pub process: ProcessStart,
    /// What it does.
    pub role: Role,
    /// The link that it does it on.
    pub dev: IfName,
}

/// What a keeper does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It renews a lease.
    DhcpClient,
    /// It serves addresses.
    DhcpServer {
        /// The first and the last address.
        pool: (String, String),
        /// Where it writes down who has what.
        file: PathBuf,
        /// The link.
        link: LinkKey,
    },
}

impl Role {
    fn word(&self) -> &'static str {
        match self {
            Role::DhcpClient => "the DHCP client",
            Role::DhcpServer { .. } => "the DHCP server",
        }
    }
}

impl Change for KeeperStart {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let key = self.process.spawn(false, ctx)?;
        let until = Instant::now() + PATIENCE;
        // Before it works it would be ended by the signal that has it renew a lease, and hear no client.
        while process::name(key.pid).is_none_or(|name| name != process::KEEPER) {
            if !process::is_alive(key) || Instant::now() > until {
                let error =
                    Diagnostic::new(Code::BadProgram, format!("{} on `{}` does not begin", self.role.word(), self.dev));
                return Err(Failure::partial(error.help(printed(&self.process.log))));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(After::Process(key))
    }

    fn undo(&self, after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        self.process.undo(after, ctx)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn places(&self) -> Vec<NetnsCookie> {
        vec![self.process.netns]
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        let exec = names.exec(self.process.netns);
        match &self.role {
            // The one that asked for the lease stays to renew it.
            Role::DhcpClient => Vec::new(),
            Role::DhcpServer { pool: (first, last), .. } => {
                vec![format!("{exec}dnsmasq --port=0 --interface={} --dhcp-range={first},{last}", self.dev)]
            }
        }
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        vec![format!("pkill -f {}", self.process.mark)]
    }

    fn rhai(&self, names: &Names) -> String {
        let link = format!("{}[{:?}]", names.handle(self.process.netns), self.dev.as_str());
        match &self.role {
            Role::DhcpClient => format!("// the lease of {link} is renewed in time"),
            Role::DhcpServer { pool: (first, last), .. } => {
                format!("{link}.dhcp_server(#{{ pool: [{first:?}, {last:?}] }})")
            }
        }
    }
}
