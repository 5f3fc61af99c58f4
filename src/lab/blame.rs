//! Who has what is in the way: this lab, another one, or somebody before.

use super::Lab;
use super::objects::{NsId, Objects};
use crate::action::Action;
use crate::diag::{Code, Diagnostic};
use crate::journal::log;
use crate::kernel::link::LinkKey;
use crate::kernel::space::NetnsCookie;
use crate::probe::state::link::LinkState;
use crate::types::name::{LabName, NsName};

impl Lab {
    /// Adds to an error about a taken name who has it, and what can be done.
    pub(crate) fn blame(&mut self, error: Box<Diagnostic>, action: &Action) -> Box<Diagnostic> {
        if error.code != Code::NameTaken || error.help.is_some() {
            return error;
        }
        match action {
            Action::NetnsAdd(a) => self.blame_netns(error, &a.name),
            Action::LinkAdd(a) => {
                let ends: Vec<(NetnsCookie, String)> =
                    a.ends().map(|e| (e.link.netns, e.link.name.to_string())).collect();
                for (netns, name) in ends {
                    if let Some(found) = self.look_up(netns, &name) {
                        return self.blame_link(error, netns, &found);
                    }
                }
                error
            }
            _ => error,
        }
    }

    fn blame_netns(&self, error: Box<Diagnostic>, name: &NsName) -> Box<Diagnostic> {
        if let Some(own) = self.objects.named_netns().find(|n| n.name.as_ref() == Some(name)) {
            let line = own.site.as_ref().map_or(0, |s| s.line);
            return error.help(format!("this script made it in line {line}; reach it with get_netns(\"{name}\")"));
        }
        let has = |o: &Objects| o.named_netns().any(|n| n.name.as_ref() == Some(name));
        match self.other_lab(has) {
            Some(lab) => error.help(format!("it belongs to the lab `{lab}`; take that down with `netlab down {lab}`, or choose another name")),
            None => error.help(format!(
                "it was there before this lab; reach it with get_netns(\"{name}\"), delete it with `ip netns del {name}`, or choose another name"
            )),
        }
    }

    fn blame_link(&self, mut error: Box<Diagnostic>, netns: NetnsCookie, found: &LinkState) -> Box<Diagnostic> {
        let name = &found.ifname;
        let place = self.objects.names().netns(netns).to_owned();
        error.message = format!("namespace `{place}` already has a link called `{name}`");
        let key = LinkKey { netns, index: found.ifindex };
        if let Some(own) = self.objects.link_by_key(key).and_then(|id| self.objects.link(id).ok()).filter(|l| l.made) {
            let line = own.site.as_ref().map_or(0, |s| s.line);
            return error.help(format!("this script made it in line {line}"));
        }
        let has = |o: &Objects| o.made_links().any(|l| l.spots.iter().any(|s| s.key == key));
        match self.other_lab(has) {
            Some(lab) => error.help(format!(
                "it belongs to the lab `{lab}`; take that down with `netlab down {lab}`, or choose another name"
            )),
            None => {
                let kind = if found.kind().is_empty() { "link" } else { found.kind() };
                let handle = if netns == self.header.host { "host".into() } else { format!("get_netns(\"{place}\")") };
                error.help(format!("it is a {kind} that was there before this lab; reach it with {handle}[\"{name}\"], or choose another name"))
            }
        }
    }

    /// The other lab whose objects satisfy a condition.
    pub(crate) fn other_lab(&self, has: impl Fn(&Objects) -> bool) -> Option<LabName> {
        self.store.labs().into_iter().filter(|l| *l != self.header.lab).find(|lab| {
            let Ok(state) = log::read(&self.store.journal(lab)) else { return false };
            let Some(header) = &state.header else { return false };
            has(&super::open::read_objects(header, &state))
        })
    }

    fn look_up(&mut self, netns: NetnsCookie, name: &str) -> Option<LinkState> {
        let message = crate::kernel::link::get_by_name(self.kernel.socket(netns)?, name).ok()?;
        Some(LinkState::new(&message))
    }

    /// The error for changing what was there before, which cannot be taken back exactly yet.
    pub(crate) fn not_ours(&self, what: &str, verb: &str, key: Option<LinkKey>) -> Box<Diagnostic> {
        let owner =
            key.and_then(|key| self.other_lab(|o| o.made_links().any(|l| l.spots.iter().any(|s| s.key == key))));
        match owner {
            Some(lab) => {
                Diagnostic::new(Code::NotOurs, format!("{what} belongs to the lab `{lab}`; this lab may not {verb} it"))
                    .help(format!(
                        "run the script under that lab's name with --replace, or take it down with `netlab down {lab}`"
                    ))
            }
            None => Diagnostic::new(
                Code::NotOurs,
                format!("{what} was there before this lab, which may not {verb} it"),
            )
            .help("the kernel would drop more than netlab can give back yet; make a link of the lab's own instead"),
        }
    }

    /// The word for a namespace in sentences.
    pub fn netns_name(&self, id: NsId) -> String {
        self.objects.netns(id).map_or_else(|_| "?".into(), |n| n.name.as_ref().map_or("host".into(), NsName::to_string))
    }
}
