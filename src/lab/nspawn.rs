//! Machines of systemd-nspawn, as a lab finds and starts them.

use std::path::{Path, PathBuf};

use super::Lab;
use super::objects::{HOST, NsId};
use crate::action::Action;
use crate::action::nspawn_run::NspawnRun;
use crate::action::process_start::ProcessStart;
use crate::action::text::Guest;
use crate::container::machine::{self, Machine};
use crate::diag::{Code, Diagnostic, Result, Site, nearest};

/// The program that starts machines.
pub const PROGRAM: &str = "systemd-nspawn";
/// systemd's own limit for the names of machines, which are host names.
const MOST: usize = 64;

/// What a script wants of a machine.
#[derive(Debug, Clone, Default)]
pub struct MachineWish {
    /// The folder that is its root.
    pub directory: PathBuf,
    /// What runs in it.
    pub command: Vec<String>,
    /// Whether its own init is started instead.
    pub boot: bool,
}

impl Lab {
    /// Finds the namespace of a machine that runs.
    ///
    /// # Errors
    /// `NL0124`, with the names that there are.
    pub fn nspawn(&mut self, name: &str) -> Result<NsId> {
        let machine = machine_of(name)?;
        let by_name = || format!("$(machinectl show {name} --value -p Leader)");
        let guest = Guest {
            name: name.into(),
            title: format!("nspawn:{name}"),
            pid: if machine.registered { by_name() } else { machine.leader.pid.to_string() },
            handle: format!("nspawn({name:?})"),
        };
        self.enter_guest(machine.leader, guest)
    }

    /// Starts a machine, which ends at `down`; gives its namespace.
    ///
    /// # Errors
    /// `NL0101` if there is one of that name, `NL0125` without the folder, `NL0120` if it does not begin.
    pub fn nspawn_run(&mut self, site: &Site, name: &str, wish: MachineWish) -> Result<NsId> {
        check_name(name)?;
        if machine::find(name).is_some() {
            return Err(Diagnostic::new(Code::NameTaken, format!("there is a machine called `{name}` already"))
                .help(format!("nspawn({name:?}) gives its namespace; choose another name to run one more")));
        }
        if !wish.directory.is_dir() {
            return Err(Diagnostic::new(
                Code::NoSuchImage,
                format!("there is no folder {} to run a machine from", wish.directory.display()),
            )
            .help("it holds a whole system: `debootstrap --variant=minbase bookworm DIR` makes one"));
        }
        require()?;
        let seq = self.next_seq();
        let start = ProcessStart {
            netns: self.objects.netns(HOST)?.cookie,
            name: None,
            argv: argv(name, &wish),
            log: self.store.dir(&self.header.lab).join(format!("program-{seq}.log")),
            mark: format!("{}:{}:{seq}", self.header.lab, self.header.seed),
            stop: Vec::new(),
        };
        let MachineWish { directory, command, boot } = wish;
        let run = NspawnRun { name: name.into(), directory, command, boot, start };
        self.perform(site, Action::NspawnRun(run))?;
        self.nspawn(name)
    }
}

/// Whether the program is there.
///
/// # Errors
/// `NL0402`.
pub fn require() -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|dir| dir.join(PROGRAM).is_file()) {
        return Ok(());
    }
    Err(Diagnostic::new(Code::Environment, format!("there is no program `{PROGRAM}`"))
        .help("install it (Debian: `sudo apt install systemd-container`)"))
}

/// The machine of a name.
///
/// # Errors
/// `NL0124`, with the names that there are.
pub fn machine_of(name: &str) -> Result<Machine> {
    if let Some(machine) = machine::find(name) {
        return Ok(machine);
    }
    let names: Vec<String> = machine::all().into_iter().map(|m| m.name).collect();
    let error = Diagnostic::new(Code::NoSuchContainer, format!("no machine called `{name}` runs"));
    Err(match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean \"{near}\"?")),
        None if names.is_empty() => {
            error.help(format!("there is none at all; nspawn_run({name:?}, #{{ directory: … }}) starts one"))
        }
        None => error.help(format!("there is {}", names.join(", "))),
    })
}

fn argv(name: &str, wish: &MachineWish) -> Vec<String> {
    let mut argv: Vec<String> =
        [PROGRAM, "--quiet", "--private-network", "--machine", name, "--directory"].map(str::to_owned).to_vec();
    argv.push(wish.directory.display().to_string());
    // Where systemd does not run there is nobody to register at.
    if !Path::new("/run/systemd/system").is_dir() {
        argv.extend(["--register=no".into(), "--keep-unit".into()]);
    }
    if wish.boot {
        argv.push("--boot".into());
    } else {
        argv.push("--as-pid2".into());
        argv.extend(wish.command.iter().cloned());
    }
    argv
}

fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !name.is_empty() && name.len() <= MOST && name.chars().all(fits) && !name.starts_with(['-', '.']) {
        return Ok(());
    }
    Err(Diagnostic::new(Code::BadName, format!("`{name}` cannot be the name of a machine"))
        .help(format!("it is a host name: up to {MOST} letters, digits, dashes and dots")))
}
