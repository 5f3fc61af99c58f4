//! One machine, one script, one end; whether the machine is as before, and what is the least that still fails.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use super::common::sandbox::{Run, Sandbox};
use super::common::world::{World, assert_same};
use super::script::Script;

/// How the script ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It throws at its end.
    Thrown,
    /// Its K-th action fails; if it has fewer, it throws or is taken down.
    FailedAt(u64),
    /// It succeeds, and `down` follows.
    Down,
    /// The run is killed before its N-th effect, and `recover` follows.
    KilledAt(u64),
    /// It succeeds, its `down` is killed before the N-th effect, and `recover` follows.
    DownKilledAt(u64),
}

pub(crate) struct Trial {
    pub(crate) host: Vec<String>,
    pub(crate) script: Script,
    pub(crate) end: End,
    /// Whether it is run with `--force`.
    pub(crate) insists: bool,
}

/// Why a trial failed.
#[derive(Debug, Clone)]
pub(crate) enum Why {
    /// The test's own fault: a line of the host fails, or the script does not parse.
    Test(String),
    /// A command ended in another way than it must.
    Ended(String),
    /// The machine is not as before.
    Differs(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Test(text) => write!(f, "the test itself is wrong: {text}"),
            Why::Ended(text) | Why::Differs(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let force = if self.insists { " with --force" } else { "" };
        write!(
            f,
            "--- {:?}{force}, machine:\n{}\n--- script:\n{}---",
            self.end,
            self.host.join("\n"),
            self.script.text()
        )
    }
}

type Counts = BTreeMap<String, u64>;

impl Trial {
    /// Does it, in a sandbox of its own. Gives back what has happened how often.
    pub(crate) fn check(&self) -> Result<Counts, Why> {
        let Some(sandbox) = Sandbox::new() else { return Ok(Counts::new()) };
        let built = sandbox.try_sh(&format!("set -ex\n{}", self.host.join("\n")));
        if !built.status.success() {
            let lines = String::from_utf8_lossy(&built.stderr).into_owned();
            let last: Vec<&str> = lines.lines().rev().take(2).collect();
            return Err(Why::Test(last.join("\n")));
        }
        self.check_in(&sandbox)
    }

    /// Once; and again with half the effects where it was to be killed after more than it has.
    fn check_in(&self, sandbox: &Sandbox) -> Result<Counts, Why> {
        let mut end = self.end;
        loop {
            let counts = self.check_once(end, sandbox)?;
            end = match end {
                End::KilledAt(n) if n > 1 && !counts.contains_key("killed runs") => End::KilledAt(n / 2),
                End::DownKilledAt(n) if n > 1 && !counts.contains_key("killed downs") => End::DownKilledAt(n / 2),
                _ => return Ok(counts),
            };
        }
    }

    fn check_once(&self, end: End, sandbox: &Sandbox) -> Result<Counts, Why> {
        let before = settled(sandbox).map_err(Why::Test)?;
        sandbox.write("/mnt/x.rhai", &self.script.text());
        let fault = match end {
            End::FailedAt(k) => format!("fail@{k}"),
            End::KilledAt(n) => format!("kill@{n}"),
            End::Thrown | End::Down | End::DownKilledAt(_) => String::new(),
        };
        let mut args = vec!["run", "--quiet"];
        if self.insists {
            args.push("--force");
        }
        args.push("/mnt/x.rhai");
        let run = sandbox.netlab_fault(&fault, &args);
        let mut counts = Counts::from([(format!("{end:?}").split('(').next().unwrap_or_default().to_owned(), 1)]);
        let mut runs = short(&run);
        let mut count = |what: &str, n: usize| *counts.entry(what.to_owned()).or_insert(0) += n as u64;
        count("verbs", self.script.verbs.len());
        count("refused", run.stdout.matches("refused NL").count());
        if run.code == Some(2) {
            return Err(Why::Test(runs));
        }
        let failed =
            |run: &Run| run.code == Some(1) && ["the end", "NETLAB_FAULT"].iter().any(|w| run.stderr.contains(w));
        if run.code == Some(1) && !failed(&run) {
            return Err(Why::Test(runs));
        }
        let mut last = run;
        if last.was_killed() {
            count("killed runs", 1);
            last = sandbox.netlab(&["recover"]);
            runs += &format!("\nrecover: {}", short(&last));
        } else if last.code == Some(0) {
            let fault = if let End::DownKilledAt(n) = end { format!("kill@{n}") } else { String::new() };
            last = sandbox.netlab_fault(&fault, &["down"]);
            runs += &format!("\ndown: {}", short(&last));
            if last.was_killed() {
                count("killed downs", 1);
                last = sandbox.netlab(&["recover"]);
                runs += &format!("\nrecover: {}", short(&last));
                // Killed before it began, the lab is still up.
                if last.code == Some(0) && last.stdout.contains("nothing to recover") {
                    last = sandbox.netlab(&["down"]);
                    runs += &format!("\ndown: {}", short(&last));
                }
            }
        } else if failed(&last) {
            count("rolled back", 1);
            last.code = Some(0);
        }
        let same = catch_unwind(AssertUnwindSafe(|| assert_same(&before, sandbox, "all this")));
        if let Err(panic) = same {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            return Err(Why::Differs(format!("{text}\n{runs}")));
        }
        if last.code != Some(0) || runs.contains("differ") {
            return Err(Why::Ended(runs));
        }
        Ok(counts)
    }

    /// Leaves out of the machine and of the script what can be left out so that it still fails in the same way.
    pub(crate) fn shrunk(mut self, why: &Why) -> String {
        if matches!(why, Why::Test(_)) {
            return String::new();
        }
        let begun = Instant::now();
        let same_kind = |other: &Why| std::mem::discriminant(other) == std::mem::discriminant(why);
        let mut last = why.to_string();
        // Without `set -e`: lines that hang on one that was left out fail, and go in their turn.
        let fails = |trial: &Self| {
            let sandbox = Sandbox::new()?;
            sandbox.try_sh(&trial.host.join("\n"));
            trial.check_in(&sandbox).err().filter(&same_kind).map(|why| why.to_string())
        };
        for end in [End::Thrown, End::Down] {
            let old = (self.end, self.script.throws);
            (self.end, self.script.throws) = (end, end == End::Thrown);
            match fails(&self) {
                Some(text) => {
                    last = text;
                    break;
                }
                None => (self.end, self.script.throws) = old,
            }
        }
        for part in [Part::Verbs, Part::Host, Part::Head, Part::Verbs, Part::Host] {
            let mut size = part.of(&mut self).len().div_ceil(2);
            while size > 0 {
                let mut at = part.of(&mut self).len();
                while at > 0 && begun.elapsed() < Duration::from_secs(400) {
                    let from = at.saturating_sub(size);
                    let whole = part.of(&mut self).clone();
                    let (rest, kept) = (&whole[..from], whole[from..at].iter().filter(|line| is_kept(line)));
                    *part.of(&mut self) = rest.iter().chain(kept).chain(&whole[at..]).cloned().collect();
                    match fails(&self) {
                        Some(text) => last = text,
                        None => *part.of(&mut self) = whole,
                    }
                    at = from;
                }
                size /= 2;
            }
        }
        format!(">>> the least that fails:\n{last}\n{self}\n<<<")
    }
}

/// What a smaller machine must not lose: its links have been up, and their carriers are known. It fails where there is
/// nothing to it.
fn is_kept(line: &str) -> bool {
    line.contains(" link show ") || (line.contains(" link set ") && (line.ends_with(" up") || line.ends_with(" down")))
}

#[derive(Clone, Copy)]
enum Part {
    Verbs,
    Host,
    Head,
}

impl Part {
    fn of(self, trial: &mut Trial) -> &mut Vec<String> {
        match self {
            Part::Verbs => &mut trial.script.verbs,
            Part::Host => &mut trial.host,
            Part::Head => &mut trial.script.head,
        }
    }
}

/// What netlab printed, without most of the commands that it gives a person to type.
fn short(run: &Run) -> String {
    let text = run.to_string();
    let typed = text.lines().filter(|l| l.starts_with("  type: ")).count();
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("  type: ") || typed < 6).collect();
    if typed < 6 { lines.join("\n") } else { format!("{}\n({typed} commands to type)", lines.join("\n")) }
}

/// As `World::settled`, for a machine on which some links never get a carrier: no address is tentative, and nothing
/// moves for a quarter of a second.
fn settled(sandbox: &Sandbox) -> Result<World, String> {
    let begun = Instant::now();
    // The kernel may sit on news of a carrier for a second, unless it is asked for that one link; twice, since a bridge
    // hears of its ports.
    sandbox.try_sh(
        "for at in '' '-n mine' '-n isp' '' '-n mine' '-n isp'; do \
         for link in $(ip $at -br link 2>/dev/null | cut -d' ' -f1 | cut -d@ -f1); do ip $at link show $link >/dev/null; done; done",
    );
    let mut last = World::read(sandbox);
    loop {
        thread::sleep(Duration::from_millis(250));
        let now = World::read(sandbox);
        if now == last && !now.has("tentative true") {
            return Ok(now);
        }
        if begun.elapsed() > Duration::from_secs(8) {
            return Err(format!("the machine does not settle: {:#?}", last.diff(&now)));
        }
        last = now;
    }
}
