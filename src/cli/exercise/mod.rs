//! `netlab exercise`: exercises for who learns and for who teaches, one file per subcommand.

pub mod check;
pub mod current;
pub mod grade;
pub mod grades;
pub mod hint;
pub mod lint;
pub mod list;
pub mod new;
pub mod release;
pub mod reset;
pub mod screen;
pub mod solution;
pub mod start;
pub mod watch;

use clap::Subcommand;

use crate::diag::Result;

/// The arguments of `exercise`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Begin with: netlab exercise list")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the exercises, and which of them you have passed.
    List(list::Args),
    /// Build an exercise's network in a sandbox, and open a shell in it.
    Start(start::Args),
    /// Look which tasks are done.
    Check(check::Args),
    /// Show the next hint for the first check that fails.
    Hint(hint::Args),
    /// Show how it is done, when you have passed.
    Solution(solution::Args),
    /// Begin the exercise again, just as it was at the start.
    Reset(reset::Args),
    /// Look again whenever the network changes.
    Watch(watch::Args),
    /// Write a new exercise to begin with.
    New(new::Args),
    /// Show that exercises do what they should: the start fails, the solution passes, mistakes are caught.
    Lint(lint::Args),
    /// Write what students get: without the solution and with values of their own.
    Release(release::Args),
    /// Run what students handed in again, and give points.
    Grade(grade::Args),
}

/// Does it.
///
/// # Errors
/// Those of the subcommand.
pub fn run(args: Args) -> Result<u8> {
    match args.command {
        Command::List(args) => list::run(args),
        Command::Start(args) => start::run(args),
        Command::Check(args) => check::run(args),
        Command::Hint(args) => hint::run(args),
        Command::Solution(args) => solution::run(args),
        Command::Reset(args) => reset::run(args),
        Command::Watch(args) => watch::run(args),
        Command::New(args) => new::run(args),
        Command::Lint(args) => lint::run(args),
        Command::Release(args) => release::run(args),
        Command::Grade(args) => grade::run(args),
    }
}

impl Args {
    /// Whether errors are wanted as JSON too.
    pub fn json(&self) -> bool {
        match &self.command {
            Command::List(args) => args.json,
            Command::Check(args) => args.json,
            Command::Grade(args) => args.format == grades::Format::Json,
            _ => false,
        }
    }
}
