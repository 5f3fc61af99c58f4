//! The only system calls of netlab: netlink, namespaces, settings, files, processes, raw sockets.
//!
//! This layer speaks the kernel's words and returns [`crate::diag::KernelError`]s or diagnostics with them inside;
//! what a failure means to a user is said further up. Everything that changes the machine passes [`effect::here`].

pub mod addr;
pub mod effect;
pub mod fork;
pub mod fs;
pub mod icmp;
pub mod keeper;
pub mod link;
pub mod multicast;
pub mod neigh;
pub mod netlink;
pub mod netns;
pub mod nft;
pub mod packet;
pub mod pidfd;
pub mod probe_neighbours;
pub mod probe_socket;
pub mod process;
pub mod qdisc;
pub mod raw;
pub mod relay;
pub mod route;
pub mod rule;
pub mod signal;
pub mod space;
pub mod sysctl;
pub mod tun;
pub mod users;
pub mod view;
pub mod walls;
