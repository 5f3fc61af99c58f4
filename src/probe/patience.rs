//! How long a probe may wait, and who may end the wait.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::probe_socket::{self, Ready};

/// The longest time for which nobody looks at [`Patience::stop`].
pub const TICK: Duration = Duration::from_millis(20);

/// Every wait of a probe ends when the deadline has come or somebody sets `stop`, at the latest after [`TICK`].
#[derive(Debug, Clone, Default)]
pub struct Patience {
    /// The end of the whole run (`--timeout`), if it has one. The probe's own time-outs are not meant here.
    pub deadline: Option<Instant>,
    /// Set by whoever wants the probe to end, for example a signal handler.
    pub stop: Arc<AtomicBool>,
}

impl Patience {
    /// Waits as long as the probe likes, until `stop` is set.
    pub fn endless() -> Self {
        Self::default()
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// `NL0506` when `stop` is set, `NL0507` when the deadline has come.
    pub fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Diagnostic::new(Code::Interrupted, "interrupted while waiting for a probe"));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(Diagnostic::new(Code::Timeout, "the time limit was reached while waiting for a probe"))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the file is ready (true) or the time has come (false).
    ///
    /// # Errors
    /// As [`Patience::check`]; `NL0302` if the kernel refuses to wait.
    pub fn wait(&self, file: BorrowedFd<'_>, ready: Ready, until: Instant) -> Result<bool> {
        loop {
            self.check()?;
            let most = self.tick(until);
            let is_ready = probe_socket::wait(file, ready, most).map_err(|e| {
                Diagnostic::new(Code::ProbeFailed, "cannot wait for a packet").kernel(KernelError::from_io("poll", &e))
            })?;
            if is_ready || Instant::now() >= until {
                return Ok(is_ready);
            }
        }
    }

    /// Sleeps until the time has come.
    ///
    /// # Errors
    /// As [`Patience::check`].
    pub fn sleep(&self, until: Instant) -> Result<()> {
        while Instant::now() < until {
            self.check()?;
            std::thread::sleep(self.tick(until));
        }
        self.check()
    }

    fn tick(&self, until: Instant) -> Duration {
        let end = self.deadline.map_or(until, |deadline| deadline.min(until));
        end.saturating_duration_since(Instant::now()).min(TICK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_and_stop_end_a_sleep() {
        let far = Instant::now() + Duration::from_secs(60);
        let late = Patience { deadline: Some(Instant::now() + Duration::from_millis(30)), ..Patience::default() };
        assert_eq!(late.sleep(far).unwrap_err().code, Code::Timeout);
        let stopped = Patience::endless();
        stopped.stop.store(true, Ordering::Relaxed);
        assert_eq!(stopped.sleep(far).unwrap_err().code, Code::Interrupted);
        assert!(Patience::endless().sleep(Instant::now()).is_ok());
    }
}
