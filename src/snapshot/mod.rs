//! What a namespace holds, kept so exactly that it can be given back, whatever the kernel dropped of it.
//!
//! A change drops far more than was asked for (a link that goes down loses its IPv6 addresses, its routes in every table,
//! its neighbours; some of it without an event). So nothing is undone by the opposite command: what there was is read
//! [before and after](change) a change, and what the two differ in is [given back](restore).
//!
//! What is held is divided into groups ([`group::Group`]) of items. For each kind of thing one file says how it is read
//! from the kernel's own bytes, what of them is noise, and how it is put back or taken away.

pub mod addr;
pub mod aim;
pub mod change;
pub mod group;
pub mod link;
pub mod make;
pub mod mdb;
pub mod neigh;
pub mod nexthop;
pub mod peer;
mod put;
pub mod qdisc;
pub mod read;
pub mod restore;
pub mod route;
pub mod rule;
pub mod scope;
pub mod setting;
mod verdict;
mod view;
pub mod vlan;
mod way;
