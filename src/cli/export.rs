//! `netlab export`: writes a network that is there as a script, or as bash.

use std::path::PathBuf;

use super::netns::HOST;
use super::{graph, labs, out, place};
use crate::action::{Action, route};
use crate::diag::{Code, Diagnostic, KernelError, Result, nearest};
use crate::export::{self, Missing, Wanted};
use crate::journal::store::Store;
use crate::kernel::link::LinkKey;
use crate::kernel::netns;
use crate::kernel::process::raise_file_limit;
use crate::kernel::relay::Keys;
use crate::kernel::route::TABLE_MAIN;
use crate::lab::open::{self, privileged, read_objects};
use crate::types::name::{LabName, NsName};
use crate::why::world::World;

/// The arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What was changed by hand since is written as it is now. What has no verb stands in a comment,\n\
                  and is told on standard error.\n\n\
                  Examples:\n  netlab export create-ns-bridge -o mine.rhai\n  netlab export create-ns-bridge --bash"
)]
pub struct Args {
    /// The lab; all namespaces that have a name, and what hangs on them, without one.
    pub lab: Option<String>,
    /// Write a bash script, with `set -euo pipefail` and a trap that cleans up.
    #[arg(long)]
    pub bash: bool,
    /// The file that it is written to; otherwise it is printed.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Writes it.
///
/// # Errors
/// `NL0502` for a lab that is not there, `NL0109` without the privilege to look, `NL0119` if the file cannot be written.
pub fn run(args: Args) -> Result<u8> {
    let (place, name) = match &args.lab {
        None => (place::only("netlab export")?, None),
        Some(lab) => {
            let (place, name) = place::of(lab).or_else(|error| graph::lab_here(lab, error))?;
            (place, Some(name))
        }
    };
    let title = args.lab.clone().or_else(|| place.lab().map(ToString::to_string));
    let is_sandbox = place.lab().is_some();
    place.go(Keys::Outside, false, false, || write(&args, name.as_deref(), title, is_sandbox))
}

fn write(args: &Args, name: Option<&str>, title: Option<String>, is_sandbox: bool) -> Result<u8> {
    privileged()?;
    raise_file_limit();
    let mut wanted = match name {
        Some(name) if name != HOST => of_lab(name)?,
        _ => {
            let mut netns: Vec<String> = netns::names().iter().map(NsName::to_string).collect();
            netns.sort_by_key(|name| natural(name));
            Wanted { netns, every: true, ..Wanted::default() }
        }
    };
    wanted.whole = is_sandbox;
    wanted.groups = labs::all(&Store::open()?).iter().filter_map(|lab| Some(lab.header.as_ref()?.group)).collect();
    wanted.title = title.unwrap_or_else(|| "host".into());
    let mut kernel = open::kernel()?;
    let mut world = World::read(&mut kernel, &[])?;
    let program = export::read(&mut world, &wanted);
    let text = if args.bash { export::bash::text(&program) } else { export::rhai::text(&program) };
    match &args.output {
        None => out::line(text.trim_end()),
        Some(path) => std::fs::write(path, &text).map_err(|e| {
            Diagnostic::new(Code::BadFile, format!("cannot write {}", path.display()))
                .kernel(KernelError::from_io(format!("write {}", path.display()), &e))
        })?,
    }
    for missing in &program.missing {
        out::note(format!("not exported: {}", missing.text()));
    }
    Ok(0)
}

/// What a lab's journal says that is the lab's; how it is now the kernel says.
fn of_lab(name: &str) -> Result<Wanted> {
    let store = Store::open()?;
    let lab = LabName::new(name)?;
    if !store.journal(&lab).exists() {
        let labs: Vec<String> = store.labs().iter().map(ToString::to_string).collect();
        let error = Diagnostic::new(Code::NoSuchLab, format!("there is no lab `{name}`"));
        return Err(match nearest(name, labs.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help("`netlab list` has the labs that are up"),
        });
    }
    let (_, state) = store.status(&lab)?;
    let Some(header) = &state.header else { return Ok(Wanted::default()) };
    let objects = read_objects(header, &state);
    let mut wanted = Wanted {
        netns: objects.named_netns().filter_map(|n| n.name.as_ref().map(NsName::to_string)).collect(),
        links: objects.made_links().map(|l| l.key()).filter(|key: &LinkKey| key.netns == header.host).collect(),
        ..Wanted::default()
    };
    for step in state.steps.values().filter(|step| step.phase.is_open()) {
        let what = match &step.action {
            Action::SysctlSet(set) if set.netns == header.host => {
                wanted.settings.push(set.path.clone());
                continue;
            }
            Action::RouteAdd(route::RouteAdd { netns, route, .. })
            | Action::RouteReplace(route::RouteReplace { netns, route, .. })
                if *netns == header.host =>
            {
                wanted.routes.push((route.dst, route.table.unwrap_or(TABLE_MAIN)));
                continue;
            }
            Action::RuleAdd(add) if add.netns == header.host => {
                wanted.rules.push(add.rule.clone());
                continue;
            }
            Action::FilePut(put) => {
                wanted.files.push(put.path.clone());
                continue;
            }
            Action::ProcessStart(_) => "a program",
            Action::KeeperStart(_) => "the lab's own server",
            Action::DhcpLease(lease) => {
                wanted.leased.push(lease.link);
                "that an address is leased, and not for ever"
            }
            Action::DockerNetwork(_) => "a network of Docker's",
            Action::DockerRun(_) | Action::DockerStart(_) => "a container",
            Action::NspawnRun(_) => "a machine of systemd-nspawn",
            _ => continue,
        };
        if let Some(command) = step.action.change().ip(objects.names()).into_iter().next() {
            wanted.missing.push(Missing { what: what.into(), command: Some(command) });
        }
    }
    Ok(wanted)
}

/// A name so that `h2` comes before `h10`.
fn natural(name: &str) -> (String, u64, String) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.to_owned(), name[stem.len()..].parse().unwrap_or(0), name.to_owned())
}
