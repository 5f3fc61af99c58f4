//! The place every change passes just before it is made, so that tests can kill or fail a run at each one.
//!
//! Debug builds read `NETLAB_FAULT`: `kill@N` ends the process by SIGKILL right before its N-th effect, `fail@K` makes the
//! K-th action fail, `panic@K` makes it panic. Release builds do none of it: the functions are empty there.

/// Marks that the next thing this thread does changes the machine or the journal.
#[inline]
pub fn here() {
    #[cfg(debug_assertions)]
    fault::effect();
}

/// Whether the action that is about to be performed has been chosen to fail.
#[inline]
pub fn fails_now() -> bool {
    #[cfg(debug_assertions)]
    return fault::action();
    #[cfg(not(debug_assertions))]
    false
}

#[cfg(debug_assertions)]
mod fault {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static EFFECTS: AtomicU64 = AtomicU64::new(0);
    static ACTIONS: AtomicU64 = AtomicU64::new(0);
    static PLAN: OnceLock<Plan> = OnceLock::new();

    struct Plan {
        kill: Option<u64>,
        fail: Option<u64>,
        panic: Option<u64>,
    }

    fn plan() -> &'static Plan {
        PLAN.get_or_init(|| {
            let text = std::env::var("NETLAB_FAULT").unwrap_or_default();
            let number =
                |word: &str| text.split(',').find_map(|p| p.strip_prefix(word)?.strip_prefix('@')?.parse().ok());
            Plan { kill: number("kill"), fail: number("fail"), panic: number("panic") }
        })
    }

    pub(super) fn effect() {
        if plan().kill == Some(EFFECTS.fetch_add(1, Ordering::SeqCst) + 1) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
            // The signal is delivered on the way back to user space, but another thread may run for a moment.
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
    }

    pub(super) fn action() -> bool {
        let number = Some(ACTIONS.fetch_add(1, Ordering::SeqCst) + 1);
        assert!(plan().panic != number, "made to panic by NETLAB_FAULT");
        plan().fail == number
    }
}
