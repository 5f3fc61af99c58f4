//! `netlab exec`: a program in a namespace.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::guest::Guest;
use super::{netns, place};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::netns::within_as_named;
use crate::kernel::relay::{self, Keys};
use crate::lab::open::privileged;

/// The arguments of `exec`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "netlab exec <NS> -- <CMD>...",
    after_help = "The exit code is the program's own, or 125 when netlab could not start it.\n\n\
                        Examples:\n  netlab exec ns1 -- ping -c 1 194.168.1.3\n  netlab exec host -- ip route\n  netlab exec docker:web -- cat /etc/hosts"
)]
pub struct Args {
    /// A namespace, LAB/NAMESPACE, or a lab for its sandbox; `host` is where netlab is started. `docker:NAME` and
    /// `nspawn:NAME` are a container and a machine, with programs and files of their own.
    #[arg(value_name = "NS")]
    pub netns: String,
    /// The program and its arguments.
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// Runs the program in the place of netlab.
///
/// # Errors
/// `NL0108` for a namespace, `NL0120` for a program that is not there.
pub fn run(args: Args) -> Result<u8> {
    let Some((program, rest)) = args.command.split_first() else {
        return Err(Diagnostic::new(Code::Usage, "there is no program to run"));
    };
    if let Some(guest) = Guest::find(&args.netns) {
        return guest?.run(&args.command);
    }
    let (place, name) = place::of(&args.netns)?;
    place.go(Keys::Inside, false, true, || {
        let mut command = Command::new(program);
        command.args(rest);
        Err(no_program(&program.to_string_lossy(), &replace(&name, command)?))
    })
}

/// Becomes a program in a namespace. As nothing of netlab is left, Ctrl-C, job control and the exit code are the program's
/// own, which a parent that waits could only imitate. It comes back only if the program cannot be started.
///
/// # Errors
/// Those of finding and entering the namespace.
pub(super) fn replace(name: &str, mut command: Command) -> Result<io::Error> {
    if name == netns::HOST {
        return Ok(command.exec());
    }
    privileged()?;
    let (named, fd) = netns::open(name)?;
    let ends_with = relay::end_with_parent();
    // An execve(2) of any thread replaces the whole process, in that thread's namespaces.
    within_as_named(fd.as_fd(), named.as_ref(), move || {
        relay::set_end_with_parent(ends_with);
        command.exec()
    })
    .map_err(|e| crate::action::failed(&format!("enter the namespace `{name}`"), KernelError::from_io("setns", &e)))
}

/// The error for a program that cannot be started.
pub(super) fn no_program(program: &str, error: &io::Error) -> Box<Diagnostic> {
    let diagnostic = match error.kind() {
        io::ErrorKind::NotFound => Diagnostic::new(Code::BadProgram, format!("there is no program `{program}`"))
            .help("the files are the machine's own: a namespace has only a network of its own"),
        io::ErrorKind::PermissionDenied => {
            Diagnostic::new(Code::BadProgram, format!("`{program}` may not be executed"))
        }
        _ => Diagnostic::new(Code::BadProgram, format!("`{program}` cannot be started")),
    };
    diagnostic.kernel(KernelError::from_io(format!("execve {program}"), error))
}
