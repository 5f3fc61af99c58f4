//! Who is compared, and the commands by which each builds a lab and takes it down.

use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::lab::{EMPTY, Lab, PROCESS};

/// One column of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Contestant {
    Netlab,
    Floor,
    Batch,
    Bash,
}

impl Contestant {
    /// In the order of the columns, and of each round.
    pub(crate) const ALL: [Self; 4] = [Self::Netlab, Self::Floor, Self::Batch, Self::Bash];

    /// The column's head.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Netlab => "netlab",
            Self::Floor => "floor",
            Self::Batch => "ip -batch",
            Self::Bash => "bash",
        }
    }

    /// The contestant of a column's head.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether it can do at all what the row asks for.
    pub(crate) fn can(self, lab: &Lab) -> bool {
        match self {
            Self::Netlab => true,
            Self::Bash if lab.checked => is_installed("ping"),
            Self::Floor | Self::Batch if lab.checked => false,
            _ => lab.name != EMPTY,
        }
    }

    /// The command that builds the lab from the files in `dir`.
    pub(crate) fn up(self, lab: &Lab, dir: &Path) -> Outcome<Command> {
        let only_start = lab.name == PROCESS;
        Ok(match self {
            Self::Netlab if only_start => command("netlab", &["--version"]),
            Self::Netlab => {
                let mut run = command("netlab", &["run", "--quiet"]);
                run.arg(dir.join(format!("{}.rhai", lab.name)));
                run
            }
            Self::Floor => floor("up", lab)?,
            Self::Batch if only_start => command("ip", &["-V"]),
            Self::Batch => on_file("ip", Some("-batch"), &dir.join("up.batch")),
            Self::Bash if only_start => command("bash", &["-c", ":"]),
            Self::Bash => on_file("bash", None, &dir.join("up.sh")),
        })
    }

    /// The command that takes the lab down; none where there is nothing to take down.
    pub(crate) fn down(self, lab: &Lab, dir: &Path) -> Outcome<Option<Command>> {
        if lab.name == PROCESS {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Netlab => command("netlab", &["down", &lab.name]),
            Self::Floor => floor("down", lab)?,
            Self::Batch => on_file("ip", Some("-batch"), &dir.join("down.batch")),
            Self::Bash => on_file("bash", None, &dir.join("down.sh")),
        }))
    }
}

/// Whether a program is on the path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// This program again, as the floor.
fn floor(direction: &str, lab: &Lab) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", direction, &lab.name]);
    Ok(command)
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(if program == "netlab" { env!("CARGO_BIN_EXE_netlab") } else { program });
    // A run must keep its journal where the private /var/lib and /run are, whoever starts the benchmark.
    command.args(args).env_remove("XDG_STATE_HOME").env_remove("XDG_RUNTIME_DIR").env("NO_COLOR", "1");
    command
}

fn on_file(program: &str, option: Option<&str>, file: &Path) -> Command {
    let mut command = command(program, &[]);
    command.args(option).arg(file);
    command
}
