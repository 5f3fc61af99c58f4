//! The language of labs: Rhai with netlab's values and functions.
//!
//! One table, [`function::all`], holds every function with its signature, its manual and its code; from it come what the
//! engine knows, what errors show, the check before the first step, the reference and editors' definitions.

pub mod args;
mod as_ip;
pub mod attempt;
pub mod bridge;
pub mod check;
pub mod codes;
pub mod container;
pub mod dhcp;
pub mod engine;
pub mod error;
pub mod exercise;
pub mod expect;
pub mod function;
pub mod graph;
pub mod import;
pub mod kinds;
pub mod labs;
pub mod link;
pub mod live;
pub mod netem;
pub mod netns;
pub mod options;
pub mod parse;
pub mod place;
mod planned;
pub mod probe;
pub mod program;
pub mod raise;
pub mod read;
pub mod reference;
pub mod run;
pub mod session;
pub mod subnet;
pub mod topology;
pub mod unknown;
pub mod values;
pub mod why;
pub mod workbook;
