//! What processes in a sandbox see of the files: the machine's own, but with a /run, an /etc, a /proc and a /sys of theirs.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

/// Where a sandbox keeps the journals of its labs, in memory: they go with it. The folder is there only inside one.
pub const STATE: &str = "/run/netlab/state";

/// Where the sandbox's changes to /etc are.
const ETC: &str = "/run/netlab/etc";

/// What of /run is the sandbox's own from the beginning.
const OWN: [&str; 2] = ["netns", "netlab"];

/// The files of /etc that programs write in place. One that another owns could be replaced but not written, so each is
/// copied.
const COPIED: [&str; 3] = ["resolv.conf", "hosts", "nsswitch.conf"];

/// What the programs of scripts see in the place of /tmp, /dev and /run; see [`super::walls`].
pub const PROGRAMS: &str = "/run/netlab/programs";

/// Whether this process is in a sandbox.
pub fn is_inside() -> bool {
    Path::new(STATE).is_dir()
}

type Step = (&'static str, io::Error);

/// Makes it, in the mount namespace of the caller.
///
/// # Errors
/// The first step that was refused.
pub fn make(processes: bool, hidden: &Path) -> Result<(), Step> {
    let none = None::<&str>;
    // Nothing that is mounted here is seen outside, while what is unmounted outside goes here too: a copy would keep the
    // namespaces under /run/netns alive after `ip netns del`.
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)
        .map_err(|e| ("mount --make-rslave /", e.into()))?;
    if processes {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("proc"), "/proc", Some("proc"), flags, none).map_err(|e| (PROC, e.into()))?;
    }
    // Before /run changes, for the path may lead through it.
    if hidden.exists() {
        tmpfs(hidden).map_err(|e| ("mount over the folder of the sandboxes", e))?;
    }
    run().map_err(|e| ("mount /run", e))?;
    etc().map_err(|e| ("mount /etc", e))?;
    // Where /sys may not be mounted, a program sees the machine's.
    let _ = sys();
    Ok(())
}

/// The step that a container refuses whose /proc is partly covered: a new one would show what is covered.
pub const PROC: &str = "mount /proc";

fn tmpfs(at: &Path) -> io::Result<()> {
    Ok(mount(Some("netlab"), at, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755"))?)
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    let none = None::<&str>;
    Ok(mount(Some(from), to, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?)
}

/// An empty /run in which everything of the old one is to be seen.
fn run() -> io::Result<()> {
    let old = folder(Path::new("/run"))?;
    let entries: Vec<fs::DirEntry> = fs::read_dir("/run")?.flatten().collect();
    tmpfs(Path::new("/run"))?;
    for name in OWN {
        fs::create_dir(Path::new("/run").join(name))?;
    }
    fs::create_dir(STATE)?;
    super::walls::prepare(Path::new(PROGRAMS))?;
    for entry in entries {
        let name = entry.file_name();
        if OWN.iter().any(|own| *own == name) {
            continue;
        }
        let (from, to) = (inside(&old).join(&name), Path::new("/run").join(&name));
        // What cannot be shown, such as a folder that this user may not enter, is missing.
        let _ = show(&from, &to);
    }
    Ok(())
}

/// Shows a file or folder at another path.
fn show(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    if kind.is_dir() {
        fs::create_dir(to)?;
    } else {
        File::create(to)?;
    }
    bind(from, to)
}

/// The machine's /etc, with changes kept apart.
fn etc() -> io::Result<()> {
    let (upper, work) = (Path::new(ETC).join("upper"), Path::new(ETC).join("work"));
    fs::create_dir_all(&upper)?;
    fs::create_dir(&work)?;
    for name in COPIED {
        // One that is not there, or leads nowhere, is missing inside as well.
        if let Ok(bytes) = fs::read(Path::new("/etc").join(name)) {
            fs::write(upper.join(name), bytes)?;
        }
    }
    let options = format!("lowerdir=/etc,upperdir={},workdir={},userxattr", upper.display(), work.display());
    if mount(Some("overlay"), "/etc", Some("overlay"), MsFlags::empty(), Some(options.as_str())).is_err() {
        farm(&upper)?;
    }
    let netns = Path::new("/etc/netns");
    // What it holds is meant for the machine's namespaces.
    if netns.exists() { tmpfs(netns) } else { Ok(()) }
}

/// The same where the kernel has no overlay for us: a folder with links to all that the old one holds.
fn farm(upper: &Path) -> io::Result<()> {
    let old = Path::new(ETC).join("old");
    fs::create_dir(&old)?;
    bind(Path::new("/etc"), &old)?;
    for entry in fs::read_dir(&old)?.flatten() {
        let (from, to) = (entry.path(), upper.join(entry.file_name()));
        if !to.exists() {
            let target = if entry.file_type()?.is_symlink() { fs::read_link(&from)? } else { from };
            std::os::unix::fs::symlink(target, to)?;
        }
    }
    bind(upper, Path::new("/etc"))
}

/// The links under /sys/class/net are those of the namespace that it was mounted in.
fn sys() -> io::Result<()> {
    let groups = folder(Path::new("/sys/fs/cgroup"));
    mount(
        Some("sysfs"),
        "/sys",
        Some("sysfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        None::<&str>,
    )?;
    bind(&inside(&groups?), Path::new("/sys/fs/cgroup"))
}

/// Holds a folder that is about to be covered.
fn folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    Ok(fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?.into())
}

fn inside(folder: &OwnedFd) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string())
}
