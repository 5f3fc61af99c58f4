//! Routes, rules and settings of a namespace.

use super::Lab;
use super::objects::NsId;
use crate::action::Action;
use crate::action::route::{RouteAdd, RouteReplace, find_to_delete, no_route};
use crate::action::rule::{RuleAdd, RuleDel};
use crate::action::sysctl_set::SysctlSet;
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::route::RouteSpec;
use crate::kernel::rule::{self, RuleSpec};
use crate::kernel::sysctl;

impl Lab {
    /// Makes a route, or puts it in another's place.
    ///
    /// # Errors
    /// `NL0104` for a gateway that cannot be reached, `NL0111` if there is such a route, and the kernel's.
    pub fn add_route(&mut self, site: &Site, id: NsId, route: RouteSpec, replace: bool) -> Result<()> {
        let netns = self.objects.netns(id)?.cookie;
        let dev = route.dev.and_then(|index| {
            let link = self.objects.link_by_key(crate::kernel::link::LinkKey { netns, index })?;
            Some(self.objects.link(link).ok()?.name().to_owned())
        });
        for via in route.via.iter().chain(route.nexthops.iter().filter_map(|h| h.via.as_ref())) {
            crate::action::route::refuse_own(netns, *via, &mut self.context()).map_err(|e| e.at(site.clone()))?;
        }
        if !replace {
            return self.perform(site, Action::RouteAdd(RouteAdd { netns, route, dev }));
        }
        self.perform(site, Action::RouteReplace(RouteReplace { netns, route, dev }))
    }

    /// Deletes a route.
    ///
    /// # Errors
    /// `NL0110` if there is none, `NL0115` for another lab's, `NL0123` for the machine's default route.
    pub fn del_route(&mut self, site: &Site, id: NsId, wanted: &RouteSpec) -> Result<()> {
        let netns = self.objects.netns(id)?.cookie;
        let Some(del) = find_to_delete(netns, wanted, &mut self.context())? else {
            return Err(no_route(wanted).at(site.clone()));
        };
        let found = &del.route;
        let made = |action: &Action| {
            let route = match action {
                Action::RouteAdd(a) if a.netns == netns => &a.route,
                Action::RouteReplace(a) if a.netns == netns => &a.route,
                _ => return false,
            };
            route.dst == found.dst && route.metric == found.metric && route.table == found.table
        };
        if !self.objects.is_own_netns(netns) && !self.steps.iter().any(|(_, s)| made(&s.action)) {
            self.may_lose_route(netns, found)?;
        }
        self.perform(site, Action::RouteDel(del))
    }

    /// Makes a rule. One without a priority gets the next below the lowest, as the kernel would choose.
    ///
    /// # Errors
    /// `NL0111` if there is such a rule, and the kernel's.
    pub fn add_rule(&mut self, site: &Site, id: NsId, mut rule: RuleSpec, priority: Option<u32>) -> Result<()> {
        let netns = self.objects.netns(id)?.cookie;
        rule.priority = match priority {
            Some(priority) => priority,
            None => self.free_priority(netns, rule.v6)?,
        };
        self.perform(site, Action::RuleAdd(RuleAdd { netns, rule }))
    }

    /// Deletes a rule. One that the lab did not make has to be named by its priority.
    ///
    /// # Errors
    /// `NL0110` if there is none.
    pub fn del_rule(&mut self, site: &Site, id: NsId, mut rule: RuleSpec, priority: Option<u32>) -> Result<()> {
        let netns = self.objects.netns(id)?.cookie;
        let made = self.steps.iter().rev().find_map(|(_, s)| match &s.action {
            Action::RuleAdd(a) if a.netns == netns => {
                let same = RuleSpec { priority: a.rule.priority, ..rule.clone() } == a.rule;
                (same && priority.is_none_or(|p| p == a.rule.priority)).then_some(a.rule.priority)
            }
            _ => None,
        });
        rule.priority = match (made, priority) {
            (Some(priority), _) => priority,
            (None, Some(priority)) => priority,
            (None, None) => {
                return Err(Diagnostic::new(Code::NoSuchEntry, "the lab has made no such rule")
                    .help("name its priority: #{ priority: … }")
                    .at(site.clone()));
            }
        };
        // Given back, it has to be what it was, which includes who made it.
        if let Some(found) = crate::action::rule::find(netns, &rule, &mut self.context())? {
            rule = found;
        }
        self.perform(site, Action::RuleDel(RuleDel { netns, rule }))
    }

    fn free_priority(&mut self, netns: crate::kernel::space::NetnsCookie, v6: bool) -> Result<u32> {
        use netlink_packet_route::rule::RuleAttribute;
        const MAIN: u32 = 32766;
        let rules =
            rule::dump(self.context_socket(netns)?, v6).map_err(|e| crate::action::failed("list the rules", e))?;
        let lowest = rules
            .iter()
            .flat_map(|r| &r.attributes)
            .filter_map(|a| if let RuleAttribute::Priority(p) = a { Some(*p) } else { None })
            .filter(|p| *p > 0)
            .min();
        Ok(lowest.unwrap_or(MAIN).saturating_sub(1))
    }

    /// Writes a setting.
    ///
    /// # Errors
    /// `NL0117` if there is none or it refuses the value.
    pub fn set_sysctl(&mut self, site: &Site, id: NsId, key: &str, value: &str) -> Result<()> {
        let netns = self.objects.netns(id)?.cookie;
        let set = SysctlSet { netns, path: sysctl::path(key)?, value: value.trim().to_owned() };
        self.perform(site, Action::SysctlSet(set))
    }

    /// Reads a setting.
    ///
    /// # Errors
    /// `NL0117` if there is none.
    pub fn sysctl(&mut self, id: NsId, key: &str) -> Result<String> {
        let netns = self.objects.netns(id)?.cookie;
        let path = sysctl::path(key)?;
        SysctlSet::look(netns, &path, &mut self.context())
    }
}
