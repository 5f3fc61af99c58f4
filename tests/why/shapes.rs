//! The networks that are broken: each is built with plain `ip`, and is whole.

/// A network: how it is built, and between whom one asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Its name.
    pub(crate) name: &'static str,
    /// Lines of shell.
    pub(crate) build: &'static str,
    /// Who sends: a name as netlab takes it.
    pub(crate) from: &'static str,
    /// The address that it has to reach.
    pub(crate) to: &'static str,
}

/// ns1 and ns4 on a bridge of the host, ns2 the router, ns3 behind it.
pub(crate) const LINE: Shape = Shape {
    name: "line",
    from: "ns1",
    to: "10.0.2.20",
    build: "
for n in ns1 ns2 ns3 ns4; do ip netns add $n; ip -n $n link set lo up; done
for n in ns1 ns2 ns3 ns4; do ip netns exec $n sysctl -qw net.ipv4.ip_forward=0; done
ip link add lan type bridge; ip link set lan up
for i in 1 2 4; do ip link add veth$i type veth peer name e0 netns ns$i; ip link set veth$i master lan up; done
ip -n ns2 link add e1 type veth peer name e0 netns ns3
ip -n ns1 addr add 10.0.1.10/24 dev e0; ip -n ns1 link set e0 up
ip -n ns4 addr add 10.0.1.40/24 dev e0; ip -n ns4 link set e0 up
ip -n ns2 addr add 10.0.1.1/24 dev e0; ip -n ns2 link set e0 up
ip -n ns2 addr add 10.0.2.1/24 dev e1; ip -n ns2 link set e1 up
ip -n ns3 addr add 10.0.2.20/24 dev e0; ip -n ns3 link set e0 up
ip netns exec ns2 sysctl -qw net.ipv4.ip_forward=1
ip -n ns1 route add default via 10.0.1.1; ip -n ns4 route add default via 10.0.1.1
ip -n ns3 route add default via 10.0.2.1
",
};

/// ns1, two routers, ns3, by plain wires: three hops.
pub(crate) const ROUTERS: Shape = Shape {
    name: "routers",
    from: "ns1",
    to: "10.0.3.20",
    build: "
for n in ns1 r1 r2 ns3; do ip netns add $n; ip -n $n link set lo up; ip netns exec $n sysctl -qw net.ipv4.ip_forward=0; done
for r in r1 r2; do ip netns exec $r sysctl -qw net.ipv4.ip_forward=1; done
wire() { ip -n $1 link add $2 type veth peer name $5 netns $4; ip -n $1 addr add $3 dev $2; ip -n $4 addr add $6 dev $5; ip -n $1 link set dev $2 up; ip -n $4 link set dev $5 up; }
wire ns1 e0 10.0.1.10/24 r1 e0 10.0.1.1/24
wire r1 e1 10.0.2.1/24 r2 e0 10.0.2.2/24
wire r2 e1 10.0.3.1/24 ns3 e0 10.0.3.20/24
ip -n ns1 route add default via 10.0.1.1; ip -n ns3 route add default via 10.0.3.1
ip -n r1 route add 10.0.3.0/24 via 10.0.2.2; ip -n r2 route add 10.0.1.0/24 via 10.0.2.1
",
};

/// A bridge inside a namespace, with an address of its own, and three hosts on it.
pub(crate) const STAR: Shape = Shape {
    name: "star",
    from: "h1",
    to: "10.1.0.3",
    build: "
for n in sw h1 h2 h3; do ip netns add $n; ip -n $n link set lo up; done
ip -n sw link add br0 type bridge; ip -n sw addr add 10.1.0.254/24 dev br0; ip -n sw link set br0 up
for i in 1 2 3; do
    ip -n sw link add p$i type veth peer name eth0 netns h$i; ip -n sw link set p$i master br0 up
    ip -n h$i addr add 10.1.0.$i/24 dev eth0; ip -n h$i link set eth0 up
done
",
};

/// The host as the router between two namespaces.
pub(crate) const HOST: Shape = Shape {
    name: "host",
    from: "web",
    to: "10.2.2.2",
    build: "
sysctl -qw net.ipv4.ip_forward=1
for n in web db; do ip netns add $n; ip -n $n link set lo up; done
ip link add v1 type veth peer name eth0 netns web; ip addr add 10.2.1.1/24 dev v1; ip link set v1 up
ip link add v2 type veth peer name eth0 netns db; ip addr add 10.2.2.1/24 dev v2; ip link set v2 up
ip -n web addr add 10.2.1.2/24 dev eth0; ip -n web link set eth0 up; ip -n web route add default via 10.2.1.1
ip -n db addr add 10.2.2.2/24 dev eth0; ip -n db link set eth0 up; ip -n db route add default via 10.2.2.1
",
};

/// From the host itself to a guest.
pub(crate) const GUEST: Shape = Shape {
    name: "guest",
    from: "host",
    to: "10.3.0.2",
    build: "
ip netns add guest; ip -n guest link set lo up
ip link add v0 type veth peer name eth0 netns guest; ip addr add 10.3.0.1/24 dev v0; ip link set v0 up
ip -n guest addr add 10.3.0.2/24 dev eth0; ip -n guest link set eth0 up
",
};

/// Two macvlan links on one parent, in two namespaces.
pub(crate) const MACVLAN: Shape = Shape {
    name: "macvlan",
    from: "m1",
    to: "10.4.0.2",
    build: "
ip link add par type veth peer name far; ip link set far up; ip link set par up
for i in 1 2; do
    ip netns add m$i; ip -n m$i link set lo up
    ip link add link par name eth0 netns m$i type macvlan mode bridge
    ip -n m$i addr add 10.4.0.$i/24 dev eth0; ip -n m$i link set eth0 up
done
",
};

/// A VXLAN tunnel between two machines.
pub(crate) const VXLAN: Shape = Shape {
    name: "vxlan",
    from: "t1",
    to: "10.6.0.2",
    build: "
for n in t1 t2; do ip netns add $n; ip -n $n link set lo up; done
ip -n t1 link add u0 type veth peer name u0 netns t2
for i in 1 2; do
    ip -n t$i addr add 192.168.9.$i/24 dev u0; ip -n t$i link set u0 up
    ip -n t$i link add vx0 type vxlan id 42 local 192.168.9.$i remote 192.168.9.$((3 - i)) dev u0 dstport 4789
    ip -n t$i addr add 10.6.0.$i/24 dev vx0; ip -n t$i link set vx0 up
done
",
};

/// Two hosts and a router, by IPv6.
pub(crate) const IPV6: Shape = Shape {
    name: "ipv6",
    from: "a",
    to: "fd00:2::2",
    build: "
for n in a r b; do
    ip netns add $n; ip -n $n link set lo up
    ip netns exec $n sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.forwarding=0
done
ip -n a link add e0 type veth peer name r0 netns r; ip -n b link add e0 type veth peer name r1 netns r
ip -n a addr add fd00:1::2/64 dev e0 nodad; ip -n b addr add fd00:2::2/64 dev e0 nodad
ip -n r addr add fd00:1::1/64 dev r0 nodad; ip -n r addr add fd00:2::1/64 dev r1 nodad
ip -n a link set e0 up; ip -n b link set e0 up; ip -n r link set r0 up; ip -n r link set r1 up
ip netns exec r sysctl -qw net.ipv6.conf.all.forwarding=1
ip -n a route add default via fd00:1::1; ip -n b route add default via fd00:2::1
",
};

/// All of them.
pub(crate) const ALL: [Shape; 8] = [LINE, ROUTERS, STAR, HOST, GUEST, MACVLAN, VXLAN, IPV6];
