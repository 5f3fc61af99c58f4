//! The probes against the real kernel, each test in namespaces of its own.
#![allow(missing_docs, clippy::unwrap_used)] // An unwrap in the helpers of a test is a failed test, too.

#[path = "probe_lab/mod.rs"]
mod lab;

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lab::{CHAIN, Lab, WIRE, quick};
use netlab::diag::Code;
use netlab::probe::*;

const SECOND: Duration = Duration::from_secs(1);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn ping_answers() {
    let Some(lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    for to in ["10.0.0.2", "fd00::2"] {
        let ping = lab.ping("a", to, &quick(3, 1000));
        assert_eq!((ping.ok(), ping.sent, ping.received(), ping.why()), (true, 3, 3, None), "{ping:?}");
        assert_eq!((ping.loss(), ping.duplicates), (0.0, 0));
        assert!(ping.replies.iter().all(|r| r.from == ip(to) && r.ttl == Some(64)), "{ping:?}");
        assert_eq!(ping.replies.iter().map(|r| r.seq).collect::<Vec<_>>(), [1, 2, 3]);
        let rtt = ping.rtt().unwrap();
        assert!(Duration::ZERO < rtt.min && rtt.min <= rtt.avg && rtt.avg <= rtt.max, "{rtt:?}");
        // Larger than the wire, and smaller than our own token.
        for size in [20000, 65507, 3, 0] {
            let ping = lab.ping("a", to, &PingOptions { size, ..quick(2, 1000) });
            assert!(ping.ok() && ping.loss() == 0.0, "{size}: {ping:?}");
        }
        let source = Some(ip(if ip(to).is_ipv4() { "10.0.0.1" } else { "fd00::1" }));
        assert!(lab.ping("a", to, &PingOptions { source, ..quick(1, 1000) }).ok());
    }
}

#[test]
fn pings_side_by_side_keep_apart() {
    let Some(lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    std::thread::scope(|scope| {
        for n in 0..12 {
            let lab = &lab;
            scope.spawn(move || {
                let to = if n % 2 == 0 { "10.0.0.2" } else { "fd00::2" };
                let ping = lab.ping("a", to, &PingOptions { size: n, ..quick(20, 2000) });
                assert_eq!((ping.received(), ping.duplicates), (20, 0), "{ping:?}");
            });
        }
    });
}

#[test]
fn ping_of_the_own_address_needs_lo() {
    let Some(mut lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    lab.sh("ip -n a link set lo down");
    let ping = lab.ping("a", "10.0.0.1", &quick(1, 200));
    assert_eq!(ping.why().unwrap(), "no reply from 10.0.0.1 in 200 ms");
    lab.sh("ip -n a link set lo up");
    assert!(lab.ping("a", "10.0.0.1", &quick(1, 1000)).ok());
    assert!(lab.ping("a", "fd00::1", &quick(1, 1000)).ok());
}

#[test]
fn ping_says_what_the_routes_refuse() {
    let Some(mut lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    lab.sh("
        ip -n a route add blackhole 10.1.0.0/16; ip -n a route add unreachable 10.2.0.0/16
        ip -n a route add prohibit 10.3.0.0/16");
    for (to, errno, why) in [
        ("10.9.9.9", libc::ENETUNREACH, "network is unreachable: no route to 10.9.9.9"),
        ("fd09::9", libc::ENETUNREACH, "network is unreachable: no route to fd09::9"),
        ("10.1.0.1", libc::EINVAL, "the kernel refuses to send to 10.1.0.1; is there a `blackhole` route?"),
        (
            "10.2.0.1",
            libc::EHOSTUNREACH,
            "host is unreachable: 10.2.0.1 does not answer on its link, or a route says so",
        ),
        ("10.3.0.1", libc::EACCES, "sending to 10.3.0.1 is forbidden: a `prohibit` route, or a broadcast address"),
    ] {
        let ping = lab.ping("a", to, &quick(2, 5000));
        assert_eq!((ping.send_errors.len(), ping.send_errors[0].errno), (2, errno), "{ping:?}");
        assert_eq!((ping.why().unwrap().as_str(), ping.sent, ping.loss()), (why, 2, 100.0));
    }
    let socket = lab.inside("a", || PingSocket::open(Family::V4)).unwrap();
    let options = PingOptions { source: Some(ip("10.0.0.99")), ..quick(1, 100) };
    let error = socket.run(ip("10.0.0.2"), &options, &Patience::endless()).unwrap_err();
    assert_eq!((error.code, error.kernel.unwrap().errno), (Code::ProbeFailed, libc::EADDRNOTAVAIL));
    let socket = lab.inside("a", || PingSocket::open(Family::V4)).unwrap();
    let error = socket.run(ip("fd00::2"), &quick(1, 100), &Patience::endless()).unwrap_err();
    assert_eq!(error.code, Code::BadAddress);
}

#[test]
fn a_neighbour_that_is_not_there() {
    let Some(mut lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    // The kernel asks three times, one second apart, before it gives up; here ten times a second.
    lab.sh("ip netns exec a sh -c 'for v in 4 6; do echo 100 > /proc/sys/net/ipv$v/neigh/eth0/retrans_time_ms; done'");
    for (to, own) in [("10.0.0.77", "10.0.0.1"), ("fd00::77", "fd00::1")] {
        let ping = lab.ping("a", to, &quick(1, 5000));
        assert_eq!(ping.why().unwrap(), format!("{own} says: destination host unreachable"), "{ping:?}");
    }
}

#[test]
fn the_first_request_is_repeated_while_a_link_settles() {
    let Some(mut lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    lab.sh("ip -n b link set eth0 down");
    let socket = lab.inside("a", || PingSocket::open(Family::V4)).unwrap();
    let options = PingOptions { retry_first_for: Duration::from_secs(10), ..quick(2, 1000) };
    let ping = std::thread::scope(|scope| {
        let run = scope.spawn(|| socket.run(ip("10.0.0.2"), &options, &Patience::endless()));
        std::thread::sleep(Duration::from_millis(150));
        lab.sh("ip -n b link set eth0 up");
        run.join().unwrap().unwrap()
    });
    assert_eq!((ping.sent, ping.received(), ping.duplicates), (2, 2, 0), "{ping:?}");
    // An address that is not there yet, and a route that is not: both are local send errors.
    let socket = lab.inside("a", || PingSocket::open(Family::V4)).unwrap();
    let ping = std::thread::scope(|scope| {
        let run = scope.spawn(|| socket.run(ip("10.5.0.2"), &options, &Patience::endless()));
        std::thread::sleep(Duration::from_millis(100));
        lab.sh("ip -n b addr add 10.5.0.2/24 dev eth0; ip -n b link set lo up; ip -n a addr add 10.5.0.1/24 dev eth0");
        run.join().unwrap().unwrap()
    });
    assert_eq!((ping.sent, ping.received(), ping.send_errors.len()), (2, 2, 0), "{ping:?}");
}

#[test]
fn ping_through_routers() {
    let Some(mut lab) = Lab::new(CHAIN) else { return };
    lab.settle("a", &["10.0.3.2", "fd00:3::2"]);
    for (to, first, second) in [("10.0.3.2", "10.0.1.2", "10.0.2.2"), ("fd00:3::2", "fd00:1::2", "fd00:2::2")] {
        let ping = lab.ping("a", to, &quick(1, 2000));
        assert_eq!(ping.replies[0].ttl, Some(62), "{ping:?}");
        for (ttl, router) in [(1, first), (2, second)] {
            let ping = lab.ping("a", to, &PingOptions { ttl: Some(ttl), ..quick(1, 2000) });
            assert_eq!(ping.why().unwrap(), format!("{router} says: time exceeded"));
        }
        assert!(lab.ping("a", to, &PingOptions { ttl: Some(3), ..quick(1, 2000) }).ok());
    }
    // First the router says it, then the own kernel remembers it.
    let big = PingOptions { size: 1400, dont_fragment: true, ..quick(1, 2000) };
    let ping = lab.ping("a", "10.0.3.2", &big);
    assert_eq!(ping.why().unwrap(), "10.0.1.2 says: fragmentation needed (mtu 1300)", "{ping:?}");
    let ping = lab.ping("a", "10.0.3.2", &big);
    assert_eq!((ping.path_mtu, ping.send_errors[0].errno), (Some(1300), libc::EMSGSIZE));
    assert_eq!(ping.why().unwrap(), "a packet of 1428 bytes is too big: the way to 10.0.3.2 takes 1300");
    let ping = lab.ping("a", "fd00:3::2", &big);
    assert_eq!(ping.why().unwrap(), "fd00:1::2 says: packet too big (mtu 1300)", "{ping:?}");
    let ping = lab.ping("a", "fd00:3::2", &big);
    assert_eq!(ping.why().unwrap(), "a packet of 1448 bytes is too big: the way to fd00:3::2 takes 1300");
    let fits = PingOptions { size: 1272, ..big.clone() };
    assert!(lab.ping("a", "10.0.3.2", &fits).ok());
    let cut = PingOptions { dont_fragment: false, ..big.clone() };
    assert!(lab.ping("a", "10.0.3.2", &cut).ok());
    // An IPv6 router cuts nothing, so the first reply is lost until b has learned of the narrow wire as well.
    let ping = lab.ping("a", "fd00:3::2", &PingOptions { count: 3, ..cut.clone() });
    assert!(ping.ok() && ping.errors.is_empty(), "{ping:?}");
    // Without DF, the very first one gets through: a router cuts it.
    lab.sh("ip -n a route flush cache; ip -n r1 link set right mtu 1000; ip -n r2 link set left mtu 1000");
    assert!(lab.ping("a", "10.0.3.2", &cut).ok());
    let ping = lab.ping("a", "10.0.3.2", &big);
    assert_eq!(ping.why().unwrap(), "10.0.1.2 says: fragmentation needed (mtu 1000)", "{ping:?}");
    lab.sh("ip -n r1 route del default; ip -n r2 route del default");
    let ping = lab.ping("a", "10.0.3.2", &quick(1, 2000));
    assert_eq!(ping.why().unwrap(), "10.0.1.2 says: destination network unreachable");
}

fn trace(lab: &Lab, to: &str, options: &TraceOptions) -> Trace {
    let socket = lab.inside("a", || TraceSocket::open(Family::of(ip(to)))).unwrap();
    socket.run(ip(to), options, &Patience::endless()).unwrap()
}

#[test]
fn traceroute_gives_the_exact_path() {
    let Some(mut lab) = Lab::new(CHAIN) else { return };
    lab.settle("a", &["10.0.3.2", "fd00:3::2"]);
    for (to, path) in
        [("10.0.3.2", ["10.0.1.2", "10.0.2.2", "10.0.3.2"]), ("fd00:3::2", ["fd00:1::2", "fd00:2::2", "fd00:3::2"])]
    {
        for (method, tries) in [(Method::Icmp, 1), (Method::Udp, 2)] {
            let trace = trace(&lab, to, &TraceOptions { method, tries, ..TraceOptions::default() });
            assert_eq!(trace.path(), path.map(|hop| Some(ip(hop))), "{trace:?}");
            assert!(trace.ok() && trace.why().is_none() && trace.hops.iter().all(|h| h.rtt.is_some()));
        }
    }
    let short = trace(&lab, "10.0.3.2", &TraceOptions { max_hops: 2, ..TraceOptions::default() });
    let why = "10.0.3.2 is further away than hop 2, 10.0.2.2, the last that was looked at";
    assert_eq!((short.path().len(), short.why().unwrap().as_str()), (2, why));
    let nowhere = trace(&lab, "10.0.3.77", &TraceOptions { timeout: 6 * SECOND, ..TraceOptions::default() });
    assert_eq!(nowhere.why().unwrap(), "10.0.2.2 says: destination host unreachable", "{nowhere:?}");
    lab.sh("ip -n r2 route add blackhole 10.9.0.0/16");
    let timeout = Duration::from_millis(100);
    let lost = trace(&lab, "10.9.0.1", &TraceOptions { timeout, ..TraceOptions::default() });
    assert_eq!(lost.why().unwrap(), "nobody answers after hop 1, 10.0.1.2", "{lost:?}");
    assert_eq!(lost.hops.len(), 30);
    lab.sh("ip -n a route del default");
    let unsent = trace(&lab, "10.9.0.1", &TraceOptions::default());
    assert_eq!(unsent.why().unwrap(), "network is unreachable: no route to 10.9.0.1");
}

#[test]
fn tcp_open_refused_and_silent() {
    let Some(mut lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    let connect = |lab: &Lab, to: &str, port, timeout| {
        let socket = lab.inside("a", || TcpSocket::open(Family::of(ip(to)))).unwrap();
        socket.run(ip(to), port, timeout, &Patience::endless()).unwrap()
    };
    for to in ["10.0.0.2", "fd00::2"] {
        let socket = lab.inside("b", || TcpListenSocket::open(SocketAddr::new(ip(to), 0))).unwrap();
        let server = socket.serve(Some(b"hello\n".to_vec())).unwrap();
        let port = server.address().port();
        let probe = connect(&lab, to, port, 10 * SECOND);
        assert!(probe.ok() && probe.why().is_none(), "{probe:?}");
        let mut text = String::new();
        lab.inside("a", || TcpStream::connect(server.address()).unwrap().read_to_string(&mut text).unwrap());
        assert_eq!(text, "hello\n");
        let taken = lab.inside("b", || TcpListenSocket::open(server.address())).unwrap_err();
        assert_eq!(taken.kernel.unwrap().errno, libc::EADDRINUSE);
        assert_eq!(server.stop(), 2);
        let probe = connect(&lab, to, port, 10 * SECOND);
        let why = format!("{to} refuses connections to TCP port {port}: nothing listens there");
        assert_eq!(probe.why().unwrap(), why);
    }
    let probe = connect(&lab, "10.9.9.9", 80, SECOND);
    assert_eq!(probe.why().unwrap(), "network is unreachable: no route to 10.9.9.9");
    lab.sh("ip -n b route add blackhole 10.0.0.1/32");
    let probe = connect(&lab, "10.0.0.2", 80, Duration::from_millis(200));
    assert_eq!(probe.why().unwrap(), "no answer from 10.0.0.2 on TCP port 80 in 200 ms");
    lab.sh("ip netns exec a sh -c 'echo 100 > /proc/sys/net/ipv4/neigh/eth0/retrans_time_ms'");
    let probe = connect(&lab, "10.0.0.77", 80, 10 * SECOND);
    assert_eq!(probe.error.unwrap().errno, libc::EHOSTUNREACH);
}

#[test]
fn udp_echo_refused_and_silent() {
    let Some(mut lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    let send = |lab: &Lab, to: &str, port, timeout| {
        let socket = lab.inside("a", || UdpSocket::open(Family::of(ip(to)))).unwrap();
        socket.run(ip(to), port, timeout, &Patience::endless()).unwrap()
    };
    for to in ["10.0.0.2", "fd00::2"] {
        let socket = lab.inside("b", || UdpEchoSocket::open(SocketAddr::new(ip(to), 0))).unwrap();
        let server = socket.serve().unwrap();
        let port = server.address().port();
        let probe = send(&lab, to, port, 10 * SECOND);
        assert!(probe.ok() && probe.why().is_none(), "{probe:?}");
        assert_eq!(server.stop(), 1);
        let probe = send(&lab, to, port, 10 * SECOND);
        assert_eq!(probe.why().unwrap(), format!("{to} refuses UDP port {port}: nothing listens there"));
    }
    lab.sh("ip netns exec a sh -c 'echo 100 > /proc/sys/net/ipv4/neigh/eth0/retrans_time_ms'");
    let probe = send(&lab, "10.0.0.77", 7, 10 * SECOND);
    assert_eq!(probe.error.unwrap().errno, libc::EHOSTUNREACH);
    lab.sh("ip -n b route add blackhole 10.0.0.1/32");
    let probe = send(&lab, "10.0.0.2", 7, Duration::from_millis(200));
    assert_eq!(probe.why().unwrap(), "no echo from 10.0.0.2 on UDP port 7 in 200 ms");
}

/// Opens the sockets of `h1`, `h2` … on the bridge of [`star`].
fn nodes(lab: &Lab, n: usize) -> Vec<Node> {
    let node = |i: usize| {
        let name = format!("h{i}");
        let open = |family| lab.inside(&name, || PingSocket::open(family)).unwrap();
        let addresses = vec![ip(&format!("10.0.0.{i}")), ip(&format!("fd00::{i}"))];
        Node { v4: Some(open(Family::V4)), v6: Some(open(Family::V6)), addresses, name }
    };
    (1..=n).map(node).collect()
}

fn star(n: usize) -> String {
    format!(
        "ip link add br0 type bridge mcast_snooping 0
        for i in $(seq {n}); do
            ip netns add h$i; ip -n h$i link set lo up
            ip link add p$i master br0 up type veth peer name eth0 netns h$i
            ip -n h$i addr add 10.0.0.$i/24 dev eth0; ip -n h$i addr add fd00::$i/64 dev eth0 nodad
            ip -n h$i link set eth0 up
        done
        ip link set br0 up"
    )
}

#[test]
fn pingall_finds_the_one_that_is_cut_off() {
    let n = 20;
    let Some(mut lab) = Lab::new(&star(n)) else { return };
    let patience = Patience::endless();
    // The ports of the bridge have to come up first.
    lab.settle("h1", &["10.0.0.20", "fd00::20"]);
    let all = pingall(nodes(&lab, n), &PingallOptions::default(), &patience).unwrap();
    assert!(all.ok(), "{:?}", all.failed());
    assert_eq!(all.pairs().count(), n * (n - 1));
    assert!(all.pairs().all(|(_, _, cell)| cell.rtt.is_some()));

    lab.sh("ip link set p7 down");
    let options = PingallOptions { timeout: Duration::from_millis(300), ..PingallOptions::default() };
    let some = pingall(nodes(&lab, n), &options, &patience).unwrap();
    let failed = some.failed();
    assert_eq!(failed.len(), 2 * (n - 1), "{failed:?}");
    assert!(failed.iter().all(|(from, to, _)| *from == "h7" || *to == "h7"));
    assert!(some.why().unwrap().starts_with("38 of 380 pairs fail; h1 → h7: no reply from 10.0.0.7"));
}

#[test]
fn patience_ends_every_wait() {
    let Some(lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    let ends = |what: &str, run: &(dyn Fn(&Patience) -> Code + Sync)| {
        let patience = Patience::endless();
        let stop = patience.stop.clone();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| (run(&patience), Instant::now()));
            std::thread::sleep(Duration::from_millis(100));
            let stopped_at = Instant::now();
            stop.store(true, Ordering::Relaxed);
            let (code, ended_at) = waiting.join().unwrap();
            assert_eq!(code, Code::Interrupted, "{what}");
            let late = ended_at.saturating_duration_since(stopped_at);
            assert!(late < Duration::from_millis(100), "{what} ended only after {late:?}");
        });
        let deadline = Some(Instant::now() + Duration::from_millis(50));
        assert_eq!(run(&Patience { deadline, ..Patience::default() }), Code::Timeout, "{what}");
    };
    let (to, long) = (ip("10.0.0.77"), 60 * SECOND);
    ends("ping", &|patience| {
        let socket = lab.inside("a", || PingSocket::open(Family::V4)).unwrap();
        let options = PingOptions { retry_first_for: long, ..quick(1, 60000) };
        socket.run(to, &options, patience).map_or_else(|e| e.code, |ping| panic!("{ping:?}"))
    });
    ends("traceroute", &|patience| {
        let socket = lab.inside("a", || TraceSocket::open(Family::V4)).unwrap();
        let options = TraceOptions { timeout: long, ..TraceOptions::default() };
        socket.run(to, &options, patience).map_or_else(|e| e.code, |trace| panic!("{trace:?}"))
    });
    ends("tcp", &|patience| {
        let socket = lab.inside("a", || TcpSocket::open(Family::V4)).unwrap();
        socket.run(to, 80, long, patience).map_or_else(|e| e.code, |probe| panic!("{probe:?}"))
    });
    ends("udp", &|patience| {
        let socket = lab.inside("a", || UdpSocket::open(Family::V4)).unwrap();
        socket.run(to, 80, long, patience).map_or_else(|e| e.code, |probe| panic!("{probe:?}"))
    });
    ends("lookup", &|patience| {
        let conf = ResolvConf::parse("nameserver 10.0.0.77\noptions timeout:30");
        let sockets = lab.inside("a", || LookupSockets::open(conf)).unwrap();
        let lookup = sockets.run("web", &Hosts::default(), Want::Both, patience);
        lookup.map_or_else(|e| e.code, |lookup| panic!("{lookup:?}"))
    });
    ends("pingall", &|patience| {
        let open = || Some(lab.inside("a", || PingSocket::open(Family::V4)).unwrap());
        let node = |name: &str| Node { name: name.into(), v4: open(), v6: None, addresses: vec![to] };
        let options = PingallOptions { timeout: long, ..PingallOptions::default() };
        let matrix = pingall(vec![node("a"), node("b")], &options, patience);
        matrix.map_or_else(|e| e.code, |matrix| panic!("{matrix:?}"))
    });
}

/// Not a test but a measurement: `cargo test --release --test probe hundred -- --ignored --nocapture`.
fn measure(what: &str, setup: &str) {
    let n = 100;
    let Some(lab) = Lab::new(setup) else { return };
    lab.settle("h1", &["10.0.0.100"]);
    let mut nodes = nodes(&lab, n);
    nodes.iter_mut().for_each(|node| node.addresses.truncate(1));
    let all = pingall(nodes, &PingallOptions::default(), &Patience::endless()).unwrap();
    println!("{what}: {:?}, {} failed, {:?}, {:?}", all.took, all.failed().len(), all.why(), all.note);
    let mut rtts: Vec<_> = all.pairs().filter_map(|(_, _, cell)| cell.rtt).collect();
    rtts.sort();
    println!("round trips: median {:?}, longest {:?}", rtts[rtts.len() / 2], rtts.last());
}

#[test]
#[ignore = "a measurement, and limited by the kernel's neighbour table"]
fn a_hundred_on_one_bridge() {
    measure("on one bridge", &star(100));
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_around_one_router() {
    let setup = "
        echo 1 > /proc/sys/net/ipv4/ip_forward
        for i in $(seq 100); do
            ip netns add h$i; ip -n h$i link set lo up
            ip link add p$i up type veth peer name eth0 netns h$i
            ip addr add 10.1.0.1/32 dev p$i; ip route add 10.0.0.$i dev p$i
            ip -n h$i addr add 10.0.0.$i/32 dev eth0; ip -n h$i link set eth0 up
            ip -n h$i route add 10.1.0.1 dev eth0; ip -n h$i route add default via 10.1.0.1
        done";
    measure("around one router", setup);
}
