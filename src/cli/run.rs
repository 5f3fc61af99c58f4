//! `netlab run`: runs a script; on any failure everything is rolled back.

use crate::diag::{Code, Diagnostic, Result};

/// The arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  netlab run create-ns-bridge.rhai\n  netlab run --explain vlan.rhai -- eth0")]
pub struct Args {
    /// The script; a name that is no file is looked up among the labs that come with netlab.
    pub file: String,
    /// Name the lab this, and not after the file.
    #[arg(long, value_name = "LAB")]
    pub name: Option<String>,
    /// Take the lab of the same name down first.
    #[arg(long)]
    pub replace: bool,
    /// Leave a failed lab up, to look at it.
    #[arg(long)]
    pub keep: bool,
    /// Print each step as commands of iproute2.
    #[arg(long)]
    pub explain: bool,
    /// End and roll back after this time.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Compare the whole host with what it was, after a rollback.
    #[arg(long)]
    pub verify: bool,
    /// Print errors only.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// What the script finds in `args`.
    #[arg(last = true)]
    pub args: Vec<String>,
}

/// Runs the script.
///
/// # Errors
/// Those of the script, after the rollback.
pub fn run(_args: Args) -> Result<u8> {
    Err(Diagnostic::new(Code::Internal, "not wired yet"))
}
