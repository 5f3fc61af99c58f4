//! What is printed, word for word.

use super::built;
use super::shapes::{LINE, STAR, Shape};

/// A network, what is broken, the arguments, the exit code, standard output, standard error.
type Case = (Shape, &'static str, &'static str, i32, &'static str, &'static str);

const CASES: &[Case] = &[
    (
        LINE,
        "true",
        "ns1 ns3",
        0,
        "ns1 → 10.0.2.20 (ns3): yes

  ✓ ns1    e0 10.0.1.10/24, to 10.0.2.20 via 10.0.1.1
  ✓ lan    bridge in the host, veth1 → veth2, forwarding
  ✓ ns2    passes it on from e0 to e1
  ✓ ns3    has 10.0.2.20 on e0
  ✓ back   ns3 → ns2 → lan → ns1
",
        "",
    ),
    (
        LINE,
        "ip netns exec ns2 sysctl -qw net.ipv4.ip_forward=0; ip -n ns3 route del default",
        "ns1 10.0.2.20",
        1,
        "ns1 → 10.0.2.20 (ns3): no

  ✓ ns1    e0 10.0.1.10/24, to 10.0.2.20 via 10.0.1.1
  ✓ lan    bridge in the host, veth1 → veth2, forwarding
  ✗ ns2    does not forward IPv4 (net.ipv4.ip_forward = 0)

why[NL0603]: `ns2` gets the packet and does not pass it on
  fix: get_netns(\"ns2\").forward(true);
       ip netns exec ns2 sysctl -w net.ipv4.ip_forward=1
  1 more break behind it: `ns3` has no route back to 10.0.1.0/24
  probe: no reply from 10.0.2.20 in 1 s
",
        "",
    ),
    (
        LINE,
        "ip -n ns3 route del default",
        "ns1 ns3",
        1,
        "ns1 → 10.0.2.20 (ns3): no

  ✓ ns1    e0 10.0.1.10/24, to 10.0.2.20 via 10.0.1.1
  ✓ lan    bridge in the host, veth1 → veth2, forwarding
  ✓ ns2    passes it on from e0 to e1
  ✓ ns3    has 10.0.2.20 on e0
  and back
  ✗ ns3    no route to 10.0.1.10

why[NL0604]: `ns3` has no route back to 10.0.1.0/24
  fix: get_netns(\"ns3\").route(\"10.0.1.0/24\", \"10.0.2.1\");
       ip -n ns3 route add 10.0.1.0/24 via 10.0.2.1
  probe: no reply from 10.0.2.20 in 1 s
",
        "",
    ),
    (
        STAR,
        "true",
        "h1 h3 --tcp 80",
        1,
        "h1 → 10.1.0.3 (h3) TCP port 80: no

  ✓ h1     eth0 10.1.0.1/24, to 10.1.0.3
  ✓ br0    bridge in `sw`, p1 → p3, forwarding
  ✗ h3     no TCP socket on port 80

why[NL0622]: nothing in `h3` listens on TCP port 80
  fix: get_netns(\"h3\").listen(80);
       ip netns exec h3 python3 -m http.server 80
  probe: 10.1.0.3 refuses connections to TCP port 80: nothing listens there
",
        "",
    ),
    // What `why` cannot read yet: it says so, and names no cause.
    (
        STAR,
        "ip netns exec h3 nft add table inet t; ip netns exec h3 nft add chain inet t c '{ type filter hook input priority 0; }'; \
         ip netns exec h3 nft add rule inet t c drop",
        "h1 h3",
        1,
        "h1 → 10.1.0.3 (h3): no

  ✓ h1     eth0 10.1.0.1/24, to 10.1.0.3
  ✓ br0    bridge in `sw`, p1 → p3, forwarding
  ✓ h3     has 10.1.0.3 on eth0
  ✓ back   h3 → br0 → h1

why[NL0690]: the cause was not found: everything on the way looks well
  probe: no reply from 10.1.0.3 in 1 s
  note: `h3` has 1 nftables rule (table t); `why` does not read them yet
",
        "",
    ),
    // Walk and packet disagree: the router writes its own address into what passes, so that no route back is needed.
    (
        LINE,
        "ip -n ns3 route del default; ip netns exec ns2 nft add table ip n; \
         ip netns exec ns2 nft add chain ip n c '{ type nat hook postrouting priority 100; }'; \
         ip netns exec ns2 nft add rule ip n c oifname e1 masquerade",
        "ns1 ns3",
        0,
        "ns1 → 10.0.2.20 (ns3): yes

  ✓ ns1    e0 10.0.1.10/24, to 10.0.2.20 via 10.0.1.1
  ✓ lan    bridge in the host, veth1 → veth2, forwarding
  ✓ ns2    passes it on from e0 to e1
  ✓ ns3    has 10.0.2.20 on e0
  and back
  ✗ ns3    no route to 10.0.1.10

an answer comes, although by what can be read `ns3` has no route back to 10.0.1.0/24
  probe: a ping is answered
  note: `ns2` has 1 nftables rule (table n); `why` does not read them yet
",
        "",
    ),
    // Walk and packet disagree: the neighbour was learned before it was told to keep silent.
    (
        STAR,
        "ip netns exec h1 ping -qc1 10.1.0.3 >/dev/null; ip netns exec h3 sysctl -qw net.ipv4.conf.all.arp_ignore=8",
        "h1 h3",
        0,
        "h1 → 10.1.0.3 (h3): yes

  ✓ h1     eth0 10.1.0.1/24, to 10.1.0.3
  ✓ br0    bridge in `sw`, p1 → p3, forwarding
  ✗ h3     net.ipv4.conf.all.arp_ignore = 8

an answer comes, although by what can be read `h3` is told not to say on `eth0` that 10.1.0.3 is its own
  probe: a ping is answered
",
        "",
    ),
    (LINE, "true", "ns1 ns5", 2, "", "error[NL0108]: there is no namespace `ns5`\n  help: did you mean `ns1`?\n"),
    (LINE, "true", "ns9 ns1", 2, "", "error[NL0108]: there is no namespace `ns9`\n  help: did you mean `ns1`?\n"),
];

#[test]
fn word_for_word() {
    for (shape, hurt, args, code, stdout, stderr) in CASES {
        let Some(sandbox) = built(shape) else { return };
        sandbox.sh(hurt);
        let words: Vec<&str> = std::iter::once("why").chain(args.split_whitespace()).collect();
        let run = sandbox.netlab(&words);
        assert_eq!(
            (run.code, run.stdout.as_str(), run.stderr.as_str()),
            (Some(*code), *stdout, *stderr),
            "{args}\n{run}"
        );
    }
}

/// Usage that is wrong is code 2, and touches nothing.
#[test]
fn wrong_usage() {
    let Some(sandbox) = built(&STAR) else { return };
    for args in
        ["why", "why h1", "why h1 h2 --tcp 0x", "why h1 h2 --tcp 1 --udp 2", "why h1 h2 --size 70000", "why h1 ../x"]
    {
        let words: Vec<&str> = args.split_whitespace().collect();
        assert_eq!(sandbox.netlab(&words).code, Some(2), "{args}");
    }
}
