//! What made a random machine differ once, cut down to what it takes.

use super::script::{HEAD, Script};
use super::trial::{End, Trial};

/// What it is about, the machine in bash, the script.
type Kept = (&'static str, &'static str, &'static str);

pub(crate) const KEPT: &[Kept] = &[
    (
        "an IPv4 address that is valid for ever and not preferred",
        "ip link add v1 type veth peer name p1
         ip addr add 10.3.2.2/24 valid_lft forever preferred_lft 0 dev v1",
        "host[\"v1\"].del();",
    ),
    (
        "one port of two is changed",
        "ip link add br0 address 02:00:00:00:00:01 type bridge
         ip link add v1 type veth peer name p1
         ip link set v1 master br0; ip link set p1 master br0",
        "host[\"v1\"].set(#{ guard: true });",
    ),
    (
        "a setting of one port of two",
        "ip link add br0 address 02:00:00:00:00:01 type bridge
         ip link add v1 type veth peer name p1
         ip link set v1 master br0; ip link set p1 master br0",
        "host.sysctl(\"net.ipv6.conf.v1.forwarding\", \"1\");",
    ),
    (
        "an address in a network that another link has",
        "ip link add v1 type veth peer name p1; ip link add v2 type veth peer name p2
         for l in v1 p1 v2 p2; do ip link set $l up; done
         ip addr add 10.1.0.200/24 dev p1",
        "host[\"v2\"].addr(\"10.1.0.35/24\"); host[\"v2\"].mtu(1400);",
    ),
    (
        "the MTU of IPv6 on a link that is down, and IPv6 off for all",
        "ip link add v1 type veth peer name p1; ip link add mv3 link v1 type macvlan
         echo 1280 >/proc/sys/net/ipv6/conf/mv3/mtu",
        "host.sysctl(\"net.ipv6.conf.all.disable_ipv6\", \"1\");",
    ),
    (
        "the MTU of IPv6 on a bridge in a stretch",
        "ip link add br3 address 02:00:00:00:00:01 type bridge; ip link add v2 type veth peer name p2
         ip link set p2 master br3; for l in v2 p2 br3; do ip link set $l up; done
         for l in v2 p2 br3; do ip link show $l >/dev/null; done
         echo 1280 >/proc/sys/net/ipv6/conf/br3/mtu",
        "attempt { host[\"br3\"].down(); host[\"br3\"].set(#{ ageing_time: 147, priority: 11 }); }",
    ),
    (
        "duplicate address detection on a tunnel",
        "ip link add v1 type veth peer name p1
         ip link add vx3 type vxlan id 300 dev v1 dstport 4789 local 10.1.0.1
         for l in v1 p1 vx3; do ip link set $l up; done",
        "host[\"vx3\"].down().up();",
    ),
    (
        "the groups of an IPv6 router",
        "ip link add v1 type veth peer name p1; ip link set v1 up; ip link set p1 up
         echo 1 >/proc/sys/net/ipv6/conf/all/forwarding",
        "host[\"v1\"].del();",
    ),
    (
        "a MAC that a link listens to",
        "ip link add v1 type veth peer name p1; ip link set v1 up; ip link set p1 up
         ip maddr add 33:33:00:00:00:77 dev v1",
        "host[\"v1\"].del();",
    ),
    (
        "the state of the only port of a bridge",
        "ip link add br0 address 02:00:00:00:00:01 type bridge; ip link add v1 type veth peer name p1
         ip link set v1 master br0; for l in v1 p1 br0; do ip link set $l up; done; sleep 0.1; ip link show br0 >/dev/null
         ip addr add 10.1.0.1/24 dev br0; ip nexthop add id 20 via 10.1.0.99 dev br0",
        "host[\"v1\"].set(#{ state: 2 });",
    ),
    (
        "a group of nexthops that loses a leg, and the other link",
        "ip link add v1 type veth peer name p1; ip link add v2 type veth peer name p2
         for l in v1 p1 v2 p2; do ip link set $l up; done
         ip addr add 10.1.0.1/24 dev v1; ip addr add 10.2.0.1/24 dev v2
         ip nexthop add id 1 via 10.1.0.9 dev v1; ip nexthop add id 2 via 10.2.0.9 dev v2
         ip nexthop add id 10 group 1/2; ip route add 10.9.0.0/16 nhid 10",
        "host[\"v1\"].down(); host[\"v2\"].alias(\"x\");",
    ),
    (
        "a broadcast route that a second address had for a while",
        "ip link add v3 type veth peer name p3; ip link set v3 up; ip link set p3 up
         echo 1 >/proc/sys/net/ipv4/conf/all/promote_secondaries
         ip addr add 10.3.0.200/24 dev p3; ip addr add 10.3.0.3/24 dev v3; ip addr add 10.3.0.1/24 dev v3",
        "host[\"v3\"].del_addr(\"10.3.0.3/24\"); host[\"v3\"].del();",
    ),
    (
        "all groups on a bridge without a carrier that keeps its addresses",
        "ip link add br4 address 02:00:00:00:00:01 type bridge; ip link set br4 up
         echo 1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down
         ip addr add fd00:4:4::1/64 dev br4 nodad",
        "host[\"br4\"].down();",
    ),
    (
        "routes and a nexthop over gateways that cannot be reached any more",
        "ip link add v1 type veth peer name p1; ip link set v1 up; ip link set p1 up
         ip addr add 10.2.0.1/24 dev v1; ip addr add 2001:db8:2::1/64 dev v1 nodad
         ip nexthop add id 1 via 10.2.0.9 dev v1; ip -6 nexthop add id 2 via 2001:db8:2::9 dev v1
         ip route add 10.9.0.0/16 nhid 1; ip -6 route add fd01::/64 nhid 2; ip -6 route add fd02::/64 via 2001:db8:2::9
         ip route add 10.8.0.0/16 nexthop via 10.2.0.9 nexthop via 10.2.0.8 weight 2; ip route add 10.7.0.0/16 via 10.2.0.9
         ip addr del 10.2.0.1/24 dev v1; ip addr del 2001:db8:2::1/64 dev v1",
        "host[\"v1\"].down();",
    ),
    (
        "a bridge that has a carrier by the lab's doing, a second later",
        "ip link add br3 address 02:00:00:00:00:01 type bridge
         ip link add v5 type veth peer name p5; ip link set p5 mtu 1000
         ip link set br3 up; ip addr add 2001:db8:3::1/64 dev br3 nodad
         for l in v5 p5; do ip link set $l up; done
         for l in v5 p5 br3; do ip link show $l >/dev/null; done",
        "host[\"p5\"].master(host[\"br3\"]); sleep(1.2);",
    ),
    (
        "a macvlan of the lab on a link that it deletes",
        "ip link add v1 type veth peer name p1; ip link set v1 up; ip link set p1 up
         ip link add mv3 link v1 type macvlan mode vepa; ip link set mv3 up",
        "host[\"mv3\"].macvlan(host.port(\"x0\"), \"bridge\"); host[\"v1\"].del();",
    ),
    (
        "an empty bridge that once had a port",
        "ip link add br2 address 02:00:00:00:00:01 type bridge
         ip link add t0 type veth peer name t1; ip link set t0 master br2; ip link del t0",
        "host[\"br2\"].del();",
    ),
    (
        "a stretch over a leg that is dead already",
        "ip link add br4 address 02:00:00:00:00:01 type bridge; ip link add v1 type veth peer name p1
         ip link add ifb5 type ifb
         for l in br4 v1 p1 ifb5; do ip link set $l up; done
         ip addr add 10.1.0.3/24 dev v1; ip addr add 10.4.0.1/24 dev br4
         ip route add 10.14.5.0/24 nexthop via 10.4.0.99 dev br4 nexthop via 10.1.0.99 dev v1 weight 3",
        "host[\"br4\"].down();
         try { attempt { host[\"v1\"].down(); throw 0; } } catch {}
         host[\"ifb5\"].addr(\"10.1.5.36/24\");",
    ),
    (
        "addresses that stay on a link that goes down",
        "ip link add v1 type veth peer name p1
         ip link add vx2 type vxlan id 200 dev v1 dstport 4789 local 10.1.0.1
         ip addr add fd00:2:3::1/64 nodad noprefixroute dev vx2
         ip addr add 10.2.2.1/24 dev vx2
         echo 1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down",
        "host[\"vx2\"].del_addr(\"10.2.2.1/24\"); host[\"vx2\"].up();",
    ),
    (
        "one of equal routes is deleted and another replaced",
        "ip link add v1 type veth peer name p1; ip link set v1 up; ip link set p1 up; ip addr add 10.1.0.1/24 dev v1
         for i in 3 2 1; do ip route append 10.11.3.0/24 via 10.1.0.9$i; done",
        "try { attempt { host.del_route(\"10.11.3.0/24\", \"10.1.0.92\");
             host.route(\"10.11.3.0/24\", \"10.1.0.97\", #{ replace: true }); throw 0; } } catch {}
         host[\"p1\"].down();",
    ),
    (
        "a tunnel far from the namespace that its packets travel in is made again",
        "ip netns add mine; ip link add v1 type veth peer name p1
         ip link add vx4 type vxlan id 400 dev v1 dstport 4789 local 10.1.0.1",
        "host[\"vx4\"].move_to(get_netns(\"mine\"));
         try { attempt { get_netns(\"mine\")[\"vx4\"].del(); throw 0; } } catch {}",
    ),
    (
        "another address becomes the first of its network, and its link gets a new name",
        "ip link add v1 type veth peer name p1; ip link add v2 type veth peer name p2
         for l in v1 p1 v2 p2; do ip link set $l up; done
         for a in 1 2 3; do ip addr add 10.3.0.$a/24 dev v1; done
         echo 1 >/proc/sys/net/ipv4/conf/v1/promote_secondaries",
        "host[\"v1\"].del_addr(\"10.3.0.1/24\"); host[\"v2\"].addr(\"10.3.0.25/24\"); host[\"v1\"].rename(\"w1\");",
    ),
    (
        "a port that was disabled",
        "ip link add br0 address 02:00:00:00:00:01 type bridge; ip link add v1 type veth peer name p1
         ip link set v1 master br0; for l in br0 v1 p1; do ip link set $l up; done; ip link show v1 >/dev/null
         bridge link set dev v1 state 0",
        "host[\"v1\"].set(#{ state: 3, cost: 9 });",
    ),
];

/// Each of them fails, and is taken down.
pub(crate) fn trials() -> Vec<(&'static str, Trial)> {
    let trial = |(name, host, script): &Kept, throws: bool| {
        let lines = |text: &str| text.lines().map(|l| l.trim().to_owned()).collect::<Vec<_>>();
        let mut machine = vec!["ip netns add first; ip netns del first".to_owned()];
        machine.extend(lines(host));
        let script = Script { head: vec![HEAD.to_owned()], verbs: lines(script), throws };
        let end = if throws { End::Thrown } else { End::Down };
        (*name, Trial { host: machine, script, end, insists: true })
    };
    KEPT.iter().flat_map(|kept| [trial(kept, true), trial(kept, false)]).collect()
}
