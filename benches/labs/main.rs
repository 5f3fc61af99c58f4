//! How fast labs go up and down: netlab against bash, `ip -batch`, and the fewest kernel operations there can be.
//!
//! `cargo bench` runs everything (about five minutes), `cargo bench -- --quick` the small labs with few rounds,
//! `cargo bench -- star-100` the labs whose name holds that text. Each cell is a whole process, from fork to exit,
//! with everything it writes; the contestants take turns in every round, so that a drift of the machine
//! hits all alike. Nothing is asserted about time. Nothing touches the machine: each cell has its own network and
//! mount namespace with an empty /run and /var/lib (in memory, for all contestants).
//!
//! What to know when reading: bash is run once at 500 and 1000, where it takes up to a minute. Its `down` deletes
//! namespaces and leaves their links to the kernel, which is not done when the process ends; the others delete the links
//! first. An `!` marks who failed, or made another state than the floor; the words are below the table.

mod contestant;
mod floor;
mod lab;
mod netlink;
mod sandbox;
mod settle;
mod state;
mod table;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use contestant::{Contestant, is_installed};
use lab::Lab;
use sandbox::cell;
use settle::Home;
use table::{Cell, Row};

/// Whatever went wrong, as a sentence.
pub(crate) type Failure = Box<dyn Error>;
/// The result of everything here that can fail.
pub(crate) type Outcome<T> = Result<T, Failure>;

const LABS: [&str; 8] = [
    "process-start",
    "empty-script",
    "create-ns-bridge",
    "create-ns-bridge-expect",
    "star-10",
    "star-100",
    "star-500",
    "star-1000",
];
const QUICK: usize = 6;
const QUICK_ROUNDS: usize = 3;
const USAGE: &str = "usage: cargo bench [-- [--quick] [--rounds N] [TEXT IN A LAB'S NAME | star-N]]";

fn main() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &str| Lab::parse(name).ok_or_else(|| format!("no lab `{name}`"));
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // This program is also the floor, and the process that a cell lives in.
        ["floor", "up", name] => floor::up(&known(name)?),
        ["floor", "down", name] => floor::down(&known(name)?),
        ["sandbox", who, name, dir, what] => {
            let who = Contestant::parse(who).ok_or(USAGE)?;
            sandbox::inside(who, &known(name)?, Path::new(dir), what == "dump");
            Ok(())
        }
        _ => bench(&args),
    }
}

fn bench(args: &[String]) -> Outcome<()> {
    let Some(plan) = Plan::parse(args)? else { return Ok(()) };
    let home = Home::enter().map_err(|e| format!("no private namespace ({e}): run it as root"))?;
    let mut remarks = Vec::new();
    let mut rows = Vec::new();
    for lab in &plan.labs {
        let dir = tempfile::tempdir()?;
        lab.write(dir.path())?;
        let mut cells = [(); 4].map(|()| (Cell::default(), Cell::default()));
        compare(lab, dir.path(), &home, &mut cells, &mut remarks)?;
        time(lab, dir.path(), &home, plan.rounds.unwrap_or_else(|| lab.rounds()), &mut cells, &mut remarks)?;
        let downs = cells.clone().map(|(_, down)| down);
        rows.push(Row { lab: lab.name.clone(), direction: "up", cells: cells.map(|(up, _)| up) });
        if downs.iter().any(|cell| !cell.times.is_empty()) {
            rows.push(Row { lab: lab.name.clone(), direction: "down", cells: downs });
        }
    }
    println!("\nmilliseconds from fork to exit: median (lowest–highest); then netlab's median over each other's\n");
    println!("{}", table::draw(&rows));
    remarks.iter().for_each(|remark| println!("{remark}"));
    println!("{}", machine());
    Ok(())
}

/// Which labs, and how often.
struct Plan {
    labs: Vec<Lab>,
    rounds: Option<usize>,
}

impl Plan {
    /// None if there is nothing to do: `cargo test --benches` also comes here, and only says how to measure.
    fn parse(args: &[String]) -> Outcome<Option<Self>> {
        let (mut wanted, mut rounds, mut quick, mut measure) = (Vec::new(), None, false, false);
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => measure = true,
                "--quick" => quick = true,
                "--rounds" => rounds = Some(args.next().ok_or(USAGE)?.parse::<usize>()?.max(1)),
                text if !text.starts_with('-') => wanted.push(text.to_owned()),
                _ => return Err(USAGE.into()),
            }
        }
        if !measure {
            println!("not measured: `cargo bench` does that");
            return Ok(None);
        }
        let names = &LABS[..if quick { QUICK } else { LABS.len() }];
        let mut labs: Vec<Lab> = names
            .iter()
            .filter(|name| wanted.is_empty() || wanted.iter().any(|text| name.contains(text.as_str())))
            .filter_map(|name| Lab::parse(name))
            .collect();
        // Any other size, and nothing else if the name is exact.
        let exact: Vec<Lab> = wanted.iter().filter_map(|text| Lab::parse(text)).collect();
        if !exact.is_empty() {
            labs = exact;
        }
        if labs.is_empty() {
            return Err(USAGE.into());
        }
        Ok(Some(Self { labs, rounds: rounds.or(quick.then_some(QUICK_ROUNDS)) }))
    }
}

/// The two directions of each contestant.
type Cells = [(Cell, Cell); 4];

/// Builds the lab once with each contestant, untimed, and marks those whose state differs from the floor's.
fn compare(lab: &Lab, dir: &Path, home: &Home, cells: &mut Cells, remarks: &mut Vec<String>) -> Outcome<()> {
    // A dump of a hundred namespaces takes as long as its whole row; the counts are checked in every cell anyway.
    if lab.bridge.is_none() || lab.hosts.len() > 10 {
        return Ok(());
    }
    if !is_installed("ip") {
        remarks.push(format!("{}: states not compared, there is no `ip` here", lab.name));
        return Ok(());
    }
    let mut states = Vec::new();
    for (i, who) in Contestant::ALL.into_iter().enumerate().filter(|(_, who)| who.can(lab)) {
        match cell(who, lab, dir, true) {
            Ok(sample) => states.push((i, who.name(), sample.state)),
            Err(e) => fail(lab, who, &mut cells[i], &*e, remarks),
        }
        home.settle()?;
    }
    let reference = states.iter().position(|(i, ..)| Contestant::ALL[*i] == Contestant::Floor).unwrap_or(0);
    let Some((_, name, expected)) = states.get(reference).cloned() else { return Ok(()) };
    let mut equal = vec![name];
    for (i, who, state) in states.iter().filter(|(_, who, _)| *who != name) {
        match state::difference(who, state, name, &expected) {
            None => equal.push(who),
            Some(difference) => {
                cells[*i].0.suspect = true;
                cells[*i].1.suspect = true;
                remarks.push(format!("! {}: NOT THE SAME STATE: {difference}", lab.name));
            }
        }
    }
    if equal.len() < 2 {
        return Ok(());
    }
    remarks.push(format!("{}: equal by `ip -j`: {} ({})", lab.name, equal.join(", "), state::summary(&expected)));
    Ok(())
}

/// Times all contestants in turn, round after round.
fn time(
    lab: &Lab,
    dir: &Path,
    home: &Home,
    rounds: usize,
    cells: &mut Cells,
    remarks: &mut Vec<String>,
) -> Outcome<()> {
    for round in 0..rounds {
        eprintln!("{}: round {} of {rounds}", lab.name, round + 1);
        for (i, who) in Contestant::ALL.into_iter().enumerate() {
            let (up, down) = &mut cells[i];
            let once = who == Contestant::Bash && lab.is_slow_in_bash() && round > 0;
            let failed = up.suspect && up.times.is_empty() && round > 0;
            if !who.can(lab) || once || failed {
                continue;
            }
            match cell(who, lab, dir, false) {
                Ok(sample) => {
                    up.times.push(sample.up);
                    down.times.extend(sample.down);
                }
                Err(e) => fail(lab, who, &mut cells[i], &*e, remarks),
            }
            home.settle()?;
        }
    }
    Ok(())
}

/// Makes a failure visible: in the cell, and in words below the table.
fn fail(lab: &Lab, who: Contestant, cell: &mut (Cell, Cell), why: &dyn Error, remarks: &mut Vec<String>) {
    cell.0.suspect = true;
    cell.1.suspect = true;
    let remark = format!("! {}: {} FAILED: {why}", lab.name, who.name());
    if !remarks.contains(&remark) {
        eprintln!("{remark}");
        remarks.push(remark);
    }
}

/// The kernel and the cores, without which no number here means anything.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, m)| m);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("machine: Linux {}, {cores} cores, {model}, load {}", kernel.trim(), load.join(" "))
}
