//! Containers of others' making as netlab reaches them: Docker (and Podman) by its API, systemd-nspawn by its files.

pub mod docker;
pub mod engine;
pub mod http;
pub mod machine;
pub mod refusal;
