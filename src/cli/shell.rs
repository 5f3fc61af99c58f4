//! `netlab shell`: the user's shell in a namespace, with a prompt that says where one is.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::exec::{no_program, replace};
use super::guest::Guest;
use super::labs::{self, LabInfo};
use super::place::{self, Place};
use super::{netns, out};
use crate::diag::{Code, Diagnostic, Result};
use crate::journal::store::Store;
use crate::kernel::relay::Keys;
use crate::sandbox::{self, Sandbox};
use crate::types::name::LabName;

/// The arguments of `shell`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The variable NETLAB_NETNS holds the namespace's name, NETLAB_SANDBOX the sandbox's.\n\n\
                        Examples:\n  netlab shell ns1\n  netlab shell create-ns-bridge/ns1\n  netlab shell docker:web")]
pub struct Args {
    /// A namespace, LAB/NAMESPACE, or a lab for its sandbox; `host` is where netlab is started. `docker:NAME` and
    /// `nspawn:NAME` are a container and a machine, with shells of their own.
    #[arg(value_name = "NS")]
    pub netns: Option<String>,
}

/// The variable with the sandbox that a shell is in.
const SANDBOX: &str = "NETLAB_SANDBOX";

/// Becomes the shell.
///
/// # Errors
/// `NL0210` without a namespace, with the names there are; `NL0108` for one that is not there.
pub fn run(args: Args) -> Result<u8> {
    if let Some(guest) = args.netns.as_deref().and_then(Guest::find) {
        return guest?.shell();
    }
    let (place, name) = match &args.netns {
        Some(target) => place::of(target)?,
        None => (only_sandbox()?, netns::HOST.to_owned()),
    };
    place.go(Keys::Inside, false, true, || open(&name, place.lab()))
}

/// Becomes the shell, in a namespace of the machine that this process is in.
///
/// # Errors
/// `NL0108`, `NL0120` if it cannot be started.
pub(super) fn open(name: &str, sandbox: Option<&LabName>) -> Result<u8> {
    let shell = std::env::var_os("SHELL").filter(|s| Path::new(s).is_file()).unwrap_or_else(|| "/bin/sh".into());
    let (mut command, startup) = command(&shell);
    // One that is started in the shell of a sandbox is still there.
    let around = sandbox.map(LabName::to_string).or_else(|| std::env::var(SANDBOX).ok());
    command.env("NETLAB_NETNS", name).env("NETLAB_PLACE", shown(name, around.as_deref()));
    if let Some(sandbox) = &around {
        command.env(SANDBOX, sandbox);
    }
    if io::stdin().is_terminal() {
        let place = match &around {
            Some(sandbox) if name == netns::HOST => format!("the sandbox of `{sandbox}`"),
            Some(sandbox) => format!("the namespace `{name}`, in the sandbox of `{sandbox}`"),
            None => format!("the namespace `{name}`"),
        };
        out::note(format!("you are in {place}; `exit` leads back"));
    }
    let error = replace(name, command)?;
    drop(startup);
    Err(no_program(&shell.to_string_lossy(), &error))
}

/// Where a shell is, as its prompt says it.
fn shown(name: &str, sandbox: Option<&str>) -> String {
    match sandbox {
        None => name.into(),
        Some(sandbox) if name == netns::HOST => sandbox.into(),
        Some(sandbox) => format!("{sandbox}/{name}"),
    }
}

/// The shell with its prompt, and the file that it reads at its start, which has to stay open until then.
fn command(shell: &OsString) -> (Command, Option<File>) {
    let mut command = Command::new(shell);
    let is_bash = Path::new(shell).file_name().is_some_and(|file| file == "bash");
    // Bash takes PS1 from its startup files, so it gets one of ours, which reads the user's first.
    if is_bash && let Ok(startup) = startup_file() {
        command.arg("--rcfile").arg(format!("/proc/self/fd/{}", startup.as_raw_fd()));
        return (command, Some(startup));
    }
    // The place stands there as a variable: whatever is in it, the shell does not take it for a command.
    command.env("PS1", "(${NETLAB_PLACE}) $ ");
    (command, None)
}

/// A file without a name, which the shell closes when it has read it.
fn startup_file() -> io::Result<File> {
    let mut file = File::from(memfd_create(c"netlab-rc", MFdFlags::empty())?);
    let number = file.as_raw_fd();
    writeln!(file, "exec {number}<&-")?;
    writeln!(file, "[ -r /etc/bash.bashrc ] && . /etc/bash.bashrc")?;
    writeln!(file, "[ -r ~/.bashrc ] && . ~/.bashrc")?;
    writeln!(file, "PS1='(${{NETLAB_PLACE}}) '\"$PS1\"")?;
    Ok(file)
}

/// The sandbox that is meant where nothing is named: the only one, where no lab is outside.
fn only_sandbox() -> Result<Place> {
    let labs = Store::open().map(|store| labs::all(&store)).unwrap_or_default();
    let mut sandboxes = sandbox::all();
    if let (1, true) = (sandboxes.len(), labs.is_empty()) {
        return Ok(Place::In(sandboxes.swap_remove(0)));
    }
    Err(which(&labs, &sandboxes))
}

/// The error for a missing name: it says which there are, of the one lab that is up if it is one.
fn which(labs: &[LabInfo], sandboxes: &[Sandbox]) -> Box<Diagnostic> {
    let error = Diagnostic::new(Code::Usage, "say in which namespace: `netlab shell NS`");
    match (labs, sandboxes) {
        ([lab], []) if !lab.namespaces().is_empty() => {
            error.help(format!("the lab `{}` has {}", lab.name, lab.namespaces().join(", ")))
        }
        (_, []) => error.help(netns::which(&netns::names())),
        _ => {
            let names: Vec<&str> = sandboxes.iter().map(|sandbox| sandbox.name.as_str()).collect();
            error.help(format!("or in which sandbox: {}", names.join(", ")))
        }
    }
}
