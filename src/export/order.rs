//! The order in which links can be made: first what others are plugged into, then wires, then what sits on other links.

use std::collections::HashSet;

use super::links::New;
use crate::kernel::link::LinkKey;
use crate::kernel::link::kind::LinkKind;

/// Puts links into an order in which each comes after those that it needs.
pub(super) fn sorted(mut waiting: Vec<New>) -> Vec<New> {
    waiting
        .sort_by_key(|new| !matches!(new.add.kind, LinkKind::Bridge(_) | LinkKind::Vrf { .. } | LinkKind::Bond { .. }));
    let keys = |new: &New| new.add.ends().map(|end| end.link.key()).collect::<Vec<LinkKey>>();
    let mut unmade: HashSet<LinkKey> = waiting.iter().flat_map(keys).collect();
    let mut made = Vec::new();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<New>, Vec<New>) =
            waiting.into_iter().partition(|new| needs(new).iter().all(|key| !unmade.contains(key)));
        // Two links that wait for each other cannot be; but if the kernel tells so, they are written all the same.
        let (ready, rest) = if ready.is_empty() { (rest, Vec::new()) } else { (ready, rest) };
        ready.iter().flat_map(keys).for_each(|key| {
            unmade.remove(&key);
        });
        made.extend(ready);
        waiting = rest;
    }
    made
}

/// What has to be there before a link is made, and gets its master.
fn needs(new: &New) -> Vec<LinkKey> {
    let masters = new.add.ends().filter_map(|end| Some(LinkKey { netns: end.link.netns, index: end.link.master? }));
    let joined = new.after.iter().filter_map(|action| match action {
        crate::action::Action::LinkSet(change) => Some(LinkKey { netns: change.link.netns, index: change.set.master? }),
        _ => None,
    });
    new.add.kind.parent().into_iter().chain(masters).chain(joined).collect()
}
