//! A machine is started by systemd-nspawn, and lives as long as the lab.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::process_start::{ProcessStart, printed};
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::container::machine;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::process::{self, ProcessKey};

/// How long a machine may take until its first process is there.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
/// So long it has to live: a command that ends at once, ends within that.
const PROBATION: Duration = Duration::from_millis(100);

/// A machine is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NspawnRun {
    /// The name it gets.
    pub name: String,
    /// The folder that is its root.
    pub directory: PathBuf,
    /// What runs in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Whether its own init is started instead.
    #[serde(default)]
    pub boot: bool,
    /// The systemd-nspawn that does it.
    pub start: ProcessStart,
}

impl NspawnRun {
    /// Waits until the machine has begun: its first process is in a network namespace of its own.
    fn wait(&self, nspawn: ProcessKey, ctx: &Context<'_>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut begun: Option<Instant> = None;
        let outside = process::net_namespace(nspawn.pid);
        let is_inside = |leader: ProcessKey| process::net_namespace(leader.pid).is_some_and(|net| Some(net) != outside);
        loop {
            if !process::is_alive(nspawn) {
                return Err(Diagnostic::new(Code::BadProgram, format!("the machine `{}` ended at once", self.name))
                    .help(printed(&self.start.log)));
            }
            if begun.is_none() && machine::leader_of(nspawn.pid).is_some_and(is_inside) {
                begun = Some(Instant::now());
            }
            if begun.is_some_and(|begun| begun.elapsed() >= PROBATION) {
                return Ok(());
            }
            ctx.wait.check()?;
            if Instant::now() >= deadline {
                return Err(Diagnostic::new(
                    Code::BadProgram,
                    format!("the machine `{}` has not begun after {} s", self.name, PATIENCE.as_secs()),
                )
                .help(printed(&self.start.log)));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Change for NspawnRun {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let after = self.start.apply(ctx)?;
        if let After::Process(nspawn) = after {
            // Failed, it is found by its mark.
            self.wait(nspawn, ctx).map_err(Failure::partial)?;
        }
        Ok(after)
    }

    fn undo(&self, after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        if let Some(leader) = machine::find(&self.name).map(|m| m.leader.pid) {
            super::docker_run::let_go(leader, ctx);
        }
        self.start.undo(after, ctx)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        let words = self.start.argv.iter().map(String::as_str);
        vec![format!("{} &", shlex::try_join(words).unwrap_or_else(|_| self.start.argv.join(" ")))]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        self.start.by_hand(names)
    }

    fn rhai(&self, _names: &Names) -> String {
        let mut options = vec![format!("directory: {:?}", self.directory)];
        if self.boot {
            options.push("boot: true".into());
        } else {
            options.push(format!("command: {:?}", self.command));
        }
        format!("nspawn_run({:?}, #{{ {} }})", self.name, options.join(", "))
    }
}
