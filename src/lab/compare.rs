//! How the host differs after an undo from what it was, and what the pictures of other labs have to follow.

use super::Lab;
use super::moment::Moment;
use super::open::MOMENT;
use super::proof::{Changes, Difference, Picture, Trail};
use crate::journal::log;
use crate::types::name::LabName;

impl Lab {
    /// The differences that no other lab explains. Their journals are read only if there are any.
    pub(super) fn unexplained(&self, mut changes: Changes) -> Vec<Difference> {
        if changes.is_empty() {
            return Vec::new();
        }
        for lab in self.store.labs().into_iter().filter(|l| *l != self.header.lab) {
            let Ok(state) = log::read(&self.store.journal(&lab)) else { continue };
            let Some(header) = &state.header else { continue };
            let objects = super::open::read_objects(header, &state);
            changes.forgive(&Trail::of(&objects, &state, header.host));
        }
        changes.told()
    }

    /// How namespaces that were there before differ, if the lab was told to verify everything.
    pub(super) fn differences_elsewhere(&mut self) -> Vec<Difference> {
        let Ok(before) = Moment::load(&self.store.dir(&self.header.lab).join(MOMENT)) else { return Vec::new() };
        let now = Moment::take(&mut self.kernel);
        let all = now.and_then(|now| now.differences(&before)).unwrap_or_default();
        let elsewhere = all.into_iter().filter(|(name, _)| !name.is_empty());
        elsewhere.map(|(name, d)| Difference { what: format!("{} in `{name}`", d.what), ..d }).collect()
    }

    /// What other labs remember of this lab's host.
    pub(super) fn pictures_of_others(&self) -> Vec<(LabName, Picture)> {
        let others = self.store.labs().into_iter().filter(|lab| *lab != self.header.lab);
        let load = |lab: LabName| Picture::load(&self.store.dir(&lab)).map(|picture| (lab, picture));
        others.filter_map(load).filter(|(_, picture)| picture.seen.scope.netns == self.header.host).collect()
    }

    /// What this lab made or changed stood on the host when other labs began, and is in their pictures of it.
    pub(super) fn have_others_follow(&mut self, others: Vec<(LabName, Picture)>, begun: &Picture) {
        let Ok(now) = begun.now(&mut self.kernel) else { return };
        for (lab, _) in others {
            let dir = self.store.dir(&lab);
            // Read again: yet another lab may have gone meanwhile.
            let Some(mut picture) = Picture::load(&dir) else { continue };
            if picture.follow(begun, &now) {
                // If this fails, that lab will say that something is gone: a line too many, and nothing worse.
                let _ = picture.save(&dir);
            }
        }
    }
}
