//! The only system calls of netlab.

pub mod icmp;
pub mod probe_neighbours;
pub mod probe_socket;
