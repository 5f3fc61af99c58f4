//! Who else uses a link, as /proc/net tells: sockets on it, and groups that they listen to.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use super::netns;

/// What uses a link and would not find it again after a move or a deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// How many packet sockets are bound to it (`packet(7)`), for example by tcpdump or a DHCP client.
    pub packet_sockets: usize,
    /// The IPv4 groups that sockets listen to on it.
    pub groups4: Vec<Ipv4Addr>,
    /// The IPv6 groups.
    pub groups6: Vec<Ipv6Addr>,
}

/// Looks for the users of a link; what cannot be read is taken to be none.
pub fn of_link(netns: BorrowedFd<'_>, index: u32) -> Users {
    let read = |file: &str| fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
    let texts = netns::within(netns, || (read("packet"), read("igmp"), read("igmp6")));
    let Ok((packet, igmp, igmp6)) = texts else { return Users::default() };
    Users {
        packet_sockets: packet_sockets(&packet, index),
        groups4: groups4(&igmp, index),
        groups6: groups6(&igmp6, index),
    }
}

/// The fifth column is the ifindex.
fn packet_sockets(text: &str, index: u32) -> usize {
    let on_it = |line: &&str| line.split_whitespace().nth(4).and_then(|n| n.parse().ok()) == Some(index);
    text.lines().skip(1).filter(on_it).count()
}

/// A line per link, and below it one for each group, which the kernel is in for itself or for a socket.
fn groups4(text: &str, index: u32) -> Vec<Ipv4Addr> {
    let mut groups = Vec::new();
    let mut is_link = false;
    for line in text.lines().skip(1) {
        if !line.starts_with('\t') {
            is_link = line.split_whitespace().next().and_then(|n| n.parse().ok()) == Some(index);
            continue;
        }
        let Some(digits) = line.split_whitespace().next().filter(|_| is_link) else { continue };
        // The address as the machine holds it.
        let Ok(number) = u32::from_str_radix(digits, 16) else { continue };
        let group = Ipv4Addr::from(number.to_ne_bytes());
        // All systems, all routers, all snoopers: the kernel's own.
        let own = [Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::new(224, 0, 0, 2), Ipv4Addr::new(224, 0, 0, 106)];
        if !own.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// Ifindex, name, group, users, flags, timer.
fn groups6(text: &str, index: u32) -> Vec<Ipv6Addr> {
    let group = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next()?.parse::<u32>().ok()? == index).then_some(())?;
        u128::from_str_radix(words.nth(1)?, 16).ok().map(Ipv6Addr::from)
    };
    let is_own = |g: &Ipv6Addr| {
        let s = g.segments();
        // All nodes, all routers, all snoopers, and those by which each address is looked for.
        matches!(s, [0xff01 | 0xff02 | 0xff05, 0, 0, 0, 0, 0, 0, 1 | 2 | 0x6a])
            || matches!(s, [0xff02, 0, 0, 0, 0, 1, high, _] if high >> 8 == 0xff)
    };
    text.lines().filter_map(group).filter(|g| !is_own(g)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_kernel_writes_them() {
        let packet = "sk RefCnt Type Proto Iface R Rmem User Inode\n00 3 3 0003 7 1 0 0 99\n00 3 3 0003 2 1 0 0 98\n";
        assert_eq!(packet_sockets(packet, 7), 1);
        let igmp = "Idx\tDevice : Count Querier\tGroup Users Timer\tReporter\n1\tlo : 1 V3\n\t\t\t\t010000E0 1 0:0 0\n7\tv0 : 2 V3\n\t\t\t\tFB0000E0 1 0:0 0\n\t\t\t\t010000E0 1 0:0 0\n";
        assert_eq!(groups4(igmp, 7), [Ipv4Addr::new(224, 0, 0, 251)]);
        assert_eq!(groups4(igmp, 1), Vec::<Ipv4Addr>::new());
        let igmp6 = "7 v0 ff0200000000000000000000000000fb 1 0004 0\n7 v0 ff0200000000000000000001ff000001 1 0004 0\n7 v0 ff020000000000000000000000000001 1 000C 0\n";
        assert_eq!(groups6(igmp6, 7), ["ff02::fb".parse::<Ipv6Addr>().unwrap()]);
    }
}
