//! A sandbox with a dockerd in it, an image from a static busybox, and a tree for machines; and what must be as before.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::common::sandbox::{Run, Sandbox};
use crate::common::{is_root, skip};

/// So long may the kernel and the daemon finish things after the call that asked for them.
const GRACE: Duration = Duration::from_secs(3);

/// What the tests cannot do without, with Debian's packages.
const TOOLS: &[(&str, &str)] = &[
    ("docker", "docker.io or docker-cli"),
    ("dockerd", "docker.io"),
    ("systemd-nspawn", "systemd-container"),
    ("busybox", "busybox-static"),
    ("docker-registry", "docker-registry"),
];

/// A tree that is an image for Docker and a root for machines.
const FURNISH: &str = r#"
set -e
for dir in bin usr proc sys dev etc tmp root run var; do mkdir -p /mnt/tree/$dir; done
cp "$(command -v busybox)" /mnt/tree/bin/busybox
chroot /mnt/tree /bin/busybox --install -s /bin
echo ID=busybox >/mnt/tree/etc/os-release
"#;

/// As little of Docker as there can be: no bridge and no firewall rules of its own. Cgroups of a sandbox are those of the
/// machine, so they get a parent that can be removed.
const DOCKERD: &str = r#"
dockerd --data-root /mnt/docker --exec-root /run/docker --cgroup-parent /$CGROUP \
    --iptables=false --ip6tables=false --bridge=none >/run/dockerd.log 2>&1 &
for i in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
tar -C /mnt/tree -c . | docker import -c 'CMD ["/bin/sh"]' - busybox:latest >/dev/null || { tail -5 /run/dockerd.log; exit 1; }
"#;

/// All that a lab may have left.
const LOOK: &str = r#"
if [ -S /run/docker.sock ]; then
    docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'
    docker network ls --no-trunc --format '{{.ID}} {{.Name}}'
    docker images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}'
fi
ip -j link; ip -j addr; ip -j route; ip -j rule
cat /proc/sys/net/ipv4/ip_forward
ls /run/netns
pgrep -l 'systemd-nspawn|sleep' || true
find /run/netlab /var/lib/netlab -type f -size +0 2>/dev/null
true
"#;

/// A sandbox with what containers need.
pub(crate) struct House {
    pub(crate) sandbox: Sandbox,
    cgroup: String,
}

impl House {
    /// One with a dockerd, or nothing, aloud, where that cannot be.
    pub(crate) fn with_docker() -> Option<Self> {
        let house = Self::new()?;
        let output = house.sandbox.try_sh(&DOCKERD.replace("$CGROUP", &house.cgroup));
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            skip(&format!("no dockerd for the test: {said}"));
            return None;
        }
        Some(house)
    }

    /// One without a daemon.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !is_root("containers") {
            return None;
        }
        let has = |tool: &str| {
            let found =
                Command::new("sh").args(["-c", &format!("PATH=$PATH:/usr/sbin:/sbin command -v {tool}")]).output();
            found.is_ok_and(|o| o.status.success())
        };
        if let Some((tool, package)) = TOOLS.iter().find(|(tool, _)| !has(tool)) {
            skip(&format!("containers need {tool} (Debian: {package})"));
            return None;
        }
        let sandbox = Sandbox::new()?;
        let cgroup = format!("netlab-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let house = Self { sandbox, cgroup };
        house.mount_cgroups();
        house.sandbox.sh(FURNISH);
        Some(house)
    }

    /// The sandbox has a sysfs of its own, without the cgroups of the machine.
    fn mount_cgroups(&self) {
        let lines = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if lines.contains(" - cgroup ") {
            self.sandbox.try_sh("mount -t tmpfs tmpfs /sys/fs/cgroup");
        }
        // Version 1 has a hierarchy per controller, version 2 a single one; either is mounted anew, which shows the same.
        for line in lines.lines() {
            let (left, right) = line.split_once(" - ").unwrap_or((line, ""));
            let (Some(at), Some((kind, rest))) = (left.split(' ').nth(4), right.split_once(' ')) else { continue };
            let options = rest.split(' ').nth(1).unwrap_or_default();
            if !at.starts_with("/sys/fs/cgroup") || !kind.starts_with("cgroup") {
                continue;
            }
            let options: Vec<&str> = options.split(',').filter(|o| !matches!(*o, "rw" | "ro" | "relatime")).collect();
            let with = if options.is_empty() || kind == "cgroup2" {
                String::new()
            } else {
                format!("-o {}", options.join(","))
            };
            self.sandbox.try_sh(&format!("mkdir -p {at} && mount -t {kind} {with} {kind} {at}"));
        }
    }

    /// The beginning of a line of shell that has all it starts make its cgroups where they are removed with the house.
    pub(crate) fn in_own_cgroup(&self) -> String {
        let name = &self.cgroup;
        format!(
            "for dir in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do [ -e $dir/cgroup.procs ] && \
             mkdir -p $dir/{name} && echo $$ >$dir/{name}/cgroup.procs; done\n"
        )
    }

    pub(crate) fn run(&self, script: &str) -> Run {
        self.fault("", script)
    }

    /// Runs a script as the lab `x` with a fault.
    pub(crate) fn fault(&self, fault: &str, script: &str) -> Run {
        self.sandbox.write("/run/x.rhai", script);
        self.sandbox.netlab_fault(fault, &["run", "--quiet", "/run/x.rhai"])
    }

    /// Takes the lab down, which must leave the host unchanged and say so.
    #[track_caller]
    pub(crate) fn down(&self) {
        let run = self.sandbox.netlab(&["down"]).ends_with(0);
        assert!(run.stdout.ends_with("host unchanged\n"), "{run}");
    }

    #[track_caller]
    pub(crate) fn sh(&self, line: &str) -> String {
        self.sandbox.sh(line)
    }

    /// How it is now.
    #[track_caller]
    pub(crate) fn look(&self) -> String {
        self.sandbox.sh(LOOK)
    }

    /// Demands that it is as before, or becomes so soon.
    #[track_caller]
    pub(crate) fn assert_same(&self, before: &str, after_what: &str) {
        let start = Instant::now();
        loop {
            let now = self.look();
            if now == before {
                return;
            }
            assert!(start.elapsed() < GRACE, "after {after_what}:\n--- before\n{before}\n--- now\n{now}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // The sandbox takes its processes along, but their cgroups are the machine's.
        let line = "[ -e /run/docker.pid ] || exit 0
            timeout 20 docker ps -aq | xargs -r timeout 20 docker rm -f; kill $(cat /run/docker.pid); sleep 0.2";
        self.sandbox.try_sh(line);
        let line = format!("find /sys/fs/cgroup -depth -type d -path '*/{}*' -exec rmdir {{}} ';'", self.cgroup);
        let _ = Command::new("sh").args(["-c", &line]).output();
    }
}
