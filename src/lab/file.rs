//! Files that belong to networking.

use std::path::{Path, PathBuf};

use super::Lab;
use super::objects::NsId;
use crate::action::Action;
use crate::action::file_put::{FilePut, dir_key};
use crate::diag::{Code, Diagnostic, KernelError, Result, Site};
use crate::kernel::fs::{self, FileState};

impl Lab {
    /// Writes the file by which programs in a namespace find their name servers: /etc/netns/NAME/resolv.conf, which
    /// `ip netns exec` puts in the place of the host's, and for the host its own.
    ///
    /// # Errors
    /// `NL0108` for a namespace without a name, `NL0119` if the file cannot be written.
    pub fn put_etc(&mut self, site: &Site, id: NsId, file: &str, text: &str) -> Result<()> {
        let path = self.etc_path(id, file)?;
        self.put_file(site, &path, text)
    }

    /// The path of a namespace's own copy of a file in /etc.
    ///
    /// # Errors
    /// `NL0108` for a namespace without a name.
    pub fn etc_path(&self, id: NsId, file: &str) -> Result<PathBuf> {
        let object = self.objects.netns(id)?;
        match &object.name {
            Some(name) => Ok(Path::new("/etc/netns").join(name.as_str()).join(file)),
            None if object.cookie == self.header.host => Ok(Path::new("/etc").join(file)),
            None => Err(Diagnostic::new(Code::NoSuchNetns, "this namespace has no name, and so no files of its own")
                .help("give it one with attach(\"name\", pid)")),
        }
    }

    fn put_file(&mut self, site: &Site, path: &Path, text: &str) -> Result<()> {
        FilePut::allowed(path)?;
        let before = fs::state(path).map_err(|e| {
            Diagnostic::new(Code::BadFile, format!("cannot read {}", path.display()))
                .help("it is no text file")
                .kernel(KernelError::from_io(format!("read {}", path.display()), &e))
        })?;
        let (mode, uid, gid) = match before {
            FileState::File { mode, uid, gid, .. } => (mode, uid, gid),
            _ => (0o644, nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()),
        };
        let mut dirs = Vec::new();
        for dir in path.ancestors().skip(1) {
            // A folder that is there only because of another lab goes with the last lab that uses it.
            if dir.exists() && !self.holders.is_held(&dir_key(dir))? {
                break;
            }
            dirs.insert(0, dir.to_path_buf());
        }
        let state = FileState::File { text: text.into(), mode, uid, gid };
        let put = FilePut { path: path.into(), state, before, dirs, held: self.next_seq() };
        self.perform(site, Action::FilePut(put))
    }
}
