//! Who has what is in the way: this lab, another one, or somebody before.

use super::Lab;
use super::objects::{NsId, Objects};
use crate::action::Action;
use crate::action::addr::AddrAdd;
use crate::action::link_set::LinkChange;
use crate::action::netns::NetnsAdd;
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::journal::log;
use crate::journal::record::Header;
use crate::journal::state::Phase;
use crate::kernel::addr::AddrSpec;
use crate::kernel::link::{LinkKey, LinkSet};
use crate::kernel::space::NetnsCookie;
use crate::probe::state::link::LinkState;
use crate::types::name::LabName;

impl Lab {
    /// Adds to an error about something taken who has it, and what can be done.
    pub(crate) fn blame(&mut self, error: Box<Diagnostic>, action: &Action) -> Box<Diagnostic> {
        if error.help.is_some() {
            return error;
        }
        match (error.code, action) {
            (Code::AddressTaken, Action::AddrAdd(a)) => self.blame_addr(error, a),
            (Code::AddressTaken, _) => error.help("the port lists it twice"),
            (Code::NameTaken, Action::NetnsAdd(a)) => self.blame_netns(error, a),
            (Code::NoSuchLink, Action::DockerNetwork(a)) => self.blame_parent(error, a),
            (Code::NameTaken, Action::DockerRun(_) | Action::DockerNetwork(_)) => self.blame_docker(error, action),
            (Code::NameTaken, Action::LinkAdd(a)) => {
                let ends: Vec<(NetnsCookie, String)> =
                    a.ends().map(|e| (e.link.netns, e.link.name.to_string())).collect();
                for (netns, name) in ends {
                    if let Some(found) = self.look_up(netns, &name) {
                        let place = self.objects.names().netns(netns);
                        let words = format!("namespace `{place}` already has a link called `{name}`");
                        return self.blame_link(Box::new(Diagnostic { message: words, ..*error }), netns, &found);
                    }
                }
                error
            }
            (Code::NameTaken, Action::LinkSet(LinkChange { link, set: LinkSet { name: Some(name), .. }, .. })) => {
                self.blame_found(error, link.netns, name.as_str())
            }
            (Code::NameTaken, Action::LinkMove(a)) => self.blame_found(error, a.to.netns, a.dev.as_str()),
            _ => error,
        }
    }

    fn blame_netns(&self, error: Box<Diagnostic>, add: &NetnsAdd) -> Box<Diagnostic> {
        let name = &add.name;
        // The one that was to be made has been entered already.
        let own = self.objects.named_netns().find(|n| n.name.as_ref() == Some(name) && n.cookie != add.cookie);
        if let Some(own) = own.filter(|n| n.made) {
            return error.help(format!("{}; reach it with get_netns(\"{name}\")", self.made_it(own.site.as_ref())));
        }
        let has = |o: &Objects| o.named_netns().any(|n| n.name.as_ref() == Some(name));
        match self.other_lab(has) {
            Some(lab) => error.help(belongs_to(&lab)),
            None => error.help(format!(
                "it was there before this lab; reach it with get_netns(\"{name}\"), delete it with `ip netns del {name}`, or choose another name"
            )),
        }
    }

    fn blame_found(&mut self, error: Box<Diagnostic>, netns: NetnsCookie, name: &str) -> Box<Diagnostic> {
        match self.look_up(netns, name) {
            Some(found) => self.blame_link(error, netns, &found),
            None => error,
        }
    }

    fn blame_link(&self, error: Box<Diagnostic>, netns: NetnsCookie, found: &LinkState) -> Box<Diagnostic> {
        let name = &found.ifname;
        if name == "lo" {
            return error.help("every namespace has its `lo`; choose another name");
        }
        let key = LinkKey { netns, index: found.ifindex };
        if let Some(own) = self.objects.link_by_key(key).and_then(|id| self.objects.link(id).ok()).filter(|l| l.made) {
            return error.help(format!("{}; choose another name", self.made_it(own.site.as_ref())));
        }
        let has = |o: &Objects| o.made_links().any(|l| l.spots.iter().any(|s| s.key == key));
        match self.other_lab(has) {
            Some(lab) => error.help(belongs_to(&lab)),
            None => {
                let kind = if found.kind().is_empty() { "link" } else { found.kind() };
                let place = self.objects.names().netns(netns);
                let handle = if netns == self.header.host { "host".into() } else { format!("get_netns(\"{place}\")") };
                error.help(format!("it is a {kind} that was there before this lab; reach it with {handle}[\"{name}\"], or choose another name"))
            }
        }
    }

    fn blame_addr(&self, error: Box<Diagnostic>, add: &AddrAdd) -> Box<Diagnostic> {
        let same = |addr: &AddrSpec| addr.addr == add.addr.addr;
        let puts = |action: &Action| match action {
            Action::AddrAdd(a) => a.link == add.link && same(&a.addr),
            Action::LinkAdd(a) => a.ends().any(|e| e.link.key() == add.link && e.addrs.iter().any(same)),
            _ => false,
        };
        match self.steps.iter().find(|(_, s)| s.phase == Phase::Done && puts(&s.action)) {
            Some((_, step)) => error.help(format!("this script put it there in line {}", step.site.line)),
            None => error.help("it was there before this step: leave the line out, or choose another address"),
        }
    }

    /// Where this script made what is in the way.
    pub(super) fn made_it(&self, made: Option<&Site>) -> String {
        let now = self.steps.last().map(|(_, s)| &s.site);
        match made {
            Some(made) if now == Some(made) => {
                "this line made it when it was run before: a loop or a function needs a new name each time".into()
            }
            Some(made) if made.file == self.header.file => format!("this script made it in line {}", made.line),
            Some(made) => format!("this script made it in line {} of {}", made.line, made.file),
            None => "this script made it".into(),
        }
    }

    /// The other lab whose objects satisfy a condition.
    pub(crate) fn other_lab(&self, has: impl Fn(&Objects) -> bool) -> Option<LabName> {
        self.other_lab_that(|_, objects| has(objects))
    }

    fn other_lab_that(&self, is: impl Fn(&Header, &Objects) -> bool) -> Option<LabName> {
        self.store.labs().into_iter().filter(|l| *l != self.header.lab).find(|lab| {
            let Ok(state) = log::read(&self.store.journal(lab)) else { return false };
            let Some(header) = &state.header else { return false };
            is(header, &super::open::read_objects(header, &state))
        })
    }

    fn look_up(&mut self, netns: NetnsCookie, name: &str) -> Option<LinkState> {
        let message = crate::kernel::link::get_by_name(self.kernel.socket(netns)?, name).ok()?;
        Some(LinkState::new(&message))
    }

    /// Refuses to `verb` what another lab made, or what is in a namespace that another lab made, even where the kernel made it
    /// there, as `lo`.
    ///
    /// # Errors
    /// `NL0115`.
    pub(crate) fn refuse_of_another(
        &self,
        what: &str,
        verb: &str,
        netns: NetnsCookie,
        link: Option<LinkKey>,
    ) -> Result<()> {
        let made = |header: &Header, o: &Objects| {
            // The start of an exercise is there to be changed.
            header.exercise.is_none()
                && (o.made_netns().any(|n| n.cookie == netns)
                    || o.made_links().any(|l| l.spots.iter().any(|s| Some(s.key) == link)))
        };
        let Some(lab) = self.other_lab_that(made) else { return Ok(()) };
        Err(Diagnostic::new(Code::NotOurs, format!("cannot {verb} {what}: it belongs to the lab `{lab}`"))
            .help(format!("do it in that lab's own script, or take the lab down with `netlab down {lab}`")))
    }

    /// The word for a namespace in sentences.
    pub fn netns_name(&self, id: NsId) -> String {
        self.objects.netns(id).map_or_else(|_| "?".into(), |n| self.objects.names().netns(n.cookie).to_owned())
    }
}

pub(super) fn belongs_to(lab: &LabName) -> String {
    format!("it belongs to the lab `{lab}`; take that down with `netlab down {lab}`, or choose another name")
}
