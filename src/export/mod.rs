//! A network that is there as a program that makes it: a script of netlab's, or one in bash.
//!
//! What is there is read into the actions that would make it, and each form is what those actions read as; so it cannot say
//! more or less than the other.

pub mod bash;
mod inside;
mod links;
mod order;
pub mod rhai;
mod scope;
mod settings;

use crate::action::Action;
use crate::action::text::Names;
use crate::kernel::link::LinkKey;
use crate::kernel::rule::RuleSpec;
use crate::types::address::Prefix;
use crate::why::world::World;

/// What is to be written.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The name of the lab, for the head of the program.
    pub title: String,
    /// The names of its namespaces.
    pub netns: Vec<String>,
    /// Its links outside of them.
    pub links: Vec<LinkKey>,
    /// The settings outside of them that it wrote, by their files.
    pub settings: Vec<std::path::PathBuf>,
    /// Its routes outside of them that lead over no link of its own, by destination and table.
    pub routes: Vec<(Prefix, u32)>,
    /// Its rules outside of them.
    pub rules: Vec<RuleSpec>,
    /// The files of the machine that it wrote.
    pub files: Vec<std::path::PathBuf>,
    /// The links that have an address only for a time, and will have another.
    pub leased: Vec<LinkKey>,
    /// The groups into which labs put their links, which are nobody's wish.
    pub groups: Vec<u32>,
    /// All that there is outside of them belongs to it as well, as in a sandbox.
    pub whole: bool,
    /// No lab says what its own is: whatever hangs on its namespaces belongs to it.
    pub every: bool,
    /// What it did that leaves no trace in the network, such as programs that it started.
    pub missing: Vec<Missing>,
}

/// A program, before it is written in either form.
#[derive(Debug)]
pub struct Program {
    /// The name of the lab.
    pub title: String,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// What it does not do.
    pub missing: Vec<Missing>,
    /// How namespaces and links are called.
    pub names: Names,
}

/// One thing that a program does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The action.
    pub action: Action,
    /// What it is part of: steps of one part stand together.
    pub part: Part,
}

/// The parts of a program, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Part {
    Netns,
    Bridges,
    Links,
    Settings,
    Entries,
    Routes,
    Rules,
    Qdiscs,
    Files,
}

/// Something for which there is no verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What it is: `the firewall of ns1`.
    pub what: String,
    /// The command that makes it, or shows it.
    pub command: Option<String>,
}

impl Missing {
    /// As it is told.
    pub fn text(&self) -> String {
        match &self.command {
            Some(command) => format!("{}: {command}", self.what),
            None => self.what.clone(),
        }
    }
}

/// Reads the network.
pub fn read(world: &mut World<'_>, wanted: &Wanted) -> Program {
    let scope = scope::Scope::new(world, wanted);
    let mut names = Names::default();
    for space in &scope.spaces {
        let name = world.name(*space);
        names.insert(world.space(*space).cookie, name);
    }
    for space in world.all() {
        let of = world.space(space);
        of.links.iter().for_each(|l| names.insert_link(LinkKey { netns: of.cookie, index: l.ifindex }, &l.ifname));
    }
    let mut draft = Draft { steps: Vec::new(), missing: wanted.missing.clone() };
    let usual = settings::Usual::read();
    let defaults = settings::of_spaces(world, &scope, wanted, &usual, &mut draft);
    links::read(world, (&scope, wanted), &defaults, &names, &mut draft);
    settings::of_links(world, &scope, &usual, &defaults, &mut draft);
    for space in scope.all() {
        inside::read(world, space, (&scope, wanted), &names, &mut draft);
    }
    draft.steps.sort_by_key(|step| step.part);
    Program { title: wanted.title.clone(), steps: draft.steps, missing: draft.missing, names }
}

/// A program that grows.
#[derive(Debug, Default)]
struct Draft {
    steps: Vec<Step>,
    missing: Vec<Missing>,
}

impl Draft {
    fn push(&mut self, part: Part, action: Action) {
        self.steps.push(Step { action, part });
    }

    fn miss(&mut self, what: impl Into<String>, command: Option<String>) {
        self.missing.push(Missing { what: what.into(), command });
    }
}
