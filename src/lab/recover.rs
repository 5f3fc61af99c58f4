//! Finishing the undo of runs that were killed.

use super::Lab;
use super::rollback::Ending;
use crate::diag::{Code, Result};
use crate::journal::store::Store;
use crate::kernel::signal::Stop;
use crate::types::name::LabName;

/// The labs whose netlab was killed.
pub fn dead(store: &Store) -> Vec<LabName> {
    store.labs().into_iter().filter(|lab| store.is_dead(lab)).collect()
}

/// Finishes the undo of each; one that another netlab has taken up meanwhile is left to it.
pub fn all(store: &Store, stop: &Stop) -> Vec<(LabName, Result<Ending>)> {
    dead(store)
        .into_iter()
        .filter_map(|name| match Lab::resume(&name, store.clone(), stop.clone()) {
            Ok(lab) => Some((name, Ok(lab.undo_all()))),
            Err(e) if matches!(e.code, Code::LabBusy | Code::NoSuchLab) => None,
            Err(e) => Some((name, Err(e))),
        })
        .collect()
}
