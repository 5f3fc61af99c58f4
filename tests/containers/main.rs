//! Docker and systemd-nspawn: with a real dockerd and real machines in a sandbox of their own, judged by `docker` and `ip`.

#[path = "../common/mod.rs"]
mod common;

mod booted;
mod errors;
mod faults;
mod house;
mod labs;
mod machines;
mod manual;
mod ownership;
mod pull;
mod restart;
mod shell;
mod silent;
