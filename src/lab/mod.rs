//! A lab at work: the one door through which every change goes, and what it has made so far.

pub mod blame;
mod compare;
pub mod dhcp;
pub mod dhcp_server;
pub mod docker;
pub mod file;
mod give_back;
mod give_way;
mod layers;
pub mod link;
pub mod losses;
pub mod moment;
pub mod netns;
pub mod nspawn;
pub mod objects;
pub mod open;
pub mod permissions;
pub mod plan;
pub mod port;
pub mod program;
pub mod proof;
pub mod recover;
pub mod refuse;
pub mod rollback;
pub mod route;
pub mod stand_in;
pub mod told;
mod turn;
mod watch;
pub mod wire;

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use crate::action::holders::Holders;
use crate::action::text::Names;
use crate::action::{Action, After, Context, Failure, Subject};
use crate::container::engine::Wait;
use crate::diag::{Code, Diagnostic, KernelError, Result, Site};
use crate::journal::log::Log;
use crate::journal::record::{Aimed, Header, Record};
use crate::journal::state::{Phase, Step};
use crate::journal::store::{LabLock, Store};
use crate::kernel::effect;
use crate::kernel::signal::Stop;
use crate::kernel::space::Kernel;
use crate::types::name::LabName;

use self::losses::{Loss, losses};
use self::objects::Objects;
use self::permissions::Permissions;
use self::plan::Plan;

/// Told of each step after it is done, with what the kernel dropped along with it; for the lines that `run` prints.
pub type Listener = Box<dyn FnMut(&Site, &Action, &[Loss], &Names)>;

/// A lab at work.
pub struct Lab {
    /// What the journal's first line says.
    pub header: Header,
    /// The namespaces and links that the lab made or found.
    pub objects: Objects,
    /// What asks the run to end.
    pub stop: Stop,
    /// When the run has to end.
    pub deadline: Option<Instant>,
    /// Whether it is done what cannot be taken back exactly.
    pub force: bool,
    /// What the script may do.
    pub permissions: Permissions,
    /// What the script is not to be warned about.
    pub allowed: HashSet<Code>,
    /// What is done otherwise if it is only planned.
    pub plan: Option<Plan>,
    /// Who is told what an action wants to say while it works.
    pub voice: Option<fn(&str)>,
    /// The leases that it has.
    leases: Vec<dhcp::Held>,
    kernel: Kernel,
    holders: Holders,
    store: Store,
    log: Log,
    steps: Vec<(u64, Step)>,
    savepoints: Vec<u64>,
    aimed: Option<Aimed>,
    /// The labs that are not waited for: they wait for this one, or it was tried.
    passed: BTreeSet<LabName>,
    /// What was finished for others, a sentence each.
    finished: Vec<String>,
    listener: Option<Listener>,
    _lock: LabLock,
}

/// A point in a run to which it can go back: the number that the next step gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(u64);

impl Savepoint {
    /// Whether a step was made after it.
    pub fn is_before(self, step: u64) -> bool {
        self.0 <= step
    }
}

impl Lab {
    /// Makes one change: the only place where one is made. It is written down before and after.
    ///
    /// # Errors
    /// Why it could not be made; nothing of it is left then.
    pub fn perform(&mut self, site: &Site, action: Action) -> Result<()> {
        self.may_go_on()?;
        self.permit(&action).map_err(|error| error.at(site.clone()))?;
        let change = action.change();
        if self.may_collide(change.subject()) {
            let checked = action.change().check(&mut self.context());
            checked.map_err(|error| self.blame(error, &action).at(site.clone()))?;
        }
        let watch = self.watch(&action).map_err(|e| e.at(site.clone()))?;
        let seq = self.next_seq();
        let seen = watch.seen.clone();
        self.log.write(&Record::Started { seq, site: site.clone(), action: Box::new(action.clone()), seen })?;
        if action.outlives_boot() {
            self.log.sync()?;
        }
        self.objects.started(seq, &action, site);
        let step =
            Step { site: site.clone(), action, seen: watch.seen.clone(), after: After::Nothing, phase: Phase::Started };
        self.steps.push((seq, step));
        let result = if effect::fails_now() { Err(injected()) } else { self.apply_last() };
        let result = result.or_else(|failure| self.simulate(failure));
        match result.and_then(|after| self.left(after, &watch.seen).map_err(Failure::partial)) {
            Ok(after) => {
                self.log.write(&Record::Done { seq, after: after.clone() })?;
                if let Some((_, step)) = self.steps.last_mut() {
                    step.after = after;
                    step.phase = Phase::Done;
                    self.objects.done(&step.action, site);
                    if let Some(listener) = &mut self.listener {
                        listener(site, &step.action, &losses(&step.after), self.objects.names());
                    }
                    if let Some(plan) = &mut self.plan {
                        plan.done(site, &step.action, self.objects.names());
                    }
                }
                Ok(())
            }
            Err(failure) => Err(self.failed(seq, failure).at(site.clone())),
        }
    }

    fn apply_last(&mut self) -> std::result::Result<After, Failure> {
        let Some((_, step)) = self.steps.last() else { return Ok(After::Nothing) };
        let action = step.action.clone();
        action.change().apply(&mut self.context())
    }

    /// After a failure: what may have happened of it is undone at once, as after a kill.
    fn failed(&mut self, seq: u64, failure: Failure) -> Box<Diagnostic> {
        let Some((_, step)) = self.steps.last() else { return failure.error };
        let action = step.action.clone();
        let seen = step.seen.clone();
        let clean = !failure.partial
            || (action.change().undo(&After::Nothing, &mut self.context()).is_ok() && self.give_back_at_once(&seen));
        let error = self.blame(failure.error, &action);
        if clean {
            // If this line cannot be written, the step counts as begun, and the rollback looks again.
            let _ = self.log.write(&Record::Failed { seq, error: error.clone() });
            self.steps.pop();
            self.objects.failed(&action);
        }
        error
    }

    /// Ends the run if a signal or the time limit says so.
    ///
    /// # Errors
    /// `NL0506` and `NL0507`.
    pub fn may_go_on(&self) -> Result<()> {
        if let Some(signal) = self.stop.signal() {
            return Err(interrupted(signal));
        }
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            return Err(Diagnostic::new(Code::Timeout, "the time limit was reached")
                .help("give the run more time with --timeout SECONDS"));
        }
        Ok(())
    }

    /// Whether something that is there already could be taken for what an action makes: not in what the lab itself made.
    fn may_collide(&self, subject: Subject) -> bool {
        match subject {
            Subject::Link(link) => !self.objects.is_own_netns(link.netns) && !self.objects.is_own_link(link),
            Subject::Netns(netns, _) => !self.objects.is_own_netns(netns),
            Subject::MakesNetns(_) | Subject::MakesLink(_) | Subject::Machine => false,
        }
    }

    /// Begins a stretch that can be taken back by itself.
    pub fn savepoint(&mut self) -> Savepoint {
        let point = Savepoint(self.next_seq());
        self.savepoints.push(point.0);
        point
    }

    /// Ends a stretch that went well: from here on it goes only with the rest.
    pub fn release(&mut self, point: Savepoint) {
        // One in another may begin at the same step; only the inner one ends.
        if let Some(at) = self.savepoints.iter().rposition(|p| *p == point.0) {
            self.savepoints.truncate(at);
        }
    }

    /// Whether a change of something that was made at `made` must be restorable by itself: it was there before the lab, or it
    /// is changed inside of a stretch that began later. Otherwise it goes with its maker.
    pub(crate) fn must_keep(&self, made: Option<u64>) -> bool {
        made.is_none_or(|made| self.savepoints.iter().any(|p| made < *p))
    }

    /// How many steps have been done.
    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// The steps that stand, in order, with their numbers.
    pub fn steps(&self) -> impl Iterator<Item = &(u64, Step)> {
        self.steps.iter()
    }

    /// The lab's name.
    pub fn name(&self) -> &LabName {
        &self.header.lab
    }

    /// The kernel, for looking. Changes go through [`Lab::perform`].
    pub fn kernel(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    /// Where this and other labs are kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Has `listener` told of each step from here on.
    pub fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.steps.last().map_or(1, |(seq, _)| seq + 1).max(self.objects.last_seq() + 1)
    }

    pub(crate) fn context(&mut self) -> Context<'_> {
        let wait = Wait { stop: Some(self.stop.clone()), deadline: self.deadline };
        Context { kernel: &mut self.kernel, lab: &self.header.lab, holders: &self.holders, voice: self.voice, wait }
    }
}

/// The error that ends a run by a signal.
pub fn interrupted(signal: i32) -> Box<Diagnostic> {
    let name =
        nix::sys::signal::Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |s| s.to_string());
    Diagnostic::new(Code::Interrupted, format!("interrupted by {name}"))
}

fn injected() -> Failure {
    let kernel = KernelError::new("NETLAB_FAULT", libc::EIO);
    Failure::clean(Diagnostic::new(Code::Refused, "this step was made to fail by NETLAB_FAULT").kernel(kernel))
}
