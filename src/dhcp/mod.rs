//! DHCP for IPv4 (RFC 2131): packets, the client and the server as state machines without IO, and what drives them.
//!
//! The machines take what was heard and what time it is, and say what to do; [`exchange`] and [`serve`] do it with sockets.

pub mod client;
pub mod exchange;
pub mod field;
pub mod keep;
pub mod lease;
pub mod message;
pub mod pool;
pub mod serve;
pub mod server;
pub mod wire;

#[cfg(test)]
mod machine_tests;
