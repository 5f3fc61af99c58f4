//! A hold on a process that its PID cannot give: a PID may be another's by the time it is used, a descriptor never is.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::process::{self, ProcessKey};

/// A process, held by a descriptor.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Takes hold of a process; `None` if it has ended, also when another has its PID now.
    pub fn open(process: ProcessKey) -> Option<Self> {
        // SAFETY: the call takes two numbers and touches no memory of ours.
        #[allow(unsafe_code)]
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process.pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        // SAFETY: the kernel has just given us this descriptor, and nobody else knows its number.
        #[allow(unsafe_code)]
        let held = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        // Looked at once it is held: from here on the PID cannot become another's unnoticed.
        process::is_alive(process).then_some(held)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// `EPERM`; a process that has ended is no error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: the descriptor is open, and no `siginfo_t` is handed over.
        #[allow(unsafe_code)]
        let done = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as libc::c_int,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        match io::Error::last_os_error() {
            error if done != 0 && error.raw_os_error() != Some(libc::ESRCH) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for its end, not longer than so many milliseconds; says whether it has ended.
    pub fn ends_within(&self, milliseconds: u16) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(milliseconds)).is_ok_and(|n| n > 0)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}
