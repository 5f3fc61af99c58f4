//! Looking without changing anything: what the kernel holds, and what answers on the wire.

pub mod feature;
pub mod peer;
pub mod state;
