//! Containers and machines as they are named on the command line: `docker:NAME`, `nspawn:NAME`.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::{out, settle};
use crate::container::engine::{Engine, Wait};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::pidfd::PidFd;
use crate::kernel::process::{self, ProcessKey};
use crate::kernel::{netns, relay};
use crate::lab::docker::{no_such_container, process_of};
use crate::lab::nspawn::machine_of;
use crate::lab::open::privileged;

/// Where programs are looked for if the container does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The shells that are tried, the best first.
const SHELLS: [&str; 4] = ["/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh"];
/// What a shell exits with for a program that is not there.
const NO_PROGRAM: u8 = 125;

/// A container or a machine that runs.
pub(super) struct Guest {
    title: String,
    process: ProcessKey,
    env: Vec<String>,
}

impl Guest {
    /// The one that a name on the command line means; nothing if it means a namespace.
    pub(super) fn find(target: &str) -> Option<Result<Self>> {
        match target.split_once(':')? {
            ("docker", name) => Some(Self::docker(name)),
            ("nspawn", name) => Some(Self::nspawn(name)),
            _ => None,
        }
    }

    fn docker(name: &str) -> Result<Self> {
        let (engine, wait) = (Engine::find()?, Wait::default());
        let found =
            engine.container(name, &wait).map_err(|t| t.into_error(&format!("look at the container `{name}`")))?;
        let container = found.ok_or_else(|| no_such_container(&engine, name, &wait))?;
        let process = process_of(&engine, &container)?;
        Ok(Self { title: format!("docker:{name}"), process, env: container.env })
    }

    fn nspawn(name: &str) -> Result<Self> {
        let process = machine_of(name)?.leader;
        Ok(Self { title: format!("nspawn:{name}"), process, env: process::environment(process.pid) })
    }

    /// Its network.
    ///
    /// # Errors
    /// Those of opening it.
    pub(super) fn network(&self) -> Result<OwnedFd> {
        netns::of_pid(self.process.pid).map_err(|e| self.cannot("open the namespace of", &e))
    }

    /// Runs one of its programs.
    ///
    /// # Errors
    /// Those of entering it.
    pub(super) fn run(&self, command: &[OsString]) -> Result<u8> {
        let words = command.to_vec();
        self.inside(move || words)
    }

    /// Runs its shell: bash if it has one.
    ///
    /// # Errors
    /// Those of entering it.
    pub(super) fn shell(&self) -> Result<u8> {
        if io::stdin().is_terminal() {
            out::note(format!("you are in `{}`, with its own programs and files; `exit` leads back", self.title));
        }
        self.inside(|| {
            let shell = SHELLS.iter().find(|shell| Path::new(shell).exists()).unwrap_or(&"sh");
            vec![shell.into()]
        })
    }

    /// Runs what `command` says, which is asked inside, where its files are.
    fn inside(&self, command: impl FnOnce() -> Vec<OsString>) -> Result<u8> {
        privileged()?;
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let held = PidFd::open(self.process).ok_or_else(|| self.cannot("enter", &gone()))?;
        let end = relay::inside_guest(&held, process::has_own_users(self.process.pid), || {
            let words = command();
            let Some((program, rest)) = words.split_first() else { return NO_PROGRAM };
            let mut command = Command::new(program);
            command.args(rest).env_clear().env("PATH", PATH).env("HOME", "/root");
            command.envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
            command.envs(self.env.iter().filter_map(|variable| variable.split_once('=')));
            command.env("NETLAB_NETNS", &self.title).env("PS1", format!("({}) # ", self.title));
            let error = command.exec();
            settle(Err(no_program(&program.to_string_lossy(), &self.title, &error)), false, true)
        });
        end.map(relay::die_as).map_err(|e| self.cannot("enter", &e))
    }

    fn cannot(&self, verb: &str, error: &io::Error) -> Box<Diagnostic> {
        let kernel = KernelError::from_io(format!("setns {}", self.process.pid), error);
        crate::action::failed(&format!("{verb} `{}`", self.title), kernel)
    }
}

/// The error for a program that is not in a container.
fn no_program(program: &str, title: &str, error: &io::Error) -> Box<Diagnostic> {
    let diagnostic = match error.kind() {
        io::ErrorKind::NotFound => Diagnostic::new(Code::BadProgram, format!("there is no program `{program}` in `{title}`"))
            .help("its programs are those of its image; in a script, `docker(…).exec` runs this machine's programs in its network"),
        _ => Diagnostic::new(Code::BadProgram, format!("`{program}` cannot be started in `{title}`")),
    };
    diagnostic.kernel(KernelError::from_io(format!("execve {program}"), error))
}
