//! `netlab completions`: the completions for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, out};
use crate::diag::Result;

/// The arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  netlab completions bash > /etc/bash_completion.d/netlab")]
pub struct Args {
    /// The shell.
    pub shell: Shell,
}

/// Prints them.
///
/// # Errors
/// None: a closed pipe is none.
pub fn run(args: Args) -> Result<u8> {
    // Not straight to standard output, where clap would panic on a closed pipe.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "netlab", &mut text);
    out::line(String::from_utf8_lossy(&text).trim_end());
    Ok(0)
}
