//! Signals that end a run, as a flag that everything which waits looks at.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Being asked by SIGUSR1 to do at once what would be done later.
#[derive(Debug)]
pub struct Nudge(SignalFd);

impl Nudge {
    /// Catches the signal from here on; before that it would end the process.
    ///
    /// # Errors
    /// Those of sigprocmask(2) and signalfd(2).
    pub fn catch() -> io::Result<Self> {
        let mut asked = SigSet::empty();
        asked.add(Signal::SIGUSR1);
        asked.thread_block()?;
        Ok(Self(SignalFd::with_flags(&asked, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// Whether it was asked since this was called last.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn asked(&self) -> io::Result<bool> {
        Ok(self.0.read_signal()?.is_some())
    }
}

impl AsFd for Nudge {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether and by which signal the run has been asked to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Stop {
    /// Catches Ctrl-C, SIGTERM and SIGHUP from here on.
    ///
    /// # Errors
    /// Those of sigaction(2).
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_usize(signal, stop.signal.clone(), signal as usize)?;
            signal_hook::flag::register(signal, stop.asked.clone())?;
        }
        Ok(stop)
    }

    /// The signal that asked, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.asked.load(Ordering::Relaxed).then(|| self.signal.load(Ordering::Relaxed) as i32)
    }

    /// Forgets what was asked, so that the undo can run and be interrupted in its turn.
    pub fn reset(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }

    /// The bare flag, for waits that need no more.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.asked.clone()
    }
}

/// Ends the process as a signal would that nobody catches.
pub fn die_of(signal: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}
