//! `ns.why(…)`: what stops traffic, and how to mend it; and the same for an expectation that was not met.

use rhai::{Dynamic, Map};

use super::args::Call;
use super::function::{Form, Function};
use super::place::address_of;
use super::probe::settle;
use super::session::Session;
use super::values::{Link, Ns, Of, from_json};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::space::NetnsCookie;
use crate::lab::Lab;
use crate::lab::objects::NsId;
use crate::probe::Patience;
use crate::types::address::ip;
use crate::why::cause::Break;
use crate::why::segment::Segment;
use crate::why::world::World;
use crate::why::{self, Kind, Question, Target, told};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Netns,
        name: "why",
        params: "to, #{ tcp, udp, size }?",
        arity: (1, 2),
        gives: "#{ ok, why, code, cause, more, hops, notes, text }",
        doc: "Says why nothing gets from this namespace to an address: walks the way there and back, asks each kernel table, and sends a packet.\n\n`ok` if it does get there; else `cause` is a map whose `fix` holds statements and `ip` commands that would mend it, and `text` is what `netlab why` prints.\n\n* `to` - an address, a link, or a namespace\n* `tcp`, `udp` - a port, instead of a ping\n* `size` - bytes of a ping's payload, which no router may fragment\n\n```rhai\nlet a = netns(\"a\");\nlet wire = veth(a.port(\"10.0.0.1/24\"), netns(\"b\").port(\"10.0.0.2/24\"));\nwire.b.down();\nlet found = a.why(\"10.0.0.2\");\nexpect(found.code == \"NL0605\" && found.cause.fix == [\"get_netns(\\\"b\\\")[\\\"eth0\\\"].up();\"]);\n```",
        form: Form::Call(call),
    },
    Function {
        of: Of::Free,
        name: "same_segment",
        params: "link or ns, link or ns",
        arity: (2, 2),
        gives: "#{ ok, why }",
        doc: "Whether two links are on one segment: whether a frame that leaves one comes to the other, over wires, bridges and tunnels, if all of them were up.\n\nOf a namespace any link is meant but `lo`.\n\n```rhai\nlet lan = bridge(\"lan\");\nlet a = veth(netns(\"a\"), lan).a;\nlet b = veth(netns(\"b\"), lan).a;\nexpect(same_segment(a, b));\nexpect(!same_segment(a, host[\"lo\"]));\n```",
        form: Form::Call(same_segment),
    },
];

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

fn same_segment(c: &mut Call<'_>) -> Result<Dynamic> {
    let mut ends = Vec::new();
    for i in 0..2 {
        let given = c.args[i].clone();
        let lab = c.look()?;
        let (netns, link, name) = match (given.clone().try_cast::<Link>(), given.try_cast::<Ns>()) {
            (Some(link), _) => {
                let link = lab.objects.link(link.0)?;
                (link.key().netns, Some(link.key().index), link.name().to_owned())
            }
            (_, Some(ns)) => (lab.objects.netns(ns.0)?.cookie, None, lab.netns_name(ns.0)),
            _ => return Err(c.mistaken(i, "a link or a namespace")),
        };
        ends.push((netns, link, name));
    }
    let lab = c.look()?;
    let more = named(lab, &[Some(ends[0].0), Some(ends[1].0)]);
    let mut world = World::read(lab.kernel(), &more)?;
    let mut spots = Vec::new();
    for (netns, link, _) in &ends {
        let space = world.find_cookie(*netns).ok_or_else(|| crate::action::gone(*netns))?;
        let all = world.every_link(|l| link.map_or(l.ifname != "lo", |index| l.ifindex == index));
        spots.push(all.into_iter().filter(|spot| spot.space == space).collect::<Vec<_>>());
    }
    let ok = spots[0].iter().any(|from| {
        spots[1].contains(from) || {
            let segment = Segment::from(&mut world, *from);
            spots[1].iter().any(|to| segment.reaches(*to))
        }
    });
    let why = if ok { String::new() } else { format!("`{}` and `{}` are not on one segment", ends[0].2, ends[1].2) };
    Ok(from_json(serde_json::json!({ "ok": ok, "why": why })))
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
pub(super) fn explain(session: &mut Session, probe: &Map) -> Option<Break> {
    let text = |key: &str| probe.get(key).and_then(|v| v.clone().into_string().ok());
    let (from, to) = (text("from")?, ip(&text("to")?).ok()?);
    let lab = session.lab().ok()?;
    let mut world = World::read(lab.kernel(), &[]).ok()?;
    let from = world.find(&from)?;
    let question = Question { from, to: Target::Address(to), kind: Kind::Ping, size: None };
    why::walk(&mut world, &question).breaks.into_iter().next()
}
