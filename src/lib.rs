//! netlab: Linux network labs as programs that either finish or leave the machine as they found it.

pub mod action;
pub mod cli;
pub mod container;
pub mod dhcp;
pub mod diag;
pub mod exercise;
pub mod export;
pub mod graph;
pub mod journal;
pub mod kernel;
pub mod lab;
pub mod lint;
pub mod probe;
pub mod report;
pub mod sandbox;
pub mod script;
pub mod snapshot;
pub mod types;
pub mod why;
