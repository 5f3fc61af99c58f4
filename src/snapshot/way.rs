//! The way to a gateway, made for a moment.
//!
//! The kernel takes a route or a nexthop only while its gateway can be reached without another one, and keeps it when the
//! address goes by which it could be. So what leads over such a gateway was there, and is not taken back as it was.

use std::collections::BTreeSet;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use super::group::Group;
use super::restore::Work;
use super::view::View;
use super::{nexthop, route};
use crate::kernel::raw::{Bytes, Raw};

impl Work<'_> {
    /// Takes away the ways that an undo left behind which was killed at it.
    pub(super) fn clear_ways(&mut self, view: &View<'_>) {
        let mut gateways = BTreeSet::new();
        for (group, wanted) in &view.aim.wanted {
            match group {
                Group::Routes(_) => {
                    let routes = wanted.iter().filter_map(|item| route::delete(&item.value));
                    gateways.extend(routes.flat_map(|route| route::gateways(&route)));
                }
                Group::Nexthops => {
                    gateways.extend(wanted.iter().filter_map(nexthop::put).filter_map(|n| nexthop::gateway(&n)))
                }
                _ => {}
            }
        }
        let Some(socket) = self.kernel.socket(view.now.netns) else { return };
        for (gateway, link) in gateways {
            if let Some(back) = route::delete(&Bytes(route::to_neighbour(&gateway, link).payload())) {
                // Almost always there is none.
                let _ = socket.change_raw(&back, 0);
            }
        }
    }

    /// Sends a message that needs these gateways; if one cannot be reached, again with a route to each as long as it takes.
    /// Whether the kernel took it.
    pub(super) fn send_by_way(
        &mut self,
        view: &View<'_>,
        group: &Group,
        (message, flags): (&Raw, u16),
        gateways: &[(Vec<u8>, u32)],
    ) -> bool {
        /// What it says of a gateway that it finds no way to.
        const NO_WAY: [i32; 3] = [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EINVAL];
        match self.send(view, group, message, flags) {
            None => return true,
            Some(errno) if NO_WAY.contains(&errno) && !gateways.is_empty() => {}
            Some(_) => return false,
        }
        let Some(socket) = self.kernel.socket(view.now.netns) else { return false };
        let ways = gateways.iter().map(|(gateway, link)| route::to_neighbour(gateway, *link));
        // One that is there already, or cannot be, is not taken away again.
        let ways: Vec<Raw> = ways.filter(|way| socket.change_raw(way, NLM_F_CREATE | NLM_F_EXCL).is_ok()).collect();
        let taken = socket.change_raw(message, flags);
        for way in ways {
            if let Some(back) = route::delete(&Bytes(way.payload())) {
                let _ = socket.change_raw(&back, 0);
            }
        }
        match taken {
            Ok(()) => true,
            Err(error) => {
                self.blame(view, group, error);
                false
            }
        }
    }
}
