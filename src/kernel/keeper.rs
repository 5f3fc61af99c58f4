//! A sandbox's namespaces, and the process that holds them: when it ends, the kernel takes along all that was in them.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::fork::fork;
use super::pidfd::PidFd;
use super::process::{self, ProcessKey};
use super::{link, netlink, view};
use crate::diag::KernelError;

/// What a keeper is to hold.
#[derive(Debug)]
pub struct Wish<'a> {
    /// Whether processes get a namespace of their own as well.
    pub processes: bool,
    /// The open file that names the keeper: it ends when that is removed.
    pub record: BorrowedFd<'a>,
    /// A folder that cannot be seen from inside, if it is there.
    pub hidden: PathBuf,
}

/// A keeper that ends again, unless it is told to stay.
#[derive(Debug)]
pub struct Keeper {
    /// Which process it is.
    pub key: ProcessKey,
    /// A hold on it.
    pub held: PidFd,
    wire: UnixStream,
}

impl Keeper {
    /// Lets it outlive this process.
    ///
    /// # Errors
    /// `EPIPE` if it has ended.
    pub fn stay(mut self) -> io::Result<(ProcessKey, PidFd)> {
        self.wire.write_all(GO)?;
        Ok((self.key, self.held))
    }
}

/// Starts a keeper, and comes back when everything in its namespaces is ready.
///
/// # Errors
/// The first step that the kernel refused, by its name.
pub fn start(wish: &Wish<'_>) -> Result<Keeper, KernelError> {
    let said = |what: &str| {
        let what = what.to_owned();
        move |e: io::Error| KernelError::from_io(what, &e)
    };
    let (ours, theirs) = UnixStream::pair().map_err(said("socketpair"))?;
    let first = fork(|| separate(wish, theirs.as_fd())).map_err(said("fork"))?;
    drop(theirs);
    let result = listen(&ours, first);
    if result.is_err() {
        // With nobody at the other end, whoever is left there ends.
        drop(ours);
        let _ = waitpid(first, None);
        return Err(result.err().unwrap_or_else(|| KernelError::new("fork", libc::EIO)));
    }
    let key = result?;
    // It ends as soon as it has said which the keeper is.
    let _ = waitpid(first, None);
    match PidFd::open(key) {
        Some(held) => Ok(Keeper { key, held, wire: ours }),
        None => Err(KernelError::new("pidfd_open", libc::ESRCH)),
    }
}

/// Follows what the new processes say until the keeper is known and ready.
fn listen(wire: &UnixStream, first: Pid) -> Result<ProcessKey, KernelError> {
    let mut lines = BufReader::new(wire).lines();
    let (mut key, mut is_ready) = (None, false);
    loop {
        if let (Some(key), true) = (key, is_ready) {
            return Ok(key);
        }
        let line = match lines.next() {
            Some(Ok(line)) => line,
            Some(Err(e)) => return Err(KernelError::from_io("read", &e)),
            None => return Err(KernelError::new("start the keeper", libc::ECHILD)),
        };
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("apart", _) => {
                map_users(first)?;
                (&mut &*wire).write_all(GO).map_err(|e| KernelError::from_io("write", &e))?;
            }
            ("keeper", pid) => key = pid.parse().ok().and_then(process::key),
            ("ready", _) => is_ready = true,
            (_, rest) => {
                let (errno, request) = rest.split_once(' ').unwrap_or(("", rest));
                return Err(KernelError::new(request, errno.parse().unwrap_or(libc::EIO)));
            }
        }
    }
}

/// Makes root inside out of the caller, and of nobody else; where the caller may be anybody, everybody stays who he is.
fn map_users(pid: Pid) -> Result<(), KernelError> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let write = |file: &str, text: String| {
        let path = format!("/proc/{pid}/{file}");
        fs::write(&path, text).map_err(|e| KernelError::from_io(format!("write {path}"), &e))
    };
    let both = (1 << process::CAP_SETUID) | (1 << process::CAP_SETGID);
    if process::capabilities() & both == both {
        write("uid_map", same("uid_map"))?;
        return write("gid_map", same("gid_map"));
    }
    // Without this the kernel refuses the map: by leaving a group, an ordinary user could get where the group may not.
    write("setgroups", "deny".into())?;
    write("uid_map", format!("0 {uid} 1\n"))?;
    write("gid_map", format!("0 {gid} 1\n"))
}

/// All users that there are here, each as himself.
fn same(map: &str) -> String {
    let here = fs::read_to_string(format!("/proc/self/{map}")).unwrap_or_default();
    let ranges = here.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace();
        let (first, count) = (numbers.next()?, numbers.nth(1)?);
        Some(format!("{first} {first} {count}\n"))
    });
    ranges.collect()
}

/// The byte by which whoever started a keeper lets it go on.
const GO: &[u8] = b"g";

/// The first process: it leaves the namespaces of this one and starts the keeper in new ones.
fn separate(wish: &Wish<'_>, wire: BorrowedFd<'_>) -> u8 {
    let done = (|| {
        let watch = watch(wish.record)?;
        keep_only(wire, watch.as_fd())?;
        nix::unistd::setsid().map_err(|e| ("setsid", e.into()))?;
        // A process is in a PID namespace from its birth on, so it takes one more.
        let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
        flags.set(CloneFlags::CLONE_NEWPID, wish.processes);
        unshare(flags).map_err(|e| ("unshare", e.into()))?;
        say(wire, "apart");
        if !may_go_on(wire) {
            return Err(("map the users", io::Error::from_raw_os_error(libc::ECANCELED)));
        }
        let keeper = fork(|| keep(wish, wire, &watch)).map_err(|e| ("fork", e))?;
        say(wire, &format!("keeper {keeper}"));
        Ok(())
    })();
    refused(wire, done)
}

/// The keeper. As the first process of its PID namespace it is the parent of all that lose theirs, and when it ends, the
/// kernel ends them all.
fn keep(wish: &Wish<'_>, wire: BorrowedFd<'_>, watch: &Inotify) -> u8 {
    let done = (|| {
        let io = |e: nix::errno::Errno| ("sigaction", e.into());
        // SAFETY: no handler is installed. The kernel then reaps the children by itself.
        #[allow(unsafe_code)]
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.map_err(io)?;
        // The first process of a namespace gets only what it has asked for.
        SigSet::all().thread_set_mask().map_err(io)?;
        let mut asked = SigSet::empty();
        asked.add(Signal::SIGTERM);
        let signals = SignalFd::new(&asked).map_err(io)?;
        let _ = nix::sys::prctl::set_name(c"netlab-keeper");
        view::make(wish.processes, &wish.hidden)?;
        loopback_up().map_err(|e| ("set lo up", e))?;
        Ok(signals)
    })();
    let signals = match done {
        Ok(signals) => signals,
        Err(why) => return refused(wire, Err(why)),
    };
    say(wire, "ready");
    // It ends here if whoever started it was killed before it could write down where the keeper is.
    if may_go_on(wire) {
        let _ = nix::unistd::close(wire.as_raw_fd());
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        while matches!(poll(&mut fds, PollTimeout::NONE), Err(nix::errno::Errno::EINTR)) {}
    }
    0
}

type Step = (&'static str, io::Error);

/// Sees the end of the file that leads to the keeper: without it nobody could find the sandbox again. It may be removed by
/// netlab, by the user, or with the whole folder when the user logs out.
fn watch(record: BorrowedFd<'_>) -> Result<Inotify, Step> {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC).map_err(|e| ("inotify_init1", e.into()))?;
    let path = format!("/proc/self/fd/{}", record.as_raw_fd());
    watch
        .add_watch(Path::new(&path), AddWatchFlags::IN_DELETE_SELF)
        .map_err(|e| ("inotify_add_watch", io::Error::from(e)))?;
    Ok(watch)
}

/// Closes all that was open but these two. What a keeper held would never end: the reader of a pipe would wait for it.
fn keep_only(wire: BorrowedFd<'_>, watch: BorrowedFd<'_>) -> Result<(), Step> {
    let null = fs::File::options().read(true).write(true).open("/dev/null").map_err(|e| ("open /dev/null", e))?;
    let io = |e: nix::errno::Errno| ("dup2", io::Error::from(e));
    nix::unistd::dup2_stdin(&null).map_err(io)?;
    nix::unistd::dup2_stdout(&null).map_err(io)?;
    nix::unistd::dup2_stderr(&null).map_err(io)?;
    let (wire, watch) = (wire.as_raw_fd(), watch.as_raw_fd());
    drop(null);
    for (from, to) in [(3, wire.min(watch)), (wire.min(watch) + 1, wire.max(watch)), (wire.max(watch) + 1, i32::MAX)] {
        if from < to {
            // SAFETY: nothing that is closed here is used again: this process only keeps, and ends without cleaning up.
            #[allow(unsafe_code)]
            unsafe {
                libc::syscall(libc::SYS_close_range, from, to - 1, 0)
            };
        }
    }
    Ok(())
}

fn loopback_up() -> io::Result<()> {
    let broken = |e: KernelError| io::Error::from_raw_os_error(e.errno);
    let mut socket = netlink::Socket::open()?;
    // It is the first link of every namespace.
    let up = link::LinkSet { up: Some(true), ..link::LinkSet::default() };
    socket.change_all(vec![link::set(1, &up)]).map_err(|(_, e)| broken(e))
}

fn say(wire: BorrowedFd<'_>, line: &str) {
    // Nobody hears it any more if this fails, and then the next step ends this process.
    let _ = nix::unistd::write(wire, format!("{line}\n").as_bytes());
}

/// Waits for the word of whoever started this; none comes if it was killed.
fn may_go_on(wire: BorrowedFd<'_>) -> bool {
    loop {
        match nix::unistd::read(wire, &mut [0]) {
            Err(nix::errno::Errno::EINTR) => {}
            result => return result == Ok(1),
        }
    }
}

fn refused(wire: BorrowedFd<'_>, done: Result<(), Step>) -> u8 {
    match done {
        Ok(()) => 0,
        Err((request, error)) => {
            say(wire, &format!("refused {} {request}", error.raw_os_error().unwrap_or(libc::EIO)));
            1
        }
    }
}
