//! The multicast MACs that a link was told to listen to by hand (`ip maddr add`), and the links that listen as IPv6 routers:
//! what only /proc and ioctl(2) know.
#![allow(unsafe_code)] // ioctl(2) has no safe form.
#![allow(missing_docs, unreachable_pub)] // The functions that the ioctl macros write have no docs.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{effect, netns};
use crate::types::mac::Mac;
use crate::types::name::IfName;

mod ioctl {
    //! `SIOCADDMULTI` and `SIOCDELMULTI` of `include/uapi/linux/sockios.h`.
    nix::ioctl_write_ptr_bad!(add, 0x8931, libc::ifreq);
    nix::ioctl_write_ptr_bad!(del, 0x8932, libc::ifreq);
}

/// What the links of a namespace listen to.
#[derive(Debug, Default)]
pub struct Listening {
    /// The MACs that were given by hand, each with its link's ifindex.
    pub by_hand: Vec<(u32, Mac)>,
    /// The links that are in the group of all routers on the host itself (`ff01::2`). A link joins it when its forwarding is
    /// switched on, and not when it begins with it (net/ipv6/addrconf.c, `dev_forward_change`, `ipv6_add_dev`).
    pub routers: Vec<u32>,
}

/// All of a namespace.
///
/// # Errors
/// Those of setns(2).
pub fn read(netns: BorrowedFd<'_>) -> io::Result<Listening> {
    let file = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
    let (macs, groups) = netns::within(netns, || (file("dev_mcast"), file("igmp6")))?;
    Ok(Listening {
        by_hand: macs.lines().filter_map(entry).collect(),
        routers: groups.lines().filter_map(router).collect(),
    })
}

/// Ifindex, name, and the group.
fn router(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace();
    let index = words.next()?.parse().ok()?;
    (words.nth(1)? == "ff010000000000000000000000000002").then_some(index)
}

/// Ifindex, name, users, how often by hand, and the MAC.
fn entry(line: &str) -> Option<(u32, Mac)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [index, _, _, by_hand, digits] = words[..] else { return None };
    if by_hand == "0" || digits.len() != 12 {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..12).step_by(2).filter_map(byte).collect();
    Some((index.parse().ok()?, Mac::from_bytes(&bytes)?))
}

/// Has a link listen to a MAC, or no longer.
///
/// # Errors
/// `ENODEV` for a link that is not there, `ENOENT` for a MAC that it does not listen to.
pub fn set(netns: BorrowedFd<'_>, link: &IfName, mac: Mac, listen: bool) -> io::Result<()> {
    effect::here();
    netns::within(netns, || {
        let socket: OwnedFd = match UdpSocket::bind(("0.0.0.0", 0)) {
            Ok(socket) => socket.into(),
            Err(_) => socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?,
        };
        // SAFETY: an ifreq is plain data, for which zeros are a valid value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(link.as_str().bytes()) {
            *to = from as libc::c_char;
        }
        let mut address = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
        for (to, from) in address.sa_data.iter_mut().zip(mac.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_hwaddr = address;
        // SAFETY: the descriptor is open, and the pointer is to a live value of the type that the ioctls take.
        let done = unsafe {
            if listen { ioctl::add(socket.as_raw_fd(), &request) } else { ioctl::del(socket.as_raw_fd(), &request) }
        };
        done.map(|_| ()).map_err(io::Error::from)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_added_by_hand() {
        assert_eq!(entry("7    v0   1     1     01005e000077").unwrap().0, 7);
        assert_eq!(entry("7    v0   1     1     01005e000077").unwrap().1.to_string(), "01:00:5e:00:00:77");
        assert_eq!(entry("7    v0   1     0     01005e000077"), None);
        assert_eq!(router("7    v0              ff010000000000000000000000000002     1 00000008 0"), Some(7));
        assert_eq!(router("7    v0              ff020000000000000000000000000002     1 00000008 0"), None);
        assert_eq!(entry("7    v0   1"), None);
    }
}
