//! The harness tested by itself, with bash and `ip` instead of netlab: a witness that sees nothing proves nothing.

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::lab_state::{assert_same_lab, lab_state};
use common::labs::{LABS, furnish};
use common::sandbox::Sandbox;
use common::world::{World, assert_same};
use common::{aloud, side_by_side, skip};

#[test]
fn a_sandbox_touches_nothing_outside() {
    let names = || fs::read_dir("/run/netns").map(|d| d.count()).unwrap_or(0);
    let (resolv, before) = (fs::read("/etc/resolv.conf").ok(), names());
    let pid = {
        let Some(sandbox) = Sandbox::new() else { return };
        sandbox.sh("ip netns add inside; echo inside >/etc/resolv.conf; mkdir -p /etc/netns/inside /var/lib/netlab; sleep 1000 >&- 2>&- &");
        assert_eq!(fs::read("/etc/resolv.conf").ok(), resolv);
        assert_eq!(names(), before);
        sandbox.pid()
    };
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the holder is gone");
    assert!(!Path::new("/etc/netns/inside").exists());
}

#[test]
fn process_one_reaps_orphans() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.sh("(sleep 0.05 &)");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(sandbox.sh("cat /proc/[0-9]*/stat | grep -c ' Z ' || true").trim(), "0");
}

#[test]
fn a_world_that_stays_is_the_same() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    sandbox.sh("ip link add t0 type veth peer name t1; ip link set t0 up; ip link set t1 up; ip link del t0");
    sandbox.sh("ip netns add tmp; ip link add t0 type veth peer name t1 netns tmp; ip netns del tmp");
    assert_same(&before, &sandbox, "making and deleting");
}

/// Each of these changes one thing; the witness has to name it.
#[test]
fn a_world_sees_each_change() {
    let changes = [
        ("ip link add t0 type veth peer name t1", "+ host: link t0"),
        ("ip link set my0 mtu 1400", "~ host: link my0 mtu: 1500, now 1400"),
        ("ip link set my0 down", "- host: IPv4 routes"),
        ("ip link set my0 alias x", "+ host: link my0 ifalias"),
        ("ip addr add 10.98.0.4/24 dev my0", "+ host: addresses of my0"),
        ("ip addr del 10.98.0.1/24 dev my0", "- host: addresses of my0"),
        ("ip route add 10.1.0.0/16 via 10.98.0.2 table 7", "+ host: IPv4 routes"),
        ("ip -6 route del 2001:db8:97::/64", "- host: IPv6 routes"),
        ("ip rule del priority 1000", "- host: IPv4 rules"),
        ("ip -6 rule add to 2001:db8::/32 blackhole", "+ host: IPv6 rules"),
        ("ip neigh del 10.98.0.77 dev my0", "- host: lasting neighbours"),
        ("ip neigh add 10.98.0.78 lladdr 02:00:00:00:00:78 dev my0 extern_learn", "+ host: lasting neighbours"),
        ("ip neigh add proxy 10.98.0.9 dev my0", "+ host: proxy neighbours"),
        ("ip nexthop add id 9 via 10.98.0.2 dev my0", "+ host: nexthops"),
        ("bridge fdb add 02:00:00:00:00:99 dev myport master static", "+ host: FDB"),
        ("bridge link set dev myport cost 77", "host: bridge ports"),
        ("bridge mdb add dev mybr port myport grp 239.7.7.7 permanent", "+ host: MDB"),
        ("ip maddr add 01:00:5e:00:00:77 dev my0", "+ host: groups of my0"),
        ("ip token set ::7 dev my0", "+ host: tokens"),
        ("ip addrlabel add prefix 2001:db8::/32 label 99", "+ host: address labels"),
        ("tc qdisc add dev my0 root pfifo limit 7", "+ host: queues"),
        (
            "tc qdisc add dev my0 root handle 1: htb && tc class add dev my0 parent 1: classid 1:1 htb rate 8mbit",
            "+ host: classes of queues: class htb 1:1",
        ),
        ("nft add table inet other", "+ host: firewall: table inet other"),
        ("ip link set my0 down; ip -n mine link set my1 name other; ip link set my0 up", "other end: mine/my1, now"),
        ("echo 1 >/proc/sys/net/ipv4/ip_forward", "~ host: net/ipv4/ip_forward: 0, now 1"),
        (
            "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/ip_forward",
            "conf/my0/forwarding: 1, now 0",
        ),
        ("ip netns exec mine sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_ecn'", "mine: net/ipv4/tcp_ecn"),
        ("ip -n mine addr add 10.2.0.1/24 dev my1", "+ mine: addresses of my1"),
        ("ip netns add other", "+ names in /run/netns"),
        ("touch /run/netns/file", "+ names in /run/netns"),
        ("umount /run/netns/isp", "- mounts"),
        ("ip netns del isp; ip netns add isp; ip -n isp link set lo up", "/run/netns"),
        ("echo x >>/etc/resolv.conf", "+ files"),
        ("chmod 600 /etc/hosts", "- files: f 644"),
        ("mkdir -p /etc/netns/mine; echo x >/etc/netns/mine/resolv.conf", "+ files"),
        ("sleep 1000 >/dev/null 2>&1 &", "+ processes: sleep"),
    ];
    side_by_side(changes.to_vec(), |(change, expected)| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish(&sandbox);
        sandbox.sh(change);
        let diff = before.diff(&World::read(&sandbox));
        assert!(diff.iter().any(|line| line.contains(expected)), "{change}\nexpected {expected}\n{}", diff.join("\n"));
    });
}

/// Netlab's own files count for themselves.
#[test]
fn a_world_sees_what_netlab_keeps() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.sh("mkdir -p /run/netlab /var/lib/netlab; touch /run/netlab/lock");
    let before = World::read(&sandbox);
    assert_same(&before, &sandbox, "nothing but empty infrastructure");
    sandbox.sh("mkdir /var/lib/netlab/lab; echo x >/var/lib/netlab/lab/journal.jsonl");
    let world = World::read(&sandbox);
    assert_eq!(before.diff(&world), Vec::<String>::new());
    let kept: Vec<_> = world.leftover_state().into_iter().collect();
    assert_eq!(kept, ["d 60 /var/lib/netlab/lab", "f 2 /var/lib/netlab/lab/journal.jsonl"]);
}

/// Each reference builds the same lab twice, something that differs from an empty machine.
#[test]
fn references_run_and_are_repeatable() {
    side_by_side(LABS.to_vec(), |lab| {
        let (Some(one), Some(two)) = (Sandbox::new(), Sandbox::new()) else { return };
        furnish(&one);
        furnish(&two);
        if !lab.can_run(&one) {
            // The build machine's kernel has no VLANs, and CI runs on the same: aloud, but no failure.
            return aloud(&format!("skipped: {}: this kernel lacks {}", lab.title(), lab.needs.unwrap_or_default()));
        }
        let empty = lab_state(&one);
        one.bash(&lab.reference(), lab.args);
        two.bash(&lab.reference(), lab.args);
        assert_ne!(empty, lab_state(&one), "{}", lab.title());
        assert_same_lab(&lab.title(), &lab_state(&one), &lab_state(&two));
    });
}

/// The suites make thousands of these; what they cost is printed.
#[test]
fn sandbox_and_world_are_cheap() {
    let Some(first) = Sandbox::new() else { return };
    drop(first);
    let start = Instant::now();
    let sandbox = Sandbox::new();
    let made = start.elapsed();
    let Some(sandbox) = sandbox else { return skip("no second sandbox") };
    furnish(&sandbox);
    let start = Instant::now();
    World::read(&sandbox);
    aloud(&format!(
        "a sandbox takes {} ms, a world of 3 namespaces {} ms",
        made.as_millis(),
        start.elapsed().as_millis()
    ));
}
