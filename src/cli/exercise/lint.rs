//! `netlab exercise lint`: shows that exercises do what they should.

use std::path::PathBuf;
use std::time::Instant;

use super::super::ending::count;
use super::super::{out, run};
use super::current;
use crate::diag::{Code, Result};
use crate::exercise::catalog;
use crate::exercise::lint::Lint;
use crate::exercise::worker::{self, Ran};
use crate::report::Sources;

/// The arguments of `exercise lint`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each exercise is run in sandboxes that are thrown away: its start, its solution, and each known mistake,\n\
                  with several seeds; the checks are made twice. Ends with 1 if anything is found.\n\n\
                  Examples:\n  netlab exercise lint my-exercise.rhai\n  netlab exercise lint stdlib/exercises --seeds 3"
)]
pub struct Args {
    /// Files, folders, or names of exercises that come with netlab.
    #[arg(required = true)]
    pub exercises: Vec<PathBuf>,
    /// How many seeds are tried.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// Try this seed, and those named like this, instead.
    #[arg(long, value_name = "SEED", conflicts_with = "seeds")]
    pub seed: Vec<u64>,
    /// Take it for a failure when this kernel lacks what an exercise needs.
    #[arg(long)]
    pub deny_missing: bool,
    /// How many sandboxes work at a time.
    #[arg(long, short)]
    pub jobs: Option<usize>,
}

/// Shows it.
///
/// # Errors
/// Those of reading the files.
pub fn run(args: Args) -> Result<u8> {
    let seeds: Vec<u64> = if args.seed.is_empty() { (1..=args.seeds).collect() } else { args.seed.clone() };
    let mut worst = 0;
    let mut lints = Vec::new();
    for path in &args.exercises {
        for source in catalog::below(path)? {
            match Lint::new(source.clone(), &seeds) {
                Ok(lint) => lints.push(lint),
                Err(trace) => worst = worst.max(current::show(&source, &trace)),
            }
        }
    }
    lints.retain(|lint| {
        let lacks = lint.lacks();
        if !lacks.is_empty() {
            out::line(format!("{}: not run, this kernel lacks {}", lint.id(), lacks.join(", ")));
            worst = worst.max(if args.deny_missing { Code::NoFeature.exit_code() } else { 0 });
        }
        lacks.is_empty()
    });
    // All at once: most of the time is spent waiting for answers that do not come.
    let jobs: Vec<_> = lints.iter().flat_map(Lint::jobs).collect();
    let begun = Instant::now();
    let mut ran = worker::run(&jobs, args.jobs.unwrap_or_else(at_once), |_, _| {});
    let mut found = 0;
    for mut lint in lints {
        let rest = ran.split_off(lint.jobs().len());
        let own: Vec<Ran> = std::mem::replace(&mut ran, rest);
        lint.judge(&own);
        found += lint.findings.len();
        let runs = count(own.len(), "run");
        if lint.findings.is_empty() {
            out::line(format!("{}: fine ({runs})", lint.id()));
            continue;
        }
        out::line(format!("{}: {} ({runs})", lint.id(), count(lint.findings.len(), "finding")));
        out::finish()?;
        let source = lint.source();
        let sources = Sources::new(&source.file, &source.text);
        for finding in &lint.findings {
            run::show(&finding.error().into(), &sources, false);
        }
    }
    out::line(format!("{}, {:.1} s", count(jobs.len(), "run"), begun.elapsed().as_secs_f64()));
    Ok(worst.max(u8::from(found > 0)))
}

/// So many sandboxes at a time: they wait more than they compute.
pub fn at_once() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from) * 5
}
