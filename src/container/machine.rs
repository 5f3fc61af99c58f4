//! Machines of systemd-nspawn: found by name through machined's files, or without it through the processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::kernel::process::{self, ProcessKey};

/// Where machined writes down what runs.
const MACHINES: &str = "/run/systemd/machines";
/// The program, as the kernel cuts its name.
const COMM: &str = "systemd-nspawn";

/// A machine that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its first process, in whose namespaces the others are.
    pub leader: ProcessKey,
    /// Whether `machinectl` knows it.
    pub registered: bool,
}

/// All that run, by name.
pub fn all() -> Vec<Machine> {
    let mut found: BTreeMap<String, Machine> = BTreeMap::new();
    for pid in process::pids().filter(|pid| process::name(*pid).as_deref() == Some(COMM)) {
        if let (Some(name), Some(leader)) = (name_of(&process::command_line(pid)), leader_of(pid)) {
            found.insert(name.clone(), Machine { name, leader, registered: false });
        }
    }
    for file in fs::read_dir(MACHINES).into_iter().flatten().flatten() {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        let field = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)).map(|v| v.trim_matches('"').to_owned());
        // Virtual machines are in it too, and those have no namespace here; nor has a link that stands for a unit.
        let is_container = field("CLASS=").as_deref() == Some("container");
        let leader = field("LEADER=").and_then(|pid| process::key(pid.parse().ok()?));
        if let (true, Some(name), Some(leader)) = (is_container, field("NAME="), leader) {
            found.insert(name.clone(), Machine { name, leader, registered: true });
        }
    }
    found.into_values().collect()
}

/// The one of a name.
pub fn find(name: &str) -> Option<Machine> {
    all().into_iter().find(|machine| machine.name == name)
}

/// The first process below a systemd-nspawn that is in another PID namespace: that is where the machine begins.
pub fn leader_of(nspawn: i32) -> Option<ProcessKey> {
    let outside = process::pid_namespace(nspawn)?;
    let mut next = process::children(nspawn);
    while let Some(pid) = next.pop() {
        match process::pid_namespace(pid) {
            Some(inside) if inside != outside => return process::key(pid),
            _ => next.extend(process::children(pid)),
        }
    }
    None
}

/// The name that a systemd-nspawn gives its machine: what `-M` says, or the folder's.
fn name_of(command: &[String]) -> Option<String> {
    let option = |short: &str, long: &str| {
        let mut words = command.iter().skip(1);
        while let Some(word) = words.next() {
            if word == short || word == long {
                return words.next().cloned();
            }
            let value = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
            if let Some(value) = value.or_else(|| word.strip_prefix(short).filter(|_| !word.starts_with("--"))) {
                return Some(value.to_owned());
            }
        }
        None
    };
    option("-M", "--machine").or_else(|| {
        let folder = option("-D", "--directory")?;
        Some(Path::new(&folder).file_name()?.to_string_lossy().into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn the_name_of_a_machine() {
        let name = |line: &str| name_of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(name("systemd-nspawn -q -D /srv/tree -M web").as_deref(), Some("web"));
        assert_eq!(name("systemd-nspawn -Mweb -D /srv/tree").as_deref(), Some("web"));
        assert_eq!(name("systemd-nspawn --machine=web --directory=/srv/tree -b").as_deref(), Some("web"));
        assert_eq!(name("systemd-nspawn --directory=/srv/tree -b").as_deref(), Some("tree"));
        assert_eq!(name("systemd-nspawn -b"), None);
    }
}
