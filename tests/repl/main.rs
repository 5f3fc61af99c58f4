//! The prompt: in a real terminal (tmux: keys are sent, the screen is read) and on a pipe. The witness of what is there is `ip`.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod pipe;
mod terminal;
