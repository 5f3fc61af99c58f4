//! The labs in scripts/, each with its reference in bash, and what a user's machine holds before one is run.

use std::path::PathBuf;

use super::sandbox::Sandbox;
use super::world::World;

/// One way to run a lab.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lab {
    /// The stem of its file.
    pub(crate) name: &'static str,
    /// What follows `--`: a card, for the labs that take one.
    pub(crate) args: &'static [&'static str],
    /// A kernel option that this lab cannot do without and a usual kernel may lack.
    pub(crate) needs: Option<&'static str>,
}

const fn lab(name: &'static str) -> Lab {
    Lab { name, args: &[], needs: None }
}

/// All of them; those that take a card stand twice.
pub(crate) const LABS: &[Lab] = &[
    lab("create-ns-bridge"),
    lab("create-ns"),
    lab("serialnet-ns"),
    lab("vxlan"),
    lab("macvlan"),
    Lab { args: &["eth0"], ..lab("macvlan") },
    lab("macvlan-network"),
    Lab { args: &["eno4"], ..lab("macvlan-network") },
    lab("veth-host-guest"),
    lab("bridge-web-db"),
    lab("routed-web-db"),
    lab("routed-workshop"),
    lab("netns-basics"),
    lab("dhclient"),
    Lab { needs: Some("CONFIG_VLAN_8021Q"), ..lab("vlan") },
    Lab { args: &["eth0"], needs: Some("CONFIG_VLAN_8021Q"), ..lab("vlan") },
    Lab { needs: Some("CONFIG_BRIDGE_VLAN_FILTERING"), ..lab("vlan-bridge") },
];

impl Lab {
    /// What to give `netlab` to run it, after the options.
    pub(crate) fn command<'a>(&self, verb: &'a [&'a str], script: &'a str) -> Vec<&'a str> {
        let mut command = verb.to_vec();
        command.push(script);
        if !self.args.is_empty() {
            command.push("--");
            command.extend(self.args);
        }
        command
    }

    /// Its file in scripts/.
    pub(crate) fn script(&self) -> String {
        root().join("scripts").join(self.name).with_extension("rhai").display().to_string()
    }

    /// The reference in bash.
    pub(crate) fn reference(&self) -> PathBuf {
        root().join("tests/labs_bash").join(self.name).with_extension("sh")
    }

    /// Whether this kernel has what the lab needs, found by trying it with `ip`.
    pub(crate) fn can_run(&self, sandbox: &Sandbox) -> bool {
        let attempt = match self.needs {
            None => return true,
            Some("CONFIG_VLAN_8021Q") => {
                "ip link add trya type veth peer name tryb && ip link add link trya name tryc type vlan id 2"
            }
            Some(_) => "ip link add trya type bridge vlan_filtering 1",
        };
        let works = sandbox.try_sh(attempt).status.success();
        sandbox.try_sh("ip link del trya");
        assert!(works || !is_test_kernel(), "the test kernel must have what {} needs", self.title());
        works
    }

    /// A name for messages.
    pub(crate) fn title(&self) -> String {
        let words: Vec<_> = std::iter::once(&self.name).chain(self.args).copied().collect();
        words.join(" ")
    }
}

/// The labs, or only those whose titles stand in the variable LABS, with a comma between them.
pub(crate) fn chosen() -> Vec<Lab> {
    let Ok(wanted) = std::env::var("LABS") else { return LABS.to_vec() };
    let find = |title: &str| LABS.iter().find(|lab| lab.title() == title).copied();
    wanted.split(',').map(|title| find(title).unwrap_or_else(|| panic!("there is no lab `{title}`"))).collect()
}

/// Says aloud that `what` is skipped since this kernel lacks an option; the test kernel has them all.
#[track_caller]
pub(crate) fn lacks(what: &str, option: &str) {
    assert!(!is_test_kernel(), "the test kernel must have what {what} needs: {option}");
    super::aloud(&format!("skipped here, since this kernel lacks {option}: {what}"));
}

/// Whether this is the kernel that `tests/kernel/boot` boots.
pub(crate) fn is_test_kernel() -> bool {
    std::env::var_os("TEST_KERNEL").is_some()
}

/// Fills a sandbox with what somebody had there before: addresses, routes in two tables, a rule, a neighbour, a bridge,
/// a namespace, settings out of the ordinary, and the cards that some labs take. Gives back how it is when all has settled.
#[track_caller]
pub(crate) fn furnish(sandbox: &Sandbox) -> World {
    sandbox.sh(USERS_OWN);
    World::settled(sandbox)
}

/// The same, and another lab that is up: a namespace with its own files, a cable to the host, a route, a program.
#[track_caller]
pub(crate) fn furnish_beside_a_lab(sandbox: &Sandbox) -> World {
    sandbox.sh(USERS_OWN);
    sandbox.write("/mnt/other.rhai", OTHER_LAB);
    sandbox.netlab(&["run", "/mnt/other.rhai"]).ends_with(0);
    World::settled(sandbox)
}

/// Nothing of it is called as in any lab in scripts/.
const OTHER_LAB: &str = r#"
let elsewhere = netns("elsewhere");
elsewhere.sysctl("net.ipv6.conf.default.accept_dad", "0");
veth(host.port("other0", "10.93.0.1/24"), elsewhere.port("other1", "10.93.0.2/24"));
elsewhere.route("default", "10.93.0.1").resolv_conf(["10.93.0.1"]);
host.route("10.92.0.0/16", "10.93.0.2");
elsewhere.start("sleep 1000");
expect(elsewhere.ping("10.93.0.1"));
"#;

/// Without duplicate address detection, so that nothing changes by itself later. Forwarding is off for the machine and on
/// for one link: switching it on and off again would lose that. The kernel may sit on news of a carrier for a second,
/// unless it is asked for that one link, hence the end.
const USERS_OWN: &str = r#"
set -e
cd /proc/sys/net
echo 0 >ipv6/conf/all/accept_dad
echo 0 >ipv6/conf/default/accept_dad
for ns in mine isp; do
    ip netns add $ns
    ip netns exec $ns sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
done
ip -n mine link set lo up
ip link add my0 type veth peer name my1 netns mine
ip addr add 10.98.0.1/24 dev my0
ip addr add 10.98.0.3/24 dev my0
ip addr add 2001:db8:98::1/64 dev my0
ip link set my0 up
ip -n mine addr add 10.98.0.2/24 dev my1
ip -n mine link set my1 up
ip -n mine route add default via 10.98.0.1
ip route add 10.97.0.0/16 via 10.98.0.2 metric 50
ip route add 10.96.0.0/16 via 10.98.0.2 table 100
ip -6 route add 2001:db8:97::/64 via 2001:db8:98::2
ip rule add from 10.95.0.0/16 table 100 priority 1000
ip neigh add 10.98.0.77 lladdr 02:00:00:00:00:77 dev my0 nud permanent
ip link add mybr type bridge stp_state 0
ip addr add 10.94.0.1/24 dev mybr
ip link set mybr up
ip link add myport type veth peer name myplug netns mine
ip link set myport master mybr up
ip -n mine link set myplug up
for card in eth0 eno4; do
    ip link add $card type veth peer name $card netns isp
    ip link set $card up
    ip -n isp link set $card up
done
echo 0 >ipv4/ip_forward
echo 1 >ipv4/conf/my0/forwarding
echo 0 >ipv4/conf/all/accept_redirects
echo 2 >ipv4/conf/my0/rp_filter
echo '10.98.0.2 mine.example' >>/etc/hosts
for at in "" "-n mine" "-n isp"; do
    for link in $(ip $at -br link | cut -d' ' -f1 | cut -d@ -f1); do ip $at link show $link >/dev/null; done
done
"#;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
