//! Forking. It is done only while the process has one thread: what other threads held would stay held in the child for ever.

use std::io;

use nix::unistd::{ForkResult, Pid};

/// Starts a process that is a copy of this one, calls `f` there, and ends it with the code that `f` gives.
///
/// # Errors
/// Those of fork(2), and `EBUSY` if this process has more than one thread.
pub fn fork(f: impl FnOnce() -> u8) -> io::Result<Pid> {
    if threads() > 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: no other thread is there that could hold a lock or be half way through a change, so the child may do whatever
    // this process might.
    #[allow(unsafe_code)]
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // What called us is not the child's to go on with, also not after a panic, which the hook has reported.
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_or(1);
            // SAFETY: the call does not come back.
            unsafe { libc::_exit(i32::from(code)) }
        }
    }
}

/// How many threads this process has; 1 where /proc does not say.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, |tasks| tasks.count())
}
