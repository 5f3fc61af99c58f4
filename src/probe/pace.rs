//! How fast a pingall may go without filling the kernel's neighbour table.
//!
//! Each pair on one network costs an entry on both sides, and the kernel has one table for all namespaces together, by
//! default of 1024 entries (`net.ipv4.neigh.default.gc_thresh3`, settable in the first namespace only). When it is full,
//! packets to new neighbours are dropped without an error, and a hundred nodes that all reach each other look as if nine
//! pairs in ten were broken. The kernel makes room only when a new entry is wanted, and only by dropping entries that
//! have not changed for 5 s. So when the table is nearly full, pairs are let through one by one until there is room.

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

/// The gate that every pair has to pass.
pub(crate) struct Pace {
    /// `None` where the kernel does not tell: then there is no limit.
    tables: Option<NeighbourTables>,
    /// How many pairs may pass before the table is looked at again.
    credit: Cell<u32>,
    next_trickle: Cell<Instant>,
    waited: Cell<Duration>,
    limit: Cell<u32>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        let tables = NeighbourTables::open().ok();
        let (credit, next_trickle) = (Cell::new(0), Cell::new(Instant::now()));
        Self { tables, credit, next_trickle, waited: Cell::new(Duration::ZERO), limit: Cell::new(0) }
    }

    /// Waits until there is room for one more pair.
    pub(crate) async fn pass(&self) {
        loop {
            if let Some(credit) = self.credit.get().checked_sub(1) {
                self.credit.set(credit);
                return;
            }
            let Some(Fill { free, limit }) = self.tables.as_ref().and_then(|t| t.fill().ok()) else { return };
            self.limit.set(limit);
            // Two entries for a pair.
            self.credit.set(free.saturating_sub(RESERVE) / 2);
            if self.credit.get() > 0 {
                continue;
            }
            // One of those who wait is let through when its turn has come; the others look again, since there may be
            // room for all by then.
            let now = Instant::now();
            if now >= self.next_trickle.get() {
                self.next_trickle.set(now + if free < LAST { SLOW } else { TRICKLE });
                return;
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

    /// What to tell the user if this was the bottleneck.
    pub(crate) fn note(&self) -> Option<String> {
        (self.waited.get() > Duration::from_secs(1)).then(|| {
            format!(
                "slowed down by the kernel's neighbour table, which holds {} entries for all namespaces together; \
                 `sysctl -w net.ipv4.neigh.default.gc_thresh3=65536` (and net.ipv6.…) makes it larger",
                self.limit.get()
            )
        })
    }
}
