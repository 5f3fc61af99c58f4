//! Probes: what answers. They are maps with `ok` and `why`; what nobody answers is a result, not an error.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rhai::{Array, Dynamic, Map};

use super::args::Call;
use super::function::{Form, Function};
use super::options::Options;
use super::place::address_of;
use super::program::{seconds, texts};
use super::values::Of;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link;
use crate::kernel::netns;
use crate::kernel::space::NetnsCookie;
use crate::lab::Lab;
use crate::lab::objects::NsId;
use crate::probe::state;
use crate::probe::{
    Family, Hosts, LookupSockets, Node, Patience, PingOptions, PingSocket, PingallOptions, ResolvConf, TcpListenSocket,
    TcpSocket, TraceOptions, TraceSocket, UdpEchoSocket, UdpSocket, Want, pingall,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Netns,
        name: "ping",
        params: "to, #{ count, size, interval, timeout, ttl, df }?",
        arity: (1, 2),
        gives: "#{ ok, why, sent, received, loss, rtt }",
        doc: "Sends echo requests from this namespace, IPv4 or IPv6, as ping(8) does; `ok` if at least one was answered.\n\n* `to` - an address, a link, or a namespace with one address\n* `count` - how many, 1 if not said; `size` - bytes of payload, 56\n* `interval`, `timeout` - seconds, 0.2 and 1\n* `df` - do not fragment\n\n```rhai\nlet a = netns(\"a\");\nveth(a.port(\"10.0.0.1/24\"), netns(\"b\").port(\"10.0.0.2/24\"));\nexpect(a.ping(\"10.0.0.2\", #{ count: 3 }).received == 3);\n```",
        form: Form::Call(ping),
    },
    Function {
        of: Of::Netns,
        name: "traceroute",
        params: "to, #{ max_hops, tries, timeout }?",
        arity: (1, 2),
        gives: "#{ ok, why, path, hops }",
        doc: "Finds the way to an address: `path` is an array of addresses, `\"*\"` for a hop that keeps silent; `hops` has more about each.\n\n```rhai\nlet a = netns(\"a\");\nveth(a.port(\"10.0.0.1/24\"), netns(\"b\").port(\"10.0.0.2/24\"));\nexpect(a.traceroute(\"10.0.0.2\").path == [\"10.0.0.2\"]);\n```",
        form: Form::Call(traceroute),
    },
    Function {
        of: Of::Netns,
        name: "tcp",
        params: "to, port, #{ timeout }?",
        arity: (2, 3),
        gives: "#{ ok, why, rtt }",
        doc: "Opens a TCP connection and closes it.\n\n```rhai\nlet a = netns(\"a\");\na.listen(80);\nexpect(a.tcp(\"127.0.0.1\", 80));\n```",
        form: Form::Call(|c| {
            let (fd, to, patience) = start(c)?;
            let (port, timeout) = port_and_timeout(c)?;
            let socket = netns::within(fd.as_fd(), || TcpSocket::open(Family::of(to))).map_err(cannot)??;
            let result = socket.run(to, port, timeout, &patience)?;
            Ok(probe("tcp", result.ok(), result.why(), [("rtt", millis(result.rtt))]))
        }),
    },
    Function {
        of: Of::Netns,
        name: "udp",
        params: "to, port, #{ timeout }?",
        arity: (2, 3),
        gives: "#{ ok, why, rtt }",
        doc: "Sends a datagram and waits for an echo.\n\n```rhai\nlet a = netns(\"a\");\na.udp_echo(7);\nexpect(a.udp(\"127.0.0.1\", 7));\n```",
        form: Form::Call(|c| {
            let (fd, to, patience) = start(c)?;
            let (port, timeout) = port_and_timeout(c)?;
            let socket = netns::within(fd.as_fd(), || UdpSocket::open(Family::of(to))).map_err(cannot)??;
            let result = socket.run(to, port, timeout, &patience)?;
            Ok(probe("udp", result.ok(), result.why(), [("rtt", millis(result.rtt))]))
        }),
    },
    Function {
        of: Of::Netns,
        name: "listen",
        params: "port, #{ address, answer }?",
        arity: (1, 2),
        gives: "()",
        doc: "Accepts TCP connections in this namespace until the script ends.\n\n* `address` - the address to listen on, all if not said\n* `answer` - what to send to each\n\n```rhai\nlet a = netns(\"a\");\na.listen(80, #{ answer: \"hello\" });\nexpect(a.tcp(\"127.0.0.1\", 80));\n```",
        form: Form::Call(|c| {
            let (id, port) = (c.netns()?, c.number::<u16>(0, "port")?);
            let mut options = c.options(1)?;
            let at = listen_address(&mut options, port)?;
            let answer = options.text("answer")?.map(String::into_bytes);
            options.finish()?;
            let fd = netns_fd(c.look()?, id)?;
            let socket = netns::within(fd.as_fd(), || TcpListenSocket::open(at)).map_err(cannot)??;
            let server = socket.serve(answer)?;
            c.session.servers.push(Box::new(server));
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Netns,
        name: "udp_echo",
        params: "port, #{ address }?",
        arity: (1, 2),
        gives: "()",
        doc: "Sends each datagram back, in this namespace, until the script ends.\n\n* `address` - the address to listen on; needed where the namespace has several\n\n```rhai\nlet a = netns(\"a\");\na.udp_echo(7);\nexpect(a.udp(\"127.0.0.1\", 7));\n```",
        form: Form::Call(|c| {
            let (id, port) = (c.netns()?, c.number::<u16>(0, "port")?);
            let mut options = c.options(1)?;
            let at = listen_address(&mut options, port)?;
            options.finish()?;
            let fd = netns_fd(c.look()?, id)?;
            let socket = netns::within(fd.as_fd(), || UdpEchoSocket::open(at)).map_err(cannot)??;
            let server = socket.serve()?;
            c.session.servers.push(Box::new(server));
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Netns,
        name: "lookup",
        params: "name, #{ server, ipv6, timeout }?",
        arity: (1, 2),
        gives: "#{ ok, why, addresses, aliases }",
        doc: "Looks a name up, by the hosts file and the name servers that a program in this namespace would use.\n\n* `server` - ask this one instead\n\n```rhai\nlet a = netns(\"a\");\na.hosts(\"10.0.0.2 b\\n\");\nexpect(a.lookup(\"b\").addresses == [\"10.0.0.2\"]);\n```",
        form: Form::Call(lookup),
    },
    Function {
        of: Of::Link,
        name: "ping",
        params: "to, #{ count, size, interval, timeout, ttl, df }?",
        arity: (1, 2),
        gives: "#{ ok, why, sent, received, loss, rtt }",
        doc: "Sends echo requests out of this link, with its address as the sender.\n\n```rhai\nlet wire = veth(netns(\"a\").port(\"10.0.0.1/24\"), netns(\"b\").port(\"10.0.0.2/24\"));\nexpect(wire.a.ping(\"10.0.0.2\"));\n```",
        form: Form::Call(ping),
    },
    Function {
        of: Of::Free,
        name: "pingall",
        params: "nodes, #{ timeout }?",
        arity: (1, 2),
        gives: "#{ ok, why, pairs, failed }",
        doc: "Pings from each of the namespaces to every other, side by side.\n\n```rhai\nlet lan = star(bridge(\"lan\"), netns(\"h\", 1..=3), \"10.0.0.0/24\");\nexpect(pingall(lan.nodes).pairs == 6);\n```",
        form: Form::Call(all),
    },
];

/// How long a first request may go unanswered while links that were just made settle.
const SETTLE: Duration = Duration::from_secs(2);

/// Opens the place where a probe starts: the namespace, the target's address, and when to give up.
fn start(c: &mut Call<'_>) -> Result<(OwnedFd, IpAddr, Patience)> {
    let given = c.args[0].clone();
    let to = address_of(c, &given, "the target")?;
    let id = match c.function.of {
        Of::Link => {
            let link = c.link()?;
            let lab = c.look()?;
            let cookie = lab.objects.link(link)?.key().netns;
            lab.objects.netns_by_cookie(cookie).ok_or_else(|| crate::action::gone(cookie))?
        }
        _ => c.netns()?,
    };
    settle(c, to.is_ipv6())?;
    let lab = c.look()?;
    lab.may_go_on()?;
    let patience = Patience { deadline: lab.deadline, stop: lab.stop.flag() };
    Ok((netns_fd(lab, id)?, to, patience))
}

/// Waits until the lab's links have settled. Asking for one link makes the kernel look at its carrier at once, which a dump
/// does not; and an IPv6 address can be used only when nobody else has claimed it for a second or two.
pub(super) fn settle(c: &mut Call<'_>, v6: bool) -> Result<()> {
    let Some(changed) = c.session.changed.filter(|t| t.elapsed() < SETTLE) else { return Ok(()) };
    let lab = c.look()?;
    let keys: Vec<_> = lab.objects.made_links().map(|l| l.key()).collect();
    // In a big lab the carriers have come up while the rest was made.
    for key in keys.iter().rev().take(64) {
        if let Some(socket) = lab.kernel().socket(key.netns) {
            let _ = link::get(socket, key.index);
        }
    }
    let spaces: BTreeSet<_> = keys.iter().map(|k| k.netns).take(if v6 { usize::MAX } else { 0 }).collect();
    await_addresses(lab, spaces.into_iter().collect(), changed)
}

/// Waits until the kernel has ended its search for duplicates of the addresses in some namespaces, but not longer than links
/// may need after a change.
///
/// # Errors
/// `NL0506` and `NL0507` if the run is to end meanwhile.
pub(super) fn await_addresses(lab: &mut Lab, mut spaces: Vec<NetnsCookie>, changed: Instant) -> Result<()> {
    while changed.elapsed() < SETTLE {
        lab.may_go_on()?;
        spaces.retain(|space| {
            // What cannot be looked at has nothing to be waited for.
            let addrs = lab.kernel().socket(*space).map(|socket| state::addr::read(socket, None, &Default::default()));
            addrs.is_some_and(|read| read.is_ok_and(|all| all.iter().any(|a| a.tentative && a.scope == "global")))
        });
        if spaces.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn ping(c: &mut Call<'_>) -> Result<Dynamic> {
    let (fd, to, patience) = start(c)?;
    let mut options = c.options(1)?;
    let mut how = PingOptions { retry_first_for: still_settling(c), ..PingOptions::default() };
    how.count = options.number("count")?.unwrap_or(how.count);
    how.size = options.number("size")?.unwrap_or(how.size);
    how.interval = options.any("interval").map(seconds).transpose()?.unwrap_or(how.interval);
    how.timeout = options.any("timeout").map(seconds).transpose()?.unwrap_or(how.timeout);
    how.ttl = options.number("ttl")?;
    how.dont_fragment = options.bool("df")?.unwrap_or(false);
    options.finish()?;
    if how.count == 0 {
        return Err(Diagnostic::new(Code::OutOfRange, "`count` is 0; a ping sends at least one request"));
    }
    if c.function.of == Of::Link {
        let link = c.link()?;
        let key = c.look()?.objects.link(link)?.key();
        how.link = Some(key.index);
    }
    let socket = netns::within(fd.as_fd(), || PingSocket::open(Family::of(to))).map_err(cannot)??;
    let result = socket.run(to, &how, &patience)?;
    let alive = result.ok() || is_alive(&fd, &patience);
    let mut map = probe(
        "ping",
        result.ok(),
        result.why(),
        [
            ("alive", alive.into()),
            ("sent", i64::from(result.sent).into()),
            ("received", i64::from(result.received()).into()),
            ("loss", result.loss().into()),
            ("rtt", millis(result.rtt().map(|r| r.avg))),
        ],
    );
    // Out of one link, or with a TTL of its own, it is not the question that `why` answers.
    if !result.ok() && c.function.of == Of::Netns && how.ttl.is_none() {
        let id = c.netns()?;
        let from = super::why::origin(c.look()?, id);
        if let (Some(from), Some(mut map)) = (from, map.write_lock::<Map>()) {
            map.insert("from".into(), from.into());
            map.insert("to".into(), to.to_string().into());
        }
    }
    Ok(map)
}

/// How long a first request may be repeated: only right after a change, when a frame can be lost while links settle.
fn still_settling(c: &Call<'_>) -> Duration {
    let fresh = c.session.changed.is_some_and(|t| t.elapsed() < SETTLE);
    if fresh { Duration::from_millis(500) } else { Duration::ZERO }
}

/// Whether a namespace can send at all: a failed ping from one that cannot proves nothing.
fn is_alive(fd: &OwnedFd, patience: &Patience) -> bool {
    let own = IpAddr::from([127, 0, 0, 1]);
    let how = PingOptions { timeout: Duration::from_millis(200), ..PingOptions::default() };
    let opened = netns::within(fd.as_fd(), || PingSocket::open(Family::V4));
    match opened {
        Ok(Ok(socket)) => socket.run(own, &how, patience).is_ok_and(|ping| ping.ok()),
        _ => false,
    }
}

fn traceroute(c: &mut Call<'_>) -> Result<Dynamic> {
    let (fd, to, patience) = start(c)?;
    let mut options = c.options(1)?;
    let mut how = TraceOptions::default();
    how.max_hops = options.number("max_hops")?.unwrap_or(how.max_hops);
    how.tries = options.number("tries")?.unwrap_or(how.tries);
    how.timeout = options.any("timeout").map(seconds).transpose()?.unwrap_or(how.timeout);
    options.finish()?;
    let socket = netns::within(fd.as_fd(), || TraceSocket::open(Family::of(to))).map_err(cannot)??;
    let result = socket.run(to, &how, &patience)?;
    let address = |a: Option<IpAddr>| a.map_or_else(|| "*".to_owned(), |a| a.to_string());
    let hops: Array = result
        .hops
        .iter()
        .map(|hop| {
            let fields = [
                ("ttl", i64::from(hop.ttl).into()),
                ("address", address(hop.address).into()),
                ("rtt", millis(hop.rtt)),
                ("note", hop.note.clone().map_or(Dynamic::UNIT, Dynamic::from)),
            ];
            Dynamic::from(map(fields))
        })
        .collect();
    let path = texts(result.path().into_iter().map(address));
    Ok(probe("traceroute", result.ok(), result.why(), [("path", path), ("hops", hops.into())]))
}

fn lookup(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, name) = (c.netns()?, c.text(0)?);
    let mut options = c.options(1)?;
    let server = options.text("server")?;
    let v6 = options.bool("ipv6")?.unwrap_or(false);
    let timeout = options.any("timeout").map(seconds).transpose()?;
    options.finish()?;
    let lab = c.look()?;
    // As a program in the namespace would see it: its own file if it has one, else the machine's.
    let read = |file: &str| {
        let own = lab.etc_path(id, file).ok().and_then(|path| std::fs::read_to_string(path).ok());
        own.or_else(|| std::fs::read_to_string(format!("/etc/{file}")).ok()).unwrap_or_default()
    };
    let hosts = Hosts::parse(&read("hosts"));
    let mut conf = ResolvConf::parse(&read("resolv.conf"));
    if let Some(server) = server {
        conf.nameservers = vec![crate::types::address::ip(&server)?];
    }
    conf.timeout = timeout.unwrap_or(conf.timeout);
    let patience = Patience { deadline: lab.deadline, stop: lab.stop.flag() };
    let fd = netns_fd(lab, id)?;
    let sockets = netns::within(fd.as_fd(), || LookupSockets::open(conf)).map_err(cannot)??;
    let result = sockets.run(&name, &hosts, if v6 { Want::V6 } else { Want::V4 }, &patience)?;
    let addresses = texts(result.addresses.iter().map(ToString::to_string));
    Ok(probe(
        "lookup",
        result.ok(),
        result.why(),
        [("addresses", addresses), ("aliases", texts(result.aliases.clone()))],
    ))
}

fn all(c: &mut Call<'_>) -> Result<Dynamic> {
    let array = c.get::<Array>(0, "an array of namespaces")?;
    let mut options = c.options(1)?;
    let mut how = PingallOptions::default();
    how.timeout = options.any("timeout").map(seconds).transpose()?.unwrap_or(how.timeout);
    options.finish()?;
    settle(c, false)?;
    let mut nodes = Vec::new();
    for value in array {
        let id =
            value.clone().try_cast::<super::values::Ns>().ok_or_else(|| c.mistaken(0, "an array of namespaces"))?.0;
        let lab = c.look()?;
        lab.permit_netns(id)?;
        let (name, cookie) = (lab.netns_name(id), lab.objects.netns(id)?.cookie);
        let fd = netns_fd(lab, id)?;
        let socket = lab.kernel().socket(cookie).ok_or_else(|| crate::action::gone(cookie))?;
        let addrs = state::addr::read(socket, None, &Default::default())
            .map_err(|e| Diagnostic::new(Code::Refused, "cannot read the addresses").kernel(e))?;
        let addresses: Vec<IpAddr> =
            addrs.iter().filter(|a| a.scope == "global" && !a.local.is_loopback()).map(|a| a.local).collect();
        let needs = |v4: bool| addresses.iter().any(|a| a.is_ipv4() == v4);
        let (v4, v6) = netns::within(fd.as_fd(), || -> Result<_> {
            let open = |family, wanted: bool| wanted.then(|| PingSocket::open(family)).transpose();
            Ok((open(Family::V4, needs(true))?, open(Family::V6, needs(false))?))
        })
        .map_err(cannot)??;
        nodes.push(Node { name, v4, v6, addresses });
    }
    let lab = c.look()?;
    let patience = Patience { deadline: lab.deadline, stop: lab.stop.flag() };
    let matrix = pingall(nodes, &how, &patience)?;
    let failed: Array = matrix
        .failed()
        .into_iter()
        .map(|(from, to, why)| {
            let fields = [
                ("from", Dynamic::from(from.to_owned())),
                ("to", to.to_owned().into()),
                ("why", why.to_owned().into()),
            ];
            Dynamic::from(map(fields))
        })
        .collect();
    let pairs = i64::try_from(matrix.pairs().count()).unwrap_or(i64::MAX);
    Ok(probe("pingall", matrix.ok(), matrix.why(), [("pairs", pairs.into()), ("failed", failed.into())]))
}

fn port_and_timeout(c: &mut Call<'_>) -> Result<(u16, Duration)> {
    let port = c.number(1, "port")?;
    let mut options = c.options(2)?;
    let timeout = options.any("timeout").map(seconds).transpose()?.unwrap_or(Duration::from_secs(1));
    options.finish()?;
    Ok((port, timeout))
}

fn listen_address(options: &mut Options, port: u16) -> Result<SocketAddr> {
    let address = options.text("address")?.map(|a| crate::types::address::ip(&a)).transpose()?;
    Ok(SocketAddr::new(address.unwrap_or(IpAddr::from([0, 0, 0, 0])), port))
}

fn netns_fd(lab: &mut Lab, id: NsId) -> Result<OwnedFd> {
    let cookie = lab.objects.netns(id)?.cookie;
    lab.kernel().find(cookie);
    let fd = lab.kernel().fd(cookie).ok_or_else(|| crate::action::gone(cookie))?;
    fd.try_clone_to_owned().map_err(cannot)
}

fn cannot(error: std::io::Error) -> Box<Diagnostic> {
    Diagnostic::new(Code::ProbeFailed, "cannot enter the namespace to probe from it")
        .kernel(KernelError::from_io("setns", &error))
}

/// The result of a probe as a map. Which probe it was is kept for `!`, which only pings can answer.
fn probe<const N: usize>(kind: &str, ok: bool, why: Option<String>, fields: [(&str, Dynamic); N]) -> Dynamic {
    let mut result = map(fields);
    result.insert("probe".into(), kind.to_owned().into());
    result.insert("ok".into(), ok.into());
    result.insert("why".into(), why.map_or_else(|| "".into(), Dynamic::from));
    result.into()
}

fn map<const N: usize>(fields: [(&str, Dynamic); N]) -> Map {
    fields.into_iter().map(|(k, v)| (k.into(), v)).collect()
}

/// A time in milliseconds, as ping(8) shows it.
fn millis(time: Option<Duration>) -> Dynamic {
    time.map_or(Dynamic::UNIT, |t| Dynamic::from(t.as_secs_f64() * 1000.0))
}
