//! Network namespaces: entering, making, naming, telling apart. Every setns(2) and unshare(2) of a thread is in this file;
//! whole processes go into sandboxes in [`super::keeper`] and [`super::relay`].
//!
//! A thread joins a namespace and dies there; no thread that lives on is ever in another namespace than the process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::fstatfs;

use super::effect;
use super::netlink::Socket;
use super::space::NetnsCookie;
use crate::types::name::{LabName, NsName};

/// Where `ip netns` keeps the names: files onto which namespaces are mounted.
pub const DIR: &str = "/run/netns";

/// `SO_NETNS_COOKIE` of `include/uapi/asm-generic/socket.h`, which nix lacks.
const SO_NETNS_COOKIE: libc::c_int = 71;
/// `NSFS_MAGIC` of `include/uapi/linux/magic.h`.
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// Runs `f` on a thread inside a namespace. Sockets that it opens and programs that it starts stay there.
///
/// # Errors
/// Those of setns(2); what `f` returns is passed through.
pub fn within<T: Send>(netns: BorrowedFd<'_>, f: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // An ordinary user may not even enter the one that he is in.
            if !is_here(netns) {
                setns(netns, CloneFlags::CLONE_NEWNET)?;
            }
            Ok(f())
        });
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Whether the calling thread is in a namespace.
fn is_here(netns: BorrowedFd<'_>) -> bool {
    let Ok(there) = nix::sys::stat::fstat(netns) else { return false };
    fs::metadata("/proc/thread-self/ns/net").is_ok_and(|here| (here.dev(), here.ino()) == (there.st_dev, there.st_ino))
}

/// Runs `f` on a thread inside a namespace with mounts of its own, as `ip netns exec` does: with the namespace's /sys, and
/// its files from /etc/netns/NAME over those in /etc. Programs that `f` starts keep this view.
///
/// # Errors
/// Those of setns(2), unshare(2) and mount(2).
pub fn within_as_named<T: Send>(
    netns: BorrowedFd<'_>,
    name: Option<&NsName>,
    f: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    within(netns, || {
        if let Some(name) = name {
            own_mounts(name)?;
        }
        Ok(f())
    })?
}

/// Gives this thread mounts of its own: /sys of the namespace it is in (sysfs shows the one it was mounted in), and each
/// file of /etc/netns/NAME over the one in /etc.
fn own_mounts(name: &NsName) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)?;
    // Where /sys may not be mounted, a program sees the host's, as without all this.
    if umount2("/sys", MntFlags::MNT_DETACH).is_ok() {
        let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none);
    }
    let Ok(files) = fs::read_dir(Path::new("/etc/netns").join(name.as_str())) else { return Ok(()) };
    for file in files.flatten() {
        bind_over(&file.path(), &Path::new("/etc").join(file.file_name())).map_err(|e| {
            // Not the kernel's own error: for the caller that would mean that there is no such program.
            io::Error::other(format!("its files in /etc/netns/{name} cannot be put over those in /etc: {e}"))
        })?;
    }
    Ok(())
}

/// The links of a namespace with a name whose MACs somebody chose (`NET_ADDR_SET` of linux/netdevice.h), which only sysfs
/// tells; none where that cannot be looked at.
pub fn chosen_macs(netns: BorrowedFd<'_>, name: Option<&NsName>) -> Vec<String> {
    const CLASS: &str = "/sys/class/net";
    let look = || {
        let links = fs::read_dir(CLASS).into_iter().flatten().flatten();
        let is_chosen = |link: &fs::DirEntry| {
            fs::read_to_string(link.path().join("addr_assign_type")).is_ok_and(|text| text.trim() == "3")
        };
        links.filter(is_chosen).map(|link| link.file_name().to_string_lossy().into_owned()).collect()
    };
    within_as_named(netns, name, look).unwrap_or_default()
}

/// Binds a file over another, if that is there.
fn bind_over(file: &Path, over: &Path) -> io::Result<()> {
    let none = None::<&str>;
    let mut tries = 0..16;
    while over.exists() {
        match mount(Some(file), over, none, MsFlags::MS_BIND, none) {
            // It was replaced by a rename between the look-up and the mount, as everybody writes resolv.conf.
            Err(nix::errno::Errno::ENOENT) if tries.next().is_some() => {}
            result => return Ok(result?),
        }
    }
    Ok(())
}

/// The namespace that the calling thread is in.
///
/// # Errors
/// Those of open(2).
pub fn of_this_thread() -> io::Result<OwnedFd> {
    // Never /proc/self: that is the main thread's.
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// The namespace of a process.
///
/// # Errors
/// `ENOENT` if there is no such process, `EACCES` if it may not be looked at.
pub fn of_pid(pid: i32) -> io::Result<OwnedFd> {
    Ok(File::open(format!("/proc/{pid}/ns/net"))?.into())
}

/// The namespace with a name; `None` if the file is there but no namespace is mounted on it.
///
/// # Errors
/// Those of open(2).
pub fn of_name(name: &NsName) -> io::Result<Option<OwnedFd>> {
    let file = File::open(path(name))?;
    // The type of the constant differs between C libraries.
    #[allow(clippy::unnecessary_cast)]
    let is_namespace = fstatfs(&file).is_ok_and(|s| s.filesystem_type().0 as i64 == NSFS_MAGIC);
    Ok(is_namespace.then(|| file.into()))
}

/// The file under /run/netns.
pub fn path(name: &NsName) -> PathBuf {
    Path::new(DIR).join(name.as_str())
}

/// All names, sorted.
pub fn names() -> Vec<NsName> {
    let Ok(files) = fs::read_dir(DIR) else { return Vec::new() };
    let mut names: Vec<NsName> = files.flatten().filter_map(|f| NsName::new(f.file_name().to_str()?).ok()).collect();
    names.sort();
    names
}

/// The cookie of the namespace that a socket belongs to. Unlike the inode it is not used again within one boot.
///
/// # Errors
/// `ENOPROTOOPT` before Linux 5.14.
pub fn cookie(socket: BorrowedFd<'_>) -> io::Result<NetnsCookie> {
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: both pointers are to live values of the sizes that the call is told.
    #[allow(unsafe_code)]
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if done == 0 { Ok(NetnsCookie(cookie)) } else { Err(io::Error::last_os_error()) }
}

/// The cookies of several namespaces, with one thread for all of them.
pub fn cookies(namespaces: &[BorrowedFd<'_>]) -> Vec<io::Result<NetnsCookie>> {
    thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            namespaces
                .iter()
                .map(|fd| {
                    setns(fd, CloneFlags::CLONE_NEWNET)?;
                    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).map(OwnedFd::from);
                    // With `lo` down there is nothing to bind to, but a netlink socket is always to be had.
                    let socket = match socket {
                        Ok(socket) => socket,
                        Err(_) => plain_socket()?,
                    };
                    cookie(socket.as_fd())
                })
                .collect()
        });
        visitor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn plain_socket() -> io::Result<OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
    Ok(socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?)
}

/// A namespace without a name: it dies with the last descriptor, also after SIGKILL.
pub struct Fresh {
    /// The namespace.
    pub fd: OwnedFd,
    /// Whether it forwards IPv4, which the kernel copies from its first namespace.
    pub forwards: bool,
    /// A socket inside.
    pub socket: Socket,
    /// Its cookie.
    pub cookie: NetnsCookie,
}

/// A thread that makes namespaces, if told to some time before they are needed: making one takes half a millisecond, which
/// another core can spend while this one does the wiring.
pub struct Maker {
    orders: mpsc::Sender<usize>,
    made: mpsc::Receiver<io::Result<Fresh>>,
    ordered: usize,
}

impl Maker {
    /// Starts the thread.
    pub fn start() -> Self {
        let (orders, inbox) = mpsc::channel::<usize>();
        let (outbox, made) = mpsc::channel();
        thread::spawn(move || {
            let mut forwards = None;
            for count in inbox {
                for _ in 0..count {
                    if outbox.send(fresh(&mut forwards)).is_err() {
                        return;
                    }
                }
            }
        });
        Self { orders, made, ordered: 0 }
    }

    /// Says that `count` namespaces will be wanted soon.
    pub fn order(&mut self, count: usize) {
        if self.orders.send(count).is_ok() {
            self.ordered += count;
        }
    }

    /// The next namespace.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`, `ENOSPC` over the limit on namespaces (`user.max_net_namespaces`).
    pub fn take(&mut self) -> io::Result<Fresh> {
        if self.ordered == 0 {
            self.order(1);
        }
        self.ordered = self.ordered.saturating_sub(1);
        self.made.recv().map_err(|_| io::Error::other("the thread that makes namespaces has ended"))?
    }
}

fn fresh(forwards: &mut Option<bool>) -> io::Result<Fresh> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let socket = Socket::open()?;
    let cookie = cookie(socket.as_fd())?;
    // Looked up for the first and taken to be the same for the rest: they are all copied from the same place.
    let forwards = *forwards.get_or_insert_with(|| {
        fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|value| value.trim() == "1")
    });
    Ok(Fresh { fd: of_this_thread()?, forwards, socket, cookie })
}

/// Gives a namespace a name, as `ip netns add` and `ip netns attach` do.
///
/// The file appears in one step and says which lab it belongs to, so that after a kill between this step and the mount
/// nobody has to guess whose it is.
///
/// # Errors
/// `EEXIST` if the name is taken; those of mkdir(2) and mount(2).
pub fn put_name(name: &NsName, netns: BorrowedFd<'_>, lab: &LabName) -> io::Result<()> {
    make_dir()?;
    let path = path(name);
    let mark = mark(lab);
    effect::here();
    match OpenOptions::new().write(true).mode(0o000).custom_flags(libc::O_TMPFILE).open(DIR) {
        Ok(mut file) => {
            file.write_all(mark.as_bytes())?;
            let from = format!("/proc/self/fd/{}", file.as_raw_fd());
            let linked = nix::unistd::linkat(
                nix::fcntl::AT_FDCWD,
                from.as_str(),
                nix::fcntl::AT_FDCWD,
                &path,
                nix::fcntl::AtFlags::AT_SYMLINK_FOLLOW,
            );
            match linked {
                // A kill came between this step and the next.
                Err(nix::errno::Errno::EEXIST) if is_marked(name, lab) => {}
                linked => linked?,
            }
        }
        // Some file systems have no O_TMPFILE; then the name and the mark are two steps.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)) => {
            OpenOptions::new().write(true).create_new(true).mode(0o000).open(&path)?.write_all(mark.as_bytes())?;
        }
        Err(e) => return Err(e),
    }
    effect::here();
    let from = format!("/proc/self/fd/{}", netns.as_raw_fd());
    if let Err(error) = mount(Some(from.as_str()), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>) {
        let _ = fs::remove_file(&path);
        return Err(error.into());
    }
    Ok(())
}

/// What became of an attempt to take a name away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone now.
    Yes,
    /// It was gone already.
    Missing,
    /// It names another namespace now, or another's file.
    NotOurs,
}

/// Takes the names of namespaces away; each only if it still names the namespace with that cookie.
pub fn remove_names(names: &[(NsName, NetnsCookie)], lab: &LabName) -> Vec<io::Result<Removed>> {
    let opened: Vec<io::Result<Option<OwnedFd>>> = names.iter().map(|(name, _)| of_name(name)).collect();
    let fds: Vec<BorrowedFd<'_>> = opened.iter().flatten().flatten().map(AsFd::as_fd).collect();
    let mut found = cookies(&fds).into_iter();
    let ours: Vec<io::Result<Removed>> = names
        .iter()
        .zip(&opened)
        .map(|((name, cookie), opened)| match opened {
            Ok(Some(_)) => match found.next() {
                Some(Ok(actual)) if actual == *cookie => Ok(Removed::Yes),
                Some(Err(e)) => Err(e),
                _ => Ok(Removed::NotOurs),
            },
            Ok(None) => Ok(if is_marked(name, lab) { Removed::Yes } else { Removed::NotOurs }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Removed::Missing),
            Err(e) => Err(io::Error::from_raw_os_error(e.raw_os_error().unwrap_or(libc::EIO))),
        })
        .collect();
    // A descriptor kept open here would keep the namespace alive.
    drop(opened);
    names
        .iter()
        .zip(ours)
        .map(|((name, _), what)| {
            if let Ok(Removed::Yes) = what {
                remove(name)?;
            }
            what
        })
        .collect()
}

fn remove(name: &NsName) -> io::Result<()> {
    unmount(&path(name))
}

fn unmount(path: &Path) -> io::Result<()> {
    effect::here();
    match umount2(path, MntFlags::MNT_DETACH) {
        // Not mounted: only the file was made.
        Ok(()) | Err(nix::errno::Errno::EINVAL) => {}
        Err(e) => return Err(e.into()),
    }
    effect::here();
    fs::remove_file(path)
}

/// Where namespaces are kept that have lost their names for as long as a lab is up.
const KEPT: &str = "/run/netlab/keep";

/// The file on which a namespace is kept.
pub fn kept_path(netns: NetnsCookie) -> PathBuf {
    Path::new(KEPT).join(netns.0.to_string())
}

/// Keeps a namespace alive, with all that is in it, when its last name goes and netlab ends.
///
/// # Errors
/// Those of mkdir(2), open(2) and mount(2).
pub fn keep(cookie: NetnsCookie, netns: BorrowedFd<'_>) -> io::Result<()> {
    effect::here();
    fs::create_dir_all(KEPT)?;
    let path = kept_path(cookie);
    File::create(&path)?;
    effect::here();
    // mount(8) would resolve the link and fail; mount(2) takes the namespace that it stands for.
    let from = format!("/proc/self/fd/{}", netns.as_raw_fd());
    Ok(mount(Some(from.as_str()), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// Lets go of a namespace that is kept; one that is not is no error.
///
/// # Errors
/// Those of umount(2) and unlink(2).
pub fn let_go(cookie: NetnsCookie) -> io::Result<()> {
    let path = kept_path(cookie);
    if path.exists() {
        unmount(&path)?;
    }
    // The last one removes the folder.
    let _ = fs::remove_dir(KEPT);
    Ok(())
}

/// The namespaces that are kept.
pub fn kept() -> Vec<OwnedFd> {
    let files = fs::read_dir(KEPT).into_iter().flatten().flatten();
    files.filter_map(|f| Some(File::open(f.path()).ok()?.into())).collect()
}

fn mark(lab: &LabName) -> String {
    format!("netlab {lab}\n")
}

fn is_marked(name: &NsName, lab: &LabName) -> bool {
    let mut text = String::new();
    File::open(path(name)).is_ok_and(|f| f.take(256).read_to_string(&mut text).is_ok()) && text == mark(lab)
}

/// Makes /run/netns as `ip netns add` does: shared, so that names made here are seen in other mount namespaces.
fn make_dir() -> io::Result<()> {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.load(Ordering::Relaxed) && Path::new(DIR).is_dir() {
        return Ok(());
    }
    let none = None::<&str>;
    let share = || mount(none, DIR, none, MsFlags::MS_SHARED | MsFlags::MS_REC, none);
    if !Path::new(DIR).is_dir() {
        effect::here();
        fs::create_dir_all(DIR)?;
    }
    if share().is_err() {
        // Not a mount point yet.
        effect::here();
        mount(Some(DIR), DIR, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
        share()?;
    }
    DONE.store(true, Ordering::Relaxed);
    Ok(())
}
