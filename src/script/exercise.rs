//! The words of an exercise: its file says what it consists of, and each part is kept until its turn comes.

use rhai::{Array, Dynamic, FnPtr};
use sha2::{Digest, Sha256};

use super::args::Call;
use super::expect::{known, need};
use super::function::{Form, Function};
use super::values::{Of, Subnet, kind};
use crate::diag::{Code, Diagnostic, Result, Site, nearest};

pub(super) const FUNCTIONS: &[Function] = &[
    word(
        "exercise",
        "id, title, #{ level, needs, after, time, why }?",
        (2, 3),
        "()",
        "Says that this file is an exercise, before all other words of one.\n\nSuch a file is begun with `netlab exercise start FILE`, and not with `run`; `netlab exercise new FILE` writes one to begin with, and `netlab exercise lint FILE` says what it lacks.\n\n* `id` - its name on the command line\n* `level` - 1 for first steps, 2 for the course, 3 for what is hard\n* `needs` - what the kernel must have, as in `needs`\n* `after` - the names of exercises that one should have done before\n* `time` - seconds that the start, or all checks together, may take: 60 if it is not said\n* `why` - `false` where the cause is what is to be found: a check that fails then does not name it\n\n```rhai\nexercise(\"first-wire\", \"Two namespaces, one wire\", #{ level: 1 });\nlet net = param(\"net\", [\"10.1.0\", \"10.2.0\"]);\n\nsetup(|| { netns(\"red\"); netns(\"blue\"); });\n\ntask(`Connect red and blue by a veth pair, as ${net}.1/24 and ${net}.2/24.`);\ncheck(\"red reaches blue\", #{ points: 2, hint: [\"What does each end of a wire need before it can talk?\"] },\n    || get_netns(\"red\").ping(`${net}.2`));\n\nsolution(|| {\n    veth(get_netns(\"red\").port(`${net}.1/24`), get_netns(\"blue\").port(`${net}.2/24`));\n});\nwrong(\"one end is down\", [\"red reaches blue\"], || {\n    veth(get_netns(\"red\").port(`${net}.1/24`), get_netns(\"blue\").port(`${net}.2/24`)).b.down();\n});\n```",
        exercise,
    ),
    word(
        "task",
        "text",
        (1, 1),
        "()",
        "One numbered thing to do.\n\nThe checks that follow belong to it, up to the next task.\n\n```rhai\nexercise(\"x\", \"An example\");\ntask(\"Make a namespace `red`.\");\ncheck(\"there is a namespace red\", || get_netns(\"red\")[\"lo\"].is_up);\n```",
        task,
    ),
    word(
        "param",
        "name, choices",
        (2, 2),
        "one of the choices",
        "Draws a value from a seed, so that each learner has an exercise of her own, and the same one each time.\n\n* `choices` - an array of strings, integers, bools or subnets, or a range of integers\n\n```rhai\nexercise(\"x\", \"An example\");\nlet fault = param(\"fault\", [\"link down\", \"no route\"]);\nlet vlan = param(\"vlan\", 10..=99);\ntask(`Make a namespace ns${vlan}.`);\ncheck(\"it is there\", || get_netns(`ns${vlan}`)[\"lo\"].is_up);\n```",
        param,
    ),
    word(
        "setup",
        "closure",
        (1, 1),
        "()",
        "Makes the network that the learner finds.\n\nWithout one she begins with an empty machine.\n\n```rhai\nexercise(\"x\", \"An example\");\nsetup(|| { netns(\"red\", #{ lo: false }); });\ntask(\"Have red reach itself.\");\ncheck(\"red reaches itself\", || get_netns(\"red\").ping(\"127.0.0.1\"));\n```",
        setup,
    ),
    word(
        "check",
        "text, #{ points, hint, after, hidden }?, closure",
        (2, 3),
        "()",
        "What must hold when the task is done: the closure gives a bool or a probe, and a probe says why it failed.\n\nWhat the closure changes is taken back when it has ended. `!probe` holds only while the place that it is asked from is alive. Look at what the network does (`ping`, `traceroute`, `goes_via`, `same_segment`), or that it has something (`has_addr`, `has_route`), not that it looks like yours.\n\n* `points` - 1 if it is not said\n* `hint` - a text, a closure that gives a text, or an array of those, shown one at a time; a closure looks at what is there, and gives `()` when it has nothing to say\n* `after` - the texts of checks without which this one would say nothing: it is skipped when one of them fails\n* `hidden` - only for grading: `netlab exercise release` leaves it out\n\n```rhai\nexercise(\"x\", \"An example\");\nsetup(|| { netns(\"red\"); });\ntask(\"Give red a bridge.\");\ncheck(\"red has a bridge\", #{ points: 2, hint: [\n    || if get_netns(\"red\").links().len() == 1 { \"There is no link in red but lo.\" },\n    \"A bridge is a link of the kind `bridge`.\",\n] }, || get_netns(\"red\").links().some(|l| \"linkinfo\" in l && l.linkinfo.info_kind == \"bridge\"));\n```",
        check,
    ),
    word(
        "solution",
        "closure",
        (1, 1),
        "()",
        "Solves the exercise, from what `setup` left.\n\nThe learner sees it when she has passed.\n\n```rhai\nexercise(\"x\", \"An example\");\ntask(\"Make a namespace `red`.\");\ncheck(\"there is a namespace red\", || get_netns(\"red\")[\"lo\"].is_up);\nsolution(|| { netns(\"red\"); });\n```",
        solution,
    ),
    word(
        "wrong",
        "text, checks, closure",
        (3, 3),
        "()",
        "A mistake that learners make, and the checks that must catch it: so `netlab exercise lint` knows that the checks do their work.\n\n* `checks` - the texts of the checks that fail; all others must pass or be skipped\n\n```rhai\nexercise(\"x\", \"An example\");\ntask(\"Make a namespace `red`.\");\ncheck(\"there is a namespace red\", || get_netns(\"red\")[\"lo\"].is_up);\nsolution(|| { netns(\"red\"); });\nwrong(\"lo was forgotten\", [\"there is a namespace red\"], || { netns(\"red\", #{ lo: false }); });\n```",
        wrong,
    ),
];

const fn word(
    name: &'static str,
    params: &'static str,
    arity: (usize, usize),
    gives: &'static str,
    doc: &'static str,
    run: fn(&mut Call<'_>) -> Result<Dynamic>,
) -> Function {
    Function { of: Of::Free, name, params, arity, gives, doc, form: Form::Call(run) }
}

/// What an exercise consists of.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    /// Its name.
    pub id: String,
    /// What the learner reads first.
    pub title: String,
    /// From 1 to 3.
    pub level: u8,
    /// What the kernel must have.
    pub needs: Vec<String>,
    /// The exercises that come before.
    pub after: Vec<String>,
    /// Seconds that the start, or all checks together, may take.
    pub time: u64,
    /// Whether a check that fails names the cause of it; where the cause is to be found, it does not.
    pub explains: bool,
    /// What was drawn.
    pub params: Vec<Param>,
    /// The tasks, in order.
    pub tasks: Vec<String>,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// The known mistakes.
    pub wrongs: Vec<Wrong>,
    pub(super) setup: Option<FnPtr>,
    pub(super) solution: Option<FnPtr>,
    seed: u64,
    /// Whether the file has been read to its end.
    pub(super) is_whole: bool,
}

/// A value that was drawn.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// It, as scripts write it.
    pub literal: String,
    /// Where it is drawn.
    pub site: Site,
}

/// What must hold.
#[derive(Debug, Clone)]
pub struct Check {
    /// What the learner reads.
    pub text: String,
    /// The task that it belongs to, from 0.
    pub task: usize,
    /// What it is worth.
    pub points: u32,
    /// The checks without which it says nothing, by their numbers from 0.
    pub after: Vec<usize>,
    /// Whether learners do not get it.
    pub hidden: bool,
    /// Where it stands.
    pub site: Site,
    pub(super) hints: Vec<Dynamic>,
    pub(super) run: FnPtr,
}

impl Check {
    /// How many hints it has at most.
    pub fn hint_count(&self) -> usize {
        self.hints.len()
    }

    /// Those that are the same whatever is there.
    pub fn plain_hints(&self) -> Vec<String> {
        self.hints.iter().filter(|hint| hint.is_string()).map(ToString::to_string).collect()
    }
}

/// A known mistake.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// What it is.
    pub text: String,
    /// The checks that must catch it, by their numbers from 0.
    pub fails: Vec<usize>,
    /// Where it stands.
    pub site: Site,
    pub(super) run: FnPtr,
}

impl Sheet {
    /// An empty one, whose values are drawn from a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, time: 60, level: 1, explains: true, ..Self::default() }
    }

    /// Whether it has a solution.
    pub fn has_solution(&self) -> bool {
        self.solution.is_some()
    }

    /// What it needs and this machine does not have.
    pub fn missing(&self) -> Vec<String> {
        self.needs.iter().filter(|name| need(name).is_err()).cloned().collect()
    }

    /// Refuses what this machine cannot run.
    ///
    /// # Errors
    /// `NL0401` and its kin, with what is to be done.
    pub fn require(&self) -> Result<()> {
        self.needs.iter().try_for_each(|name| need(name))
    }

    /// All points.
    pub fn points(&self) -> u32 {
        self.checks.iter().map(|c| c.points).sum()
    }

    /// That it has what no exercise can do without.
    pub(super) fn finish(&mut self) -> Result<()> {
        let lacks = |what: &str| {
            Err(bad(format!("the exercise has no {what}")).help("`netlab docs exercise` shows a whole one"))
        };
        if self.id.is_empty() {
            return Err(bad("the file is no exercise: it does not begin with exercise(id, title)")
                .help("`netlab run FILE` runs a lab; `netlab exercise new FILE` writes an exercise to begin with"));
        }
        if self.tasks.is_empty() {
            return lacks("task");
        }
        if self.checks.is_empty() {
            return lacks("check");
        }
        self.is_whole = true;
        Ok(())
    }

    fn find_check(&self, text: &str, of: &str) -> Result<usize> {
        self.checks.iter().position(|c| c.text == text).ok_or_else(|| {
            let error = bad(format!("`{of}` names a check that does not stand before it: {text:?}"));
            match nearest(text, self.checks.iter().map(|c| c.text.as_str())) {
                Some(near) => error.help(format!("did you mean {near:?}?")),
                None => error,
            }
        })
    }

    /// A number from the seed, the same for the same name.
    fn draw(&self, name: &str, count: usize) -> usize {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(name);
        let bytes: [u8; 8] = hash.finalize().first_chunk().copied().unwrap_or_default();
        usize::try_from(u64::from_be_bytes(bytes) % count.max(1) as u64).unwrap_or(0)
    }
}

fn bad(words: impl Into<String>) -> Box<Diagnostic> {
    Diagnostic::new(Code::BadExercise, words)
}

/// The sheet that the file is filling.
fn sheet<'a>(c: &'a mut Call<'_>) -> Result<&'a mut Sheet> {
    let name = c.function.name;
    let Some(sheet) = &mut c.session.sheet else {
        return Err(bad(format!("`{name}` is a word of exercises, and this is run as a lab"))
            .help("begin an exercise with `netlab exercise start FILE`"));
    };
    if sheet.is_whole {
        return Err(bad(format!("`{name}` stands in the file itself, not in a closure of it")));
    }
    if sheet.id.is_empty() && name != "exercise" {
        return Err(bad(format!("`{name}` stands before `exercise`")).help("begin the file with exercise(id, title);"));
    }
    Ok(sheet)
}

fn exercise(c: &mut Call<'_>) -> Result<Dynamic> {
    let (id, title) = (c.text(0)?, c.text(1)?);
    let mut options = c.options(2)?;
    let level = options.number::<u8>("level")?.unwrap_or(1);
    let (needs, after) = (options.texts("needs")?, options.texts("after")?);
    let time = options.number::<u64>("time")?.unwrap_or(60);
    let explains = options.bool("why")?.unwrap_or(true);
    options.finish()?;
    if !(1..=3).contains(&level) {
        return Err(Diagnostic::new(Code::OutOfRange, format!("level {level} is out of range: 1 to 3")));
    }
    if !(1..=3600).contains(&time) {
        return Err(Diagnostic::new(Code::OutOfRange, format!("time {time} is out of range: 1 to 3600 seconds")));
    }
    crate::types::name::LabName::new(&id)?;
    for feature in &needs {
        known(feature)?;
    }
    let sheet = sheet(c)?;
    if !sheet.id.is_empty() {
        return Err(bad("one file is one exercise: `exercise` stands here a second time"));
    }
    (sheet.id, sheet.title, sheet.level, sheet.needs, sheet.after) = (id, title, level, needs, after);
    (sheet.time, sheet.explains) = (time, explains);
    Ok(Dynamic::UNIT)
}

fn task(c: &mut Call<'_>) -> Result<Dynamic> {
    let text = c.text(0)?;
    sheet(c)?.tasks.push(text);
    Ok(Dynamic::UNIT)
}

fn param(c: &mut Call<'_>) -> Result<Dynamic> {
    /// More would be a mistake, and costs time.
    const MOST: usize = 100_000;
    let name = c.text(0)?;
    let given = &c.args[1];
    let choices: Array = if let Some(range) = given.clone().try_cast::<std::ops::RangeInclusive<i64>>() {
        range.take(MOST).map(Dynamic::from).collect()
    } else if let Some(range) = given.clone().try_cast::<std::ops::Range<i64>>() {
        range.take(MOST).map(Dynamic::from).collect()
    } else {
        c.args[1].clone().into_array().map_err(|_| c.mistaken(1, "an array or a range"))?
    };
    if choices.is_empty() {
        return Err(bad(format!("the parameter `{name}` has nothing to choose from")));
    }
    let site = c.site.clone();
    let sheet = sheet(c)?;
    if sheet.params.iter().any(|p| p.name == name) {
        return Err(bad(format!("there are two parameters `{name}`")).help("each is drawn by its name"));
    }
    let value = choices[sheet.draw(&name, choices.len())].clone();
    let literal = literal(&value).ok_or_else(|| {
        Diagnostic::new(
            Code::WrongArguments,
            format!(
                "the parameter `{name}` has {} to choose from, not only strings, integers, bools and subnets",
                kind(&value)
            ),
        )
    })?;
    sheet.params.push(Param { name, literal, site });
    Ok(value)
}

/// A value as scripts write it.
fn literal(value: &Dynamic) -> Option<String> {
    if let Some(net) = value.clone().try_cast::<Subnet>() {
        return Some(format!("subnet(\"{net}\")"));
    }
    if value.is_string() {
        return serde_json::to_string(&value.to_string()).ok();
    }
    (value.is_int() || value.is_bool()).then(|| value.to_string())
}

fn setup(c: &mut Call<'_>) -> Result<Dynamic> {
    let run = closure(c, 0)?;
    let sheet = sheet(c)?;
    if sheet.setup.replace(run).is_some() {
        return Err(bad("`setup` stands here a second time"));
    }
    Ok(Dynamic::UNIT)
}

fn check(c: &mut Call<'_>) -> Result<Dynamic> {
    let text = c.text(0)?;
    let last = c.len() - 1;
    let run = closure(c, last)?;
    let mut options = if last == 2 { c.options(1)? } else { super::options::Options::new("check", rhai::Map::new()) };
    let points = options.number::<u32>("points")?.unwrap_or(1);
    let (hint, after) = (options.any("hint"), options.texts("after")?);
    let hidden = options.bool("hidden")?.unwrap_or(false);
    let mut hints = Vec::new();
    let given = match hint {
        Some(hint) if hint.is_array() => hint.into_array().unwrap_or_default(),
        hint => hint.into_iter().collect(),
    };
    for hint in given {
        let is = kind(&hint);
        hints.push(match own(hint.clone()) {
            Some(closure) => closure.into(),
            None if hint.is_string() => hint,
            None => return Err(options.mistaken("hint", "a text, a closure, or an array of those", is)),
        });
    }
    options.finish()?;
    let site = c.site.clone();
    let sheet = sheet(c)?;
    let Some(task) = sheet.tasks.len().checked_sub(1) else {
        return Err(bad(format!("the check {text:?} stands before the first task"))
            .help("each check belongs to the task above it"));
    };
    if sheet.checks.iter().any(|c| c.text == text) {
        return Err(bad(format!("there are two checks {text:?}")).help("each is known by its text"));
    }
    let after = after.iter().map(|name| sheet.find_check(name, "after")).collect::<Result<_>>()?;
    sheet.checks.push(Check { text, task, points, after, hidden, site, hints, run });
    Ok(Dynamic::UNIT)
}

fn solution(c: &mut Call<'_>) -> Result<Dynamic> {
    let run = closure(c, 0)?;
    let sheet = sheet(c)?;
    if sheet.solution.replace(run).is_some() {
        return Err(bad("`solution` stands here a second time"));
    }
    Ok(Dynamic::UNIT)
}

fn wrong(c: &mut Call<'_>) -> Result<Dynamic> {
    let text = c.text(0)?;
    let names = c.args[1].clone().into_array().map_err(|_| c.mistaken(1, "an array of the texts of checks"))?;
    let run = closure(c, 2)?;
    let site = c.site.clone();
    let sheet = sheet(c)?;
    let fails = names.iter().map(|name| sheet.find_check(&name.to_string(), "wrong")).collect::<Result<Vec<_>>>()?;
    if fails.is_empty() {
        return Err(bad(format!("nothing catches the mistake {text:?}")).help("name the checks that must fail"));
    }
    sheet.wrongs.push(Wrong { text, fails, site, run });
    Ok(Dynamic::UNIT)
}

fn closure(c: &Call<'_>, i: usize) -> Result<FnPtr> {
    own(c.args[i].clone()).ok_or_else(|| c.mistaken(i, "a closure: || …"))
}

/// A closure with the values that its variables have now: what the file does to them later is not its business.
fn own(value: Dynamic) -> Option<FnPtr> {
    let mut closure = value.try_cast::<FnPtr>()?;
    closure.iter_curry_mut().for_each(|captured| *captured = captured.flatten_clone());
    Some(closure)
}
