//! Programs in namespaces: run to their end, or for as long as the lab.

use std::io::Read;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Duration;

use super::Lab;
use super::objects::NsId;
use super::rollback::Undoing;
use crate::action::Action;
use crate::action::process_start::{ProcessStart, cannot, command};
use crate::diag::{Result, Site};
use crate::journal::record::Header;
use crate::journal::state::Step;
use crate::kernel::netns;
use crate::kernel::process::{self, ProcessKey};
use crate::kernel::walls;

/// What a program came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Lab {
    /// Runs a program in a namespace and waits for its end.
    ///
    /// # Errors
    /// `NL0120` if it cannot be started; its own failure is a result. `NL0506` when the run is interrupted meanwhile.
    pub fn exec(&mut self, id: NsId, argv: &[String]) -> Result<Finished> {
        self.permit_program()?;
        let object = self.objects.netns(id)?;
        let (cookie, name) = (object.cookie, object.name.clone());
        self.kernel.find(cookie);
        let fd = self.kernel.fd(cookie).ok_or_else(|| crate::action::gone(cookie))?;
        let mark = exec_mark(&self.header);
        let spawned = netns::within_as_named(fd.as_fd(), name.as_ref(), || {
            walls::raise()?;
            use std::os::unix::process::CommandExt;
            // A group of its own, so that its children can be ended with it; and a mark, so that they are found when netlab
            // is killed meanwhile.
            let mut command = command(argv);
            command.env(process::MARK, &mark);
            command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
        });
        let mut child = spawned.and_then(|r| r).map_err(|e| cannot(argv, &e))?;
        // Read on threads of their own: a full pipe would stop the program.
        let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let mut pause = Duration::from_micros(200);
        let mut ended = None;
        let status = loop {
            match ended.map_or_else(|| child.try_wait(), |status| Ok(Some(status))) {
                // A child of its own that it left behind may still hold the pipes; as in a shell, that is waited for.
                Ok(Some(status)) if out.is_finished() && err.is_finished() => break status,
                Ok(status) => ended = status,
                Err(e) => return Err(cannot(argv, &e)),
            }
            if let Err(error) = self.may_go_on() {
                let _ = i32::try_from(child.id()).map(process::kill_group);
                let _ = child.wait();
                return Err(error);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        };
        use std::os::unix::process::ExitStatusExt;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ok(Finished { code, stdout: out.join().unwrap_or_default(), stderr: err.join().unwrap_or_default() })
    }

    /// What a program that has ended printed, for an error.
    pub fn printed(&self, process: ProcessKey) -> String {
        let log = self.steps.iter().find_map(|(_, step)| match (&step.action, &step.after) {
            (Action::ProcessStart(start), crate::action::After::Process(key)) if *key == process => Some(&start.log),
            _ => None,
        });
        log.map_or_else(String::new, |log| crate::action::process_start::printed(log))
    }

    /// Starts a program that lives as long as the lab. `stop` is how to end it kindly.
    ///
    /// # Errors
    /// `NL0120` if it cannot be started.
    pub fn start(&mut self, site: &Site, id: NsId, argv: Vec<String>, stop: Vec<String>) -> Result<ProcessKey> {
        let object = self.objects.netns(id)?;
        let seq = self.next_seq();
        let start = ProcessStart {
            netns: object.cookie,
            name: object.name.clone(),
            argv,
            log: self.store.dir(&self.header.lab).join(format!("program-{seq}.log")),
            mark: format!("{}:{}:{seq}", self.header.lab, self.header.seed),
            stop,
        };
        self.perform(site, Action::ProcessStart(start))?;
        match self.steps.last().map(|(_, step)| &step.after) {
            Some(crate::action::After::Process(process)) => Ok(*process),
            _ => Ok(ProcessKey { pid: 0, start: 0 }),
        }
    }

    /// Ends a program that the lab started.
    ///
    /// # Errors
    /// `NL0121` if it does not end.
    pub fn stop_program(&mut self, process: ProcessKey) -> Result<()> {
        let started = |step: &Step| step.after == crate::action::After::Process(process) && step.phase.is_open();
        let Some(seq) = self.steps.iter().find(|(_, s)| started(s)).map(|(seq, _)| *seq) else { return Ok(()) };
        self.take_back_one(seq)
    }

    /// Takes back one step before its time.
    ///
    /// # Errors
    /// Why it could not be taken back.
    pub(super) fn take_back_one(&mut self, seq: u64) -> Result<()> {
        let mut undoing = Undoing::default();
        self.undo_one(seq, &mut undoing)?;
        match undoing.leftovers.pop() {
            Some(leftover) => Err(leftover.why),
            None => Ok(()),
        }
    }
}

/// What programs that are run to their end carry in their environment.
fn exec_mark(header: &Header) -> String {
    format!("{}:{}:exec", header.lab, header.seed)
}

impl Lab {
    /// Ends the programs that were being run when the lab's netlab was killed.
    pub(crate) fn end_orphans(&self) {
        for process in process::marked(&exec_mark(&self.header)) {
            // One that ends by itself meanwhile is as good.
            let _ = process::kill(process);
        }
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is worth more than the error.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
