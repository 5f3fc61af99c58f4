//! What a script may do, as whoever runs it says.

use super::Lab;
use super::objects::NsId;
use crate::action::Action;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::space::NetnsCookie;
use crate::kernel::view;

/// What a script may do. Everything, unless it is said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    /// Start programs.
    pub programs: bool,
    /// Write files, which netlab does for name servers and host names.
    pub files: bool,
    /// Work in namespaces that it did not make, the host's above all.
    pub host: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { programs: true, files: true, host: true }
    }
}

impl Lab {
    /// Refuses what the script may not do.
    ///
    /// # Errors
    /// `NL0130`.
    pub(super) fn permit(&self, action: &Action) -> Result<()> {
        use Action::{DockerNetwork, DockerPull, DockerRun, DockerStart, DockerStop, NspawnRun, ProcessStart};
        match action {
            ProcessStart(_) => self.permit_program()?,
            DockerNetwork(_) | DockerPull(_) | DockerRun(_) | DockerStart(_) | DockerStop(_) | NspawnRun(_) => {
                self.permit_container()?;
            }
            _ => {}
        }
        if matches!(action, Action::FilePut(_)) && !self.permissions.files {
            return Err(Diagnostic::new(Code::Forbidden, "this run may not write files (--no-files)"));
        }
        action.change().places().into_iter().try_for_each(|netns| self.permit_place(netns))
    }

    /// Refuses programs where they are not allowed, or where one could do what is not.
    ///
    /// # Errors
    /// `NL0130`.
    pub(super) fn permit_program(&self) -> Result<()> {
        let Permissions { programs, files, host } = self.permissions;
        if !programs {
            return Err(Diagnostic::new(Code::Forbidden, "this run may not start programs (--no-exec)"));
        }
        // There its programs have no more than its own network, and no files to write but in a /tmp and a /run of theirs.
        if (files && host) || view::is_inside() {
            return Ok(());
        }
        let option = if files { "--no-host" } else { "--no-files" };
        Err(Diagnostic::new(
            Code::Forbidden,
            format!("this run may not start programs: one could do what {option} forbids"),
        )
        .help("add --sandbox: there a program can do nothing outside"))
    }

    /// Refuses containers where anything is not allowed, and in a sandbox: what Docker does it does on the machine itself.
    fn permit_container(&self) -> Result<()> {
        if self.permissions == Permissions::default() && !view::is_inside() {
            return Ok(());
        }
        Err(Diagnostic::new(Code::Forbidden, "this run may not work with containers: they are the machine's")
            .help("run it as root, without --sandbox and without --no-exec, --no-files and --no-host"))
    }

    /// Refuses a namespace that the script did not make, if it may not work in such.
    ///
    /// # Errors
    /// `NL0130`.
    pub fn permit_netns(&self, id: NsId) -> Result<()> {
        match self.objects.netns(id) {
            Ok(object) => self.permit_place(object.cookie),
            // What is gone says so itself.
            Err(_) => Ok(()),
        }
    }

    fn permit_place(&self, netns: NetnsCookie) -> Result<()> {
        if self.permissions.host || self.objects.is_own_netns(netns) {
            return Ok(());
        }
        let name = match self.objects.names().netns(netns) {
            "host" => "the host's namespace".to_owned(),
            name => format!("the namespace `{name}`, which it did not make"),
        };
        Err(Diagnostic::new(Code::Forbidden, format!("this run may not work in {name} (--no-host)"))
            .help("a bridge that joins namespaces can stand in one of its own: bridge(netns(\"wires\").port(\"lan\"))"))
    }
}
