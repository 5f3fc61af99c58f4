//! A link's root queueing discipline is set, or taken away.

use serde::{Deserialize, Serialize};

use super::text::{Names, Options, in_units, opt};
use super::{After, Change, Context, Failure, Subject, failed};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::qdisc::{self, NetemSpec};
use crate::snapshot;
use crate::snapshot::scope::Touch;
use crate::types::name::IfName;

/// The queueing discipline of a link is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QdiscSet {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
    /// What it does; nothing for the kernel's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netem: Option<NetemSpec>,
}

impl QdiscSet {
    /// The kernel takes away whatever is there.
    fn must_be_netem(&self, ctx: &mut Context<'_>) -> Result<()> {
        let kind = snapshot::qdisc::root_kind(ctx.socket(self.link.netns)?, self.link.index)
            .map_err(|e| failed(&format!("look at the queueing discipline of `{}`", self.dev), e))?;
        let error = |words: String| Err(Diagnostic::new(Code::NoSuchEntry, words));
        match kind.as_deref() {
            Some("netem") => Ok(()),
            Some(other) => {
                error(format!("`{}` has no netem, but {other}, which is not netlab's to take away", self.dev))
            }
            None => error(format!("`{}` has no netem", self.dev)),
        }
    }
}

impl Change for QdiscSet {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let create = netlink_packet_core::NLM_F_CREATE | netlink_packet_core::NLM_F_REPLACE;
        let (message, flags) = match &self.netem {
            Some(spec) => (qdisc::netem(self.link.index, spec), create),
            None => (qdisc::delete(self.link.index), 0),
        };
        if self.netem.is_none() {
            self.must_be_netem(ctx).map_err(Failure::clean)?;
        }
        let answer = ctx.socket(self.link.netns).map_err(Failure::clean)?.change_raw(&message, flags);
        answer.map_err(|e| {
            Failure::clean(match e.errno {
                libc::ENOENT if self.netem.is_some() => {
                    Diagnostic::new(Code::NoFeature, "this kernel has no `netem` (CONFIG_NET_SCH_NETEM)")
                        .help("`netlab doctor` shows what works on this machine")
                        .kernel(e)
                }
                libc::ENODEV => super::deleted_by_others(self.dev.as_str()).kernel(e),
                _ => failed(&format!("set the netem of `{}`", self.dev), e),
            })
        })?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Link(self.link, Vec::new())])
    }

    fn needs(&self) -> Vec<&'static str> {
        vec!["netem"]
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.link)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        let tc = names.tool("tc", self.link.netns);
        let Some(spec) = &self.netem else { return vec![format!("{tc} qdisc del dev {} root", self.dev)] };
        let mut line = format!("{tc} qdisc replace dev {} root netem", self.dev);
        let percent = |share: f64| format!("{share}%");
        opt(&mut line, "limit", spec.limit);
        opt(&mut line, "delay", spec.delay.or(spec.jitter.map(|_| 0)).map(tc_time));
        if let Some(jitter) = spec.jitter {
            line.push_str(&format!(" {}", tc_time(jitter)));
        }
        opt(&mut line, "loss", spec.loss.map(percent));
        opt(&mut line, "duplicate", spec.duplicate.map(percent));
        opt(&mut line, "corrupt", spec.corrupt.map(percent));
        opt(&mut line, "reorder", spec.reorder.map(percent));
        opt(&mut line, "rate", spec.rate.map(|bits| in_units(bits, RATES)));
        vec![line]
    }

    fn rhai(&self, names: &Names) -> String {
        let link = names.link_handle(self.link, self.dev.as_str());
        let Some(spec) = &self.netem else { return format!("{link}.del_netem()") };
        let mut options = Options::default();
        options.put_text("delay", spec.delay.map(time));
        options.put_text("jitter", spec.jitter.map(time));
        options.put("loss", spec.loss);
        options.put("duplicate", spec.duplicate);
        options.put("corrupt", spec.corrupt);
        options.put("reorder", spec.reorder);
        options.put_text("rate", spec.rate.map(|bits| in_units(bits, RATES)));
        options.put("limit", spec.limit);
        format!("{link}.netem({})", options.after([""; 0]))
    }
}

/// A time in nanoseconds with the largest unit in which it is whole.
fn time(nanos: u64) -> String {
    if nanos.is_multiple_of(1000) { in_units(nanos / 1000, TIMES) } else { format!("{nanos}ns") }
}

/// The same for tc(8), which takes whole microseconds and cuts them to ticks of 64 ns: the next one comes to the same tick.
fn tc_time(nanos: u64) -> String {
    in_units(nanos.div_ceil(1000), TIMES)
}

/// The units of times in microseconds and of rates in bits per second, as tc(8) takes them.
const TIMES: &[(&str, u64)] = &[("s", 1_000_000), ("ms", 1000), ("us", 1)];
const RATES: &[(&str, u64)] = &[("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1000), ("bit", 1)];
