//! The command line: one file per subcommand, and what they print with.

pub mod completions;
pub mod diff;
pub mod docs;
pub mod doctor;
pub mod down;
pub mod ending;
pub mod exec;
pub mod exercise;
pub mod export;
pub mod fail;
pub mod fix;
pub mod graph;
mod guest;
pub mod hands;
pub mod keeper;
pub mod labs;
pub mod list;
pub mod netns;
pub mod out;
pub mod place;
pub mod plan;
pub mod recover;
pub mod repl;
pub mod run;
pub mod shell;
pub mod show;
pub mod snapshot;
pub mod steps;
pub mod table;
pub mod view;
pub mod warn;
pub mod why;

use clap::{Parser, Subcommand};

use crate::diag::{Code, Diagnostic, Result};
use crate::exercise::worker;
use crate::kernel::process;

/// Linux network labs as programs that either finish or leave the machine as they found it.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done; 1 failed and rolled back; 2 wrong usage; 3 this machine\n\
                  cannot; 4 the undo is stuck; 124 timeout; 128+N ended by signal N.\n\
                  `why` gives 1 when traffic does not get through.\n\
                  `exec` and `shell` pass on the code of what they start, or 125.\n\n\
                  Begin with: netlab run create-ns-bridge.rhai"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a script; on any failure everything is rolled back.
    Run(run::Args),
    /// Explore a live network at a prompt, statement by statement; each can be taken back.
    Repl(repl::Args),
    /// Say what a script would change, step by step; nothing is touched.
    Plan(plan::Args),
    /// Undo a finished run, exactly.
    Down(down::Args),
    /// List the labs that are up, and runs that died.
    List(list::Args),
    /// Finish the undo of runs that were killed.
    Recover(recover::Args),
    /// Run a program in a namespace.
    Exec(exec::Args),
    /// Start your shell in a namespace.
    Shell(shell::Args),
    /// Show what is there: namespaces, links, addresses, routes.
    Show(show::Args),
    /// Draw the network: namespaces as boxes, bridges and wires as bars.
    Graph(graph::Args),
    /// Write a network that is there as a script, or as bash.
    Export(export::Args),
    /// Say what stops traffic between two namespaces, and how to mend it.
    Why(why::Args),
    /// Learn by exercises on a live network; write and grade them.
    Exercise(exercise::Args),
    /// Write down what the machine's network holds, for `diff`.
    Snapshot(snapshot::Args),
    /// Say what differs in the machine's network between two moments.
    Diff(diff::Args),
    /// Say what this machine and kernel can do, and how to get the rest.
    Doctor(doctor::Args),
    /// Print the reference of the language, from the engine itself.
    Docs(docs::Args),
    /// Print the completions for a shell.
    Completions(completions::Args),
}

/// The whole program; gives back its exit code.
pub fn main() -> u8 {
    // No subcommand of the definition: nobody types it, and completions and the help would show it.
    if let Some(args) = keeper::asked() {
        return settle(keeper::run(args), false, false);
    }
    if worker::asked() {
        return settle(worker::work(), false, false);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            if code != 0 && std::env::args().take_while(|a| a != "--").any(|a| a == "--json") {
                fail::report(&usage(&error), true);
                return code;
            }
            // Nobody is there to read it when this fails.
            let _ = error.print();
            return code;
        }
    };
    // To have too much is no reason to do nothing.
    let _ = process::have_only(process::NEEDED);
    let (json, starts_program) = (cli.command.json(), cli.command.starts_program());
    settle(cli.command.run(), json, starts_program)
}

/// Prints the error, if it is one, and gives the exit code.
fn settle(result: Result<u8>, json: bool, starts_program: bool) -> u8 {
    match result.and_then(|code| out::finish().map(|()| code)) {
        Ok(code) => code,
        Err(error) => {
            fail::report(&error, json);
            failure_code(&error, starts_program)
        }
    }
}

/// What clap says about wrong usage, as data.
fn usage(error: &clap::Error) -> Diagnostic {
    let text = error.to_string();
    let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let words: Vec<&str> = first.trim_start_matches("error: ").split_whitespace().collect();
    *Diagnostic::new(Code::Usage, words.join(" ")).help(rest.trim())
}

/// The exit code for an error. Of one that starts a program in our place, the small codes belong to that program.
fn failure_code(error: &Diagnostic, starts_program: bool) -> u8 {
    match error.code {
        Code::Usage => error.code.exit_code(),
        _ if starts_program => 125,
        // A script's own errors do not come here, so the bad name stood on the command line.
        Code::BadName => 2,
        code => code.exit_code(),
    }
}

impl Command {
    fn run(self) -> Result<u8> {
        match self {
            Command::Run(args) => run::run(args),
            Command::Repl(args) => repl::run(args),
            Command::Plan(args) => plan::run(args),
            Command::Down(args) => down::run(args),
            Command::List(args) => list::run(args),
            Command::Recover(args) => recover::run(args),
            Command::Exec(args) => exec::run(args),
            Command::Shell(args) => shell::run(args),
            Command::Show(args) => show::run(args),
            Command::Graph(args) => graph::run(args),
            Command::Export(args) => export::run(args),
            Command::Why(args) => why::run(args),
            Command::Exercise(args) => exercise::run(args),
            Command::Snapshot(args) => snapshot::run(args),
            Command::Diff(args) => diff::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Docs(args) => docs::run(args),
            Command::Completions(args) => completions::run(args),
        }
    }

    /// Whether errors are wanted as JSON too.
    fn json(&self) -> bool {
        match self {
            Command::Run(args) => args.json,
            Command::Plan(args) => args.json,
            Command::Down(args) => args.json,
            Command::List(args) => args.json,
            Command::Recover(args) => args.json,
            Command::Show(args) => args.json,
            Command::Graph(args) => args.format == graph::Format::Json,
            Command::Why(args) => args.json,
            Command::Exercise(args) => args.json(),
            Command::Diff(args) => args.json,
            Command::Doctor(args) => args.json,
            Command::Docs(args) => args.json,
            Command::Repl(_)
            | Command::Exec(_)
            | Command::Shell(_)
            | Command::Snapshot(_)
            | Command::Export(_)
            | Command::Completions(_) => false,
        }
    }

    fn starts_program(&self) -> bool {
        matches!(self, Command::Exec(_) | Command::Shell(_))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        super::Cli::command().debug_assert();
    }
}
