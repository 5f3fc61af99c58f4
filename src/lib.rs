//! netlab: Linux network labs as programs that either finish or leave the machine as they found it.

pub mod diag;
pub mod kernel;
pub mod probe;
pub mod types;
