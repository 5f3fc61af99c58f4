//! The pause between two cells: as long as the kernel is still busy with the last one, and no longer.
//!
//! A network namespace dies after its last process, in a work queue that takes everything that is waiting as one batch
//! and spends up to seconds on a thousand namespaces, holding the locks that the next cell needs. So the
//! next cell waits for its end: a namespace of our own is queued behind, with the peer of a veth in it; when our end
//! of that veth is gone, the queue has come to it. Twice, since the first may be in the same batch as the rest and
//! its links go at the batch's beginning. A fixed pause would be too short for the large labs, or waste minutes on
//! the small ones.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};

use crate::Outcome;
use crate::netlink::{Request, Socket, link, veth};

/// Our end of the probe, and the end in the namespace that is thrown away.
const PROBE: u32 = 100_000;

/// The namespace in which the benchmark itself lives while cells come and go.
pub(crate) struct Home {
    netns: File,
    socket: Socket,
}

impl Home {
    /// Leaves the machine's namespaces; an ordinary user becomes root of a user namespace.
    pub(crate) fn enter() -> Outcome<Self> {
        let (uid, gid) = (geteuid(), getegid());
        if uid.is_root() {
            unshare(CloneFlags::CLONE_NEWNET)?;
        } else {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
            fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
        }
        Ok(Self { netns: File::open("/proc/self/ns/net")?, socket: Socket::open()? })
    }

    /// Returns when everything that died before is buried.
    pub(crate) fn settle(&self) -> Outcome<()> {
        self.probe()?;
        self.probe()?;
        // What follows the links of the last probe is short: one namespace that is empty.
        sleep(Duration::from_millis(10));
        Ok(())
    }

    fn probe(&self) -> Outcome<()> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let doomed = File::open("/proc/self/ns/net")?;
        setns(&self.netns, CloneFlags::CLONE_NEWNET)?;
        let near = Request::create(libc::RTM_NEWLINK, &link(PROBE, false)).name(libc::IFLA_IFNAME, "probe");
        self.socket.call(&[veth(near, "probe", PROBE, doomed.as_raw_fd())])?;
        drop(doomed);
        let begin = Instant::now();
        loop {
            match self.socket.call(&[Request::on(libc::RTM_GETLINK, &link(PROBE, false))]) {
                Err(Errno::ENODEV) => return Ok(()),
                Err(e) => return Err(e.into()),
                Ok(()) if begin.elapsed() > Duration::from_secs(60) => {
                    return Err("the kernel did not bury the last namespaces within a minute".into());
                }
                Ok(()) => sleep(Duration::from_millis(1)),
            }
        }
    }
}
