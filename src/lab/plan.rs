//! A lab that is only planned: it works on stand-ins, each step is told, and what this kernel lacks is simulated.

use std::collections::{BTreeSet, HashMap};

use serde_json::Map;

use super::Lab;
use super::objects::NsId;
use super::stand_in::Standing;
use crate::action::text::Names;
use crate::action::{Action, After, Change, Failure, Subject};
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::link::LinkKey;
use crate::kernel::process::ProcessKey;
use crate::kernel::space::NetnsCookie;
use crate::probe::state::link::{Info, LinkState};

/// What a planned lab does otherwise.
pub struct Plan {
    /// The namespaces that stand for those of the machine, its host's among them.
    there: BTreeSet<NetnsCookie>,
    /// The kinds of links that wires stand for, by where they were at first; empty for a card.
    kinds: HashMap<LinkKey, String>,
    /// Whether the run would have all rights on the machine, which nobody has in a sandbox.
    as_root: bool,
    tell: Tell,
    count: usize,
    needed: BTreeSet<&'static str>,
    /// The programs that were started, by the numbers of their handles.
    programs: Vec<String>,
    /// Where something was not done as a run would do it: from there on the sandbox may differ from what a run would see.
    doubts: Vec<Doubt>,
    /// A namespace without a name, for the far ends of wires that stand for something else.
    attic: Option<(NetnsCookie, u32)>,
    /// What the step that is being done was to be, and why it is only simulated.
    simulated: Option<(Action, String)>,
}

/// Gets what a plan tells, in its order.
pub type Tell = Box<dyn FnMut(&Told)>;

/// What a plan tells.
#[derive(Debug, Clone)]
pub enum Told {
    /// A step.
    Step(Planned),
    /// Something about the script, and where.
    Note(Site, String),
}

/// A step as it is told.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its number, from 1.
    pub number: usize,
    /// Where in the script.
    pub site: Site,
    /// The same as a call in a script.
    pub rhai: String,
    /// The same as commands of iproute2.
    pub ip: Vec<String>,
    /// What of the machine it changes: `host`, or the names of namespaces that were there before.
    pub places: Vec<String>,
    /// The features of the kernel that it needs.
    pub needs: Vec<&'static str>,
    /// How far it was done.
    pub how: How,
}

/// How far a step of a plan was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// As a run would do it.
    Done,
    /// Something stands for it, since this kernel lacks what it needs.
    Simulated(String),
    /// It is a program.
    NotRun,
}

/// Something that was not done as a run would do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// In which line.
    pub line: usize,
    /// Whether it is a program, and not a simulated step.
    pub program: bool,
}

impl Plan {
    /// A plan that has no step yet, of a run by root or somebody else, on what stands for the machine; `tell` gets each step.
    pub fn new(standing: &Standing, as_root: bool, tell: Tell) -> Self {
        Self {
            there: standing.there.clone(),
            kinds: standing.kinds.clone(),
            as_root,
            tell,
            count: 0,
            needed: BTreeSet::new(),
            programs: Vec::new(),
            doubts: Vec::new(),
            attic: None,
            simulated: None,
        }
    }

    /// How many steps there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The features of the kernel that the steps need, or that the script says it needs.
    pub fn needed(&self) -> impl Iterator<Item = &'static str> {
        self.needed.iter().copied()
    }

    /// Notes that the script needs a feature.
    pub fn needs(&mut self, feature: &'static str) {
        self.needed.insert(feature);
    }

    /// What was not done as a run would do it.
    pub fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }

    /// Whether a namespace stands for one of the machine's.
    pub fn stands_in(&self, netns: NetnsCookie) -> bool {
        self.there.contains(&netns)
    }

    /// A step has been done, perhaps by something that stands for it.
    pub(super) fn done(&mut self, site: &Site, action: &Action, names: &Names) {
        let (asked, how) = match self.simulated.take() {
            Some((asked, why)) => (asked, How::Simulated(why)),
            None => (action.clone(), How::Done),
        };
        if how != How::Done {
            self.doubts.push(Doubt { line: site.line, program: false });
        }
        let change = asked.change();
        self.step(Planned {
            number: 0,
            site: site.clone(),
            rhai: change.rhai(names),
            ip: change.ip(names),
            places: self.places(&asked, names),
            needs: change.needs(),
            how,
        });
    }

    fn step(&mut self, step: Planned) {
        self.count += 1;
        self.needed.extend(&step.needs);
        (self.tell)(&Told::Step(Planned { number: self.count, ..step }));
    }

    /// What of the machine an action changes.
    fn places(&self, action: &Action, names: &Names) -> Vec<String> {
        if action.change().subject() == Subject::Machine {
            return vec!["host".into()];
        }
        let mut places: Vec<String> = action
            .change()
            .places()
            .into_iter()
            .filter(|netns| self.there.contains(netns))
            .map(|netns| names.netns(netns).to_owned())
            .collect();
        places.dedup();
        places
    }
}

impl Lab {
    /// Tells of a program that is not run. `verb` is what the script calls. Gives back a handle.
    ///
    /// # Errors
    /// `NL0116` if the namespace was deleted.
    pub fn plan_program(&mut self, site: &Site, id: NsId, argv: &[String], verb: &str) -> Result<ProcessKey> {
        self.may_go_on()?;
        let netns = self.objects.netns(id)?.cookie;
        let names = self.objects.names();
        let line = shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_else(|_| argv.join(" "));
        let background = if verb == "start" { " &" } else { "" };
        let (handle, ip) = (names.handle(netns), format!("{}{line}{background}", names.exec(netns)));
        let place = names.netns(netns).to_owned();
        let Some(plan) = &mut self.plan else { return Ok(ProcessKey { pid: 0, start: 0 }) };
        plan.step(Planned {
            number: 0,
            site: site.clone(),
            rhai: format!("{handle}.{verb}({line:?})"),
            ip: vec![ip],
            places: if plan.stands_in(netns) { vec![place] } else { Vec::new() },
            needs: Vec::new(),
            how: How::NotRun,
        });
        plan.doubts.push(Doubt { line: site.line, program: true });
        plan.programs.push(format!("`{line}` of line {}", site.line));
        // No process has a negative number.
        Ok(ProcessKey { pid: i32::try_from(plan.programs.len()).map_or(0, |n| -n), start: 0 })
    }

    /// What a handle of a program that is not run stands for.
    pub fn planned_program(&self, program: ProcessKey) -> String {
        let index = usize::try_from(-i64::from(program.pid) - 1).ok();
        let programs = self.plan.as_ref().map(|plan| &plan.programs);
        index.and_then(|index| programs?.get(index).cloned()).unwrap_or_default()
    }

    /// Tells of a container, a machine or a lease that is not asked for.
    pub fn plan_outside(&mut self, site: &Site, words: &str) {
        self.plan_note(site, format!("not run in a plan: {words}"));
        if let Some(plan) = &mut self.plan {
            plan.doubts.push(Doubt { line: site.line, program: true });
        }
    }

    /// Tells that a program would be ended.
    pub fn plan_stop(&mut self, site: &Site, program: ProcessKey) {
        let what = self.planned_program(program);
        self.plan_note(site, format!("ends the program {what}"));
    }

    /// Tells that the steps after the first `kept` ones have been taken back.
    pub fn plan_take_back(&mut self, site: &Site, kept: Option<usize>) {
        let count = self.plan.as_ref().map_or(0, Plan::count);
        match kept {
            Some(kept) if kept + 1 == count => self.plan_note(site, format!("step {count} is taken back")),
            Some(kept) if kept < count => self.plan_note(site, format!("steps {}-{count} are taken back", kept + 1)),
            _ => {}
        }
    }

    /// Tells something about the script.
    pub fn plan_note(&mut self, site: &Site, words: String) {
        if let Some(plan) = &mut self.plan {
            (plan.tell)(&Told::Note(site.clone(), words));
        }
    }

    /// The kind of the link of the machine that a wire stands for.
    pub(super) fn stood_for(&self, link: LinkKey) -> Option<&str> {
        let kinds = &self.plan.as_ref()?.kinds;
        let found = self.objects.link_by_key(link).and_then(|id| self.objects.link(id).ok());
        kinds.get(&found.map_or(link, |object| object.birth)).map(String::as_str)
    }

    /// Shows what stands for a link of the machine as that is.
    pub fn as_on_the_machine(&self, netns: NetnsCookie, link: &mut LinkState) {
        let Some(kind) = self.stood_for(LinkKey { netns, index: link.ifindex }) else { return };
        let kind = Some(kind.to_owned()).filter(|kind| !kind.is_empty());
        let infos = link.linkinfo.take().unwrap_or_default();
        let is_port = infos.info_slave_kind.is_some();
        link.linkinfo = (kind.is_some() || is_port).then(|| Info { info_kind: kind, info_data: Map::new(), ..infos });
        (link.link, link.link_index, link.link_netnsid) = (None, None, None);
    }

    /// Goes on after a step that this kernel cannot do, if the lab is only planned: a wire stands for a link, and of other things
    /// nothing is done.
    pub(super) fn simulate(&mut self, failure: Failure) -> std::result::Result<After, Failure> {
        let Some((_, step)) = self.steps.last() else { return Err(failure) };
        let Some(plan) = &self.plan else { return Err(failure) };
        // There is one of it, which a sandbox does not have.
        let is_machines = plan.as_root && matches!(step.action, Action::SysctlSet(_)) && is_forbidden(&failure.error);
        if !is_machines && !is_lack(&failure.error) {
            return Err(failure);
        }
        let asked = step.action.clone();
        if failure.partial {
            asked.change().undo(&After::Nothing, &mut self.context()).map_err(Failure::partial)?;
        }
        if let Action::LinkAdd(add) = &asked {
            let far = self.attic().map_err(Failure::clean)?;
            let made = add.stand_ins(far).into_iter().find(|stand_in| {
                let made = stand_in.apply(&mut self.context());
                let is_partial = made.as_ref().is_err_and(|failure| failure.partial);
                if is_partial {
                    // What is left of it would be in the way of the next.
                    let _ = stand_in.undo(&After::Nothing, &mut self.context());
                }
                made.is_ok()
            });
            let Some(made) = made else { return Err(failure) };
            if let Some((_, step)) = self.steps.last_mut() {
                step.action = Action::LinkAdd(made);
            }
        }
        if let Some(plan) = &mut self.plan {
            plan.simulated = Some((asked, failure.error.message));
        }
        Ok(After::Nothing)
    }

    /// A place for the far end of a wire.
    fn attic(&mut self) -> Result<LinkKey> {
        let known = self.plan.as_ref().and_then(|plan| plan.attic);
        let (netns, last) = match known {
            Some(attic) => attic,
            None => {
                let made = self.kernel.make();
                // Far beyond what the kernel numbers by itself there.
                (made.map_err(|_| Diagnostic::new(Code::Environment, "cannot make a namespace for the plan"))?, 1000)
            }
        };
        if let Some(plan) = &mut self.plan {
            plan.attic = Some((netns, last + 1));
        }
        Ok(LinkKey { netns, index: last + 1 })
    }
}

/// Whether a setting may only be read here.
fn is_forbidden(error: &Diagnostic) -> bool {
    error.kernel.as_ref().is_some_and(|kernel| matches!(kernel.errno, libc::EACCES | libc::EPERM | libc::EROFS))
}

/// Whether it is the kernel that lacks something, and not the script that is wrong.
fn is_lack(error: &Diagnostic) -> bool {
    let errno = error.kernel.as_ref().map_or(0, |kernel| kernel.errno);
    error.code == Code::NoFeature || matches!(errno, libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT)
}
