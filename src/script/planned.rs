//! What functions do in a plan: programs are told and not run, and the answer of a probe counts only where the sandbox can know it.

use std::net::IpAddr;
use std::time::Duration;

use rhai::{Dynamic, Map, NativeCallContext};

use super::args::Call;
use super::place::address_of;
use super::program::{argv, seconds};
use super::raise::ScriptError;
use super::session::Session;
use super::unknown::{self, Unknown};
use super::values::{Link, Ns, Of, Program};
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::netns;
use crate::kernel::process::ProcessKey;
use crate::kernel::space::NetnsCookie;
use crate::lab::Lab;
use crate::probe::{feature, state};

/// A function as the table has it.
type Run = fn(&mut Call<'_>) -> Result<Dynamic>;

/// What only look: what they find out about something unknown is unknown, and nothing else follows.
const LOOKING: [&str; 8] = ["netns_of", "get_netns", "ping", "traceroute", "tcp", "udp", "lookup", "pingall"];
/// As long as a plan sleeps: a script may wait for something in a loop.
const NAP: Duration = Duration::from_millis(20);

/// Runs a function, or does in its place what a plan does.
///
/// # Errors
/// The function's own.
pub(super) fn run(c: &mut Call<'_>, run: Run) -> Result<Dynamic> {
    if c.session.unknowns.is_none() {
        return run(c);
    }
    match (c.function.of, c.function.name) {
        (Of::Netns, "exec") => exec(c),
        (Of::Netns, "start") => start(c),
        (Of::Program, "stop") => {
            let (program, site) = (c.program()?.0, c.site.clone());
            c.look()?.plan_stop(&site, program);
            Ok(Dynamic::UNIT)
        }
        (Of::Program, property) => {
            let program = c.program()?.0;
            let what = c.look()?.planned_program(program);
            Ok(ask(c, format!("`{property}` of the program {what}")))
        }
        (Of::Free, "needs") => needs(c),
        (Of::Free, "sleep") => {
            let time = seconds(c.args[0].clone())?;
            c.look()?.may_go_on()?;
            std::thread::sleep(time.min(NAP));
            Ok(Dynamic::UNIT)
        }
        (_, name) if OUTSIDE.iter().any(|begin| name.starts_with(begin)) => outside(c),
        (_, name) if PROBES.contains(&name) => probe(c, run),
        _ => run(c),
    }
}

const PROBES: [&str; 6] = ["ping", "traceroute", "tcp", "udp", "lookup", "pingall"];

/// How the functions begin that reach a daemon of the machine, or ask a server for an address.
const OUTSIDE: [&str; 3] = ["docker", "nspawn", "dhcp"];

fn outside(c: &mut Call<'_>) -> Result<Dynamic> {
    let (name, site) = (c.function.name, c.site.clone());
    c.look()?.plan_outside(&site, name);
    Ok(ask(c, format!("the {name} in line {}", site.line)))
}

/// What a call with something unknown among its arguments comes to; nothing if all are known.
pub(super) fn pass(
    session: &mut Session,
    ctx: &NativeCallContext<'_>,
    site: Site,
    name: &str,
    args: &[Dynamic],
) -> Option<std::result::Result<Dynamic, ScriptError>> {
    session.unknowns.as_ref()?;
    let unknown = args.iter().find_map(unknown::within)?;
    let is = |arg: Option<&Dynamic>| arg.is_some_and(|arg| arg.is::<Unknown>());
    if name == "expect" && is(args.first()) {
        let text = args.get(1).filter(|text| text.is_string()).map(ToString::to_string);
        let what =
            text.map_or_else(|| unknown.0.to_string(), |text| format!("\"{text}\", which depends on {}", unknown.0));
        if let Ok(lab) = session.lab() {
            lab.plan_note(&site, format!("taken to hold: {what}"));
        }
        return Some(Ok(Dynamic::UNIT));
    }
    if LOOKING.contains(&name) {
        return Some(unknown::follow(session, unknown, ctx.call_position()));
    }
    session.unknowns.as_mut().map(|unknowns| Err(unknowns.end(unknown, ctx.call_position())))
}

fn ask(c: &mut Call<'_>, what: String) -> Dynamic {
    c.session.unknowns.as_mut().map_or(Dynamic::UNIT, |unknowns| unknowns.ask(what))
}

fn exec(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, argv, site) = (c.netns()?, argv(&c.args[0])?, c.site.clone());
    c.look()?.plan_program(&site, id, &argv, "exec")?;
    let line = site.line;
    Ok(ask(c, format!("the program `{}` of line {line}", argv.join(" "))))
}

fn start(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, argv, site) = (c.netns()?, argv(&c.args[0])?, c.site.clone());
    let mut options = c.options(1)?;
    options.any("stop").map(|stop| self::argv(&stop)).transpose()?;
    options.any("ready").map(seconds).transpose()?;
    options.finish()?;
    let program: ProcessKey = c.look()?.plan_program(&site, id, &argv, "start")?;
    Ok(Dynamic::from(Program(program)))
}

/// What the script needs is noted; what this kernel lacks of it is simulated.
fn needs(c: &mut Call<'_>) -> Result<Dynamic> {
    for i in 0..c.len() {
        let name = c.text(i)?;
        match feature::names().find(|known| *known == name) {
            Some(known) => c.look()?.plan.iter_mut().for_each(|plan| plan.needs(known)),
            None => super::expect::need(&name)?,
        }
    }
    Ok(Dynamic::UNIT)
}

/// Probes inside of the sandbox. An answer counts, and silence where whoever should answer is in the sandbox; but neither after
/// something was not done as a run would do it.
fn probe(c: &mut Call<'_>, run: Run) -> Result<Dynamic> {
    let line = c.site.line;
    let what = match (c.function.name, c.args.first()) {
        ("pingall", _) | (_, None) => format!("the pingall in line {line}"),
        (name, Some(to)) => format!("the {name} of {} in line {line}", words(c, to)),
    };
    if c.look()?.plan.as_ref().is_some_and(|plan| !plan.doubts().is_empty()) {
        return Ok(ask(c, what));
    }
    let value = run(c)?;
    let is_ok = value.read_lock::<Map>().and_then(|map| map.get("ok").and_then(|ok| ok.as_bool().ok()));
    if is_ok == Some(false) && !is_silence_known(c)? {
        return Ok(ask(c, what));
    }
    Ok(value)
}

/// A target in words.
fn words(c: &Call<'_>, to: &Dynamic) -> String {
    let lab = c.session.lab.as_ref();
    let ns = to.clone().try_cast::<Ns>().and_then(|ns| Some(lab?.netns_name(ns.0)));
    let link =
        || to.clone().try_cast::<Link>().and_then(|link| Some(lab?.objects.link(link.0).ok()?.name().to_owned()));
    ns.or_else(link).unwrap_or_else(|| to.to_string())
}

/// Whether a probe that nobody answered would not be answered in a run either.
fn is_silence_known(c: &mut Call<'_>) -> Result<bool> {
    match c.function.name {
        "pingall" => return Ok(true),
        // The machine's name servers, and those of the world.
        "lookup" => return Ok(false),
        _ => {}
    }
    let given = c.args[0].clone();
    let to = address_of(c, &given, "the target")?;
    let from = match c.function.of {
        Of::Link => {
            let link = c.link()?;
            c.look()?.objects.link(link)?.key().netns
        }
        _ => {
            let id = c.netns()?;
            c.look()?.objects.netns(id)?.cookie
        }
    };
    let is_server = matches!(c.function.name, "tcp" | "udp");
    let lab = c.look()?;
    let owners = if to.is_loopback() { vec![from] } else { owners(lab, to) };
    // The programs of the machine do not run in the sandbox.
    let plan = lab.plan.as_ref();
    let stands_in = |netns: &NetnsCookie| plan.is_some_and(|plan| plan.stands_in(*netns));
    Ok(!(owners.is_empty() || is_server && owners.iter().any(stands_in)))
}

/// The namespaces that have an address.
fn owners(lab: &mut Lab, address: IpAddr) -> Vec<NetnsCookie> {
    let kernel = lab.kernel();
    for name in netns::names() {
        // A name that stands for nothing has no address.
        let _ = kernel.adopt_name(&name);
    }
    let opened = kernel.opened();
    let has = |netns: &NetnsCookie| {
        let addrs = kernel.socket(*netns).and_then(|s| state::addr::read(s, None, &Default::default()).ok());
        addrs.unwrap_or_default().iter().any(|a| a.local == address)
    };
    opened.into_iter().filter(has).collect()
}

/// The error of a script in which something was not done as a run would do it: that may be why.
pub(super) fn doubtful(session: &Session, error: &Diagnostic) -> Option<Box<Diagnostic>> {
    use Code as C;
    let doubts = session.lab.as_ref()?.plan.as_ref()?.doubts();
    let may_follow = matches!(
        error.code,
        C::NameTaken
            | C::GatewayUnreachable
            | C::NoSuchLink
            | C::AddressTaken
            | C::NoSuchNetns
            | C::NoSuchEntry
            | C::EntryTaken
            | C::AddressOnPort
            | C::BadSetting
            | C::BadOption
            | C::BadFile
            | C::Busy
            | C::Refused
            | C::CannotComeBack
            | C::Thrown
            | C::ExpectFailed
            | C::UnknownVariable
            | C::NoFeature
    );
    if doubts.is_empty() || !may_follow {
        return None;
    }
    let lines = |program: bool| {
        let mut lines: Vec<String> =
            doubts.iter().filter(|d| d.program == program).map(|d| d.line.to_string()).collect();
        lines.dedup();
        lines.join(", ")
    };
    let why = match (lines(true), lines(false)) {
        (programs, steps) if steps.is_empty() => format!("programs are not run in a plan (line {programs})"),
        (programs, steps) if programs.is_empty() => format!("this kernel could only simulate steps (line {steps})"),
        (programs, steps) => {
            format!("programs are not run in a plan (line {programs}), and steps were only simulated (line {steps})")
        }
    };
    let words = format!("the plan ends here: {}; in a run that may be otherwise, since {why}", error.message);
    let mut told = Diagnostic::new(Code::Untold, words);
    told.site.clone_from(&error.site);
    Some(told)
}
