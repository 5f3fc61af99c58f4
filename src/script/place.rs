//! Ports: link ends that are not born yet, at a namespace or on a bridge.

use std::net::IpAddr;
use std::rc::Rc;

use rhai::Dynamic;

use super::args::Call;
use super::function::{Form, Function};
use super::options::Options;
use super::values::{Cable, Link, Ns, Of, PortValue, kind};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::addr::AddrSpec;
use crate::kernel::link::bridge::{PortOptions, PortVlan};
use crate::lab::objects::HOST;
use crate::lab::port::{Place, Port};
use crate::probe::state;
use crate::types::address::{Cidr, ip};
use crate::types::mac::Mac;
use crate::types::name::IfName;
use crate::types::number::VlanId;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Netns,
        name: "port",
        params: "name?, \"addr/len\"…, #{ mac, mtu, up, addrs }?",
        arity: (0, 5),
        gives: "port",
        doc: "A link end that will live in this namespace: nothing is made until a maker takes it.\n\nWithout a name it becomes `eth0`, `eth1`…; on the host, the other end's namespace gives the name. It takes up to three addresses, more through `addrs`.\n\n* `up` - whether it is set up; `false` for lessons that need it down\n\n```rhai\nveth(netns(\"a\").port(\"eth0\", \"10.0.0.1/24\"), netns(\"b\").port(\"10.0.0.2/24\"));\n```",
        form: Form::Call(|c| {
            let place = Place::Netns(c.netns()?);
            port(c, place)
        }),
    },
    Function {
        of: Of::Link,
        name: "port",
        params: "name?, #{ access, trunk, mac, mtu, up, isolated, cost, … }?",
        arity: (0, 5),
        gives: "port",
        doc: "A link end that will be a port of this bridge.\n\nWithout a name, the other end's namespace gives it.\n\n* `access` - the VLAN of a port whose machine knows of none\n* `trunk` - the VLANs that pass tagged: `[10, 20]`\n* `isolated`, `cost`, `priority`, `hairpin`, `learning`, `flood`, `guard`, `root_block`, `fastleave`, `mcast_flood`, `bcast_flood`, `neigh_suppress`, `locked` - as in bridge(8)\n\n```rhai\nlet lan = bridge(\"lan\");\nveth(netns(\"a\").port(\"10.0.0.1/24\"), lan.port(#{ isolated: true }));\n```",
        form: Form::Call(|c| {
            let id = c.link()?;
            let link = c.look()?.objects.link(id)?;
            if link.kind != "bridge" {
                return Err(Diagnostic::new(
                    Code::WrongArguments,
                    format!("`{}` is a {} and has no ports; a bridge has", link.name(), link.kind),
                )
                .help(match link.kind.as_str() {
                    "vrf" | "bond" => "a link that is there joins it: link.master(this)",
                    _ => "make a bridge, and plug this link in: link.master(bridge)",
                }));
            }
            port(c, Place::Bridge(id))
        }),
    },
];

fn port(c: &mut Call<'_>, place: Place) -> Result<Dynamic> {
    let mut options = c.take_options();
    let mut port = Port::new(place);
    for i in 0..c.len() {
        let text = c.text(i)?;
        // A name holds no `/` and an address must, so the two cannot be confused; a bare address is caught below.
        if text.contains('/') {
            port.addrs.push(AddrSpec::new(Cidr::new(&text)?));
        } else if i == 0 && text.parse::<IpAddr>().is_err() {
            port.name = Some(IfName::new(&text)?);
        } else {
            port.addrs.push(AddrSpec::new(Cidr::new(&text)?));
        }
    }
    for addr in options.texts("addrs")? {
        port.addrs.push(AddrSpec::new(Cidr::new(&addr)?));
    }
    port.mac = options.text("mac")?.map(|m| Mac::new(&m)).transpose()?;
    port.mtu = options.number("mtu")?;
    port.up = options.bool("up")?.unwrap_or(true);
    if let Place::Bridge(_) = place {
        port.vlans = vlans(&mut options)?;
        port.options = port_options(&mut options)?;
    }
    options.finish()?;
    Ok(Dynamic::from(PortValue(Rc::new(port))))
}

fn vlans(options: &mut Options) -> Result<Vec<PortVlan>> {
    let mut vlans = Vec::new();
    if let Some(id) = options.typed::<i64>("access", "a VLAN id")? {
        vlans.push(PortVlan { vid: VlanId::new(id)?, pvid: true, untagged: true });
    }
    for id in options.ints("trunk")? {
        vlans.push(PortVlan { vid: VlanId::new(id)?, pvid: false, untagged: false });
    }
    Ok(vlans)
}

/// The options of a bridge port, in bridge(8)'s words.
pub(super) fn port_options(options: &mut Options) -> Result<PortOptions> {
    let state = options.any("state").map(|state| {
        let words = PortOptions::STATES;
        let number = state.as_int().ok().and_then(|n| u8::try_from(n).ok()).filter(|n| *n < 5);
        let word = state.clone().into_string().ok().and_then(|w| words.iter().position(|x| *x == w));
        number.or(word.and_then(|n| u8::try_from(n).ok())).ok_or_else(|| {
            Diagnostic::new(Code::BadOption, format!("there is no port state `{state}`"))
                .help(format!("it is one of {}", words.join(", ")))
        })
    });
    Ok(PortOptions {
        state: state.transpose()?,
        priority: options.number("priority")?,
        cost: options.number("cost")?,
        hairpin: options.bool("hairpin")?,
        guard: options.bool("guard")?,
        root_block: options.bool("root_block")?,
        fastleave: options.bool("fastleave")?,
        learning: options.bool("learning")?,
        flood: options.bool("flood")?,
        mcast_flood: options.bool("mcast_flood")?,
        bcast_flood: options.bool("bcast_flood")?,
        isolated: options.bool("isolated")?,
        neigh_suppress: options.bool("neigh_suppress")?,
        locked: options.bool("locked")?,
    })
}

/// What stands for a port: a port, a namespace or bridge (a port of it), or a name in the obvious place.
pub(super) fn as_port(c: &mut Call<'_>, i: usize, obvious: Place) -> Result<Port> {
    let Some(given) = c.args.get(i).cloned() else { return Err(c.mistaken(i, "a port")) };
    if let Some(port) = given.clone().try_cast::<PortValue>() {
        return Ok((*port.0).clone());
    }
    if let Some(ns) = given.clone().try_cast::<Ns>() {
        return Ok(Port::new(Place::Netns(ns.0)));
    }
    if let Some(link) = given.clone().try_cast::<Link>() {
        let object = c.look()?.objects.link(link.0)?;
        if object.kind == "bridge" {
            return Ok(Port::new(Place::Bridge(link.0)));
        }
        let name = object.name().to_owned();
        return Err(c.wrong(format!(
            "`{name}` is a link that exists already; argument {} of `{}` is a port to be made",
            i + 1,
            c.function.name
        )));
    }
    if given.is_string() {
        let text = c.text(i)?;
        return Ok(Port::named(obvious, IfName::new(&text)?));
    }
    Err(c.mistaken(i, "a port, a namespace, a bridge or a name"))
}

/// The obvious place for a name: the namespace that the script runs in.
pub(super) const HERE: Place = Place::Netns(HOST);

/// The address that something stands for: an address, a link with one, a namespace with one, or an end of a wire.
pub(super) fn address_of(c: &mut Call<'_>, given: &Dynamic, what: &str) -> Result<IpAddr> {
    if given.is_string() {
        let text = given.clone().into_string().unwrap_or_default();
        // "10.0.0.2/24" is an address as links hold it; who copies it from there means the address.
        return match text.split_once('/') {
            Some(_) => Cidr::new(&text).map(Cidr::addr),
            None => ip(&text).map_err(|error| {
                let is_netns = crate::kernel::netns::names().iter().any(|n| n.as_str() == text);
                if is_netns { error.help(format!("did you mean the namespace? get_netns({text:?})")) } else { error }
            }),
        };
    }
    let (netns, index, name) = if let Some(ns) = given.clone().try_cast::<Ns>() {
        let lab = c.look()?;
        let name = lab.netns_name(ns.0);
        (lab.objects.netns(ns.0)?.cookie, None, format!("namespace `{name}`"))
    } else if let Some(link) = given.clone().try_cast::<Link>() {
        let object = c.look()?.objects.link(link.0)?;
        (object.key().netns, Some(object.key().index), format!("link `{}`", object.name()))
    } else if given.is::<Cable>() {
        return Err(Diagnostic::new(Code::WrongArguments, format!("{what} is a wire, which has two ends"))
            .help("take one of them: wire.a or wire.b"));
    } else {
        return Err(Diagnostic::new(
            Code::WrongArguments,
            format!("{what} is {}, not an address, a link or a namespace", kind(given)),
        ));
    };
    let lab = c.look()?;
    lab.kernel().find(netns);
    let socket = lab.kernel().socket(netns).ok_or_else(|| crate::action::gone(netns))?;
    let addrs = state::addr::read(socket, index, &Default::default())
        .map_err(|e| Diagnostic::new(Code::Refused, format!("cannot read the addresses of {name}")).kernel(e))?;
    let mut own: Vec<IpAddr> =
        addrs.iter().filter(|a| a.scope == "global" && !a.local.is_loopback()).map(|a| a.local).collect();
    if own.iter().any(IpAddr::is_ipv4) {
        own.retain(IpAddr::is_ipv4);
    }
    match own[..] {
        [addr] => Ok(addr),
        [] => Err(Diagnostic::new(Code::NoSuchEntry, format!("{name} has no address, which {what} needs"))
            .help("give it one where it is made: port(\"eth0\", \"10.0.0.1/24\")")),
        _ => {
            let all: Vec<String> = own.iter().map(ToString::to_string).collect();
            Err(Diagnostic::new(Code::WrongArguments, format!("{name} has several addresses: {}", all.join(", ")))
                .help(format!("say which one you mean: \"{}\"", own[0])))
        }
    }
}
