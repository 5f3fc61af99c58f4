//! What a script says about itself: what it expects, needs, and cannot go on without.

use rhai::{Dynamic, Map};

use super::args::Call;
use super::function::{Form, Function};
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
    if let Ok(holds) = given.as_bool() {
        let what = text.map_or_else(
            || "this was expected to hold, but it is false".to_owned(),
            |text| format!("expected: {text}; but it is false"),
        );
        return if holds { Ok(Dynamic::UNIT) } else { Err(Diagnostic::new(Code::ExpectFailed, what)) };
    }
    let Some(probe) = given.read_lock::<Map>().map(|m| m.clone()) else {
        return Err(Diagnostic::new(
            Code::WrongArguments,
            format!("`expect` takes a probe or a bool, this is {}", kind(&given)),
        )
        .help("compare it with something: expect(x == 1)"));
    };
    let Some(ok) = probe.get("ok").and_then(|ok| ok.as_bool().ok()) else {
        return Err(Diagnostic::new(
            Code::WrongArguments,
            "`expect` takes a probe or a bool, this is a map without an `ok`",
        ));
    };
    if ok {
        return Ok(Dynamic::UNIT);
    }
    let why = probe.get("why").map(ToString::to_string).unwrap_or_default();
    let message = match (text, why.is_empty()) {
        (Some(text), true) => format!("expected: {text}"),
        (Some(text), false) => format!("expected: {text}; but {why}"),
        (None, true) => "the probe failed".into(),
        (None, false) => why,
    };
    match super::why::explain(c, &probe) {
        Some(found) => {
            let error = Diagnostic::new(Code::ExpectFailed, format!("{message}, since {}", told::sentence(&found)));
            Err(match told::help(&found) {
                Some(help) => error.help(help),
                None => error,
            })
        }
        None => Err(Diagnostic::new(Code::ExpectFailed, message)),
    }
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
    if let Some(feature) = feature::has(name) {
        return feature.require();
    }
    if name == "docker" {
        return Engine::find()?.ping();
    }
    if name == "nspawn" {
        return nspawn::require();
    }
    let names: Vec<&str> = feature::names().chain(["docker", "nspawn"]).collect();
    let error = Diagnostic::new(Code::BadOption, format!("there is no feature `{name}`"));
    Err(match crate::diag::nearest(name, names.iter().copied()) {
        Some(near) => error.help(format!("did you mean \"{near}\"?")),
        None => error.help(format!("there is {}", names.join(", "))),
    })
}
