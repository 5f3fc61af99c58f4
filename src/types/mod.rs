//! Values that are checked once, where they enter, and then trusted: names, addresses, MACs, VLAN ids.

pub mod address;
pub mod mac;
pub mod name;
pub mod number;
