//! How a lab begins and comes to rest: its folder, lock and journal.

use std::collections::{BTreeSet, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Lab;
use super::moment::Moment;
use super::objects::Objects;
use super::permissions::Permissions;
use super::proof::{Care, Picture};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::log::{self, Log};
use crate::journal::record::{Header, Outcome, Record, VERSION};
use crate::journal::state::State;
use crate::journal::store::{LabLock, Status, Store};
use crate::kernel::effect;
use crate::kernel::process;
use crate::kernel::signal::Stop;
use crate::kernel::space::{Kernel, NetnsCookie};
use crate::types::name::LabName;

/// The file beside the journal with what all namespaces held, if they are to be compared.
pub(super) const MOMENT: &str = "moment.json";

/// What a new lab is told.
#[derive(Debug, Clone)]
pub struct NewLab {
    /// Its name.
    pub name: LabName,
    /// The script's path.
    pub file: String,
    /// The script's text.
    pub script: String,
    /// What followed `--`.
    pub args: Vec<String>,
    /// Whether the settings of the host are compared as well.
    pub verify: bool,
    /// If it is the start of an exercise, the seed of that.
    pub exercise: Option<u64>,
}

impl Lab {
    /// Begins a lab.
    ///
    /// # Errors
    /// `NL0501` if there is one of that name, `NL0503` if another netlab works on it, `NL0409` without privilege.
    pub fn create(new: NewLab, store: Store, stop: Stop) -> Result<Self> {
        privileged()?;
        let lock = store.lock(&new.name)?;
        refuse_existing(&store, &new.name)?;
        process::raise_file_limit();
        let mut kernel = kernel()?;
        let seed = seed();
        let header = Header {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            lab: new.name.clone(),
            boot_id: boot_id()?,
            host: kernel.host(),
            pid: i32::try_from(std::process::id()).unwrap_or(0),
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            file: new.file,
            script: new.script,
            args: new.args,
            seed,
            // Any number but 0, which is the group of all links that are in none.
            group: (seed >> 33) as u32 | 1,
            exercise: new.exercise,
        };
        let care = if new.verify { Care::Whole } else { Care::Quick };
        let before = Picture::take(&mut kernel, header.host, care)?;
        let whole = if new.verify { Some(Moment::take(&mut kernel)?) } else { None };
        let log = write_down(&store, &header, &before, whole.as_ref()).inspect_err(|_| {
            // Half of a folder would be taken for a run that was killed. Where it cannot be removed, it is.
            let _ = store.remove(&header.lab);
        })?;
        Ok(Self::idle(header, kernel, store, log, stop, lock))
    }

    /// A lab that has done nothing yet.
    fn idle(header: Header, kernel: Kernel, store: Store, log: Log, stop: Stop, lock: LabLock) -> Self {
        Self {
            objects: Objects::new(header.host),
            header,
            stop,
            deadline: None,
            force: false,
            allowed: HashSet::new(),
            permissions: Permissions::default(),
            plan: None,
            voice: None,
            leases: Vec::new(),
            kernel,
            holders: store.holders(),
            store,
            log,
            steps: Vec::new(),
            savepoints: Vec::new(),
            aimed: None,
            passed: BTreeSet::new(),
            finished: Vec::new(),
            listener: None,
            _lock: lock,
        }
    }

    /// Takes up a lab that exists, to undo it or to look at it.
    ///
    /// # Errors
    /// `NL0502` if there is none, `NL0503` if another netlab works on it, `NL0402` if it was made in another namespace.
    pub fn resume(name: &LabName, store: Store, stop: Stop) -> Result<Self> {
        privileged()?;
        let lock = store.lock(name)?;
        let path = store.journal(name);
        if !path.exists() {
            return Err(no_such_lab(&store, name));
        }
        process::raise_file_limit();
        let log = Log::resume(&path)?;
        let state = log::read(&path)?;
        let mut kernel = kernel()?;
        // Killed before its first line: there is nothing to undo, only a folder to remove.
        let header = state.header.clone().unwrap_or_else(|| nothing(name, kernel.host()));
        let is_this_boot = header.boot_id == boot_id()?;
        if is_this_boot && kernel.host() != header.host && !kernel.find(header.host) {
            return Err(Diagnostic::new(
                Code::Environment,
                format!(
                    "the lab `{name}` was made in another network namespace ({}), which no process is in any more",
                    header.host
                ),
            ));
        }
        let objects = read_objects(&header, &state);
        let mut lab = Self::idle(header, kernel, store, log, stop, lock);
        lab.objects = objects;
        lab.aimed = state.aimed;
        lab.steps = state.steps.into_iter().filter(|(_, s)| s.phase.is_open()).collect();
        if state.outcome.is_none() {
            lab.end_orphans();
        }
        lab.void_after_reboot()?;
        Ok(lab)
    }

    /// Kernel state dies with the machine, so after a reboot only changes of files are left to be undone.
    fn void_after_reboot(&mut self) -> Result<()> {
        if self.header.boot_id == boot_id()? {
            return Ok(());
        }
        let is_void = |step: &crate::journal::state::Step| !step.action.outlives_boot();
        let seqs: Vec<u64> = self.steps.iter().filter(|(_, s)| is_void(s)).map(|(seq, _)| *seq).collect();
        if !seqs.is_empty() {
            self.log.write(&Record::UndoStarted { seqs: seqs.clone() })?;
            self.log.write(&Record::UndoDone { seqs })?;
        }
        self.steps.retain(|(_, s)| !is_void(s));
        self.holders.forget(|key| key.starts_with("netns:"))
    }

    /// Writes down how the lab came to rest.
    ///
    /// # Errors
    /// `NL0119`.
    pub fn close(&mut self, outcome: Outcome) -> Result<()> {
        self.log.write(&Record::Closed { outcome })
    }

    /// Removes the folder of a lab of which nothing is left.
    ///
    /// # Errors
    /// `NL0119`.
    pub fn forget(self) -> Result<()> {
        self.store.remove(&self.header.lab)
    }
}

/// The folder of a new lab with what its undo needs.
fn write_down(store: &Store, header: &Header, before: &Picture, whole: Option<&Moment>) -> Result<Log> {
    let dir = store.dir(&header.lab);
    effect::here();
    std::fs::create_dir_all(&dir).map_err(|e| {
        Diagnostic::new(Code::BadFile, format!("cannot make the folder of the lab `{}`", header.lab))
            .kernel(KernelError::from_io(format!("mkdir {}", dir.display()), &e))
    })?;
    let mut log = Log::create(&store.journal(&header.lab))?;
    log.write(&Record::Open(Box::new(header.clone())))?;
    before.save(&dir)?;
    whole.map_or(Ok(()), |whole| whole.save(&dir.join(MOMENT)))?;
    Ok(log)
}

/// Rebuilds the object table from a journal.
pub fn read_objects(header: &Header, state: &State) -> Objects {
    use crate::journal::state::Phase;
    let mut objects = Objects::new(header.host);
    for (netns, guest) in &state.guests {
        objects.name_guest(*netns, guest.clone());
    }
    for (seq, step) in &state.steps {
        objects.started(*seq, &step.action, &step.site);
        match step.phase {
            Phase::Failed | Phase::Undone => objects.failed(&step.action),
            Phase::Done | Phase::Undoing | Phase::Stuck => objects.done(&step.action, &step.site),
            Phase::Started => {}
        }
    }
    objects
}

/// The header of a lab whose journal has none.
fn nothing(name: &LabName, host: NetnsCookie) -> Header {
    Header {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
        lab: name.clone(),
        boot_id: String::new(),
        host,
        pid: 0,
        time: 0,
        file: String::new(),
        script: String::new(),
        args: Vec::new(),
        seed: 0,
        group: 1,
        exercise: None,
    }
}

/// Refuses to work without the capabilities that almost every step needs, before the first one.
///
/// # Errors
/// `NL0109`.
pub fn privileged() -> Result<()> {
    let missing = missing_capabilities();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Diagnostic::new(Code::NotPermitted, format!("netlab needs {}", missing.join(", ")))
        .help(format!("run it as root: {}", as_root())))
}

/// What this process was started with, as root would have to type it.
pub fn as_root() -> String {
    let words: Vec<String> = std::env::args().collect();
    let command = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "));
    format!("sudo {command}")
}

/// Whether nothing of that is missing.
pub fn is_privileged() -> bool {
    missing_capabilities().is_empty()
}

fn missing_capabilities() -> Vec<&'static str> {
    let have = process::capabilities();
    [
        (process::CAP_NET_ADMIN, "CAP_NET_ADMIN"),
        (process::CAP_SYS_ADMIN, "CAP_SYS_ADMIN"),
        (process::CAP_NET_RAW, "CAP_NET_RAW"),
    ]
    .into_iter()
    .filter(|(bit, _)| have & (1 << bit) == 0)
    .map(|(_, name)| name)
    .collect()
}

fn refuse_existing(store: &Store, name: &LabName) -> Result<()> {
    if !store.journal(name).exists() {
        return Ok(());
    }
    // This process holds the lock, so the status cannot be `busy`.
    let state = log::read(&store.journal(name))?;
    let status = match state.outcome {
        Some(Outcome::Up) => Status::Up,
        Some(Outcome::Kept) => Status::Kept,
        Some(Outcome::Stuck) => Status::Stuck,
        Some(Outcome::Down) | None => Status::Died,
    };
    let (what, help) = match status {
        Status::Up => (
            "is up",
            format!(
                "look at it with `netlab show`, take it down with `netlab down {name}`, start it afresh with --replace, or use another --name"
            ),
        ),
        Status::Kept => ("failed and was kept", format!("take it down with `netlab down {name}`, or use --replace")),
        Status::Stuck => {
            ("is stuck in its undo", format!("`netlab down {name}` tries again and says what is in the way"))
        }
        _ => ("was left behind by a run that was killed", "`netlab recover` takes back what it left".to_owned()),
    };
    Err(Diagnostic::new(Code::LabExists, format!("the lab `{name}` {what}")).help(help))
}

/// The error for a lab that is not there, with the names of those that are.
pub fn no_such_lab(store: &Store, name: &LabName) -> Box<Diagnostic> {
    let labs: Vec<String> = store.labs().iter().map(|l| format!("`{l}`")).collect();
    let help = if labs.is_empty() { "no lab is up".into() } else { format!("there is {}", labs.join(", ")) };
    Diagnostic::new(Code::NoSuchLab, format!("there is no lab `{name}`")).help(help)
}

/// The kernel, to be asked and told.
///
/// # Errors
/// `NL0402` where it gives no socket.
pub fn kernel() -> Result<Kernel> {
    Kernel::open().map_err(|e| {
        Diagnostic::new(Code::Environment, "cannot open a netlink socket (netlab needs Linux 5.14 or later)")
            .kernel(KernelError::from_io("socket AF_NETLINK", &e))
    })
}

/// Has signals asked for the end of what runs, and not end the process.
///
/// # Errors
/// `NL0402`.
pub fn stop() -> Result<Stop> {
    Stop::on_signals().map_err(|e| {
        Diagnostic::new(Code::Environment, "cannot catch signals").kernel(KernelError::from_io("sigaction", &e))
    })
}

fn boot_id() -> Result<String> {
    process::boot_id().map_err(|e| {
        Diagnostic::new(Code::Environment, "cannot read the machine's boot id: is /proc mounted?")
            .kernel(KernelError::from_io("read /proc/sys/kernel/random/boot_id", &e))
    })
}

/// A number that differs from run to run, by the standard library's own random keys.
pub fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
