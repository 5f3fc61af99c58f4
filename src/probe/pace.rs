//! How fast a pingall may go without filling the kernel's neighbour table.
//!
//! Each pair on one network costs an entry on both sides, and the kernel has one table for all namespaces together, by
//! default of 1024 entries (`net.ipv4.neigh.default.gc_thresh3`, settable in the first namespace only). When it is full,
//! packets to new neighbours are dropped without an error, and a hundred nodes that all reach each other look as if nine
//! pairs in ten were broken. The kernel makes room only when a new entry is wanted, at most every 5 s, and never drops
//! one that is `REACHABLE`, which lasts 15 to 45 s: the 9900 entries of a hundred nodes would take many minutes. So
//! when the table is nearly full, pairs are let through one by one for a while, and then none: they are reported as not
//! tried. Who makes labs of more than thirty nodes on one network should raise the limit, as Mininet does.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::kernel::probe_neighbours::{Fill, NeighbourTables};

/// Below so many free entries, pairs are let through one by one: their new entries are what makes the kernel clean up,
/// which it does every 5 s at most.
const RESERVE: u32 = 64;
/// The time between two of these, so that the reserve lasts for 5 s.
const TRICKLE: Duration = Duration::from_millis(200);
/// Below so many, it would come to a drop before the kernel cleans up.
const LAST: u32 = 16;
/// The time between two pairs then; it is up to others to make room.
const SLOW: Duration = Duration::from_secs(1);

/// For so long it is worth hoping for room.
const HOPE: Duration = Duration::from_secs(15);

/// The gate that every pair has to pass.
pub(crate) struct Pace {
    /// `None` where the kernel does not tell: then there is no limit.
    tables: Option<NeighbourTables>,
    /// How many pairs may pass before the table is looked at again.
    credit: Cell<u32>,
    next_trickle: Cell<Instant>,
    tight_since: Cell<Option<Instant>>,
    waited: Cell<Duration>,
    limit: Cell<u32>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        let tables = NeighbourTables::open().ok();
        let (credit, next_trickle) = (Cell::new(0), Cell::new(Instant::now()));
        let (tight_since, waited) = (Cell::new(None), Cell::new(Duration::ZERO));
        Self { tables, credit, next_trickle, tight_since, waited, limit: Cell::new(0) }
    }

    /// Waits until there is room for one more pair (true), or no hope of it (false).
    pub(crate) async fn pass(&self) -> bool {
        loop {
            if let Some(credit) = self.credit.get().checked_sub(1) {
                self.credit.set(credit);
                return true;
            }
            let Some(Fill { free, limit }) = self.tables.as_ref().and_then(|t| t.fill().ok()) else { return true };
            self.limit.set(limit);
            // Two entries for a pair.
            self.credit.set(free.saturating_sub(RESERVE) / 2);
            if self.credit.get() > 0 {
                self.tight_since.set(None);
                continue;
            }
            let since = self.tight_since.get().unwrap_or_else(Instant::now);
            self.tight_since.set(Some(since));
            if since.elapsed() > HOPE {
                return false;
            }
            // One of those who wait is let through when its turn has come; the others look again, since there may be
            // room for all by then.
            let now = Instant::now();
            if now >= self.next_trickle.get() {
                self.next_trickle.set(now + if free < LAST { SLOW } else { TRICKLE });
                return true;
            }
            let turn = self.next_trickle.get() - now;
            tokio::time::sleep(turn).await;
            self.waited.set(self.waited.get() + turn);
        }
    }

    /// Whether the table is so full that a request without a reply may be the table's fault.
    pub(crate) fn is_tight(&self) -> bool {
        self.tables.as_ref().and_then(|t| t.fill().ok()).is_some_and(|fill| fill.free < RESERVE)
    }

    /// The reason of a pair that could not be tried.
    pub(crate) fn full(&self) -> String {
        format!("not tried: the kernel's neighbour table is full ({} entries for all namespaces)", self.limit.get())
    }

    /// What to tell the user if this was the bottleneck.
    pub(crate) fn note(&self) -> Option<String> {
        (self.waited.get() > Duration::from_secs(1)).then(|| {
            format!(
                "the kernel's neighbour table was full: it holds {} entries for all namespaces together; \
                 `sysctl -w net.ipv4.neigh.default.gc_thresh3=65536` (and net.ipv6.…) makes it larger",
                self.limit.get()
            )
        })
    }
}
