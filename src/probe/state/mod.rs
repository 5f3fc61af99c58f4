//! What a namespace holds, in the field names of `ip -j`.

pub mod addr;
pub mod link;
pub mod listen;
pub mod neigh;
pub mod route;
pub mod rule;

use std::collections::HashMap;

/// The names of a namespace's links by ifindex, since the kernel's messages hold numbers.
pub type Names = HashMap<u32, String>;

/// The name of a link, or its number where the name is not known.
pub(crate) fn name_of(names: &Names, index: u32) -> String {
    names.get(&index).cloned().unwrap_or_else(|| format!("if{index}"))
}
