//! Routes: gateways behind links that are down.

use super::net::{Link, Net};
use super::warn;
use crate::diag::{Code, Diagnostic};
use crate::kernel::link::LinkKey;
use crate::kernel::route::RouteSpec;
use crate::kernel::space::NetnsCookie;

/// Judges them.
pub(super) fn judge(net: &Net) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (netns, route, site) in &net.routes {
        let Some(via) = route.via else { continue };
        let Some(link) = way(net, *netns, route) else { continue };
        let to = if route.dst.is_default() { "default route".into() } else { format!("route to {}", route.dst) };
        let leads = format!("the {to} by {via} leads over {}", net.called(link));
        let far = link.peer.and_then(|peer| net.links.get(&peer));
        let (message, dead) = match far.filter(|far| far.up == Some(false)) {
            _ if link.up == Some(false) => (format!("{leads}, which is down: the kernel has dropped it"), link),
            Some(far) => (format!("{leads}, whose other end {} is down", net.called(far)), far),
            None => continue,
        };
        let first = if dead.key == link.key { "raise it before the route is made" } else { "raise it" };
        warnings.push(warn(Code::DeadGateway, message, site, format!("{first}: {}.up()", net.handle(dead))));
    }
    warnings
}

/// The link that a route leads over.
fn way<'a>(net: &'a Net, netns: NetnsCookie, route: &RouteSpec) -> Option<&'a Link> {
    if let Some(index) = route.dev {
        return net.links.get(&LinkKey { netns, index });
    }
    let via = route.via?;
    let own = net.links.values().filter(|link| link.key.netns == netns);
    let near = |link: &Link| {
        let fitting = link.networks().filter(|(network, ..)| network.contains(via));
        fitting.map(|(network, ..)| network.len).max()
    };
    own.filter_map(|link| Some((near(link)?, link))).max_by_key(|(len, _)| *len).map(|(_, link)| link)
}
