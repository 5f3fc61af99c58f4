//! The labs of this user, as their journals tell.

use crate::diag::Result;
use crate::journal::record::Header;
use crate::journal::store::{Status, Store};
use crate::kernel::process;
use crate::lab::objects::Objects;
use crate::lab::open::read_objects;
use crate::types::name::{LabName, NsName};

/// A lab.
pub struct LabInfo {
    /// Its name.
    pub name: LabName,
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

fn info(store: &Store, name: LabName) -> LabInfo {
    let (status, state) = match store.status(&name) {
        Ok((status, state)) => (Ok(status), state),
        Err(error) => (Err(error), crate::journal::state::State::default()),
    };
    let objects = state.header.as_ref().map(|header| read_objects(header, &state)).unwrap_or_default();
    LabInfo {
        name,
        status,
        objects,
        steps: state.steps.values().filter(|s| s.phase.is_open()).count(),
        is_void: state.header.as_ref().is_some_and(|h| process::boot_id().is_ok_and(|now| now != h.boot_id)),
        header: state.header,
    }
}
