//! Addresses: of the internet's, in overlapping networks, twice on a wire, lost by a move.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::net::{Link, Net};
use super::warn;
use crate::diag::{Code, Diagnostic, Site};
use crate::kernel::link::LinkKey;
use crate::kernel::space::NetnsCookie;
use crate::types::address::Prefix;

/// Judges them.
pub(super) fn judge(net: &Net) -> Vec<Diagnostic> {
    let mut warnings: Vec<Diagnostic> = public(net).into_iter().collect();
    warnings.extend(overlaps(net));
    warnings.extend(duplicates(net));
    warnings.extend(lost(net));
    warnings
}

/// What is for private networks, documentation, tests, and a link or machine alone (RFC 6890).
const PRIVATE: [&str; 16] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.2.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "::/8",
    "64:ff9b:1::/48",
    "2001:db8::/32",
    "3fff::/20",
    "f000::/4",
];

fn public(net: &Net) -> Option<Diagnostic> {
    let private: Vec<Prefix> = PRIVATE.iter().filter_map(|text| Prefix::new(text).ok()).collect();
    let given = net.links.values().flat_map(|link| link.addrs.iter().map(move |(spec, site)| (link, spec, site)));
    let mut all: Vec<_> = given.filter(|(_, spec, _)| !private.iter().any(|p| p.contains(spec.addr.addr()))).collect();
    all.sort_by_key(|(link, _, site)| (site.line, site.column, link.key));
    let (link, spec, site) = all.first()?;
    let others = match all.len() - 1 {
        0 => String::new(),
        1 => ", as does another one".to_owned(),
        more => format!(", as do {more} more"),
    };
    let message = format!("{} on {} belongs to somebody on the internet{others}", spec.addr, net.called(link));
    Some(warn(
        Code::PublicAddress,
        message,
        site,
        "who has it cannot be reached from there; for labs there are 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and fd00::/8",
    ))
}

/// An address with its network.
struct Claim<'a> {
    network: Prefix,
    addr: IpAddr,
    link: LinkKey,
    name: &'a str,
    /// None for one that was there before.
    site: Option<&'a Site>,
}

fn overlaps(net: &Net) -> Vec<Diagnostic> {
    let mut claims: BTreeMap<NetnsCookie, Vec<Claim<'_>>> = BTreeMap::new();
    for link in net.links.values() {
        let told = link.networks().filter(|_| !link.addrs.iter().all(|(spec, _)| spec.noprefixroute));
        claims.entry(link.key.netns).or_default().extend(told.map(|(network, addr, site)| Claim {
            network,
            addr,
            link: link.key,
            name: &link.name,
            site: Some(site),
        }));
    }
    for (link, name, cidr) in &net.before {
        let claim = Claim { network: cidr.network(), addr: cidr.addr(), link: *link, name, site: None };
        claims.entry(link.netns).or_default().push(claim);
    }
    let mut warnings = Vec::new();
    for (netns, mut claims) in claims {
        claims.retain(|claim| claim.network.len < claim.network.bits() && !claim.addr.is_loopback());
        claims.sort_by_key(|claim| (claim.network.addr, claim.network.len));
        // In this order a network comes after all that it is in.
        let mut around: Vec<Claim<'_>> = Vec::new();
        for claim in claims {
            while around.last().is_some_and(|outer| !outer.network.contains(claim.network.addr)) {
                around.pop();
            }
            if let Some(outer) = around.iter().rev().find(|outer| outer.link != claim.link) {
                warnings.extend(overlap(net, netns, outer, &claim));
            }
            around.push(claim);
        }
    }
    warnings
}

fn overlap(net: &Net, netns: NetnsCookie, a: &Claim<'_>, b: &Claim<'_>) -> Option<Diagnostic> {
    let place = |claim: &Claim<'_>| claim.site.map(|site| (site.line, site.column));
    let (first, second) = if place(a) <= place(b) { (a, b) } else { (b, a) };
    let site = second.site?;
    let both = if first.network == second.network {
        format!("both in {}", first.network)
    } else {
        let (small, big) = if a.network.len > b.network.len { (a, b) } else { (b, a) };
        format!("and {} lies in {}", small.network, big.network)
    };
    let message = format!(
        "{} with {} and `{}` with {} are {both}",
        net.place(second.name, netns),
        second.addr,
        first.name,
        first.addr
    )
    .replace("are and ", "overlap: ");
    let bits = second.network.len;
    Some(warn(
        Code::Overlap,
        message,
        site,
        match first.network == second.network {
            true => format!(
                "only one of them is used for it: give each link a network of its own, by a prefix longer than /{bits} or other addresses"
            ),
            false => "a packet for the smaller network never takes the other link: give each link a network of its own"
                .to_owned(),
        },
    ))
}

fn duplicates(net: &Net) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for wire in net.wires() {
        let mut first: BTreeMap<IpAddr, &Link> = BTreeMap::new();
        let mut given: Vec<_> =
            wire.iter().flat_map(|link| link.addrs.iter().map(move |(spec, site)| (*link, spec, site))).collect();
        given.sort_by_key(|(link, _, site)| (site.line, site.column, link.key));
        for (link, spec, site) in given {
            let addr = spec.addr.addr();
            match first.get(&addr) {
                Some(other) if other.key != link.key => {
                    let message =
                        format!("{addr} is on {} and on {}, on one wire", net.called(other), net.called(link));
                    let help = "whoever answers first gets the packets: give one of them another address";
                    warnings.push(warn(Code::DuplicateAddress, message, site, help));
                }
                Some(_) => {}
                None => drop(first.insert(addr, link)),
            }
        }
    }
    warnings
}

fn lost(net: &Net) -> Vec<Diagnostic> {
    let there = net.lost.iter().filter_map(|lost| Some((lost, net.links.get(&lost.link)?)));
    let warning = |(lost, link): (&super::net::Lost, &Link)| {
        let message = format!(
            "`{}` lost {} when it was moved to {}",
            link.name,
            lost.addr,
            match net.names.netns(link.key.netns) {
                "host" => "the host".to_owned(),
                place => format!("`{place}`"),
            }
        );
        let help =
            format!("a link is emptied by a move; give it afterwards: {}.addr(\"{}\")", net.handle(link), lost.addr);
        warn(Code::LostAddress, message, &lost.site, help)
    };
    there.map(warning).collect()
}
