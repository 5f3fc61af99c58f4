//! Who holds a setting or file that several labs may need: the first remembers what it was, the last to go gives it back.
//!
//! Each shared thing has a pile of layers, one for each time that a lab set it, newest on top; each remembers what it found.
//! A layer that goes from the top gives back what it found; one that goes from below leaves that to the layer above it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::effect;
use crate::types::name::LabName;

/// The record of all shared things, kept in one file beside the labs.
#[derive(Debug, Clone)]
pub struct Holders {
    file: PathBuf,
    lock: PathBuf,
    turn: PathBuf,
}

/// Held by whoever changes a shared thing; see [`Holders::turn`].
pub struct Turn {
    _file: Flock<File>,
}

/// One of the times that a lab set a shared thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Layer {
    lab: LabName,
    seq: u64,
    /// What it found: the thing, with all that may change along with it.
    found: Vec<(PathBuf, String)>,
}

/// What a lab has to do when it lets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Nothing: it does not hold the thing.
    NotHeld,
    /// Nothing but to go: the thing was set again later, and that stands.
    Covered,
    /// Give back what it found.
    Back(Vec<(PathBuf, String)>),
}

type Piles = BTreeMap<String, Vec<Layer>>;

impl Holders {
    /// The record below a state directory, with its lock in the runtime directory.
    pub fn new(state_dir: &Path, runtime_dir: &Path) -> Self {
        Self {
            file: state_dir.join(".holders.json"),
            lock: runtime_dir.join("holders.lock"),
            turn: runtime_dir.join("shared.lock"),
        }
    }

    /// Waits until no other lab changes a shared thing, and keeps the others from it: from the look at what is there to the
    /// record and the change that follow from it. Without that, a lab that goes would write over one that comes.
    ///
    /// # Errors
    /// `NL0119` if the lock cannot be taken.
    pub fn turn(&self) -> Result<Turn> {
        self.take(&self.turn).map(|file| Turn { _file: file })
    }

    /// Puts a layer on a thing's pile, with what it found.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be read or written.
    pub fn hold(&self, (lab, seq): (&LabName, u64), key: &str, found: Vec<(PathBuf, String)>) -> Result<()> {
        self.edit(|piles| {
            piles.entry(key.to_owned()).or_default().push(Layer { lab: lab.clone(), seq, found });
        })
    }

    /// Whether some lab holds a thing.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be read.
    pub fn is_held(&self, key: &str) -> Result<bool> {
        Ok(self.read()?.contains_key(key))
    }

    /// Looks at what a lab would have to do to let go.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be read.
    pub fn look(&self, holder: (&LabName, u64), key: &str) -> Result<Release> {
        let _lock = self.locked()?;
        let piles = self.read()?;
        let Some(pile) = piles.get(key) else { return Ok(Release::NotHeld) };
        Ok(match place(pile, holder) {
            None => Release::NotHeld,
            Some(place) if place + 1 < pile.len() => Release::Covered,
            Some(place) => Release::Back(pile[place].found.clone()),
        })
    }

    /// Takes the lab's layer out, after what [`Holders::look`] said has been done.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be read or written.
    pub fn release(&self, holder: (&LabName, u64), key: &str) -> Result<()> {
        self.edit(|piles| {
            let Some(pile) = piles.get_mut(key) else { return };
            if let Some(place) = place(pile, holder) {
                let gone = pile.remove(place);
                if let Some(above) = pile.get_mut(place) {
                    above.found = gone.found;
                }
            }
            if pile.is_empty() {
                piles.remove(key);
            }
        })
    }

    /// Forgets all things of which `is_void` says that they are gone, for example with the last boot.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be read or written.
    pub fn forget(&self, is_void: impl Fn(&str) -> bool) -> Result<()> {
        if !self.file.exists() {
            return Ok(());
        }
        self.edit(|piles| piles.retain(|key, _| !is_void(key)))
    }

    /// Removes a record that a kill left half written.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be locked.
    pub fn sweep(&self) -> Result<()> {
        if self.beside().exists() {
            let _lock = self.locked()?;
            effect::here();
            let _ = fs::remove_file(self.beside());
        }
        Ok(())
    }

    fn beside(&self) -> PathBuf {
        self.file.with_extension("new")
    }

    fn edit(&self, change: impl FnOnce(&mut Piles)) -> Result<()> {
        let _lock = self.locked()?;
        let mut piles = self.read()?;
        change(&mut piles);
        if piles.is_empty() {
            effect::here();
            return match fs::remove_file(&self.file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.broken("remove", &e)),
                _ => Ok(()),
            };
        }
        // Written beside and renamed, so that a kill leaves the old record or the new one.
        let beside = self.beside();
        let text = serde_json::to_string(&piles).map_err(|e| self.broken("write", &io::Error::other(e)))?;
        effect::here();
        let written = File::create(&beside).and_then(|mut f| f.write_all(text.as_bytes()));
        effect::here();
        written.and_then(|()| fs::rename(&beside, &self.file)).map_err(|e| self.broken("write", &e))
    }

    fn read(&self) -> Result<Piles> {
        match fs::read_to_string(&self.file) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| self.broken("read", &io::Error::other(e))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Piles::new()),
            Err(e) => Err(self.broken("read", &e)),
        }
    }

    fn locked(&self) -> Result<Flock<File>> {
        self.take(&self.lock)
    }

    fn take(&self, lock: &Path) -> Result<Flock<File>> {
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(lock);
        let file = open.map_err(|e| self.broken("lock", &e))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| self.broken("lock", &e.into()))
    }

    fn broken(&self, verb: &str, error: &io::Error) -> Box<Diagnostic> {
        Diagnostic::new(Code::BadFile, format!("cannot {verb} the record of shared settings: {error}"))
            .kernel(KernelError::from_io(format!("{verb} {}", self.file.display()), error))
    }
}

fn place(pile: &[Layer], (lab, seq): (&LabName, u64)) -> Option<usize> {
    pile.iter().position(|layer| layer.lab == *lab && layer.seq == seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gives_back_what_it_found_and_the_last_what_was_there_before_all() {
        let dir = tempfile::tempdir().unwrap();
        let holders = Holders::new(dir.path(), dir.path());
        let (a, b) = (LabName::new("a").unwrap(), LabName::new("b").unwrap());
        let found = |value: &str| vec![(PathBuf::from("/x"), value.to_owned())];
        holders.hold((&a, 1), "x", found("0")).unwrap();
        holders.hold((&b, 7), "x", found("1")).unwrap();
        assert_eq!(holders.look((&a, 1), "x").unwrap(), Release::Covered);
        assert_eq!(holders.look((&b, 7), "x").unwrap(), Release::Back(found("1")));
        assert_eq!(holders.look((&b, 8), "x").unwrap(), Release::NotHeld);
        // The first goes first: the other then gives back what was there before both.
        holders.release((&a, 1), "x").unwrap();
        assert_eq!(holders.look((&b, 7), "x").unwrap(), Release::Back(found("0")));
        holders.release((&b, 7), "x").unwrap();
        assert_eq!(holders.look((&b, 7), "x").unwrap(), Release::NotHeld);
        assert!(!dir.path().join(".holders.json").exists());
    }
}
