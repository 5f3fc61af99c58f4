//! Processes: this one's privileges and limits, and programs that scripts start.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::effect;

/// A process, beyond doubt: PIDs are used again, but not with the same start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessKey {
    /// The PID, which is also the number of the group it leads.
    pub pid: i32,
    /// When it was started, in clock ticks since boot (field 22 of /proc/PID/stat).
    pub start: u64,
}

/// The environment variable by which a started program can be found again before its PID is written down.
pub const MARK: &str = "NETLAB_PROGRAM";

/// What a process of netlab's own calls itself once it does what it was started for.
pub const KEEPER: &str = "netlab-dhcp";

/// Says that this process has begun to do what it was started for.
pub fn begun() {
    // The name is short and has no zero in it.
    let _ = nix::sys::prctl::set_name(c"netlab-dhcp");
}

/// What identifies a process that runs now.
pub fn key(pid: i32) -> Option<ProcessKey> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses, which may itself hold spaces and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // A zombie has ended: only its parent does not know yet.
    if *fields.first()? == "Z" {
        return None;
    }
    Some(ProcessKey { pid, start: fields.get(19)?.parse().ok()? })
}

/// Whether the process still runs.
pub fn is_alive(process: ProcessKey) -> bool {
    key(process.pid) == Some(process)
}

/// The processes that carry a mark in the environment they were started with.
pub fn marked(mark: &str) -> Vec<ProcessKey> {
    let wanted = format!("{MARK}={mark}");
    pids()
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == wanted.as_bytes()))
        })
        .filter_map(key)
        .collect()
}

/// Ends one process at once.
///
/// # Errors
/// `EPERM`; a process that has ended is no error.
pub fn kill(process: ProcessKey) -> io::Result<()> {
    if !is_alive(process) {
        return Ok(());
    }
    effect::here();
    match nix::sys::signal::kill(Pid::from_raw(process.pid), Signal::SIGKILL) {
        Err(nix::errno::Errno::ESRCH) | Ok(()) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Has a process do at once what it would do later; see [`super::signal::Nudge`].
///
/// # Errors
/// `EPERM`; a process that has ended is no error.
pub fn nudge(process: ProcessKey) -> io::Result<()> {
    if !is_alive(process) {
        return Ok(());
    }
    effect::here();
    match nix::sys::signal::kill(Pid::from_raw(process.pid), Signal::SIGUSR1) {
        Err(nix::errno::Errno::ESRCH) | Ok(()) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Sends a signal to the process and to the group it leads.
///
/// # Errors
/// `EPERM`; a process that has ended is no error.
pub fn signal_group(process: ProcessKey, signal: Signal) -> io::Result<()> {
    if !is_alive(process) {
        return Ok(());
    }
    effect::here();
    match killpg(Pid::from_raw(process.pid), signal) {
        Err(nix::errno::Errno::ESRCH) | Ok(()) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Ends a child that has not been waited for, and the group it leads, at once.
pub fn kill_group(pid: i32) {
    effect::here();
    // The only reason to fail is that none is left.
    let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
}

/// The network namespaces that processes are in, each once.
pub fn namespaces() -> Vec<OwnedFd> {
    let mut seen = std::collections::HashSet::new();
    pids()
        .filter_map(|pid| {
            let path = format!("/proc/{pid}/ns/net");
            let inode = fs::metadata(&path).ok()?.ino();
            if seen.insert(inode) { File::open(path).ok().map(OwnedFd::from) } else { None }
        })
        .collect()
}

/// The processes in the network namespace of a file under /proc/PID/ns or /run/netns.
pub fn inside(netns: &File) -> Vec<i32> {
    let Ok(wanted) = netns.metadata() else { return Vec::new() };
    pids()
        .filter(|pid| {
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|m| (m.dev(), m.ino()) == (wanted.dev(), wanted.ino()))
        })
        .collect()
}

/// The name of a process as in `ps -o comm`.
pub fn name(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|n| n.trim_end().to_owned())
}

/// The words that a process was started with.
pub fn command_line(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned());
    words.filter(|w| !w.is_empty()).collect()
}

/// The children of a process, of whichever of its threads.
pub fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// Which PID namespace a process is in.
pub fn pid_namespace(pid: i32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/pid")).ok().map(|m| m.ino())
}

/// Whether a process is in another user namespace than this one.
pub fn has_own_users(pid: i32) -> bool {
    let inode = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/user")).map(|m| m.ino()).ok();
    inode(&pid.to_string()) != inode("self")
}

/// The variables that a process was started with.
pub fn environment(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    bytes.split(|b| *b == 0).filter(|v| !v.is_empty()).map(|v| String::from_utf8_lossy(v).into_owned()).collect()
}

/// Which network namespace a process is in. The number may be used again later: it is for a look at the same time.
pub fn net_namespace(pid: i32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/net")).ok().map(|m| m.ino())
}

/// All processes that can be seen.
pub fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|d| d.file_name().to_str()?.parse().ok())
}

/// The capabilities that this process has in effect (`CapEff` of /proc/self/status).
pub fn capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

/// Takes from the calling thread, and from what it starts, all capabilities but those of a mask.
///
/// # Errors
/// Those of prctl(2) and capset(2).
pub fn give_up_all_but(kept: u64) -> io::Result<()> {
    for capability in (0..64).filter(|bit| kept & (1 << bit) == 0) {
        // SAFETY: it takes two numbers and touches no memory.
        #[allow(unsafe_code)]
        let answer = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0) };
        // Beyond the last that this kernel has.
        if answer != 0 && io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
            return Err(io::Error::last_os_error());
        }
    }
    have_only(kept)
}

/// What netlab itself works with: to change networks, mounts and the files of others, to look into processes and end them, to
/// be root for a sandbox (`SETFCAP`, without which that cannot be mapped), and to take capabilities from programs. What it
/// does not need (modules, the clock, devices, the kernel's log …) it gives up first of all.
pub const NEEDED: u64 = {
    const FILES_AND_USERS: u64 = 0x1ff;
    const NET: u64 = 1 << 10 | 1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW;
    const CHROOT_PTRACE_ADMIN: u64 = 1 << 18 | 1 << 19 | 1 << CAP_SYS_ADMIN;
    const RESOURCE_SETFCAP: u64 = 1 << 24 | 1 << 31;
    FILES_AND_USERS | NET | CHROOT_PTRACE_ADMIN | RESOURCE_SETFCAP
};

/// Takes from the calling thread all capabilities but those of a mask. Programs that root starts have theirs all the same.
///
/// # Errors
/// Those of capget(2) and capset(2).
pub fn have_only(kept: u64) -> io::Result<()> {
    /// `_LINUX_CAPABILITY_VERSION_3`: 64 bits, in two halves.
    const VERSION: u32 = 0x2008_0522;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Half {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let mut header = Header { version: VERSION, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: both are laid out as the kernel's own (include/uapi/linux/capability.h) and live across the call.
    #[allow(unsafe_code)]
    let mut call = |number: libc::c_long, halves: &mut [Half; 2]| unsafe {
        libc::syscall(number, &raw mut header, halves.as_mut_ptr())
    };
    if call(libc::SYS_capget, &mut halves) != 0 {
        return Err(io::Error::last_os_error());
    }
    for (half, mask) in halves.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        half.effective &= mask;
        half.permitted &= mask;
        half.inheritable &= mask;
    }
    if call(libc::SYS_capset, &mut halves) != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// `CAP_SETGID` of `include/uapi/linux/capability.h`.
pub const CAP_SETGID: u32 = 6;
/// `CAP_SETUID`.
pub const CAP_SETUID: u32 = 7;
/// `CAP_NET_ADMIN`.
pub const CAP_NET_ADMIN: u32 = 12;
/// `CAP_NET_RAW`.
pub const CAP_NET_RAW: u32 = 13;
/// `CAP_SYS_ADMIN`.
pub const CAP_SYS_ADMIN: u32 = 21;

/// How long ago the machine was started, in milliseconds, time asleep included.
pub fn since_boot() -> u64 {
    since_boot_nanos() / 1_000_000
}

/// The same in nanoseconds, by which changes by several labs are put in their order.
pub fn since_boot_nanos() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    time.map_or(0, |t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
}

/// The machine's current boot, as the kernel names it.
///
/// # Errors
/// Those of reading /proc.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Raises the limit on open files to what is allowed: two are open for each namespace.
pub fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
