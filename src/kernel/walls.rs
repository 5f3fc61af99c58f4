//! What the programs of a script in a sandbox can do with files: read what its user can, and write only to a /tmp, a /run and
//! an /etc of their own.
//!
//! The mounts of a thread are made so before it starts a program, and what could undo that is taken from the program.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::process;
use super::view;

/// The devices that a program finds.
const DEVICES: [&str; 8] = ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "net/tun"];

/// What a program is left of the capabilities of root inside (`include/uapi/linux/capability.h`): nothing with which it could
/// change mounts or get into the namespaces of other processes.
const LEFT: u64 = {
    const CHOWN_TO_SETUID: u64 = 0xff;
    const NET: u64 = 1 << 10 | 1 << 11 | 1 << process::CAP_NET_ADMIN | 1 << process::CAP_NET_RAW;
    const IPC_LOCK: u64 = 1 << 14;
    const SYS_NICE_AND_RESOURCE: u64 = 1 << 23 | 1 << 24;
    const AUDIT_WRITE: u64 = 1 << 29;
    CHOWN_TO_SETUID | NET | IPC_LOCK | SYS_NICE_AND_RESOURCE | AUDIT_WRITE
};

/// Makes what [`raise`] shows, in a new sandbox.
///
/// # Errors
/// Those of mkdir(2) and open(2).
pub fn prepare(at: &Path) -> io::Result<()> {
    for folder in ["tmp", "run/netns", "run/lock", "dev/net", "dev/pts"] {
        fs::create_dir_all(at.join(folder))?;
    }
    fs::set_permissions(at.join("tmp"), Permissions::from_mode(0o1777))?;
    for device in DEVICES {
        File::create(at.join("dev").join(device))?;
    }
    symlink("/proc/self/fd", at.join("dev/fd"))?;
    symlink("/tmp", at.join("dev/shm"))
}

/// Raises the walls round the programs that this thread starts from here on, if it is in a sandbox.
///
/// # Errors
/// Those of unshare(2), mount(2), mount_setattr(2) and capset(2); a program must not be started then.
pub fn raise() -> io::Result<()> {
    if !view::is_inside() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)?;
    let programs = Path::new(view::PROGRAMS);
    for device in DEVICES.iter().copied().chain(["pts"]) {
        // One that this machine lacks is an empty file inside.
        let _ = bind(&Path::new("/dev").join(device), &programs.join("dev").join(device));
    }
    bind(Path::new("/run/netns"), &programs.join("run/netns"))?;
    bind(Path::new("/proc/sys/net"), Path::new("/proc/sys/net"))?;
    bind(&programs.join("dev"), Path::new("/dev"))?;
    let has_tmp = Path::new("/tmp").is_dir();
    if has_tmp {
        bind(&programs.join("tmp"), Path::new("/tmp"))?;
    }
    // Last, for the others lie below it. The sockets of the machine's services were there, too.
    bind(&programs.join("run"), Path::new("/run"))?;
    set_read_only(Path::new("/"), true)?;
    for own in ["/run", "/etc", "/proc/sys/net"].into_iter().chain(has_tmp.then_some("/tmp")) {
        set_read_only(Path::new(own), false)?;
    }
    process::give_up_all_but(LEFT)
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    let none = None::<&str>;
    Ok(mount(Some(from), to, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?)
}

/// Has everything that is mounted at and below a path not written, or what is mounted at it written again.
fn set_read_only(path: &Path, on: bool) -> io::Result<()> {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    let readonly = libc::MOUNT_ATTR_RDONLY;
    let (attr_set, attr_clr) = if on { (readonly, 0) } else { (0, readonly) };
    let attr = libc::mount_attr { attr_set, attr_clr, propagation: 0, userns_fd: 0 };
    let flags = if on { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path and attr live across the call, and the size is that of attr.
    #[allow(unsafe_code)]
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
