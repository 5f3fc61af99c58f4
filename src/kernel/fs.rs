//! Files that belong to networking, such as /etc/resolv.conf: what they are, and how they are replaced in one step.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::effect;

/// What a path holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Nothing.
    Missing,
    /// A symbolic link, as /etc/resolv.conf often is.
    Symlink {
        /// Where it points.
        target: PathBuf,
    },
    /// A file.
    File {
        /// Its text.
        text: String,
        /// Its permission bits.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
}

/// Looks at a path.
///
/// # Errors
/// Those of lstat(2) and read(2); `EINVAL` for a directory or a device, and for a file that is not text.
pub fn state(path: &Path) -> io::Result<FileState> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(e) => return Err(e),
    };
    if meta.is_symlink() {
        return Ok(FileState::Symlink { target: fs::read_link(path)? });
    }
    if !meta.is_file() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    Ok(FileState::File {
        text: fs::read_to_string(path)?,
        mode: meta.permissions().mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
    })
}

/// Brings a path into a state, in one step where the file system allows: nobody sees half a file.
///
/// # Errors
/// Those of open(2), write(2), rename(2) and unlink(2).
pub fn put(path: &Path, state: &FileState) -> io::Result<()> {
    effect::here();
    let beside = beside(path);
    match state {
        FileState::Missing => match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        },
        FileState::Symlink { target } => {
            let _ = fs::remove_file(&beside);
            std::os::unix::fs::symlink(target, &beside)?;
            effect::here();
            fs::rename(&beside, path)
        }
        FileState::File { text, mode, uid, gid } => {
            write_new(&beside, text, *mode, *uid, *gid)?;
            effect::here();
            match fs::rename(&beside, path) {
                // A bind mount, as in a container: the file cannot be replaced, only written.
                Err(e) if e.raw_os_error() == Some(libc::EBUSY) => {
                    let _ = fs::remove_file(&beside);
                    fs::write(path, text)
                }
                other => other,
            }
        }
    }
}

/// Removes what a killed [`put`] may have left beside the file.
pub fn clean(path: &Path) {
    let _ = fs::remove_file(beside(path));
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.netlab"))
}

fn write_new(path: &Path, text: &str, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    std::os::unix::fs::fchown(&file, Some(uid), Some(gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_can_be_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
        let states = [
            FileState::File { text: "nameserver 10.0.0.1\n".into(), mode: 0o644, uid, gid },
            FileState::Symlink { target: "/run/elsewhere".into() },
            FileState::File { text: String::new(), mode: 0o600, uid, gid },
            FileState::Missing,
        ];
        for wanted in states {
            put(&path, &wanted).unwrap();
            assert_eq!(state(&path).unwrap(), wanted);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(state(dir.path()).is_err());
    }
}
