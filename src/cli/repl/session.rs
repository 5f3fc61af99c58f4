//! A session: what was typed and stands, and what the commands do with it.

use std::io::IsTerminal;

use rhai::Dynamic;

use super::record::Record;
use super::values;
use super::words::{self, Line, Word};
use crate::cli::{ending, netns, steps};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::signal::Stop;
use crate::lab::rollback::Undoing;
use crate::lab::{Lab, Savepoint};
use crate::report::{self, Sources};
use crate::script::error::Trace;
use crate::script::live::{Live, State};
use crate::script::values::Of;

/// A statement that stands.
struct Done {
    text: String,
    /// Before it.
    point: Savepoint,
    state: State,
    /// Whether a script that is saved needs it: it has changed something, or made a name.
    counts: bool,
}

/// How a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Leave(Leaving),
}

/// How it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// The user is asked, if something stands.
    Ask,
    Keep,
    RollBack,
}

/// A session.
pub(super) struct Session {
    pub(super) live: Live,
    pub(super) record: Record,
    steps: steps::Steps,
    done: Vec<Done>,
    undone: Vec<String>,
    marks: Vec<(String, usize)>,
    /// The script that it began with.
    script: String,
    count: usize,
    /// Whether the last line failed.
    pub(super) failed: bool,
}

impl Session {
    /// One that has done nothing yet.
    pub(super) fn new(live: Live, record: Record, steps: steps::Steps, script: String) -> Self {
        Self {
            live,
            record,
            steps,
            done: Vec::new(),
            undone: Vec::new(),
            marks: Vec::new(),
            script,
            count: 0,
            failed: false,
        }
    }

    /// Does what was typed.
    pub(super) fn take(&mut self, text: &str) -> Next {
        self.live.stop().reset();
        self.failed = false;
        self.record.typed();
        let next = match self.read(text) {
            Line::Empty => Ok(Next::Go),
            Line::Statement => {
                self.undone.clear();
                self.statement(text);
                Ok(Next::Go)
            }
            Line::Command(word, rest) => self.command(word, &rest),
            Line::There(place, words) => self.there(&place, &words).map(|()| Next::Go),
        };
        let next = next.unwrap_or_else(|error| {
            self.tell(&error.into(), &Sources::default());
            Next::Go
        });
        self.record.done(text);
        next
    }

    /// How a line is meant.
    pub(super) fn read(&self, text: &str) -> Line {
        let variables = self.live.variables();
        let of = |name: &str| variables.iter().find(|(known, _)| known == name);
        let is_place = |name: &str| match of(name) {
            Some((_, of)) => *of == Some(Of::Netns),
            None => netns::names().iter().any(|known| known == name),
        };
        words::read(text, is_place, |name| of(name).is_some())
    }

    /// Runs a statement; one that fails leaves nothing.
    fn statement(&mut self, text: &str) {
        self.count += 1;
        let name = format!("[{}]", self.count);
        let state = self.live.state();
        let Ok((point, before)) = self.live.with_lab(|lab| (lab.savepoint(), lab.step_count())) else { return };
        let result = self.live.run(&name, text);
        self.steps.finish();
        match result {
            Ok(value) => {
                let changes = self.live.with_lab(|lab| lab.step_count() > before).unwrap_or(false);
                let counts = changes || makes_a_name(text);
                self.done.push(Done { text: text.trim().to_owned(), point, state, counts });
                // A verb gives back what it was called on, which is no news.
                let is_news = !changes || Of::value(&value.flatten_clone()).is_none();
                if let Some(text) = values::text(&self.live, &value).filter(|_| is_news) {
                    self.record.say(&text);
                }
            }
            Err(trace) => {
                self.live.stop().reset();
                self.live.set_state(state);
                self.tell(&trace, &Sources::new(&name, text));
                self.take_back(point);
            }
        }
    }

    /// Takes back what a statement did, and says it.
    fn take_back(&mut self, point: Savepoint) {
        let undoing = self.live.with_lab(|lab| {
            let undoing = lab.rollback(point);
            lab.release(point);
            undoing
        });
        self.live.changed();
        match undoing {
            Ok(undoing) => self.tell_undoing(&undoing),
            Err(error) => self.tell(&error.into(), &Sources::default()),
        }
    }

    fn tell_undoing(&mut self, undoing: &Undoing) {
        if undoing.count > 0 {
            self.record.say(&format!("{} taken back", ending::count(undoing.count, "step")));
        }
        for sentence in undoing.theirs.iter().chain(&undoing.notes) {
            self.record.note(&format!("  left alone: {sentence}"));
        }
        if let Some(error) = &undoing.broken {
            self.tell(&error.clone().into(), &Sources::default());
        }
        for leftover in &undoing.leftovers {
            self.failed = true;
            self.record.note(&format!("left over: {}\n  why: {}", leftover.what.join("; "), leftover.why));
            leftover.by_hand.iter().for_each(|command| self.record.note(&format!("  type: {command}")));
        }
    }

    /// Prints an error.
    pub(super) fn tell(&mut self, trace: &Trace, sources: &Sources) {
        self.failed = true;
        let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let text = |color| report::text(trace, sources, color, 110).trim_end().to_owned();
        self.record.note_as(&text(color), &text(false));
    }

    fn command(&mut self, word: Word, rest: &str) -> Result<Next> {
        match word {
            Word::Help => self.help(rest)?,
            Word::Changes => self.changes()?,
            Word::Undo => {
                let count: usize = if rest.is_empty() { 1 } else { number(rest)? };
                self.undo(count)?;
            }
            Word::Redo => match self.undone.pop() {
                Some(text) => {
                    self.record.say(&text);
                    self.statement(&text);
                }
                None => return Err(usage("there is nothing to do again")),
            },
            Word::Checkpoint => {
                let name = plain(rest);
                if name.is_empty() {
                    return Err(usage("a checkpoint needs a name: checkpoint before"));
                }
                self.marks.retain(|(known, _)| known != name);
                self.marks.push((name.to_owned(), self.done.len()));
            }
            Word::Rollback => self.roll_back(plain(rest))?,
            Word::Save => self.save(plain(rest))?,
            Word::Record => match plain(rest) {
                "off" if self.record.end() => self.record.say("the recording has ended"),
                "off" => return Err(usage("nothing is recorded")),
                "" => return Err(usage("a recording needs a file: record notes.md")),
                path => self.record.begin(path)?,
            },
            Word::Explain => self.explain(rest)?,
            Word::ShowAs => self.show_as(plain(rest))?,
            Word::Vars => self.vars(),
            Word::PingAll => self.ping_all()?,
            Word::Why => {
                let names: Vec<&str> = rest.split_whitespace().collect();
                let [from, to] = names[..] else { return Err(usage("say from where to where: why ns1 ns2")) };
                let call = format!("{}.why({})", self.meant(from)?, self.target(to)?);
                self.ask(&call);
            }
            Word::Graph => self.ask("graph()"),
            Word::Watch => super::watch::links(&mut self.live, &self.record)?,
            Word::Exit => {
                return Ok(Next::Leave(match rest {
                    "" => Leaving::Ask,
                    "keep" => Leaving::Keep,
                    "rollback" => Leaving::RollBack,
                    _ => return Err(usage("exit, exit keep, or exit rollback")),
                }));
            }
        }
        Ok(Next::Go)
    }

    /// Takes back the last statements that changed something or made a name.
    fn undo(&mut self, count: usize) -> Result<()> {
        let counted: Vec<usize> = (0..self.done.len()).filter(|at| self.done[*at].counts).collect();
        let Some(at) = counted.len().checked_sub(count).filter(|_| count > 0).map(|from| counted[from]) else {
            return Err(usage(&format!(
                "there {} to take back",
                match counted.len() {
                    0 => "is nothing".to_owned(),
                    1 => "is one statement".to_owned(),
                    n => format!("are {n} statements"),
                }
            )));
        };
        self.undo_to(at);
        Ok(())
    }

    fn roll_back(&mut self, name: &str) -> Result<()> {
        let at = if name.is_empty() {
            0
        } else {
            let found = self.marks.iter().find(|(known, _)| known == name).map(|(_, at)| *at);
            found.ok_or_else(|| {
                let names: Vec<&str> = self.marks.iter().map(|(name, _)| name.as_str()).collect();
                let error = usage(&format!("there is no checkpoint `{name}`"));
                if names.is_empty() { error } else { error.help(format!("there is {}", names.join(", "))) }
            })?
        };
        if at < self.done.len() {
            self.undo_to(at);
        } else {
            self.record.say("nothing was done since");
        }
        Ok(())
    }

    /// Goes back to before a statement; what was typed since can be done again.
    fn undo_to(&mut self, at: usize) {
        let gone: Vec<Done> = self.done.drain(at..).collect();
        let Some(first) = gone.first() else { return };
        let (point, state) = (first.point, first.state.clone());
        for later in gone.iter().skip(1).rev() {
            let _ = self.live.with_lab(|lab| lab.release(later.point));
        }
        self.take_back(point);
        self.live.set_state(state);
        for done in gone.iter().rev().filter(|done| done.counts) {
            self.record.say(&format!("undone: {}", first_line(&done.text)));
            self.undone.push(done.text.clone());
        }
        self.marks.retain(|(_, mark)| *mark <= at);
    }

    fn changes(&mut self) -> Result<()> {
        let points: Vec<Savepoint> = self.done.iter().map(|done| done.point).collect();
        let texts: Vec<String> = self.done.iter().map(|done| done.text.clone()).collect();
        let mut lines = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let (from, to) = (points[at], points.get(at + 1).copied());
            let commands = self.live.with_lab(|lab| commands(lab, from, to))?;
            if !commands.is_empty() {
                lines.push(first_line(text));
                lines.extend(commands.into_iter().map(|command| format!("    {command}")));
            }
        }
        if lines.is_empty() {
            lines.push("nothing has been changed".into());
        }
        self.record.say(&lines.join("\n"));
        Ok(())
    }

    fn save(&mut self, path: &str) -> Result<()> {
        if path.is_empty() {
            return Err(usage("a script needs a file: save lab.rhai"));
        }
        let text = self.script();
        let write = || {
            use std::io::Write;
            std::fs::File::options().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
        };
        write().map_err(|e| {
            let error = Diagnostic::new(Code::BadFile, format!("cannot write {path}"));
            let error = if e.kind() == std::io::ErrorKind::AlreadyExists {
                error.help("it is there already; take another name, or remove it first")
            } else {
                error
            };
            error.kernel(crate::diag::KernelError::from_io(format!("open {path}"), &e))
        })?;
        self.record.say(&format!("wrote {path}; try it: netlab run --sandbox {path}"));
        Ok(())
    }

    /// What stands, as a script.
    pub(super) fn script(&self) -> String {
        let mut text = if self.script.is_empty() { String::new() } else { format!("{}\n\n", self.script.trim_end()) };
        for done in self.done.iter().filter(|done| done.counts) {
            let ends = done.text.ends_with([';', '}']);
            text.push_str(&done.text);
            text.push_str(if ends { "\n" } else { ";\n" });
        }
        text
    }

    /// The functions that were written here and stand, as they were typed.
    pub(super) fn functions(&self) -> Vec<String> {
        self.done.iter().map(|done| done.text.clone()).filter(|text| text.starts_with("fn ")).collect()
    }

    /// Whether something of this session is there that leaving would take away.
    pub(super) fn stands(&mut self) -> bool {
        self.live.with_lab(|lab| lab.steps().any(|(_, step)| step.phase.is_open())).unwrap_or(false)
    }

    fn show_as(&mut self, what: &str) -> Result<()> {
        let form = match what {
            "ip" => steps::Form::Commands,
            "rhai" => steps::Form::Call,
            "nothing" => steps::Form::Nothing,
            _ => return Err(usage("show as ip, show as rhai, or show as nothing")),
        };
        self.steps.set(form);
        Ok(())
    }

    /// What asks a statement to end.
    pub(super) fn stop(&self) -> &Stop {
        self.live.stop()
    }

    /// Runs the script that the session begins with. What it made stays, and goes when the session is rolled back.
    pub(super) fn begin(&mut self, file: &str) -> std::result::Result<(), Trace> {
        let text = self.script.clone();
        self.live.run(file, &text).map(|_: Dynamic| ())
    }
}

/// The commands of what was done between two moments.
fn commands(lab: &Lab, from: Savepoint, to: Option<Savepoint>) -> Vec<String> {
    let names = lab.objects.names();
    let between = lab
        .steps()
        .filter(|(seq, step)| from.is_before(*seq) && to.is_none_or(|to| !to.is_before(*seq)) && step.phase.is_open());
    between.flat_map(|(_, step)| step.action.change().ip(names)).collect()
}

/// Whether a saved script needs a statement although it has changed nothing: it makes a name, or demands something.
fn makes_a_name(text: &str) -> bool {
    let first: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let words =
        ["let", "const", "fn", "import", "expect", "needs", "allow", "if", "for", "while", "loop", "try", "switch"];
    let assigns = || {
        let rest = text.trim_start()[first.len()..].trim_start();
        rest.starts_with('=') && !rest.starts_with("==") || rest.starts_with("+=") || rest.starts_with("-=")
    };
    words.contains(&first.as_str()) || assigns()
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() { format!("{first} …") } else { first }
}

/// A name with or without quotes.
fn plain(text: &str) -> &str {
    text.trim().trim_end_matches(';').trim_matches('"')
}

fn number(text: &str) -> Result<usize> {
    plain(text).parse().map_err(|_| usage(&format!("`{text}` is no number")))
}

pub(super) fn usage(words: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::Usage, words)
}
