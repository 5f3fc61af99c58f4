//! Sandboxes: a machine of its own for each lab of somebody who has no privilege, held by a keeper process.
//!
//! What a lab does inside touches nothing outside, and when the keeper ends, the kernel takes all of it along. So nothing of
//! a sandbox is on a disk: its journals are in its own memory, and all that is outside is the file that leads to the keeper.

pub mod obstacle;
mod registry;
pub mod uplink;

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;

use self::registry::{Entry, Folder, Record};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::store::Store;
use crate::kernel::keeper::{self, Wish};
use crate::kernel::pidfd::PidFd;
use crate::kernel::relay::{self, End, Keys};
use crate::kernel::view;
use crate::types::name::{LabName, NsName};

/// A sandbox that is up.
#[derive(Debug)]
pub struct Sandbox {
    /// Its name, which is the lab's.
    pub name: LabName,
    record: Record,
    held: PidFd,
}

/// A name that belongs to this process alone, until it is dropped: nobody else makes, fills or ends its sandbox meanwhile.
pub struct Claim {
    name: LabName,
    folder: Folder,
    entry: Entry,
    sandbox: Option<Sandbox>,
}

/// All sandboxes of this user that hold a lab, sorted by name. Files that lead nowhere are removed on the way, and sandboxes
/// in which nothing is any more.
pub fn all() -> Vec<Sandbox> {
    let mut all: Vec<Sandbox> = Vec::new();
    for folder in Folder::all() {
        for name in folder.names() {
            match folder.read(&name) {
                Some(record) if !is_here(&record) => continue,
                record => match record.and_then(|record| Sandbox::open(&name, record)) {
                    Some(sandbox) if !sandbox.is_empty() => all.push(sandbox),
                    _ => sweep(&folder, &name),
                },
            }
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The sandbox of a name.
pub fn find(name: &LabName) -> Option<Sandbox> {
    let record = |folder: &Folder| folder.read(name).filter(is_here);
    Folder::all().iter().find_map(|folder| Sandbox::open(name, record(folder)?))
}

/// Takes a name for this process.
///
/// # Errors
/// `NL0503` if another netlab works on it, `NL0402` if the file cannot be written.
pub fn claim(name: &LabName) -> Result<Claim> {
    match claim_existing(name)? {
        Some(claim) => Ok(claim),
        None => {
            let folder = Folder::of_new();
            let entry = folder.make_and_take(name)?;
            Ok(Claim::new(name, folder, entry))
        }
    }
}

/// Takes the name of a sandbox that there is.
///
/// # Errors
/// `NL0503` if another netlab works on it.
pub fn claim_existing(name: &LabName) -> Result<Option<Claim>> {
    let Some(folder) = Folder::all().into_iter().find(|folder| folder.read(name).is_some()) else { return Ok(None) };
    let entry = folder.take(name)?;
    Ok(entry.map(|entry| Claim::new(name, folder, entry)))
}

/// Calls `f` in a sandbox that ends with it, and tells it whether processes have a namespace of their own there.
///
/// # Errors
/// The first step that the kernel refused.
pub fn throw_away(f: impl FnOnce(bool) -> u8) -> std::result::Result<End, KernelError> {
    // A file without a name, which nobody can remove.
    let file = memfd_create(c"netlab-sandbox", MFdFlags::MFD_CLOEXEC)
        .map_err(|e| KernelError::from_io("memfd_create", &e.into()))?;
    let (keeper, processes) = start(file.as_fd(), Path::new(""))?;
    let end = relay::inside(&keeper.held, processes, Keys::Outside, || f(processes));
    end.map_err(|e| KernelError::from_io("setns", &e))
}

/// The folder in which a new sandbox is written down.
pub fn folder() -> PathBuf {
    Folder::of_new().path
}

/// Starts a keeper, with a PID namespace where /proc can be mounted for it.
fn start(record: BorrowedFd<'_>, hidden: &Path) -> std::result::Result<(keeper::Keeper, bool), KernelError> {
    let wish = |processes| Wish { processes, record, hidden: hidden.to_owned() };
    match keeper::start(&wish(true)) {
        Err(error) if error.request == view::PROC => Ok((keeper::start(&wish(false))?, false)),
        result => Ok((result?, true)),
    }
}

/// The PID namespace of this process.
fn pid_ns() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |m| m.ino())
}

fn is_here(record: &Record) -> bool {
    record.pid_ns == pid_ns()
}

/// Removes a file that leads nowhere, and ends a sandbox in which nothing is, unless somebody is at work on it.
fn sweep(folder: &Folder, name: &LabName) {
    let Ok(Some(entry)) = folder.take(name) else { return };
    // Whoever looks next tries again.
    let _ = Claim::new(name, folder.clone(), entry).end_if_empty();
}

impl Sandbox {
    /// Takes hold of its keeper, if that still runs.
    fn open(name: &LabName, record: Record) -> Option<Self> {
        Some(Self { name: name.clone(), record, held: PidFd::open(record.keeper)? })
    }

    /// Its files, as they are seen from outside.
    fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.record.keeper.pid))
    }

    /// Its labs.
    pub fn store(&self) -> Store {
        Store::below(&self.root())
    }

    /// The names of the namespaces inside, sorted.
    pub fn namespaces(&self) -> Vec<NsName> {
        let files = fs::read_dir(self.root().join("run/netns")).into_iter().flatten().flatten();
        let mut names: Vec<NsName> = files.filter_map(|f| NsName::new(f.file_name().to_str()?).ok()).collect();
        names.sort();
        names
    }

    /// Whether it has no lab.
    fn is_empty(&self) -> bool {
        match fs::read_dir(self.root().join(view::STATE.trim_start_matches('/'))) {
            Ok(_) => self.store().labs().is_empty(),
            // It is about to end, killed a moment ago; otherwise what cannot be seen may be anything.
            Err(_) => self.held.ends_within(1000),
        }
    }

    /// Calls `f` in a process inside, and waits for its end.
    ///
    /// # Errors
    /// `NL0402` if it cannot be entered.
    pub fn inside(&self, keys: Keys, f: impl FnOnce() -> u8) -> Result<End> {
        relay::inside(&self.held, self.record.processes, keys, f).map_err(|e| {
            Diagnostic::new(Code::Environment, format!("cannot enter the sandbox of `{}`", self.name))
                .kernel(KernelError::from_io("setns", &e))
        })
    }

    /// Ends the keeper, and with it all that is inside.
    fn end(&self) -> Result<()> {
        let failed = |e: &std::io::Error| {
            Diagnostic::new(Code::Environment, format!("cannot end the sandbox of `{}`", self.name))
                .kernel(KernelError::from_io("pidfd_send_signal", e))
        };
        self.held.signal(Signal::SIGTERM).map_err(|e| failed(&e))?;
        if !self.held.ends_within(5000) {
            self.held.signal(Signal::SIGKILL).map_err(|e| failed(&e))?;
            self.held.ends_within(5000);
        }
        Ok(())
    }
}

impl Claim {
    fn new(name: &LabName, folder: Folder, entry: Entry) -> Self {
        let sandbox = entry.record().filter(is_here).and_then(|record| Sandbox::open(name, record));
        Self { name: name.clone(), folder, entry, sandbox }
    }

    /// Whether there is no sandbox yet.
    pub fn is_new(&self) -> bool {
        self.sandbox.is_none()
    }

    /// The sandbox; a new one if there is none.
    ///
    /// # Errors
    /// `NL0402` with what is in the way.
    pub fn open(&mut self) -> Result<&Sandbox> {
        if self.sandbox.is_none() {
            let (keeper, processes) = start(self.entry.file(), &self.folder.path).map_err(obstacle::refused)?;
            let record = Record { keeper: keeper.key, pid_ns: pid_ns(), processes };
            let lost = |what: &str, e: &std::io::Error| {
                Diagnostic::new(Code::Environment, format!("cannot write down the sandbox of `{}`", self.name))
                    .help(format!("is there room in {}?", self.folder.path.display()))
                    .kernel(KernelError::from_io(what, e))
            };
            // The keeper ends by itself unless it is told to stay, so after a kill here nothing is left.
            self.entry.write(&record).map_err(|e| lost("write", &e))?;
            let (_, held) = keeper.stay().map_err(|e| lost("start the keeper", &e))?;
            self.sandbox = Some(Sandbox { name: self.name.clone(), record, held });
        }
        self.sandbox.as_ref().ok_or_else(|| Diagnostic::new(Code::Internal, "a sandbox that was made is not there"))
    }

    /// Ends the sandbox with all that is in it.
    ///
    /// # Errors
    /// `NL0402` if the keeper cannot be ended.
    pub fn end(self) -> Result<()> {
        if let Some(sandbox) = &self.sandbox {
            sandbox.end()?;
        }
        self.entry.remove(&self.folder.path);
        Ok(())
    }

    /// Gives the name back. If nothing is inside any more, the sandbox ends.
    ///
    /// # Errors
    /// `NL0402` if it does not end.
    pub fn end_if_empty(self) -> Result<()> {
        if let Some(sandbox) = &self.sandbox {
            if !sandbox.is_empty() {
                return Ok(());
            }
            sandbox.end()?;
        }
        self.entry.remove(&self.folder.path);
        Ok(())
    }
}
