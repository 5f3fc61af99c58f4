//! Links: bridges that are down, and wires whose ends take packets of different sizes.

use super::net::Net;
use super::warn;
use crate::diag::{Code, Diagnostic};
use crate::kernel::link::kind::LinkKind;

/// Judges them.
pub(super) fn judge(net: &Net) -> Vec<Diagnostic> {
    let mut warnings = bridges(net);
    warnings.extend(sizes(net));
    warnings
}

fn bridges(net: &Net) -> Vec<Diagnostic> {
    let is_down = |link: &&super::net::Link| matches!(link.kind, Some(LinkKind::Bridge(_))) && link.up == Some(false);
    let down =
        net.links.values().filter(is_down).filter(|bridge| net.links.values().any(|l| l.master == Some(bridge.key)));
    let warning = |bridge: &super::net::Link| {
        let message = format!("the bridge {} has ports and is down: nothing passes through it", net.called(bridge));
        warn(Code::BridgeDown, message, &bridge.site, format!("{}.up()", net.handle(bridge)))
    };
    down.map(warning).collect()
}

fn sizes(net: &Net) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for wire in net.wires() {
        let known = || wire.iter().filter_map(|link| Some((*link, link.mtu?)));
        let Some((small, mtu)) = known().min_by_key(|(link, mtu)| (*mtu, link.key)) else { continue };
        let senders = known().filter(|(link, size)| !link.addrs.is_empty() && *size > mtu);
        if let Some((sender, size)) = senders.max_by_key(|(link, size)| (*size, std::cmp::Reverse(link.key))) {
            let message = format!(
                "{} sends packets of up to {size} bytes, and {} on the same wire takes {mtu}",
                net.called(sender),
                net.called(small)
            );
            let help =
                format!("bigger ones are dropped without a word; make both alike: {}.mtu({mtu})", net.handle(sender));
            warnings.push(warn(Code::MtuMismatch, message, &small.site, help));
        }
    }
    warnings
}
