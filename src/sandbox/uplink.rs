//! A way out of a sandbox into the machine's network, by a program that needs no privilege: pasta or slirp4netns.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Sandbox;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::relay;

/// Where the program answers questions for names. Both know this address for that, and no lab should use it.
const NAME_SERVER: &str = "10.0.2.3";

/// How long it is waited for a default route.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// A program that can do it.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    is_pasta: bool,
}

/// Looks for one.
///
/// # Errors
/// `NL0402`, with what to install.
pub fn find() -> Result<Program> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let program = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    match (program("pasta"), program("slirp4netns")) {
        (Some(path), _) => Ok(Program { path, is_pasta: true }),
        (None, Some(path)) => Ok(Program { path, is_pasta: false }),
        (None, None) => Err(Diagnostic::new(
            Code::Environment,
            "--uplink needs a program for the way out, and there is neither `pasta` nor `slirp4netns`",
        )
        .help("install one (`sudo apt install passt`, or `slirp4netns`), or run the lab without --uplink")),
    }
}

impl Program {
    /// Starts it for a sandbox, with which it ends, and comes back when there is a way out.
    ///
    /// # Errors
    /// `NL0120` with what it said.
    pub fn start(&self, sandbox: &Sandbox) -> Result<()> {
        let log = tempfile().map_err(|e| self.broken(KernelError::from_io("memfd_create", &e)))?;
        let copy = || log.try_clone().map_err(|e| self.broken(KernelError::from_io("dup", &e)));
        let mut command = Command::new(&self.path);
        let pid = sandbox.record.keeper.pid.to_string();
        if self.is_pasta {
            command.args(["--config-net", "--foreground", "--quiet", "--dns-forward", NAME_SERVER]);
            // Nothing that listens on one side is to be reached from the other.
            command.args(["-t", "none", "-u", "none", "-T", "none", "-U", "none"]).arg(pid);
        } else {
            command.args(["--configure", "--mtu=65520", "--disable-host-loopback", &pid, "tap0"]);
        }
        command.stdin(Stdio::null()).stdout(copy()?).stderr(copy()?);
        relay::tether(&sandbox.held, || command.exec()).map_err(|e| self.broken(KernelError::from_io("fork", &e)))?;
        let (begun, routes) = (Instant::now(), format!("/proc/{}/net/route", sandbox.record.keeper.pid));
        while !has_default(&fs::read_to_string(&routes).unwrap_or_default()) {
            if begun.elapsed() > PATIENCE {
                return Err(self.silent(&log));
            }
            std::thread::sleep(PAUSE);
        }
        let file = sandbox.root().join("etc/resolv.conf");
        fs::write(&file, format!("nameserver {NAME_SERVER}\n"))
            .map_err(|e| self.broken(KernelError::from_io(format!("write {}", file.display()), &e)))
    }

    fn broken(&self, error: KernelError) -> Box<Diagnostic> {
        Diagnostic::new(Code::BadProgram, format!("`{}` cannot be started", self.path.display())).kernel(error)
    }

    /// The error for a program that makes no way out.
    fn silent(&self, mut log: &fs::File) -> Box<Diagnostic> {
        use std::io::{Read, Seek};
        let mut text = String::new();
        // Without its words the error stands for itself.
        let _ = log.rewind().and_then(|()| log.take(4096).read_to_string(&mut text));
        let said: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said = said.last().map_or_else(|| "it said nothing".into(), |line| format!("it said: {line}"));
        Diagnostic::new(Code::BadProgram, format!("`{}` has made no way out", self.path.display()))
            .help(format!("{said}; it needs a default route here, and /dev/net/tun open to you"))
    }
}

/// Whether a table of routes, as /proc prints it, has one to everywhere.
fn has_default(routes: &str) -> bool {
    routes.lines().skip(1).any(|line| line.split('\t').nth(1) == Some("00000000"))
}

fn tempfile() -> std::io::Result<fs::File> {
    Ok(nix::sys::memfd::memfd_create(c"netlab-uplink", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_default_route_is_seen() {
        let head = "Iface\tDestination\tGateway\n";
        assert!(!super::has_default(head));
        assert!(!super::has_default(&format!("{head}eth0\t0002000A\t00000000\n")));
        assert!(super::has_default(&format!("{head}eth0\t00000000\t0102000A\n")));
    }
}
