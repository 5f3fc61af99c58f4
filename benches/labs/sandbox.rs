//! One cell: a lab built and taken down, each by one timed process, in namespaces that vanish with it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::contestant::Contestant;
use crate::lab::{Lab, NETNS_DIR};
use crate::{Outcome, state};

/// Longer than anything here takes, shorter than anybody waits.
const LIMIT: Duration = Duration::from_secs(300);

/// What one cell took, in milliseconds.
pub(crate) struct Sample {
    pub(crate) up: f64,
    pub(crate) down: Option<f64>,
    /// The state in between, if it was asked for.
    pub(crate) state: Vec<String>,
}

/// Runs one cell in a process of its own, so that nothing of it reaches the machine or the next cell.
pub(crate) fn cell(contestant: Contestant, lab: &Lab, dir: &Path, dump: bool) -> Outcome<Sample> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["sandbox", contestant.name(), &lab.name]).arg(dir).arg(if dump { "dump" } else { "time" });
    let output = child.stderr(Stdio::inherit()).output()?;
    let mut sample = Sample { up: 0.0, down: None, state: Vec::new() };
    for line in String::from_utf8(output.stdout)?.lines() {
        match line.split_once(' ') {
            Some(("up", ms)) => sample.up = ms.parse()?,
            Some(("down", ms)) => sample.down = Some(ms.parse()?),
            Some(("state", line)) => sample.state.push(line.to_owned()),
            Some(("failed", why)) => return Err(why.into()),
            _ => return Err(format!("unexpected line `{line}`").into()),
        }
    }
    if output.status.success() { Ok(sample) } else { Err(format!("sandbox: {}", output.status).into()) }
}

/// The inside of a cell; what it found goes to stdout, for [`cell`] to read.
pub(crate) fn inside(contestant: Contestant, lab: &Lab, dir: &Path, dump: bool) {
    if let Err(e) = try_inside(contestant, lab, dir, dump) {
        println!("failed {}", e.to_string().replace('\n', " | "));
    }
}

fn try_inside(contestant: Contestant, lab: &Lab, dir: &Path, dump: bool) -> Outcome<()> {
    enter()?;
    println!("up {}", timed(contestant.up(lab, dir)?)?);
    if lab.bridge.is_some() {
        // A contestant that did nothing would be the fastest.
        let (names, links) = (count_names(), count_links()?);
        if (names, links) != (lab.hosts.len(), lab.hosts.len() + 2) {
            let expected = lab.hosts.len();
            return Err(format!(
                "made {names} namespaces instead of {expected}, {links} links instead of {}",
                expected + 2
            )
            .into());
        }
        if dump {
            state::dump()?.iter().for_each(|line| println!("state {line}"));
        }
    }
    if let Some(command) = contestant.down(lab, dir)? {
        println!("down {}", timed(command)?);
        gone()?;
    }
    let orphans = children()?;
    for pid in &orphans {
        // The namespaces would live as long as any process in them.
        kill(*pid, Signal::SIGKILL)?;
        waitpid(*pid, None)?;
    }
    if orphans.is_empty() { Ok(()) } else { Err(format!("left {} processes behind", orphans.len()).into()) }
}

/// Enters fresh namespaces and hides the folders in which contestants keep state.
fn enter() -> Outcome<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    for dir in ["/run", "/var/lib"] {
        mount(Some("netlab-bench"), dir, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    }
    set_child_subreaper(true)?;
    Ok(())
}

/// The milliseconds from fork to exit.
fn timed(mut command: Command) -> Outcome<f64> {
    let log = "/run/stderr";
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?);
    let begin = Instant::now();
    let mut child = command.spawn().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let pid = Pid::from_raw(child.id() as i32);
    let (finished, wait) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        let late = wait.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        late && kill(pid, Signal::SIGKILL).is_ok()
    });
    let status = child.wait()?;
    let elapsed = begin.elapsed();
    drop(finished);
    match watchdog.join() {
        Ok(true) => Err(format!("killed after {} s", LIMIT.as_secs()).into()),
        _ if status.success() => Ok(elapsed.as_secs_f64() * 1e3),
        _ => Err(complaint(&command, status, log)?.into()),
    }
}

/// What the failed program said first: a few lines, not a page.
fn complaint(command: &Command, status: ExitStatus, log: &str) -> Outcome<String> {
    let mut text = String::new();
    File::open(log)?.read_to_string(&mut text)?;
    let said: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    let words: Vec<_> = command.get_args().take(2).map(|arg| arg.display().to_string()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string();
    Ok(format!("`{program} {}`: {status}: {}", words.join(" "), said.join(" | ")))
}

/// Waits until the lab is gone: the links of a deleted namespace go some time after its name, unless deleted themselves.
fn gone() -> Outcome<()> {
    let begin = Instant::now();
    loop {
        let (names, links) = (count_names(), count_links()?);
        if (names, links) == (0, 1) {
            return Ok(());
        }
        if begin.elapsed() > Duration::from_secs(30) {
            return Err(format!("left {names} namespaces and {} links behind", links - 1).into());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn count_names() -> usize {
    fs::read_dir(NETNS_DIR).map_or(0, Iterator::count)
}

/// The links of this namespace, `lo` among them; the file has two lines of heading.
fn count_links() -> Outcome<usize> {
    Ok(fs::read_to_string("/proc/self/net/dev")?.lines().count() - 2)
}

/// Processes that were left to us: a sandbox is its contestants' subreaper.
fn children() -> Outcome<Vec<Pid>> {
    let me = Pid::this();
    let list = fs::read_to_string(format!("/proc/{me}/task/{me}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| Ok(Pid::from_raw(pid.parse()?))).collect()
}
