//! A journal as a file: appended line by line, read back to the last whole line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::record::{Outcome, Record, VERSION};
use super::state::State;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::effect;

/// A journal that is being written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    line: Vec<u8>,
    length: u64,
    /// How far the disk has room for it for certain.
    room: u64,
}

/// What an undo writes at least. It writes less than half of what led to it.
const UNDO: u64 = 16 << 10;
/// Asked for at a time.
const CHUNK: u64 = 64 << 10;

impl Log {
    /// Begins a journal.
    ///
    /// # Errors
    /// `NL0119` if the file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        effect::here();
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(|e| broken("make", path, &e))?;
        Ok(Self { file, path: path.into(), line: Vec::new(), length: 0, room: 0 })
    }

    /// Goes on with a journal, after cutting off a line that a kill left unfinished.
    ///
    /// # Errors
    /// `NL0119` if the file cannot be written.
    pub fn resume(path: &Path) -> Result<Self> {
        let text = fs::read(path).map_err(|e| broken("read", path, &e))?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let open = OpenOptions::new().append(true).open(path);
        let file = open.map_err(|e| broken("open", path, &e))?;
        if whole < text.len() {
            effect::here();
            file.set_len(whole as u64).map_err(|e| broken("mend", path, &e))?;
        }
        Ok(Self { file, path: path.into(), line: Vec::new(), length: whole as u64, room: 0 })
    }

    /// Writes one line, in one write(2). A killed process loses nothing that it wrote.
    ///
    /// # Errors
    /// `NL0119`, for example on a full disk; then the action must not be done.
    pub fn write(&mut self, record: &Record) -> Result<()> {
        self.line.clear();
        let encoded = serde_json::to_writer(&mut self.line, record);
        encoded.map_err(|e| broken("write", &self.path, &io::Error::other(e)))?;
        self.line.push(b'\n');
        let failed = |e: io::Error| broken("write", &self.path, &e);
        let end = self.length + self.line.len() as u64;
        if matches!(record, Record::Open(_) | Record::Started { .. }) {
            // What begins must leave room for its undo.
            let needed = end + end / 2 + UNDO;
            if self.room < needed {
                self.room = allocate(&self.file, self.length, needed).map_err(failed)?;
            }
        }
        effect::here();
        if let Err(error) = self.file.write_all(&self.line) {
            // The half of a line would make the next one unreadable.
            let _ = self.file.set_len(self.length);
            return Err(failed(error));
        }
        self.length = end;
        Ok(())
    }

    /// Waits until it is on the disk. Only changes of files outlive the machine's next crash, so only those need it.
    ///
    /// # Errors
    /// `NL0119`.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| broken("save", &self.path, &e))
    }
}

/// Has the disk keep room for a file up to some length, and a bit more if there is; gives back how far it goes. Where a file
/// system cannot do that, nothing is known, and nothing refused.
fn allocate(file: &File, from: u64, needed: u64) -> io::Result<u64> {
    let ask = |to: u64| {
        let length = i64::try_from(to - from).unwrap_or(i64::MAX);
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from, length).map(|()| to)
    };
    match ask(needed + CHUNK).or_else(|_| ask(needed)) {
        Err(Errno::ENOSPC | Errno::EDQUOT) => Err(Errno::ENOSPC.into()),
        Err(_) => Ok(u64::MAX),
        Ok(to) => Ok(to),
    }
}

/// Reads a journal.
///
/// # Errors
/// `NL0119` if the file cannot be read, `NL0504` if it holds what no netlab of this version wrote.
pub fn read(path: &Path) -> Result<State> {
    let text = fs::read_to_string(path).map_err(|e| broken("read", path, &e))?;
    let mut state = State::default();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        // A line without its end was being written when the process was killed: what it announces has not begun.
        let Some(line) = line.strip_suffix('\n') else { break };
        let bad = |why: String| {
            Diagnostic::new(
                Code::BadJournal,
                format!("line {} of {} cannot be read: {why}", number + 1, path.display()),
            )
        };
        if number == 0 {
            check_version(line).map_err(bad)?;
        }
        let record: Record = serde_json::from_str(line).map_err(|e| bad(e.to_string()))?;
        state.step(record).map_err(|e| bad(e.message))?;
    }
    Ok(state)
}

/// Whether the last line says that the lab came to rest, other than by being taken down.
///
/// # Errors
/// Those of reading the file.
pub fn ends_closed(path: &Path) -> io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(256)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let last = tail.split(|b| *b == b'\n').rev().find(|line| !line.is_empty()).unwrap_or_default();
    Ok(matches!(serde_json::from_slice(last), Ok(Record::Closed { outcome }) if outcome != Outcome::Down)
        && tail.ends_with(b"\n"))
}

/// The version is looked at before the rest, which another version may have written in another form.
fn check_version(line: &str) -> std::result::Result<(), String> {
    let header: serde_json::Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    match header.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => Ok(()),
        version => {
            let program = header.get("program").and_then(|p| p.as_str()).unwrap_or("unknown");
            let version = version.map_or("no version".into(), |v| format!("version {v}"));
            Err(format!(
                "it has {version}, this netlab reads version {VERSION}; netlab {program} wrote it and can undo it"
            ))
        }
    }
}

fn broken(verb: &str, path: &Path, error: &io::Error) -> Box<Diagnostic> {
    let words = error.to_string();
    let words = words.split(" (os error").next().unwrap_or_default().to_lowercase();
    Diagnostic::new(Code::BadFile, format!("cannot {verb} the journal {}: {words}", path.display()))
        .kernel(KernelError::from_io(format!("{verb} {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_and_another_version_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        fs::write(&path, "{\"record\":\"open\",\"version\":99,\"program\":\"9.9\"}\n").unwrap();
        assert!(
            read(&path)
                .unwrap_err()
                .message
                .ends_with("it has version 99, this netlab reads version 2; netlab 9.9 wrote it and can undo it")
        );
        fs::write(&path, "").unwrap();
        let mut log = Log::resume(&path).unwrap();
        log.write(&Record::UndoDone { seqs: vec![1] }).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [whole.as_slice(), b"{\"record\":\"do"].concat()).unwrap();
        Log::resume(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}
