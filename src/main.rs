//! The `netlab` program: parse, dispatch, print one error, return one code.

use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(netlab::cli::fail::bug));
    // A panic has been reported by the hook. What a run had made by then, the run itself takes back as it unwinds.
    ExitCode::from(std::panic::catch_unwind(netlab::cli::main).unwrap_or(1))
}
