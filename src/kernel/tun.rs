//! TUN and TAP links, which are made by ioctl(2) on /dev/net/tun and not by rtnetlink.
#![allow(unsafe_code)] // ioctl(2) has no safe form.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{effect, netns};
use crate::types::name::IfName;

nix::ioctl_write_ptr_bad!(tun_set_iff, 0x4004_54ca, libc::ifreq);
nix::ioctl_write_int_bad!(tun_set_persist, 0x4004_54cb);
nix::ioctl_write_ptr_bad!(tun_set_index, 0x4004_54da, libc::c_uint);

/// Makes a TUN or TAP link that outlives this process, with a chosen ifindex.
///
/// # Errors
/// `ENOENT` if there is no /dev/net/tun, `EBUSY` if the name is taken, `EINVAL` if the ifindex is.
pub fn add(netns: BorrowedFd<'_>, name: &IfName, index: u32, tap: bool) -> io::Result<()> {
    effect::here();
    netns::within(netns, || {
        let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
        configure(&file, name, index, tap).map_err(io::Error::from)
    })?
}

fn configure(file: &File, name: &IfName, index: u32, tap: bool) -> nix::Result<()> {
    // SAFETY: an ifreq is plain data, for which zeros are a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
        *to = from as libc::c_char;
    }
    let mode = if tap { libc::IFF_TAP } else { libc::IFF_TUN };
    request.ifr_ifru.ifru_flags = (mode | libc::IFF_NO_PI | libc::IFF_TUN_EXCL) as libc::c_short;
    // SAFETY: the descriptor is open, and the pointers are to live values of the types that the ioctls take.
    unsafe {
        tun_set_index(file.as_raw_fd(), &index)?;
        tun_set_iff(file.as_raw_fd(), &request)?;
        tun_set_persist(file.as_raw_fd(), 1)?;
    }
    Ok(())
}
