//! Working inside a sandbox: a process goes in, and this one stands for it outside, with its signals and its end.

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, killpg, raise, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid, setpgid};

use super::fork::fork;
use super::pidfd::PidFd;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with a code.
    Code(u8),
    /// By a signal.
    Signal(Signal),
}

/// Who gets what is typed on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The process inside, as a shell needs it.
    Inside,
    /// This one, which passes each signal on once: an undo must not be interrupted by the Ctrl-C that began it.
    Outside,
}

/// What this one passes on when it is asked to end.
const PASSED: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// Calls `f` in a process inside the namespaces that a keeper holds, and waits for its end. If this process is killed, so is
/// that one.
///
/// # Errors
/// Those of fork(2) and setns(2).
pub fn inside(keeper: &PidFd, processes: bool, keys: Keys, f: impl FnOnce() -> u8) -> io::Result<End> {
    work(keys, || enter(keeper, processes), f)
}

/// Calls `f` in a process that comes after one that has gone inside, and waits for its end.
fn work(keys: Keys, enter: impl FnOnce() -> io::Result<()>, f: impl FnOnce() -> u8) -> io::Result<End> {
    let (told, tell) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let (outer, inner) = match keys {
        Keys::Outside => (Pass::Group, Pass::Nothing),
        Keys::Inside => (Pass::Sent, Pass::Sent),
    };
    let end = in_child(outer, || {
        if let Err(error) = enter() {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            let _ = nix::unistd::write(&tell, &errno.to_ne_bytes());
            return 1;
        }
        // A process is in a PID namespace from its birth on, so another one does the work.
        in_child(inner, f).map_or(1, die_as)
    })?;
    let mut errno = [0; 4];
    match nix::unistd::read(&told, &mut errno) {
        Ok(4) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
        _ => Ok(end),
    }
}

/// Calls `f` in a process inside all namespaces of a container's first process, at the root of its files, and waits for its
/// end. What is typed on the terminal goes to that process.
///
/// # Errors
/// Those of fork(2) and setns(2).
pub fn inside_guest(guest: &PidFd, own_users: bool, f: impl FnOnce() -> u8) -> io::Result<End> {
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWCGROUP;
    // The kernel refuses to enter the users' namespace that one is in already.
    flags.set(CloneFlags::CLONE_NEWUSER, own_users);
    let enter = || {
        setns(guest.as_fd(), flags)?;
        let _ = set_pdeathsig(Signal::SIGKILL);
        Ok(())
    };
    work(Keys::Inside, enter, f)
}

/// Starts a program that ends when a keeper ends, and not before: a process of its own waits for that. `exec` becomes the
/// program, and comes back only if it cannot.
///
/// # Errors
/// Those of fork(2).
pub fn tether(keeper: &PidFd, exec: impl FnOnce() -> io::Error) -> io::Result<()> {
    let first = fork(|| {
        let _ = nix::unistd::setsid();
        // Twice, so that it is nobody's child.
        let waiting = fork(|| {
            let _ = nix::sys::prctl::set_name(c"netlab-uplink");
            let _ = nix::unistd::chdir("/");
            let me = getpid();
            let Ok(child) = fork(|| {
                let _ = set_pdeathsig(Signal::SIGKILL);
                if getppid() != me {
                    return 1;
                }
                let _ = writeln!(io::stderr(), "{}", exec());
                127
            }) else {
                return 1;
            };
            // What it held open, such as the lock of the lab or somebody's pipe, would never end.
            close_all_but(keeper.as_fd().as_raw_fd());
            while !keeper.ends_within(60_000) {
                if matches!(
                    waitpid(child, Some(WaitPidFlag::WNOHANG)),
                    Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))
                ) {
                    return 0;
                }
            }
            let _ = kill(child, Signal::SIGTERM);
            0
        });
        u8::from(waiting.is_err())
    })?;
    waitpid(first, None)?;
    Ok(())
}

fn close_all_but(kept: i32) {
    for (from, to) in [(0, kept), (kept + 1, i32::MAX)] {
        if from < to {
            // SAFETY: this process uses none of them again, and ends without cleaning up.
            #[allow(unsafe_code)]
            unsafe {
                libc::syscall(libc::SYS_close_range, from, to - 1, 0)
            };
        }
    }
}

/// The signal that this thread gets when its parent is killed.
pub fn end_with_parent() -> Option<Signal> {
    nix::sys::prctl::get_pdeathsig().ok().flatten()
}

/// Sets that, for a thread that goes on in the place of another: each thread has its own.
pub fn set_end_with_parent(signal: Option<Signal>) {
    let _ = set_pdeathsig(signal);
}

/// Ends this process as another one has ended, so that whoever started it sees the same.
pub fn die_as(end: End) -> u8 {
    let signal = match end {
        End::Code(code) => return code,
        End::Signal(signal) => signal,
    };
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler of ours is installed; the default is the kernel's.
    #[allow(unsafe_code)]
    let _ = unsafe { sigaction(signal, &default) };
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
    // Not every signal ends a process.
    u8::try_from(128 + signal as i32).unwrap_or(u8::MAX)
}

/// Which signals that this process gets a child gets too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// All: the child has a process group of its own, where nothing comes from the terminal.
    Group,
    /// Those that a process has sent: what comes from the terminal, the child gets by itself.
    Sent,
    /// None: it gets them all by itself.
    Nothing,
}

/// Calls `f` in a child that does not outlive this process, and waits for its end.
fn in_child(pass: Pass, f: impl FnOnce() -> u8) -> io::Result<End> {
    let mut awaited: SigSet = PASSED.into_iter().chain([Signal::SIGCHLD]).collect();
    if pass == Pass::Group {
        awaited.add(Signal::SIGTSTP);
    }
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed. Whoever started this process may have had it ignored, and then no child is waited for.
    #[allow(unsafe_code)]
    unsafe { sigaction(Signal::SIGCHLD, &default) }?;
    let signals = SignalFd::with_flags(&awaited, SfdFlags::SFD_CLOEXEC)?;
    let before = awaited.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let parent = getpid();
    let child = fork(|| {
        let _ = set_pdeathsig(Signal::SIGKILL);
        // From inside a PID namespace a parent outside it is 0.
        if ![parent, Pid::from_raw(0)].contains(&getppid()) {
            return 1;
        }
        let _ = before.thread_set_mask();
        if pass == Pass::Group {
            let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
        }
        f()
    });
    let end = child.and_then(|child| {
        if pass == Pass::Group {
            // Here too, so that it is done before the first signal is passed on.
            let _ = setpgid(child, child);
        }
        Ok(attend(child, pass, &signals)?)
    });
    before.thread_set_mask()?;
    end
}

fn attend(child: Pid, pass: Pass, signals: &SignalFd) -> Result<End, Errno> {
    let mut flags = WaitPidFlag::WNOHANG;
    flags.set(WaitPidFlag::WUNTRACED, pass == Pass::Sent);
    loop {
        match waitpid(child, Some(flags))? {
            WaitStatus::Exited(_, code) => return Ok(End::Code(u8::try_from(code).unwrap_or(u8::MAX))),
            WaitStatus::Signaled(_, signal, _) => return Ok(End::Signal(signal)),
            WaitStatus::Stopped(..) => {
                // Whoever started this process waits for it, and has to see that it stands still.
                raise(Signal::SIGSTOP)?;
                let _ = kill(child, Signal::SIGCONT);
                continue;
            }
            _ => {}
        }
        let info = match signals.read_signal() {
            Ok(Some(info)) => info,
            Ok(None) | Err(Errno::EINTR) => continue,
            Err(e) => return Err(e),
        };
        let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { continue };
        match (signal, pass) {
            (Signal::SIGCHLD, _) | (_, Pass::Nothing) => {}
            (Signal::SIGTSTP, _) => {
                let _ = killpg(child, Signal::SIGSTOP);
                raise(Signal::SIGSTOP)?;
                let _ = killpg(child, Signal::SIGCONT);
            }
            (_, Pass::Group) => {
                let _ = killpg(child, signal);
            }
            (_, Pass::Sent) => {
                // Those of the kernel have positive codes.
                if info.ssi_code <= 0 {
                    let _ = kill(child, signal);
                }
            }
        }
    }
}

/// Goes into all namespaces at once; the PID namespace is that of the next child.
fn enter(keeper: &PidFd, processes: bool) -> io::Result<()> {
    let here = std::env::current_dir();
    let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    flags.set(CloneFlags::CLONE_NEWPID, processes);
    setns(keeper.as_fd(), flags)?;
    // The kernel forgets this whenever a process becomes more than it was.
    let _ = set_pdeathsig(Signal::SIGKILL);
    // Entering mounts leads to their root. A folder that cannot be seen inside is left at that.
    let _ = here.and_then(std::env::set_current_dir);
    Ok(())
}
