//! Who holds a setting or file that several labs may need: the first remembers what it was, the last to go gives it back.
//!
//! Each shared thing has a pile: what it was before any lab, and one layer per lab, newest on top. A lab that goes takes its
//! layer out; only if that was the top one does the value change, to what the next layer or the bottom says.

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

/// One shared thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pile {
    /// What it was, with all that may change along with it: paths and their values.
    base: Vec<(PathBuf, String)>,
    /// Who set it to what, oldest first.
    layers: Vec<Layer>,
    /// Whether the last one to go has begun to give it back: then `base` is what it has decided to give back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_settled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Layer {
    lab: LabName,
    seq: u64,
    value: String,
}

/// What a lab has to do when it lets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Nothing: it does not hold the thing.
    NotHeld,
    /// Nothing but to go: another lab set it later, and that stands.
    Covered,
    /// Give the thing the value that another lab set before.
    Back(String),
    /// Give back what was there before any lab.
    Base(Vec<(PathBuf, String)>),
    /// Give back this, as [`Holders::settle`] wrote it down: an undo that was killed had begun to.
    Settled(Vec<(PathBuf, String)>),
}

type Piles = BTreeMap<String, Pile>;

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

    /// Puts a layer on a thing's pile. `base` is asked for only by the first.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be read or written.
    pub fn hold(
        &self,
        (lab, seq): (&LabName, u64),
        key: &str,
        value: &str,
        base: impl FnOnce() -> Result<Vec<(PathBuf, String)>>,
    ) -> Result<()> {
        self.edit(|piles| {
            let pile = piles.entry(key.to_owned()).or_default();
            if pile.layers.is_empty() {
                pile.base = base()?;
            }
            // What was decided then is what there was before.
            pile.is_settled = false;
            pile.layers.push(Layer { lab: lab.clone(), seq, value: value.to_owned() });
            Ok(())
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
    pub fn look(&self, (lab, seq): (&LabName, u64), key: &str) -> Result<Release> {
        let _lock = self.locked()?;
        Ok(look(&self.read()?, lab, seq, key))
    }

    /// Writes down what the last lab to go is about to give back. A switch that writes others along destroys what that was
    /// decided by, so after a kill in between it could not be decided again.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be read or written.
    pub fn settle(&self, key: &str, wanted: Vec<(PathBuf, String)>) -> Result<()> {
        self.edit(|piles| {
            if let Some(pile) = piles.get_mut(key) {
                pile.base = wanted;
                pile.is_settled = true;
            }
            Ok(())
        })
    }

    /// Takes the lab's layer out, after what [`Holders::look`] said has been done.
    ///
    /// # Errors
    /// `NL0119` if the record cannot be read or written.
    pub fn release(&self, (lab, seq): (&LabName, u64), key: &str) -> Result<()> {
        self.edit(|piles| {
            if let Some(pile) = piles.get_mut(key) {
                pile.layers.retain(|l| !(l.lab == *lab && l.seq == seq));
                if pile.layers.is_empty() {
                    piles.remove(key);
                }
            }
            Ok(())
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
        self.edit(|piles| {
            piles.retain(|key, _| !is_void(key));
            Ok(())
        })
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

    fn edit(&self, change: impl FnOnce(&mut Piles) -> Result<()>) -> Result<()> {
        let _lock = self.locked()?;
        let mut piles = self.read()?;
        change(&mut piles)?;
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

fn look(piles: &Piles, lab: &LabName, seq: u64, key: &str) -> Release {
    let Some(pile) = piles.get(key) else { return Release::NotHeld };
    let Some(place) = pile.layers.iter().position(|l| l.lab == *lab && l.seq == seq) else { return Release::NotHeld };
    if place + 1 < pile.layers.len() {
        return Release::Covered;
    }
    match place.checked_sub(1) {
        Some(below) => Release::Back(pile.layers[below].value.clone()),
        None if pile.is_settled => Release::Settled(pile.base.clone()),
        None => Release::Base(pile.base.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_go_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let holders = Holders::new(dir.path(), dir.path());
        let (a, b) = (LabName::new("a").unwrap(), LabName::new("b").unwrap());
        let base = vec![(PathBuf::from("/x"), "0".to_owned())];
        holders.hold((&a, 1), "x", "1", || Ok(base.clone())).unwrap();
        holders.hold((&b, 7), "x", "2", || panic!("the base is known")).unwrap();
        assert_eq!(holders.look((&a, 1), "x").unwrap(), Release::Covered);
        assert_eq!(holders.look((&b, 7), "x").unwrap(), Release::Back("1".into()));
        assert_eq!(holders.look((&b, 8), "x").unwrap(), Release::NotHeld);
        // The first goes first: the other then gives back what was there before both.
        holders.release((&a, 1), "x").unwrap();
        assert_eq!(holders.look((&b, 7), "x").unwrap(), Release::Base(base));
        holders.release((&b, 7), "x").unwrap();
        assert_eq!(holders.look((&b, 7), "x").unwrap(), Release::NotHeld);
        assert!(!dir.path().join(".holders.json").exists());
    }
}
