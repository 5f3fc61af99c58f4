//! A policy rule is made or deleted.

use serde::{Deserialize, Serialize};

use super::text::{Names, Options, opt};
use super::{After, Change, Context, Failure, Subject, failed};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::route::RouteKind;
use crate::kernel::rule::{self, RuleSpec};
use crate::kernel::space::NetnsCookie;
use crate::snapshot::scope::Touch;

/// A rule is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleAdd {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The rule.
    pub rule: RuleSpec,
}

impl Change for RuleAdd {
    fn check(&self, ctx: &mut Context<'_>) -> Result<()> {
        // The kernel itself would take one that somebody else made for another one.
        if find(self.netns, &self.rule, ctx)?.is_some() { Err(taken(&self.rule)) } else { Ok(()) }
    }

    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = rule::add(&self.rule);
        let socket = ctx.socket(self.netns).map_err(Failure::clean)?;
        socket.change(message, flags).map_err(|e| {
            Failure::clean(match e.errno {
                libc::EEXIST => taken(&self.rule).kernel(e),
                _ => failed(&format!("make the rule `{}`", words(&self.rule)), e),
            })
        })?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Rules(self.netns, self.rule.v6, self.rule.priority)])
    }

    fn subject(&self) -> Subject {
        Subject::Netns(self.netns, None)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} rule add {}", ip(self, names), words(&self.rule))]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        vec![format!("{} rule del {}", ip(self, names), words(&self.rule))]
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}.rule({})", names.handle(self.netns), args(&self.rule))
    }
}

/// The rule of a namespace that does the same with the same packets at the same place, whoever made it.
///
/// # Errors
/// What the kernel said.
pub fn find(netns: NetnsCookie, wanted: &RuleSpec, ctx: &mut Context<'_>) -> Result<Option<RuleSpec>> {
    let there = rule::dump(ctx.socket(netns)?, wanted.v6).map_err(|e| failed("read the rules", e))?;
    Ok(there.iter().filter_map(RuleSpec::read).find(|r| r.is_like(wanted)))
}

/// A rule is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleDel {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The rule.
    pub rule: RuleSpec,
}

impl RuleDel {
    fn opposite(&self) -> RuleAdd {
        RuleAdd { netns: self.netns, rule: self.rule.clone() }
    }
}

impl Change for RuleDel {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let what = format!("delete the rule `{}`", words(&self.rule));
        let missing = format!("there is no rule `{}`", words(&self.rule));
        super::take_away(rule::del(&self.rule), self.netns, (&what, missing), ctx)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Rules(self.netns, self.rule.v6, self.rule.priority)])
    }

    fn subject(&self) -> Subject {
        Subject::Netns(self.netns, None)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        self.opposite().by_hand(names)
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        self.opposite().ip(names)
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}.del_rule({})", names.handle(self.netns), args(&self.rule))
    }
}

fn ip(add: &RuleAdd, names: &Names) -> String {
    format!("{}{}", names.ip(add.netns), if add.rule.v6 { " -6" } else { "" })
}

/// A rule as `ip rule add` takes it.
pub fn words(rule: &RuleSpec) -> String {
    let mut line = format!("priority {}", rule.priority);
    if rule.not {
        line.push_str(" not");
    }
    opt(&mut line, "from", rule.from);
    opt(&mut line, "to", rule.to);
    opt(&mut line, "iif", rule.iif.as_ref());
    opt(&mut line, "oif", rule.oif.as_ref());
    opt(&mut line, "fwmark", rule.fwmark);
    opt(&mut line, "tos", rule.tos);
    match rule.kind {
        RouteKind::Unicast => opt(&mut line, "table", rule.table),
        kind => opt(&mut line, "type", Some(kind.word())),
    }
    line
}

/// A rule as a script's `rule` takes it.
fn args(rule: &RuleSpec) -> String {
    let mut options = Options::default();
    options.put_text("from", rule.from);
    options.put_text("to", rule.to);
    options.put_text("iif", rule.iif.as_ref());
    options.put_text("oif", rule.oif.as_ref());
    options.put("fwmark", rule.fwmark);
    options.put("tos", rule.tos);
    options.put_flag("not", rule.not);
    match rule.kind {
        RouteKind::Unicast => options.put("table", rule.table),
        kind => options.put_text("type", Some(kind.word())),
    }
    options.put("priority", Some(rule.priority));
    let says_family = rule.from.or(rule.to).is_some_and(|prefix| prefix.addr.is_ipv6());
    options.put_flag("ipv6", rule.v6 && !says_family);
    options.after([""; 0])
}

fn taken(rule: &RuleSpec) -> Box<Diagnostic> {
    Diagnostic::new(Code::EntryTaken, format!("there is a rule `{}` already", words(rule)))
}
