//! `link.netem(…)`: a wire that is slow and bad.

use rhai::Dynamic;

use super::args::Call;
use super::function::{Form, Function};
use super::options::Options;
use super::values::Of;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::qdisc::NetemSpec;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Link,
        name: "netem",
        params: "#{ delay, jitter, loss, duplicate, corrupt, reorder, rate, limit }",
        arity: (1, 1),
        gives: "the link",
        doc: "Makes the way out by this link slow or bad, as tc-netem(8) does.\n\nSaid again, it replaces what was said before. The way in is the other end's.\n\n* `delay`, `jitter` - times: `\"10ms\"`, `\"500us\"`, `\"1s\"`\n* `loss`, `duplicate`, `corrupt`, `reorder` - shares in percent: `1`, `0.5`, `\"0.5%\"`; `reorder` needs a `delay`\n* `rate` - bits per second: `\"10mbit\"`, `\"500kbit\"`, or a number\n* `limit` - how many packets wait at most\n\n```rhai\nneeds(\"netem\");\nlet wire = veth(netns(\"a\").port(\"eth0\", \"10.0.0.1/24\"), netns(\"b\").port(\"eth0\", \"10.0.0.2/24\"));\nwire.a.netem(#{ delay: \"20ms\" });\nexpect(get_netns(\"a\").ping(\"10.0.0.2\").rtt >= 20.0);\n```",
        form: Form::Call(netem),
    },
    Function {
        of: Of::Link,
        name: "del_netem",
        params: "",
        arity: (0, 0),
        gives: "the link",
        doc: "Takes the netem of a link away.\n\n```rhai\nneeds(\"netem\");\nlet wire = veth(netns(\"a\"), netns(\"b\"));\nwire.a.netem(#{ loss: 50 });\nwire.a.del_netem();\n```",
        form: Form::Call(|c| {
            let (id, site) = (c.link()?, c.site.clone());
            c.lab()?.set_netem(&site, id, None)?;
            Ok(c.this.clone())
        }),
    },
];

fn netem(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, site) = (c.link()?, c.site.clone());
    let mut options = c.options(0)?;
    let spec = NetemSpec {
        delay: amount(&mut options, "delay", TIMES)?.map(|nanos| nanos as u64),
        jitter: amount(&mut options, "jitter", TIMES)?.map(|nanos| nanos as u64),
        loss: share(&mut options, "loss")?,
        duplicate: share(&mut options, "duplicate")?,
        corrupt: share(&mut options, "corrupt")?,
        reorder: share(&mut options, "reorder")?,
        rate: amount(&mut options, "rate", RATES)?.map(|bits| bits as u64),
        limit: options.number("limit")?,
    };
    options.finish()?;
    let wrong = |words: &str| Err(Diagnostic::new(Code::BadOption, words));
    if spec == NetemSpec::default() {
        return wrong("netem is told nothing to do: `delay`, `loss`, `rate`, …");
    }
    if spec.reorder.is_some() && spec.delay.is_none() {
        return wrong("`reorder` lets packets overtake those that are delayed, so it needs a `delay`");
    }
    if spec.rate.is_some_and(|bits| bits < 8) {
        return wrong("a `rate` below 8 bits per second lets nothing through: use `loss: 100`");
    }
    c.lab()?.set_netem(&site, id, Some(spec))?;
    Ok(c.this.clone())
}

/// Units, and what a bare number is in; none if it has to have one.
type Units = (&'static [(&'static str, f64)], Option<f64>);

/// Times in nanoseconds.
const TIMES: Units = (&[("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)], None);
/// Rates in bits per second, as tc(8) has them.
const RATES: Units = (&[("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)], Some(1.0));
/// The longest time: an hour, in nanoseconds; and the highest rate, a terabit.
const MOST: f64 = 3600e9;

/// A number with its unit.
fn amount(options: &mut Options, key: &'static str, (units, bare): Units) -> Result<Option<f64>> {
    let Some(value) = options.any(key) else { return Ok(None) };
    let text = value.to_string();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let factor = if unit.is_empty() { bare } else { units.iter().find(|(word, _)| *word == unit).map(|(_, f)| *f) };
    let number = digits.trim().parse::<f64>().ok().zip(factor).map(|(number, factor)| number * factor);
    number.filter(|n| (0.0..=MOST).contains(n)).map(Some).ok_or_else(|| {
        let words: Vec<&str> = units.iter().map(|(word, _)| *word).collect();
        Diagnostic::new(Code::BadOption, format!("`{key}` is {text:?}, which cannot be read")).help(format!(
            "write a number and its unit ({}): {key}: \"10{}\"",
            words.join(", "),
            units[units.len() / 2].0
        ))
    })
}

/// A share in percent.
fn share(options: &mut Options, key: &'static str) -> Result<Option<f64>> {
    let Some(value) = options.any(key) else { return Ok(None) };
    let text = value.to_string();
    let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
    number.filter(|n| (0.0..=100.0).contains(n)).map(Some).ok_or_else(|| {
        Diagnostic::new(Code::OutOfRange, format!("`{key}` is {text:?}; it is a share from 0 to 100 percent"))
    })
}
