//! `ns.why(…)`: what stops traffic, and how to mend it; and the same for an expectation that was not met.

use rhai::{Dynamic, Map};

use super::args::Call;
use super::function::{Form, Function};
use super::place::address_of;
use super::probe::settle;
use super::values::{Ns, Of, from_json};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::space::NetnsCookie;
use crate::lab::Lab;
use crate::lab::objects::NsId;
use crate::probe::Patience;
use crate::types::address::ip;
use crate::why::cause::Break;
use crate::why::world::World;
use crate::why::{self, Kind, Question, Target, told};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    of: Of::Netns,
    name: "why",
    params: "to, #{ tcp, udp, size }?",
    arity: (1, 2),
    gives: "#{ ok, why, code, cause, more, hops, notes, text }",
    doc: "Says why nothing gets from this namespace to an address: walks the way there and back, asks each kernel table, and sends a packet.\n\n`ok` if it does get there; else `cause` is a map whose `fix` holds statements and `ip` commands that would mend it, and `text` is what `netlab why` prints.\n\n* `to` - an address, a link, or a namespace\n* `tcp`, `udp` - a port, instead of a ping\n* `size` - bytes of a ping's payload, which no router may fragment\n\n```rhai\nlet a = netns(\"a\");\nlet wire = veth(a.port(\"10.0.0.1/24\"), netns(\"b\").port(\"10.0.0.2/24\"));\nwire.b.down();\nlet found = a.why(\"10.0.0.2\");\nexpect(found.code == \"NL0605\" && found.cause.fix == [\"get_netns(\\\"b\\\")[\\\"eth0\\\"].up();\"]);\n```",
    form: Form::Call(call),
}];

fn call(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, given) = (c.netns()?, c.args[0].clone());
    let mut options = c.options(1)?;
    let (tcp, udp) = (options.number::<u16>("tcp")?, options.number::<u16>("udp")?);
    let size = options.number::<u16>("size")?;
    options.finish()?;
    let kind = match (tcp, udp) {
        (Some(_), Some(_)) => {
            return Err(Diagnostic::new(Code::BadOption, "`why` asks about `tcp` or `udp`, not both"));
        }
        (Some(port), None) => Kind::Tcp(port),
        (None, Some(port)) => Kind::Udp(port),
        (None, None) => Kind::Ping,
    };
    // A namespace is asked for as such: it may lack the address that it should have.
    let namespace = given.clone().try_cast::<Ns>();
    let addr = if namespace.is_some() { None } else { Some(address_of(c, &given, "the target")?) };
    settle(c, addr.is_some_and(|a| a.is_ipv6()))?;
    let lab = c.look()?;
    lab.may_go_on()?;
    let patience = Patience { deadline: lab.deadline, stop: lab.stop.flag() };
    let from = lab.objects.netns(id)?.cookie;
    let to = namespace.map(|ns| lab.objects.netns(ns.0).map(|n| n.cookie)).transpose()?;
    let more = named(lab, &[Some(from), to]);
    let mut world = World::read(lab.kernel(), &more)?;
    let find = |world: &World<'_>, cookie| world.find_cookie(cookie).ok_or_else(|| crate::action::gone(cookie));
    let to = match (to, addr) {
        (Some(cookie), _) => Target::Space(find(&world, cookie)?),
        (None, Some(addr)) => Target::Address(addr),
        (None, None) => return Err(c.mistaken(0, "an address, a link or a namespace")),
    };
    let question = Question { from: find(&world, from)?, to, kind, size };
    let answer = why::ask(&mut world, &question, &patience)?;
    let mut map = from_json(told::json(&answer)).try_cast::<Map>().unwrap_or_default();
    map.insert("probe".into(), "why".into());
    map.insert("why".into(), told::why(&answer).into());
    map.insert("text".into(), told::text(&answer, &|mark, _| mark.to_owned()).into());
    Ok(map.into())
}

/// The namespaces that only the lab knows: those found by a process.
fn named(lab: &mut Lab, cookies: &[Option<NetnsCookie>]) -> Vec<(String, NetnsCookie)> {
    let known: Vec<NetnsCookie> = cookies.iter().flatten().copied().collect();
    for cookie in &known {
        lab.kernel().find(*cookie);
    }
    known.into_iter().map(|cookie| (cookie.to_string(), cookie)).collect()
}

/// What is kept in a ping's result so that [`explain`] can take the question up again.
pub(super) fn origin(lab: &Lab, id: NsId) -> Option<String> {
    let has_name = id == crate::lab::objects::HOST || lab.objects.netns(id).ok()?.name.is_some();
    has_name.then(|| lab.netns_name(id))
}

/// Why a ping from a namespace has failed, if that can be told. No packet is sent: the failed one is the proof.
pub(super) fn explain(c: &mut Call<'_>, probe: &Map) -> Option<Break> {
    let text = |key: &str| probe.get(key).and_then(|v| v.clone().into_string().ok());
    let (from, to) = (text("from")?, ip(&text("to")?).ok()?);
    let lab = c.look().ok()?;
    let mut world = World::read(lab.kernel(), &[]).ok()?;
    let from = world.find(&from)?;
    let question = Question { from, to: Target::Address(to), kind: Kind::Ping, size: None };
    why::walk(&mut world, &question).breaks.into_iter().next()
}
