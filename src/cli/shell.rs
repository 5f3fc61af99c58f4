//! `netlab shell`: the user's shell in a namespace, with a prompt that says where one is.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::exec::{no_program, replace};
use super::{labs, netns, out};
use crate::diag::{Code, Diagnostic, Result};
use crate::journal::store::Store;

/// The arguments of `shell`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The variable NETLAB_NETNS holds the namespace's name.\n\nExample:\n  netlab shell ns1")]
pub struct Args {
    /// A namespace, or `host` for the one that netlab is started in.
    #[arg(value_name = "NS")]
    pub netns: Option<String>,
}

/// Becomes the shell.
///
/// # Errors
/// `NL0210` without a namespace, with the names there are; `NL0108` for one that is not there.
pub fn run(args: Args) -> Result<u8> {
    let Some(name) = args.netns else { return Err(which()) };
    let shell = std::env::var_os("SHELL").filter(|s| Path::new(s).is_file()).unwrap_or_else(|| "/bin/sh".into());
    let (command, startup) = command(&shell, &name);
    if io::stdin().is_terminal() {
        out::note(format!("you are in the namespace `{name}`; `exit` leads back"));
    }
    let error = replace(&name, command)?;
    drop(startup);
    Err(no_program(&shell.to_string_lossy(), &error))
}

/// The shell with its prompt, and the file that it reads at its start, which has to stay open until then.
fn command(shell: &OsString, name: &str) -> (Command, Option<File>) {
    let mut command = Command::new(shell);
    // In PS1 the name stands as a variable: whatever is in it, the shell does not take it for a command.
    command.env("NETLAB_NETNS", name);
    let is_bash = Path::new(shell).file_name().is_some_and(|file| file == "bash");
    // Bash takes PS1 from its startup files, so it gets one of ours, which reads the user's first.
    if is_bash && let Ok(startup) = startup_file() {
        command.arg("--rcfile").arg(format!("/proc/self/fd/{}", startup.as_raw_fd()));
        return (command, Some(startup));
    }
    command.env("PS1", "(${NETLAB_NETNS}) $ ");
    (command, None)
}

/// A file without a name, which the shell closes when it has read it.
fn startup_file() -> io::Result<File> {
    let mut file = File::from(memfd_create(c"netlab-rc", MFdFlags::empty())?);
    let number = file.as_raw_fd();
    writeln!(file, "exec {number}<&-")?;
    writeln!(file, "[ -r /etc/bash.bashrc ] && . /etc/bash.bashrc")?;
    writeln!(file, "[ -r ~/.bashrc ] && . ~/.bashrc")?;
    writeln!(file, "PS1='(${{NETLAB_NETNS}}) '\"$PS1\"")?;
    Ok(file)
}

/// The error for a missing name: it says which there are, of the one lab that is up if it is one.
fn which() -> Box<Diagnostic> {
    let labs = Store::open().map(|store| labs::all(&store)).unwrap_or_default();
    let error = Diagnostic::new(Code::Usage, "say in which namespace: `netlab shell NS`");
    match &labs[..] {
        [lab] if !lab.namespaces().is_empty() => {
            error.help(format!("the lab `{}` has {}", lab.name, lab.namespaces().join(", ")))
        }
        _ => error.help(netns::which(&netns::names())),
    }
}
