//! Ordinary users of a private machine, and what they leave on it.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::common::sandbox::{Run, Sandbox};

/// Where the program is that users start: they may not be able to reach the one that was built.
const NETLAB: &str = "/mnt/netlab";

/// A private machine on which ordinary users work.
pub(crate) struct Machine {
    pub(crate) root: Sandbox,
}

/// Somebody without privilege.
#[derive(Clone, Copy)]
pub(crate) struct User<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) uid: u32,
}

impl Machine {
    /// Makes one, or skips aloud: only root can try to be somebody else.
    pub(crate) fn new() -> Option<Self> {
        if !crate::common::is_root("labs of ordinary users") {
            return None;
        }
        let root = Sandbox::new()?;
        let netlab = env!("CARGO_BIN_EXE_netlab");
        root.sh(&format!(
            "chmod 755 /mnt; touch {NETLAB}; mount --bind {netlab} {NETLAB}; mount -t tmpfs -o mode=1777 tmpfs /tmp"
        ));
        Some(Self { root })
    }

    /// A user with a home, and a folder for what lasts until he logs out.
    pub(crate) fn user(&self, uid: u32) -> User<'_> {
        self.root.sh(&format!("cd /mnt; install -d -m 700 -o {uid} -g {uid} u{uid} u{uid}/run"));
        User { machine: self, uid }
    }

    /// All that users have on it: processes, mount namespaces, mounts, files, names.
    pub(crate) fn left(&self) -> String {
        self.root.sh("ps -eo uid=,stat=,pid=,args= | awk '$1 >= 1000 && $2 !~ /Z/'
             ps -eo comm=,stat= | awk '$1 == \"netlab-keeper\" && $2 !~ /Z/'
             for p in /proc/[0-9]*/ns/mnt; do readlink $p; done | sort -u | wc -l
             sed 's/^[0-9]* [0-9]* //' /proc/1/mountinfo | sort
             find /mnt/u*/run /tmp /run/netlab /run/netns /var/lib/netlab /etc/netns -mindepth 0 2>/dev/null | sort")
    }

    /// Demands that users have on it what they had; the kernel is given a moment to end what was killed.
    #[track_caller]
    pub(crate) fn assert_left(&self, before: &str, what: &str) {
        let start = Instant::now();
        loop {
            let now = self.left();
            if now == before {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(3), "{what} leaves\n{now}\n--- before:\n{before}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl User<'_> {
    /// The folder that is named in XDG_RUNTIME_DIR.
    pub(crate) fn runtime(&self) -> String {
        format!("/mnt/u{}/run", self.uid)
    }

    /// A line of shell by this user; `netlab` is in his PATH.
    pub(crate) fn line(&self, line: &str) -> String {
        let (uid, runtime) = (self.uid, self.runtime());
        let line = shlex::try_quote(line).expect("a line has no NUL").into_owned();
        format!(
            "cd /mnt/u{uid}; PATH=/mnt:$PATH HOME=/mnt/u{uid} XDG_RUNTIME_DIR={runtime} exec setpriv --reuid {uid} --regid \
             {uid} --clear-groups --inh-caps=-all bash -c {line}"
        )
    }

    /// Runs it.
    pub(crate) fn sh(&self, line: &str) -> Run {
        let output = self.machine.root.try_sh(&self.line(line));
        Run {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs netlab.
    pub(crate) fn netlab(&self, args: &str) -> Run {
        self.sh(&format!("exec netlab {args}"))
    }

    /// The keeper of a lab's sandbox.
    #[track_caller]
    pub(crate) fn keeper(&self, lab: &str) -> i32 {
        let file = format!("{}/netlab/{lab}.sandbox", self.runtime());
        let text = self.machine.root.sh(&format!("cat {file}"));
        let record: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}: {text:?}"));
        record["keeper"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a PID")
    }

    /// Writes a script into his home.
    pub(crate) fn write(&self, name: &str, text: &str) {
        self.machine.root.write(&format!("/mnt/u{}/{name}", self.uid), text);
    }
}
