//! `netlab exercise watch`: looks again whenever the network changes, until all is done.

use std::io::Write;
use std::time::Duration;

use super::super::out;
use super::{check, current, screen};
use crate::diag::Result;
use crate::lab::moment::Moment;
use crate::script::workbook::Outcome;

/// The arguments of `exercise watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Work in another terminal: netlab shell EXERCISE. Ctrl-C leaves.")]
pub struct Args {
    /// The exercise; without one, the only one that has been started.
    pub exercise: Option<String>,
}

/// How often the network is looked at.
const PAUSE: Duration = Duration::from_millis(400);

/// Watches.
///
/// # Errors
/// `NL0802` if none has been started.
pub fn run(args: Args) -> Result<u8> {
    let current = current::find(args.exercise.as_deref())?;
    current.go(false, |book, stop| {
        let mut seen: Option<Moment> = None;
        let mut shown: Vec<Outcome> = Vec::new();
        loop {
            let now = Moment::now()?;
            let changed = seen.as_ref().is_none_or(|seen| now.differences(seen).is_ok_and(|d| !d.is_empty()));
            if changed {
                let outcomes = match current::check(book, &current.source, stop)? {
                    Ok(outcomes) => outcomes,
                    Err(_) if stop.signal().is_some() => return Ok(130),
                    Err(trace) => return Ok(current::show(&current.source, &trace)),
                };
                if outcomes != shown {
                    draw(&screen::checked(&book.sheet, &outcomes));
                    shown = outcomes;
                }
                if screen::is_passed(&shown) {
                    check::done(&book.sheet, &shown, false)?;
                    return Ok(0);
                }
                // Checks send packets, of which neighbours know afterwards.
                seen = Some(Moment::now()?);
            }
            if !sleep(stop) {
                return Ok(130);
            }
        }
    })
}

/// Whether it goes on after the pause.
fn sleep(stop: &crate::kernel::signal::Stop) -> bool {
    const STEP: Duration = Duration::from_millis(50);
    for _ in 0..PAUSE.as_millis() / STEP.as_millis() {
        if stop.signal().is_some() {
            return false;
        }
        std::thread::sleep(STEP);
    }
    true
}

/// On a terminal it is drawn anew, elsewhere one after the other.
fn draw(text: &str) {
    if out::is_terminal() {
        out::line(format!("\x1b[H\x1b[2J{text}"));
    } else {
        out::line(text);
    }
    let _ = std::io::stdout().flush();
}
