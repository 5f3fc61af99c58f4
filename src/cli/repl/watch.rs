//! `watch links`: the links of the session's namespaces, a line whenever one changes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::Record;
use crate::diag::Result;
use crate::kernel::space::NetnsCookie;
use crate::probe::state;
use crate::script::live::Live;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Prints them until a signal comes.
pub(super) fn links(live: &mut Live, record: &Record) -> Result<()> {
    let mut before: Option<BTreeMap<String, String>> = None;
    while live.stop().signal().is_none() {
        let now = look(live)?;
        match &before {
            None => now.iter().for_each(|(name, state)| record.say(&format!("{name:<24}{state}"))),
            Some(before) => {
                for (name, state) in now.iter().filter(|(name, state)| before.get(*name) != Some(state)) {
                    record.say(&format!("{name:<24}{state}"));
                }
                for name in before.keys().filter(|name| !now.contains_key(*name)) {
                    record.say(&format!("{name:<24}gone"));
                }
            }
        }
        before = Some(now);
        std::thread::sleep(PAUSE);
    }
    live.stop().reset();
    Ok(())
}

fn look(live: &mut Live) -> Result<BTreeMap<String, String>> {
    live.with_lab(|lab| {
        let places: Vec<(NetnsCookie, String)> = lab
            .objects
            .named_netns()
            .map(|ns| (ns.cookie, ns.name.as_ref().map(ToString::to_string).unwrap_or_default()))
            .chain([(lab.header.host, "host".to_owned())])
            .collect();
        let mut all = BTreeMap::new();
        for (cookie, place) in places {
            let kernel = lab.kernel();
            if !kernel.find(cookie) {
                continue;
            }
            let Some(socket) = kernel.socket(cookie) else { continue };
            for link in state::link::read(socket).unwrap_or_default() {
                let up = if link.up { "up" } else { "down" };
                all.insert(format!("{place} {}", link.ifname), format!("{up}, {}, mtu {}", link.operstate, link.mtu));
            }
        }
        all
    })
}
