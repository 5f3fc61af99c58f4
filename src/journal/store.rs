//! Where labs are kept: one folder each with its journal, and one lock each for whoever works on it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::log;
use super::record::Outcome;
use super::state::State;
use crate::action::holders::Holders;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::{effect, view};
use crate::types::name::LabName;

/// The folders of all labs of one user.
#[derive(Debug, Clone)]
pub struct Store {
    state: PathBuf,
    runtime: PathBuf,
}

/// Where root's locks are.
const RUNTIME: &str = "/run/netlab";

/// How often and how long it is waited for a lab that somebody only looks at.
const TRIES: u32 = 10;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Held by whoever runs, undoes or mends a lab; it ends with the process.
#[derive(Debug)]
pub struct LabLock {
    _file: Flock<File>,
}

/// Held by whoever changes what was there before all labs; see [`Store::turn`].
#[derive(Debug)]
pub struct Turn {
    _file: Flock<File>,
}

/// What a lab is doing, as its journal and its lock tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A netlab works on it now.
    Busy,
    /// It is up.
    Up,
    /// It failed and was kept.
    Kept,
    /// Its undo is incomplete.
    Stuck,
    /// The netlab that worked on it was killed.
    Died,
}

impl Status {
    /// The word for it in lists.
    pub fn word(self) -> &'static str {
        match self {
            Status::Busy => "busy",
            Status::Up => "up",
            Status::Kept => "kept",
            Status::Stuck => "stuck",
            Status::Died => "died",
        }
    }
}

impl Store {
    /// The store of the user who runs this: root's is /var/lib/netlab and /run/netlab, others' are in their XDG folders. In a
    /// sandbox it is the sandbox's.
    /// The folders are made when a lab is, and not by who only looks.
    ///
    /// # Errors
    /// None at present.
    pub fn open() -> Result<Self> {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let uid = nix::unistd::geteuid();
        let (state, runtime) = if uid.is_root() && Path::new(view::STATE).is_dir() {
            return Ok(Self::below(Path::new("/")));
        } else if uid.is_root() {
            ("/var/lib/netlab".into(), RUNTIME.into())
        } else {
            let home = var("HOME").unwrap_or_else(|| "/".into());
            (
                var("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("netlab"),
                var("XDG_RUNTIME_DIR")
                    .unwrap_or_else(|| std::env::temp_dir().join(format!("netlab-{uid}")))
                    .join("netlab"),
            )
        };
        Ok(Self { state, runtime })
    }

    /// The store inside a sandbox, whose files are found below `root`.
    pub fn below(root: &Path) -> Self {
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        Self { state: inside(view::STATE), runtime: inside(RUNTIME) }
    }

    /// The record of settings that labs share.
    pub fn holders(&self) -> Holders {
        Holders::new(&self.state, &self.runtime)
    }

    /// The folder of a lab.
    pub fn dir(&self, lab: &LabName) -> PathBuf {
        self.state.join(lab.as_str())
    }

    /// The journal of a lab.
    pub fn journal(&self, lab: &LabName) -> PathBuf {
        self.dir(lab).join("journal.jsonl")
    }

    /// All labs that have a folder, sorted.
    pub fn labs(&self) -> Vec<LabName> {
        let dirs = fs::read_dir(&self.state).into_iter().flatten().flatten();
        let mut labs: Vec<LabName> = dirs
            .filter(|d| d.path().join("journal.jsonl").exists())
            .filter_map(|d| LabName::new(d.file_name().to_str()?).ok())
            .collect();
        labs.sort();
        labs
    }

    /// Takes the lab for this process. Somebody who only looks may hold it for a moment, so it is tried for a while.
    ///
    /// # Errors
    /// `NL0503` if another netlab works on it, `NL0402` if the folders cannot be made.
    pub fn lock(&self, lab: &LabName) -> Result<LabLock> {
        for dir in [&self.state, &self.runtime] {
            fs::create_dir_all(dir).map_err(|e| {
                Diagnostic::new(Code::Environment, format!("cannot make the folder {}", dir.display()))
                    .kernel(KernelError::from_io(format!("mkdir {}", dir.display()), &e))
            })?;
        }
        let mut tries = 0..TRIES;
        loop {
            match self.try_lock(lab) {
                Err(e) if e.code == Code::LabBusy && tries.next().is_some() => std::thread::sleep(PAUSE),
                result => return result,
            }
        }
    }

    /// Waits until no other lab changes what was there before all labs, and keeps the others from it meanwhile: what changes
    /// between two looks is taken to be the doing of whoever looks.
    ///
    /// # Errors
    /// `NL0119` if the lock cannot be taken.
    pub fn turn(&self) -> Result<Turn> {
        let path = self.runtime.join("turn.lock");
        let broken = |e: &io::Error| {
            Diagnostic::new(Code::BadFile, "cannot wait for the turn to change the host")
                .kernel(KernelError::from_io(format!("lock {}", path.display()), e))
        };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|e| broken(&e))?;
        let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| broken(&e.into()))?;
        Ok(Turn { _file: file })
    }

    fn try_lock(&self, lab: &LabName) -> Result<LabLock> {
        let path = self.runtime.join(format!("{lab}.lock"));
        let broken = |e: &io::Error| {
            Diagnostic::new(Code::BadFile, format!("cannot lock the lab `{lab}`"))
                .kernel(KernelError::from_io(format!("lock {}", path.display()), e))
        };
        loop {
            let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            let file = open.map_err(|e| broken(&e))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // Whoever had it before may have removed the file meanwhile; then this lock is on a file nobody finds.
                Ok(file) if is_at(&file, &path) => return Ok(LabLock { _file: file }),
                Ok(_) => continue,
                Err((_, nix::errno::Errno::EAGAIN)) => {
                    return Err(Diagnostic::new(
                        Code::LabBusy,
                        format!("another netlab is working on the lab `{lab}` now"),
                    )
                    .help("wait until it has ended, or give this one another name with --name"));
                }
                Err((_, e)) => return Err(broken(&e.into())),
            }
        }
    }

    /// Removes what a kill can leave beside the labs: a folder in which no journal stands yet or any more, and a record of
    /// shared settings that was half written.
    ///
    /// # Errors
    /// `NL0119`.
    pub fn sweep(&self) -> Result<()> {
        for dir in fs::read_dir(&self.state).into_iter().flatten().flatten() {
            let Some(lab) = dir.file_name().to_str().and_then(|name| LabName::new(name).ok()) else { continue };
            if self.journal(&lab).exists() {
                continue;
            }
            // Whoever makes or removes the folder now holds the lock.
            let Ok(_lock) = self.lock(&lab) else { continue };
            if !self.journal(&lab).exists() {
                effect::here();
                // Not empty, it is not ours: the journal is the first file in it and the last.
                let _ = fs::remove_dir(dir.path());
                let _ = fs::remove_file(self.runtime.join(format!("{lab}.lock")));
            }
        }
        self.holders().sweep()
    }

    fn is_busy(&self, lab: &LabName) -> bool {
        // Without the file nobody ever took it, and to look must not make it.
        self.runtime.join(format!("{lab}.lock")).exists() && self.try_lock(lab).is_err_and(|e| e.code == Code::LabBusy)
    }

    /// What a lab is doing.
    ///
    /// # Errors
    /// Those of reading its journal.
    pub fn status(&self, lab: &LabName) -> Result<(Status, State)> {
        let busy = self.is_busy(lab);
        let state = log::read(&self.journal(lab))?;
        let status = match state.outcome {
            _ if busy => Status::Busy,
            Some(Outcome::Up) => Status::Up,
            Some(Outcome::Kept) => Status::Kept,
            Some(Outcome::Stuck) => Status::Stuck,
            Some(Outcome::Down) | None => Status::Died,
        };
        Ok((status, state))
    }

    /// Whether the netlab that worked on a lab was killed. Only the journal's end is looked at: it may be long.
    pub fn is_dead(&self, lab: &LabName) -> bool {
        let closed = log::ends_closed(&self.journal(lab)).unwrap_or(true);
        !closed && !self.is_busy(lab)
    }

    /// Removes a lab's folder, when nothing of the lab is left. The journal goes last: without it nobody would find the rest.
    ///
    /// # Errors
    /// `NL0119`.
    pub fn remove(&self, lab: &LabName) -> Result<()> {
        let dir = self.dir(lab);
        let broken = |e: &io::Error| {
            Diagnostic::new(Code::BadFile, format!("cannot remove the folder of the lab `{lab}`"))
                .kernel(KernelError::from_io(format!("unlink {}", dir.display()), e))
        };
        let journal = self.journal(lab);
        let mut tries = 0..TRIES;
        loop {
            for file in fs::read_dir(&dir).map_err(|e| broken(&e))?.flatten() {
                if file.path() != journal {
                    effect::here();
                    remove_if_there(&file.path()).map_err(|e| broken(&e))?;
                }
            }
            effect::here();
            remove_if_there(&journal).map_err(|e| broken(&e))?;
            effect::here();
            match fs::remove_dir(&dir) {
                // Another lab that goes has just written its picture of the host in here anew.
                Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && tries.next().is_some() => {}
                result => break result.map_err(|e| broken(&e))?,
            }
        }
        let _ = fs::remove_file(self.runtime.join(format!("{lab}.lock")));
        Ok(())
    }

    /// The folders below which everything is kept, for `doctor`.
    pub fn places(&self) -> (&Path, &Path) {
        (&self.state, &self.runtime)
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
