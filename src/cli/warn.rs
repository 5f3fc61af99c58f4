//! The warnings at the end of a run or a plan.

use std::io::IsTerminal;

use serde_json::Value;

use super::{ending, out};
use crate::diag::{Code, Diagnostic};
use crate::report::{self, Sources};
use crate::script::error::Trace;

/// How many are printed.
const SHOWN: usize = 10;

/// Prints warnings with their lines of the script.
pub fn show(warnings: &[Diagnostic], sources: &Sources) {
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    for warning in warnings.iter().take(SHOWN) {
        out::note(report::text(&Trace::from(Box::new(warning.clone())), sources, color, 110).trim_end());
    }
    if warnings.len() > SHOWN {
        out::note(format!("… and {} more warnings; --json shows all", warnings.len() - SHOWN));
    }
}

/// The same for a program.
pub fn value(warnings: &[Diagnostic]) -> Value {
    warnings.iter().map(|warning| report::json(&Trace::from(Box::new(warning.clone())))).collect()
}

/// What ends a run that was to have none.
pub fn denied(warnings: &[Diagnostic]) -> Trace {
    let count = ending::count(warnings.len(), "warning");
    let error = Diagnostic::new(Code::Warned, format!("{count}, and --deny-warnings takes none"));
    let names: std::collections::BTreeSet<&str> = warnings
        .iter()
        .filter_map(|warning| crate::lint::LINTS.iter().find(|lint| lint.code == warning.code))
        .map(|lint| lint.name)
        .collect();
    let names: Vec<String> = names.into_iter().map(|name| format!("{name:?}")).collect();
    error
        .help(format!("mend what they are about, or say in the script that it is meant: allow({})", names.join(", ")))
        .into()
}
