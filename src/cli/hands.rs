//! What a script may do, as options of the commands that run one.

use crate::lab::Lab;
use crate::lab::permissions::Permissions;

/// The options.
#[derive(Debug, clap::Args)]
pub struct Hands {
    /// Do also what cannot be taken back exactly, or would cut off whoever runs this.
    #[arg(long)]
    pub force: bool,
    /// Let the script start no programs.
    #[arg(long)]
    pub no_exec: bool,
    /// Let the script write no files.
    #[arg(long)]
    pub no_files: bool,
    /// Let the script work only in namespaces that it makes.
    #[arg(long)]
    pub no_host: bool,
}

impl Hands {
    /// Tells a lab.
    pub fn tie(&self, lab: &mut Lab) {
        lab.force = self.force;
        lab.permissions = Permissions { programs: !self.no_exec, files: !self.no_files, host: !self.no_host };
    }
}
