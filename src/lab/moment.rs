//! A moment of the whole machine: what the host and every namespace with a name hold, to be compared with another moment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::open;
use super::proof::{Care, Difference, Picture};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::netns;
use crate::kernel::process;
use crate::kernel::space::Kernel;

/// The form of the file.
const VERSION: u32 = 1;

/// What each namespace holds. The host has an empty name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Moment {
    version: u32,
    /// The boot of the machine, since ifindexes and namespaces mean nothing in another one.
    boot_id: String,
    spaces: BTreeMap<String, Picture>,
}

impl Moment {
    /// Looks at everything, now.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn now() -> Result<Self> {
        Self::take(&mut open::kernel()?)
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn take(kernel: &mut Kernel) -> Result<Self> {
        let host = kernel.host();
        let mut spaces = BTreeMap::from([(String::new(), Picture::take(kernel, host, Care::Whole)?)]);
        for name in netns::names() {
            // A name that stands for nothing holds nothing.
            if let Ok(Some(cookie)) = kernel.adopt_name(&name) {
                spaces.insert(name.to_string(), Picture::take(kernel, cookie, Care::Whole)?);
            }
        }
        Ok(Self { version: VERSION, boot_id: process::boot_id().unwrap_or_default(), spaces })
    }

    /// Reads one from a file.
    ///
    /// # Errors
    /// `NL0119` for a file that cannot be read or is no snapshot.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| {
            Diagnostic::new(Code::BadFile, format!("cannot read the snapshot {}", path.display()))
                .help("`netlab snapshot FILE` makes one")
                .kernel(KernelError::from_io(format!("read {}", path.display()), &e))
        })?;
        let moment: Self = serde_json::from_str(&text).map_err(|e| {
            Diagnostic::new(Code::BadFile, format!("{} is no snapshot of netlab: {e}", path.display()))
                .help("`netlab snapshot FILE` makes one")
        })?;
        if moment.version != VERSION {
            let version = moment.version;
            return Err(Diagnostic::new(
                Code::BadFile,
                format!("{} has version {version}, this netlab reads version {VERSION}", path.display()),
            ));
        }
        Ok(moment)
    }

    /// Writes it to a file.
    ///
    /// # Errors
    /// `NL0119`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self).unwrap_or_default();
        fs::write(path, text + "\n").map_err(|e| {
            Diagnostic::new(Code::BadFile, format!("cannot write the snapshot {}", path.display()))
                .kernel(KernelError::from_io(format!("write {}", path.display()), &e))
        })
    }

    /// What differs from an earlier moment, each with the namespace that it is in; the host has none.
    ///
    /// # Errors
    /// `NL0402` if the two are of different boots of the machine.
    pub fn differences(&self, before: &Self) -> Result<Vec<(String, Difference)>> {
        if self.boot_id != before.boot_id {
            return Err(Diagnostic::new(Code::Environment, "the machine was started again between the two moments")
                .help("namespaces and links are new after that; take both snapshots in one boot"));
        }
        let mut all = Vec::new();
        for (name, now) in &self.spaces {
            // Namespaces that came or went are told with the host, by their names.
            let Some(was) = before.spaces.get(name) else { continue };
            if was.seen.scope.netns != now.seen.scope.netns {
                let what = format!("namespace {name}");
                let there = || Some(String::new());
                all.push((String::new(), Difference { what, before: there(), now: there() }));
                continue;
            }
            let mut changes = now.changes(was);
            if !name.is_empty() {
                changes.forget_names();
            }
            all.extend(changes.told().into_iter().map(|d| (name.clone(), d)));
        }
        Ok(all)
    }

    /// How much there is: namespaces, links, settings.
    pub fn counts(&self) -> (usize, usize, usize) {
        let sum = |of: fn(&Picture) -> usize| self.spaces.values().map(of).sum();
        (self.spaces.len() - 1, sum(Picture::links), sum(Picture::settings))
    }
}
