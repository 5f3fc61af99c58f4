//! The labs of this user, as their journals tell.

use crate::diag::Result;
use crate::journal::record::Header;
use crate::journal::store::{Status, Store};
use crate::kernel::process;
use crate::lab::objects::Objects;
use crate::lab::open::read_objects;
use crate::sandbox;
use crate::types::name::{LabName, NsName};

/// A lab.
pub struct LabInfo {
    /// Its name.
    pub name: LabName,
    /// The sandbox that it is in.
    pub sandbox: Option<LabName>,
    /// What it is doing, or why its journal cannot be read.
    pub status: Result<Status>,
    /// The journal's first line, unless the run was killed before it was written.
    pub header: Option<Header>,
    /// What it made.
    pub objects: Objects,
    /// How many steps of it stand.
    pub steps: usize,
    /// Whether the machine was started anew since: then nothing of it is left but changes of files.
    pub is_void: bool,
}

impl LabInfo {
    /// The names of the namespaces that it made or attached.
    pub fn namespaces(&self) -> Vec<String> {
        self.objects.named_netns().filter_map(|n| n.name.as_ref().map(NsName::to_string)).collect()
    }

    /// The word for where it is.
    pub fn place(&self) -> String {
        match &self.sandbox {
            None => "host".into(),
            Some(sandbox) if *sandbox == self.name => "sandbox".into(),
            // Somebody ran it in the sandbox of another.
            Some(sandbox) => format!("sandbox of {sandbox}"),
        }
    }

    /// The word for its status.
    pub fn word(&self) -> &'static str {
        match &self.status {
            Err(_) => "unreadable",
            Ok(_) if self.is_void => "void",
            Ok(status) => status.word(),
        }
    }
}

/// All labs, also those whose journals cannot be read.
pub fn all(store: &Store) -> Vec<LabInfo> {
    store.labs().into_iter().map(|name| info(store, name)).collect()
}

/// The same, and those in the sandboxes of this user.
pub fn everywhere(store: &Store) -> Vec<LabInfo> {
    let mut labs = all(store);
    for sandbox in sandbox::all() {
        labs.extend(
            all(&sandbox.store()).into_iter().map(|lab| LabInfo { sandbox: Some(sandbox.name.clone()), ..lab }),
        );
    }
    labs.sort_by(|a, b| a.name.cmp(&b.name));
    labs
}

fn info(store: &Store, name: LabName) -> LabInfo {
    let (status, state) = match store.status(&name) {
        Ok((status, state)) => (Ok(status), state),
        Err(error) => (Err(error), crate::journal::state::State::default()),
    };
    let objects = state.header.as_ref().map(|header| read_objects(header, &state)).unwrap_or_default();
    LabInfo {
        name,
        sandbox: None,
        status,
        objects,
        steps: state.steps.values().filter(|s| s.phase.is_open()).count(),
        is_void: state.header.as_ref().is_some_and(|h| process::boot_id().is_ok_and(|now| now != h.boot_id)),
        header: state.header,
    }
}

/// A name that no lab has: this one, or with a number behind it.
///
/// # Errors
/// `NL0102` if it is no name at all.
pub fn free_name(store: &Store, stem: &str) -> Result<LabName> {
    let taken = |name: &LabName| store.journal(name).exists() || sandbox::all().iter().any(|s| s.name == *name);
    let first = LabName::new(stem)?;
    if !taken(&first) {
        return Ok(first);
    }
    for number in 2..1000 {
        let name = LabName::new(&format!("{stem}-{number}"))?;
        if !taken(&name) {
            return Ok(name);
        }
    }
    Ok(first)
}
