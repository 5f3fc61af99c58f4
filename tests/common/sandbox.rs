//! A private machine for one test: its own network, mounts and processes, gone when the value is dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use super::skip;

/// What makes the new namespaces a machine of their own. It says `ready` and then lives until its input closes, so that
/// a killed test leaves nothing; bash, since process 1 has to reap the orphans.
const HOLDER: &str = r#"
set -e
mount -t tmpfs tmpfs /run
mkdir /run/netns
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
if ! mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc 2>/mnt/why; then
    cp -a /etc /mnt/ 2>/mnt/why || true
    mount --bind /mnt/etc /etc
fi
mount -t sysfs sysfs /sys 2>/mnt/why || true
rm -rf /etc/resolv.conf /etc/hosts /etc/netns
echo 'nameserver 192.0.2.53' >/etc/resolv.conf
echo '127.0.0.1 localhost' >/etc/hosts
ip link set lo up
echo ready
while read -r _; do :; done
"#;

/// A hung command is a failure, not a hung suite.
const PATIENCE: Duration = Duration::from_secs(120);

/// A machine of its own: processes in it see its network, its /run, /etc, /var/lib and nothing of the real ones.
pub(crate) struct Sandbox {
    /// What ends with it; none for a view into another's namespaces.
    holder: Option<Child>,
    first: i32,
    /// A process in it, as it counts itself, whose namespaces are meant.
    keeper: Option<i32>,
}

/// How a run of netlab ended.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// The exit code, unless a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
}

impl Run {
    /// Demands the exit code.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Whether it was killed by SIGKILL, which is what the kill tests ask for.
    pub(crate) fn was_killed(&self) -> bool {
        self.signal == Some(Signal::SIGKILL as i32)
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {:?} signal {:?}\n{}\n{}", self.code, self.signal, self.stdout.trim(), self.stderr.trim())
    }
}

impl Sandbox {
    /// Makes one, or skips aloud where the machine does not allow it (see [`skip`]).
    pub(crate) fn new() -> Option<Self> {
        match Self::start() {
            Ok(sandbox) => Some(sandbox),
            Err(why) => {
                skip(&format!("no sandbox for the test: {why}"));
                None
            }
        }
    }

    fn start() -> Result<Self, String> {
        let mut command = Command::new("unshare");
        if !Uid::effective().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let mut holder = command
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", HOLDER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("unshare: {e}"))?;
        let mut line = String::new();
        let stdout = holder.stdout.take().ok_or("no output")?;
        BufReader::new(stdout).read_line(&mut line).map_err(|e| e.to_string())?;
        if line != "ready\n" {
            let output = holder.wait_with_output().map_err(|e| e.to_string())?;
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let id = holder.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).map_err(|e| e.to_string())?;
        let first = children.trim().parse().map_err(|_| format!("unshare has the children `{children}`"))?;
        Ok(Self { holder: Some(holder), first, keeper: None })
    }

    /// The namespaces of a process in this one, by the PID that it has here, to look at with the eyes of root.
    pub(crate) fn view_of(&self, keeper: i32) -> Self {
        Self { holder: None, first: self.first, keeper: Some(keeper) }
    }

    /// The process that holds it, as the real machine counts.
    pub(crate) fn pid(&self) -> i32 {
        self.first
    }

    /// A command that will run inside, in `dir`, with nothing to read.
    pub(crate) fn command(&self, dir: &Path, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        let process = match self.keeper {
            None => format!("/proc/{}", self.first),
            Some(keeper) => format!("/proc/{}/root/proc/{keeper}", self.first),
        };
        command.args(
            ["net", "pid", "mnt"]
                .map(|kind| format!("--{}={process}/ns/{kind}", if kind == "mnt" { "mount" } else { kind })),
        );
        if !Uid::effective().is_root() {
            command.arg(format!("--user={process}/ns/user")).arg("--preserve-credentials");
        }
        // Entering a mount namespace moves a process to its root.
        command.arg("--").args(["env", "-C"]).arg(dir).arg(program).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("NETLAB_FAULT");
        // An ordinary user's PATH may lack the folders where iproute2 keeps `bridge`.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
        command
    }

    /// Writes a file that only processes inside see: below /mnt, /run or /var/lib.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: &str) {
        let from_here = format!("/proc/{}/root{path}", self.first);
        fs::write(&from_here, text).unwrap_or_else(|e| panic!("{from_here}: {e}"));
    }

    /// Runs a line of shell inside; what it printed, and how it ended, is the caller's to judge.
    pub(crate) fn try_sh(&self, line: &str) -> Output {
        finish(self.command(Path::new("/"), "bash", &["-c", line]), line)
    }

    /// Runs a line of shell inside, which has to succeed; gives back what it printed.
    #[track_caller]
    pub(crate) fn sh(&self, line: &str) -> String {
        let output = self.try_sh(line);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{line}\n{}\n{stdout}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        stdout
    }

    /// Runs a file of bash inside, which stops at the first error and has to succeed.
    #[track_caller]
    pub(crate) fn bash(&self, file: &Path, args: &[&str]) {
        let file = file.display();
        self.sh(&format!("bash -euo pipefail {file} {}", args.join(" ")));
    }

    /// Runs netlab inside.
    pub(crate) fn netlab(&self, args: &[&str]) -> Run {
        self.netlab_with(args, &[], Path::new("/"))
    }

    /// Runs netlab inside, with `NETLAB_FAULT` set: `fail@K`, `kill@N`, or both with a comma.
    pub(crate) fn netlab_fault(&self, fault: &str, args: &[&str]) -> Run {
        self.netlab_with(args, &[("NETLAB_FAULT", fault)], Path::new("/"))
    }

    /// Starts netlab inside and does not wait for its end.
    #[track_caller]
    pub(crate) fn start_netlab(&self, args: &[&str]) -> Running {
        let mut child = self
            .command(Path::new("/"), env!("CARGO_BIN_EXE_netlab"), args)
            .spawn()
            .unwrap_or_else(|e| panic!("netlab {}: {e}", args.join(" ")));
        let stdout = child.stdout.take().map(BufReader::new).expect("the output is piped");
        let (send, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Running { child: Some(child), lines, printed: String::new() }
    }

    /// Runs netlab inside, in `dir`, with variables of one's own.
    pub(crate) fn netlab_with(&self, args: &[&str], env: &[(&str, &str)], dir: &Path) -> Run {
        let mut command = self.command(dir, env!("CARGO_BIN_EXE_netlab"), args);
        command.envs(env.iter().copied());
        let output = finish(command, &format!("netlab {}", args.join(" ")));
        Run {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A netlab that is running.
pub(crate) struct Running {
    child: Option<Child>,
    lines: mpsc::Receiver<String>,
    printed: String,
}

impl Running {
    /// Comes back when it has printed a line with these words.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("netlab has not printed {words:?} but:\n{}", self.printed)
            };
            self.printed.push_str(&line);
            self.printed.push('\n');
            if line.contains(words) {
                return;
            }
        }
    }

    /// Sends it a signal. It is the only child of the nsenter that the test has started.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().map(Child::id).expect("it has not been waited for");
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        // It may have ended by itself a moment before; how it ended is the caller's to judge.
        if let Ok(pid) = children.trim().parse() {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Run {
        let child = self.child.take().expect("it has not been waited for");
        let output = wait(child, "netlab in the background");
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            self.printed.push_str(&line);
            self.printed.push('\n');
        }
        Run {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: std::mem::take(&mut self.printed),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // When process 1 of a PID namespace ends, the kernel ends all the others and waits for them.
        if let Some(holder) = &mut self.holder {
            let _ = kill(Pid::from_raw(self.first), Signal::SIGKILL);
            let _ = holder.wait();
        }
    }
}

#[track_caller]
fn finish(mut command: Command, name: &str) -> Output {
    wait(command.spawn().unwrap_or_else(|e| panic!("{name}: {e}")), name)
}

#[track_caller]
fn wait(child: Child, name: &str) -> Output {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    match result.recv_timeout(PATIENCE) {
        Ok(output) => output.unwrap_or_else(|e| panic!("{name}: {e}")),
        Err(_) => panic!("still running after {} s: {name}", PATIENCE.as_secs()),
    }
}
