//! Messages for what the build machine's kernel lacks, byte by byte: written by hand from the kernel's headers
//! (`if_link.h`, `if_bridge.h`, `rtnetlink.h`) and compared with what iproute2 6.1 sends, seen by strace.

use netlab::kernel::link::bridge::{BridgeOptions, PortVlan, vlan_add, vlan_del};
use netlab::kernel::link::kind::{BondMode, IpvlanMode, LinkKind};
use netlab::kernel::link::tunnel::{GeneveOptions, GreOptions};
use netlab::kernel::link::{LinkEnd, LinkKey, add, set_port_state};
use netlab::kernel::netlink::Request;
use netlab::types::name::IfName;
use netlab::types::number::{VlanId, Vni};
use netlink_packet_core::NetlinkSerializable;

/// Bytes in hexadecimal, as they are on a little-endian machine; what is behind `//` is for the reader.
fn check(request: Request, kind: u16, flags: u16, expected: &str) {
    let (message, has) = request;
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    let wanted: String = expected.lines().map(|l| l.split("//").next().unwrap_or_default()).collect();
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    let is: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!((message.message_type(), has), (kind, flags));
    assert_eq!(is, wanted, "{}", is.join(" "));
}

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;
const CREATE_EXCL: u16 = 0x400 | 0x200;

fn end(name: &str, up: bool) -> LinkEnd {
    let netns = serde_json::from_str("1").expect("a number is a cookie");
    let name = IfName::new(name).expect("it is a name");
    LinkEnd { netns, name, index: 7, mac: None, mtu: None, master: None, group: None, up }
}

fn vlan(id: i64) -> VlanId {
    VlanId::new(id).expect("it is an id")
}

fn vlan_kind(ad: bool) -> LinkKind {
    let netns = serde_json::from_str("1").expect("a number is a cookie");
    LinkKind::Vlan { link: LinkKey { netns, index: 5 }, id: vlan(10), ad }
}

#[test]
fn vlan_8021q() {
    check(
        add(&end("v10", false), vlan_kind(false).infos(None), Some(5), None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00 // ifinfomsg: ifi_index 7
         08 00 03 00  76 31 30 00                           // IFLA_IFNAME v10
         08 00 05 00  05 00 00 00                           // IFLA_LINK 5
         1c 00 12 00                                        // IFLA_LINKINFO (iproute2 leaves the NUL of the kind out)
           09 00 01 00  76 6c 61 6e 00 00 00 00             // IFLA_INFO_KIND vlan
           0c 00 02 00                                      // IFLA_INFO_DATA
             06 00 01 00  0a 00 00 00                       // IFLA_VLAN_ID 10",
    );
}

#[test]
fn vlan_8021ad() {
    check(
        add(&end("v10", true), vlan_kind(true).infos(None), Some(5), None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  01 00 00 00  01 00 00 00 // ifinfomsg: IFF_UP in flags and change
         08 00 03 00  76 31 30 00
         08 00 05 00  05 00 00 00
         24 00 12 00
           09 00 01 00  76 6c 61 6e 00 00 00 00
           14 00 02 00
             06 00 01 00  0a 00 00 00
             06 00 05 00  88 a8 00 00                       // IFLA_VLAN_PROTOCOL, in network order",
    );
}

#[test]
fn dummy() {
    check(
        add(&end("dummy0", true), LinkKind::Dummy.infos(None), None, None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  01 00 00 00  01 00 00 00
         0b 00 03 00  64 75 6d 6d 79 30 00 00               // IFLA_IFNAME dummy0
         10 00 12 00
           0a 00 01 00  64 75 6d 6d 79 00 00 00             // IFLA_INFO_KIND dummy",
    );
}

#[test]
fn vlan_filtering() {
    let options = BridgeOptions { vlan_filtering: Some(true), vlan_default_pvid: Some(0), ..BridgeOptions::default() };
    check(
        add(&end("br0", false), LinkKind::Bridge(options).infos(None), None, None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         08 00 03 00  62 72 30 00
         24 00 12 00
           0b 00 01 00  62 72 69 64 67 65 00 00             // IFLA_INFO_KIND bridge
           14 00 02 00
             05 00 07 00  01 00 00 00                       // IFLA_BR_VLAN_FILTERING 1
             06 00 27 00  00 00 00 00                       // IFLA_BR_VLAN_DEFAULT_PVID 0",
    );
}

#[test]
fn a_port_joins_and_leaves_a_vlan() {
    let access = PortVlan { vid: vlan(10), pvid: true, untagged: true };
    check(
        vlan_add(7, access, false),
        RTM_SETLINK,
        0,
        "07 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00 // ifinfomsg: AF_BRIDGE, ifi_index 7
         0c 00 1a 00                                        // IFLA_AF_SPEC
           08 00 02 00  06 00 0a 00                         // IFLA_BRIDGE_VLAN_INFO: PVID (2) and UNTAGGED (4), vid 10",
    );
    let trunk = PortVlan { vid: vlan(4094), pvid: false, untagged: false };
    check(
        vlan_add(7, trunk, false),
        RTM_SETLINK,
        0,
        "07 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         0c 00 1a 00
           08 00 02 00  00 00 fe 0f",
    );
    check(
        vlan_del(7, trunk, false),
        RTM_DELLINK,
        0,
        "07 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         0c 00 1a 00
           08 00 02 00  00 00 fe 0f",
    );
}

#[test]
fn a_bridge_itself_joins_and_leaves_a_vlan() {
    let own = PortVlan { vid: vlan(10), pvid: true, untagged: true };
    let expected = "07 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         14 00 1a 00
           06 00 00 00  02 00 00 00                         // IFLA_BRIDGE_FLAGS: BRIDGE_FLAGS_SELF
           08 00 02 00  06 00 0a 00";
    check(vlan_add(7, own, true), RTM_SETLINK, 0, expected);
    check(vlan_del(7, own, true), RTM_DELLINK, 0, expected);
}

/// This one the kernel here takes, and the other tests see it; by its bytes it is bridge(8)'s.
#[test]
fn the_state_of_a_port() {
    check(
        set_port_state(7, 2),
        RTM_SETLINK,
        0,
        "07 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         0c 00 0c 80                                        // IFLA_PROTINFO, nested
           05 00 01 00  02 00 00 00                         // IFLA_BRPORT_STATE 2",
    );
}

#[test]
fn ipvlan() {
    let netns = serde_json::from_str("1").expect("a number is a cookie");
    let kind = LinkKind::Ipvlan { link: LinkKey { netns, index: 5 }, mode: IpvlanMode::L3s };
    check(
        add(&end("i0", false), kind.infos(None), Some(5), None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00 // ifinfomsg: ifi_index 7
         07 00 03 00  69 30 00 00                           // IFLA_IFNAME i0
         08 00 05 00  05 00 00 00                           // IFLA_LINK 5
         1c 00 12 00                                        // IFLA_LINKINFO
           0b 00 01 00  69 70 76 6c 61 6e 00 00             // IFLA_INFO_KIND ipvlan
           0c 00 02 00                                      // IFLA_INFO_DATA
             06 00 01 00  02 00 00 00                       // IFLA_IPVLAN_MODE l3s",
    );
}

#[test]
fn vrf_and_bond() {
    check(
        add(&end("red", false), LinkKind::Vrf { table: 300 }.infos(None), None, None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         08 00 03 00  72 65 64 00                           // IFLA_IFNAME red
         18 00 12 00                                        // IFLA_LINKINFO
           08 00 01 00  76 72 66 00                         // IFLA_INFO_KIND vrf
           0c 00 02 00                                      // IFLA_INFO_DATA
             08 00 01 00  2c 01 00 00                       // IFLA_VRF_TABLE 300",
    );
    check(
        add(&end("b0", false), LinkKind::Bond { mode: BondMode::Lacp, miimon: Some(100) }.infos(None), None, None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         07 00 03 00  62 30 00 00                           // IFLA_IFNAME b0
         24 00 12 00                                        // IFLA_LINKINFO
           09 00 01 00  62 6f 6e 64 00 00 00 00             // IFLA_INFO_KIND bond
           14 00 02 00                                      // IFLA_INFO_DATA
             05 00 01 00  04 00 00 00                       // IFLA_BOND_MODE 802.3ad
             08 00 03 00  64 00 00 00                       // IFLA_BOND_MIIMON 100",
    );
}

#[test]
fn gre_and_geneve() {
    let gre = GreOptions {
        tap: true,
        local: Some([10, 0, 0, 1].into()),
        remote: Some([10, 0, 0, 2].into()),
        key: Some(7),
        ttl: Some(9),
        dev: None,
    };
    check(
        add(&end("g1", false), LinkKind::Gre(gre).infos(None), None, None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         07 00 03 00  67 31 00 00                           // IFLA_IFNAME g1
         4c 00 12 00                                        // IFLA_LINKINFO
           0b 00 01 00  67 72 65 74 61 70 00 00             // IFLA_INFO_KIND gretap
           3c 00 02 00                                      // IFLA_INFO_DATA
             08 00 06 00  0a 00 00 01                       // IFLA_GRE_LOCAL
             08 00 07 00  0a 00 00 02                       // IFLA_GRE_REMOTE
             06 00 02 00  20 00 00 00                       // IFLA_GRE_IFLAGS: GRE_KEY, big-endian
             06 00 03 00  20 00 00 00                       // IFLA_GRE_OFLAGS
             08 00 04 00  00 00 00 07                       // IFLA_GRE_IKEY 7, big-endian
             08 00 05 00  00 00 00 07                       // IFLA_GRE_OKEY
             05 00 08 00  09 00 00 00                       // IFLA_GRE_TTL 9",
    );
    let id = Vni::new(7).expect("it is a VNI");
    let geneve = GeneveOptions { id, remote: [10, 0, 0, 2].into(), dstport: Some(6082), ttl: Some(5) };
    check(
        add(&end("g0", false), LinkKind::Geneve(geneve).infos(None), None, None),
        RTM_NEWLINK,
        CREATE_EXCL,
        "00 00 00 00  07 00 00 00  00 00 00 00  00 00 00 00
         07 00 03 00  67 30 00 00                           // IFLA_IFNAME g0
         34 00 12 00                                        // IFLA_LINKINFO
           0b 00 01 00  67 65 6e 65 76 65 00 00             // IFLA_INFO_KIND geneve
           24 00 02 00                                      // IFLA_INFO_DATA
             08 00 01 00  07 00 00 00                       // IFLA_GENEVE_ID 7
             08 00 02 00  0a 00 00 02                       // IFLA_GENEVE_REMOTE
             06 00 05 00  17 c2 00 00                       // IFLA_GENEVE_PORT 6082, big-endian
             05 00 03 00  05 00 00 00                       // IFLA_GENEVE_TTL 5",
    );
}
