//! What a script says about itself: what it expects, needs, and cannot go on without.

use rhai::{Dynamic, Map};

use super::args::Call;
use super::function::{Form, Function};
use super::raise::wrong;
use super::session::Session;
use super::values::{Of, kind};
use crate::container::engine::Engine;
use crate::diag::{Code, Diagnostic, Result};
use crate::lab::nspawn;
use crate::lint;
use crate::probe::feature;
use crate::why::told;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Free,
        name: "expect",
        params: "probe or bool, text?",
        arity: (1, 2),
        gives: "()",
        doc: "Ends the script, with everything rolled back, unless this holds.\n\nA failed probe says why, and a failed ping also what would mend it.\n\n`expect(!a.ping(b))` demands that `a` is alive at all: a namespace that cannot even reach itself proves nothing.\n\n```rhai\nlet a = netns(\"a\");\nexpect(a.ping(\"127.0.0.1\"), \"a reaches itself\");\nexpect(1 + 1 == 2);\n```",
        form: Form::Call(expect),
    },
    Function {
        of: Of::Free,
        name: "needs",
        params: "feature…",
        arity: (1, 8),
        gives: "()",
        doc: "Ends the script, before anything is done, if the kernel lacks one of these: link kinds such as `\"vlan\"`, `\"vxlan\"`, `\"dummy\"`, and `\"bridge-vlan-filtering\"`, `\"ipv6\"`, `\"tun\"`, `\"netem\"`.\n\n`netlab doctor` lists them.\n\n```rhai\nneeds(\"veth\", \"bridge\");\n```",
        form: Form::Call(|c| {
            for i in 0..c.len() {
                need(&c.text(i)?)?;
            }
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Free,
        name: "allow",
        params: "warning…",
        arity: (1, 8),
        gives: "()",
        doc: "Says that something is meant as it is, and not to be warned about at the end.\n\n`\"public-address\"`, `\"overlap\"`, `\"duplicate-address\"`, `\"lost-address\"`, `\"dead-gateway\"`, `\"mtu-mismatch\"`, `\"bridge-down\"`, or the number of the warning.\n\n```rhai\nallow(\"public-address\");\nhost[\"lo\"].addr(\"8.8.8.8/32\");\n```",
        form: Form::Call(|c| {
            for i in 0..c.len() {
                let lint = lint::find(&c.text(i)?)?;
                c.session.lab()?.allowed.insert(lint.code);
            }
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Free,
        name: "fail",
        params: "text, help?",
        arity: (1, 2),
        gives: "nothing: it ends the script",
        doc: "Ends the script with an error, and everything is rolled back.\n\n```rhai\nif args.len() > 9 { fail(\"that is too much\", \"give nine arguments or fewer\"); }\n```",
        form: Form::Call(|c| {
            let error = Diagnostic::new(Code::Thrown, c.text(0)?);
            Err(if c.has(1) { error.help(c.text(1)?) } else { error })
        }),
    },
];

fn expect(c: &mut Call<'_>) -> Result<Dynamic> {
    let text = if c.has(1) { Some(c.text(1)?) } else { None };
    let given = c.args[0].clone();
    let Some(verdict) = judge(c.session, &given, true) else {
        let is = if given.is_map() { "a map without an `ok`" } else { kind(&given) };
        return Err(wrong(format!("`expect` takes a probe or a bool, this is {is}"))
            .help("compare it with something: expect(x == 1)"));
    };
    if verdict.holds {
        return Ok(Dynamic::UNIT);
    }
    let message = match (text, verdict.why) {
        (Some(text), _) if given.is_bool() => format!("expected: {text}; but it is false"),
        (None, _) if given.is_bool() => "this was expected to hold, but it is false".to_owned(),
        (Some(text), None) => format!("expected: {text}"),
        (Some(text), Some(why)) => format!("expected: {text}; but {why}"),
        (None, None) => "the probe failed".into(),
        (None, Some(why)) => why,
    };
    let error = Diagnostic::new(Code::ExpectFailed, message);
    Err(match verdict.help {
        Some(help) => error.help(help),
        None => error,
    })
}

/// Whether something holds that may not.
pub(super) struct Verdict {
    pub(super) holds: bool,
    /// Why not.
    pub(super) why: Option<String>,
    /// What would mend it.
    pub(super) help: Option<String>,
}

/// Judges a bool or a probe; with `explain` the cause of a failed ping is looked for. `None` for what is neither.
pub(super) fn judge(session: &mut Session, given: &Dynamic, explain: bool) -> Option<Verdict> {
    let plain = |holds| Verdict { holds, why: None, help: None };
    if let Ok(holds) = given.as_bool() {
        return Some(plain(holds));
    }
    let probe = given.read_lock::<Map>().map(|m| m.clone())?;
    if probe.get("ok")?.as_bool().ok()? {
        return Some(plain(true));
    }
    let why = probe.get("why").map(ToString::to_string).filter(|why| !why.is_empty());
    let found = if explain { super::why::explain(session, &probe) } else { None };
    Some(match found {
        Some(found) => {
            let why = why.unwrap_or_else(|| "the probe failed".into());
            Verdict {
                holds: false,
                why: Some(format!("{why}, since {}", told::sentence(&found))),
                help: told::help(&found),
            }
        }
        None => Verdict { why, ..plain(false) },
    })
}

/// `!probe`: that it fails, from a place that is alive.
pub(super) fn negate(mut probe: Map) -> Map {
    let flag = |key: &str| probe.get(key).and_then(|v| v.as_bool().ok());
    let (ok, alive) = (flag("ok").unwrap_or(false), flag("alive").unwrap_or(true));
    let why = match (ok, alive) {
        (true, _) => "it answers",
        (false, false) => "it cannot even reach itself, so its silence proves nothing: is its `lo` down?",
        (false, true) => "",
    };
    // Why it fails is not the question any more.
    probe.remove("from");
    probe.insert("ok".into(), (!ok && alive).into());
    probe.insert("why".into(), why.into());
    probe
}

/// The error for a feature that this kernel lacks, or that is none.
pub(super) fn need(name: &str) -> Result<()> {
    known(name)?;
    match name {
        "docker" => Engine::find()?.ping(),
        "nspawn" => nspawn::require(),
        name => feature::has(name).map_or(Ok(()), |feature| feature.require()),
    }
}

/// What a script can need that is no feature of the kernel.
const SERVICES: [&str; 2] = ["docker", "nspawn"];

/// The error for a feature that is none.
pub(super) fn known(name: &str) -> Result<()> {
    let mut names = feature::names().chain(SERVICES);
    if names.any(|known| known == name) {
        return Ok(());
    }
    let names: Vec<&str> = feature::names().chain(SERVICES).collect();
    let error = Diagnostic::new(Code::BadOption, format!("there is no feature `{name}`"));
    Err(match crate::diag::nearest(name, names.iter().copied()) {
        Some(near) => error.help(format!("did you mean \"{near}\"?")),
        None => error.help(format!("there is {}", names.join(", "))),
    })
}
