//! Where the sandboxes of one user are written down: a small file each, by which any later call finds the keeper.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use serde::{Deserialize, Serialize};

use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::process::ProcessKey;
use crate::types::name::LabName;

/// What is written down about a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its keeper.
    pub(super) keeper: ProcessKey,
    /// The PID namespace in which the keeper has that PID: in a container that shares the folder, it means another process.
    pub(super) pid_ns: u64,
    /// Whether the sandbox has a PID namespace of its own.
    pub(super) processes: bool,
}

/// The folder with the files.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// Where it is.
    pub(super) path: PathBuf,
}

/// A file that has been opened, and whether it is this process's alone.
pub(super) struct Entry {
    folder: OwnedFd,
    name: LabName,
    file: Flock<File>,
}

/// How often and how long it is waited for somebody who only looks.
const TRIES: u32 = 10;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

impl Folder {
    /// The folders of this user, the one for new sandboxes first. There are several, since a user does not have the same
    /// variables everywhere: cron(8) and sudo(8) set none.
    pub(super) fn all() -> Vec<Self> {
        let uid = nix::unistd::geteuid();
        if uid.is_root() {
            return vec![Self { path: "/run/netlab/sandboxes".into() }];
        }
        let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|p| p.is_absolute());
        let usual = PathBuf::from(format!("/run/user/{uid}"));
        let is_mine = |p: &PathBuf| fs::metadata(p).is_ok_and(|m| m.is_dir() && m.uid() == uid.as_raw());
        let mut paths: Vec<PathBuf> =
            given.into_iter().chain([usual]).filter(is_mine).map(|p| p.join("netlab")).collect();
        paths.push(PathBuf::from(format!("/tmp/netlab-{uid}")));
        paths.dedup();
        paths.into_iter().map(|path| Self { path }).collect()
    }

    /// Opens it, if it is there and nobody else can write in it: who could might lead this user anywhere.
    fn open(&self) -> io::Result<OwnedFd> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let folder = fs::OpenOptions::new().read(true).custom_flags(flags).open(&self.path)?;
        let meta = folder.metadata()?;
        if meta.uid() != nix::unistd::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        Ok(folder.into())
    }

    fn make(&self) -> io::Result<OwnedFd> {
        match fs::DirBuilder::new().recursive(nix::unistd::geteuid().is_root()).mode(0o700).create(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
            _ => self.open(),
        }
    }

    /// The names of the files, sorted.
    pub(super) fn names(&self) -> Vec<LabName> {
        // Looked at before it is read: another's folder has nothing to tell.
        if self.open().is_err() {
            return Vec::new();
        }
        let files = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let files = files.filter(|f| f.file_type().is_ok_and(|t| t.is_file()));
        let mut names: Vec<LabName> =
            files.filter_map(|f| LabName::new(f.file_name().to_str()?.strip_suffix(SUFFIX)?).ok()).collect();
        names.sort();
        names
    }

    /// What is written down under a name.
    pub(super) fn read(&self, name: &LabName) -> Option<Record> {
        let folder = self.open().ok()?;
        let file = openat(&folder, file_name(name).as_str(), READ, Mode::empty()).ok()?;
        parse(File::from(file))
    }

    /// The folder for a new sandbox.
    pub(super) fn of_new() -> Self {
        Self::all().swap_remove(0)
    }

    /// Takes the file for this process, if there is one.
    pub(super) fn take(&self, name: &LabName) -> Result<Option<Entry>> {
        self.open_and_lock(name, false)
    }

    /// Makes the file if there is none, and takes it for this process.
    pub(super) fn make_and_take(&self, name: &LabName) -> Result<Entry> {
        let nothing = || Diagnostic::new(Code::Internal, format!("the file of the sandbox of `{name}` is not there"));
        self.open_and_lock(name, true)?.ok_or_else(nothing)
    }

    fn open_and_lock(&self, name: &LabName, make: bool) -> Result<Option<Entry>> {
        let broken = |what: &str, e: io::Error| {
            let path = self.path.join(file_name(name));
            Diagnostic::new(Code::Environment, format!("cannot write down the sandbox of `{name}`"))
                .help(format!(
                    "{} has to be a folder of yours, with room, where nobody else writes",
                    self.path.display()
                ))
                .kernel(KernelError::from_io(format!("{what} {}", path.display()), &e))
        };
        let folder = match if make { self.make() } else { self.open() } {
            Ok(folder) => folder,
            Err(e) if !make && e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(broken("open", e)),
        };
        let mut tries = 0..TRIES;
        loop {
            let mut flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            flags.set(OFlag::O_CREAT, make);
            let file = match openat(&folder, file_name(name).as_str(), flags, Mode::from_bits_truncate(0o600)) {
                Ok(file) => File::from(file),
                Err(Errno::ENOENT) if !make => return Ok(None),
                Err(e) => return Err(broken("open", e.into())),
            };
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    let entry =
                        Entry { folder: folder.try_clone().map_err(|e| broken("dup", e))?, name: name.clone(), file };
                    // Whoever had it before may have removed it meanwhile; then nobody finds this one.
                    if entry.is_there() {
                        return Ok(Some(entry));
                    }
                }
                Err((_, Errno::EAGAIN)) if tries.next().is_some() => std::thread::sleep(PAUSE),
                Err((_, Errno::EAGAIN)) => {
                    return Err(Diagnostic::new(
                        Code::LabBusy,
                        format!("another netlab is working on the lab `{name}` now"),
                    )
                    .help("wait until it has ended, or give this one another name with --name"));
                }
                Err((_, e)) => return Err(broken("lock", e.into())),
            }
        }
    }
}

const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Beside the files of the sandboxes there may be others.
const SUFFIX: &str = ".sandbox";

fn file_name(name: &LabName) -> String {
    format!("{name}{SUFFIX}")
}

fn parse(mut file: File) -> Option<Record> {
    let mut text = String::new();
    Read::by_ref(&mut file).take(1024).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

impl Entry {
    /// What is written down.
    pub(super) fn record(&self) -> Option<Record> {
        let file = openat(&self.folder, file_name(&self.name).as_str(), READ, Mode::empty()).ok()?;
        parse(File::from(file))
    }

    /// Writes it down.
    pub(super) fn write(&mut self, record: &Record) -> io::Result<()> {
        self.file.set_len(0)?;
        // One call: a reader sees nothing or all.
        self.file.write_all(serde_json::to_string(record)?.as_bytes())
    }

    /// The file, for the keeper to watch.
    pub(super) fn file(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Removes the file, and the folder after the last one.
    pub(super) fn remove(self, folder: &Path) {
        // If it cannot be removed, the next look finds that it leads nowhere.
        let _ = unlinkat(&self.folder, file_name(&self.name).as_str(), UnlinkatFlags::NoRemoveDir);
        let _ = fs::remove_dir(folder);
    }

    // The types of the two fields differ between architectures.
    #[allow(clippy::unnecessary_cast)]
    fn is_there(&self) -> bool {
        let Ok(mine) = self.file.metadata() else { return false };
        nix::sys::stat::fstatat(&self.folder, file_name(&self.name).as_str(), nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|there| (there.st_dev as u64, there.st_ino as u64) == (mine.dev(), mine.ino()))
    }
}
