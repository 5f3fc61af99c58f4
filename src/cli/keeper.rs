//! `netlab keeper`, which nobody types: what a process of a lab does that works on after the run has ended.

use serde::de::DeserializeOwned;

use crate::dhcp::{keep, serve};
use crate::diag::{Code, Diagnostic, KernelError, Result};

/// The arguments of `keeper`.
#[derive(Debug)]
pub struct Args {
    /// What it does.
    pub work: String,
    /// What it is told, as JSON.
    pub told: String,
}

/// The arguments, if this process is one of those.
pub fn asked() -> Option<Args> {
    let mut words = std::env::args_os().skip(1);
    let mut word = || words.next()?.into_string().ok();
    if word()? != "keeper" {
        return None;
    }
    Some(Args { work: word()?, told: word()? })
}

/// Works until it is ended.
///
/// # Errors
/// What keeps it from its work.
pub fn run(args: Args) -> Result<u8> {
    // A folder that it stood in could not be unmounted.
    let _ = nix::unistd::chdir("/");
    let done = match args.work.as_str() {
        "dhcp-client" => keep::run(&told(&args.told)?),
        "dhcp-server" => serve::run(&told(&args.told)?),
        other => return Err(Diagnostic::new(Code::Usage, format!("there is no keeper for `{other}`"))),
    };
    done.map(|()| 0).map_err(|e| {
        Diagnostic::new(Code::Environment, format!("{} cannot go on: {e}", args.work))
            .kernel(KernelError::from_io(args.work.clone(), &e))
    })
}

fn told<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Diagnostic::new(Code::Usage, format!("a keeper is started by a lab, and told what to do: {e}")))
}
