//! A program is started in a namespace and lives as long as the lab.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone, failed};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::process::{self, MARK, ProcessKey};
use crate::kernel::space::NetnsCookie;
use crate::kernel::{effect, netns, walls};
use crate::types::name::NsName;

/// How long a program may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(2);

/// A program is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStart {
    /// The namespace it runs in.
    pub netns: NetnsCookie,
    /// The namespace's name, for its files under /etc/netns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NsName>,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where its output goes.
    pub log: PathBuf,
    /// What it carries in its environment, so that it can be found before its PID is written down.
    pub mark: String,
    /// How it is asked to end, in the same namespace; SIGTERM if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl ProcessStart {
    /// Starts it. A program of the script is `walled` in a sandbox; one of netlab's own needs the lab's files.
    pub(super) fn spawn(&self, walled: bool, ctx: &mut Context<'_>) -> std::result::Result<ProcessKey, Failure> {
        ctx.exists(self.netns);
        let fd = ctx.kernel.fd(self.netns).ok_or_else(|| Failure::clean(super::gone(self.netns)))?;
        let log = std::fs::File::create(&self.log).and_then(|f| Ok((f.try_clone()?, f)));
        let (out, err) = log.map_err(|e| Failure::clean(cannot(&self.argv, &e)))?;
        effect::here();
        let started = netns::within_as_named(fd, self.name.as_ref(), || {
            use std::os::unix::process::CommandExt;
            if walled {
                walls::raise()?;
            }
            command(&self.argv)
                .env(MARK, &self.mark)
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(err)
                // A group of its own: Ctrl-C at the terminal is for netlab, and its children end with it.
                .process_group(0)
                .spawn()
        });
        let child = started.and_then(|r| r).map_err(|e| Failure::clean(cannot(&self.argv, &e)))?;
        let pid = i32::try_from(child.id()).unwrap_or(0);
        process::key(pid).ok_or_else(|| {
            Failure::clean(
                Diagnostic::new(Code::BadProgram, format!("`{}` ended at once", self.argv.join(" ")))
                    .help(printed(&self.log)),
            )
        })
    }

    fn end(&self, process: ProcessKey, ctx: &mut Context<'_>) -> Result<()> {
        let io = |e: &std::io::Error| failed("end a program", KernelError::from_io(format!("kill {}", process.pid), e));
        if let (false, Some(fd)) = (self.stop.is_empty(), ctx.kernel.fd(self.netns)) {
            // Kindly first; whether it worked is seen below.
            let _ = netns::within_as_named(fd, self.name.as_ref(), || {
                walls::raise()?;
                command(&self.stop).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
            });
            wait(process);
        }
        process::signal_group(process, Signal::SIGTERM).map_err(|e| io(&e))?;
        wait(process);
        process::signal_group(process, Signal::SIGKILL).map_err(|e| io(&e))?;
        wait(process);
        if process::is_alive(process) {
            return Err(Diagnostic::new(Code::Busy, format!("process {} does not end", process.pid)));
        }
        Ok(())
    }
}

/// What a program printed before it ended. Its file goes with the lab's folder, so it has to be said now.
pub fn printed(log: &std::path::Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    if lines.is_empty() {
        return "it printed nothing".into();
    }
    let last = lines.split_off(lines.len().saturating_sub(3));
    format!("it printed: {}", last.join("\n"))
}

impl Change for ProcessStart {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        self.spawn(true, ctx).map(After::Process)
    }

    fn undo(&self, after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        ctx.exists(self.netns);
        let mut alive: Vec<ProcessKey> = match after {
            After::Process(process) => vec![*process],
            // Killed between the start and the note of it: the mark in its environment finds it.
            _ => process::marked(&self.mark),
        };
        alive.retain(|p| process::is_alive(*p));
        if alive.is_empty() {
            return Ok(Undone::Already);
        }
        for process in alive {
            self.end(process, ctx)?;
        }
        Ok(Undone::Yes)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn places(&self) -> Vec<NetnsCookie> {
        vec![self.netns]
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{}{} &", names.exec(self.netns), self.argv.join(" "))]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        vec![format!("pkill -f {:?}", self.argv.join(" "))]
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}.start({:?})", names.handle(self.netns), self.argv.join(" "))
    }
}

/// A program with its arguments.
pub fn command(argv: &[String]) -> Command {
    let mut words = argv.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command.args(words);
    command
}

/// The error for a program that cannot be started.
pub fn cannot(argv: &[String], error: &std::io::Error) -> Box<Diagnostic> {
    let program = argv.first().map_or("", String::as_str);
    let kernel = KernelError::from_io(format!("execve {program}"), error);
    match kernel.errno {
        libc::ENOENT => Diagnostic::new(Code::BadProgram, format!("there is no program `{program}`"))
            .help("netlab starts programs without a shell; write [\"sh\", \"-c\", \"…\"] for pipes and variables")
            .kernel(kernel),
        libc::EACCES => Diagnostic::new(Code::BadProgram, format!("`{program}` may not be run")).kernel(kernel),
        _ => Diagnostic::new(Code::BadProgram, format!("cannot start `{program}`: {error}")).kernel(kernel),
    }
}

fn wait(process: ProcessKey) {
    let deadline = Instant::now() + PATIENCE;
    while process::is_alive(process) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    // A child of this very run stays in the table of processes until it is asked for; of another run it is none.
    let _ = waitpid(Pid::from_raw(process.pid), Some(WaitPidFlag::WNOHANG));
}
