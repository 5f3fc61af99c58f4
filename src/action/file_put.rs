//! A file that belongs to networking is written, as a whole.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::holders::Release;
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::fs::{self, FileState};

/// A file is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePut {
    /// The file.
    pub path: PathBuf,
    /// What it will be.
    pub state: FileState,
    /// What it was.
    pub before: FileState,
    /// The folders above it that were not there before any lab, which the last lab to go takes away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dirs: Vec<PathBuf>,
    /// The number by which the lab holds it, since others may need it too.
    pub held: u64,
}

impl FilePut {
    /// The files that a script may write: the resolver's and the host table, of the host and of named namespaces.
    ///
    /// # Errors
    /// `NL0119` for any other path.
    pub fn allowed(path: &std::path::Path) -> Result<()> {
        let parts: Vec<&str> = path.iter().filter_map(|p| p.to_str()).collect();
        let file = |name: &str| matches!(name, "resolv.conf" | "hosts" | "nsswitch.conf");
        match parts.as_slice() {
            ["/", "etc", name] if file(name) => Ok(()),
            ["/", "etc", "netns", netns, name] if *netns != ".." && file(name) => Ok(()),
            _ => Err(Diagnostic::new(Code::BadFile, format!("`{}` is not a file of the network", path.display()))
                .help("netlab writes /etc/resolv.conf, /etc/hosts and /etc/nsswitch.conf, and the same in /etc/netns/NAME/")),
        }
    }

    fn key(&self) -> String {
        format!("file {}", self.path.display())
    }

    fn give_back(&self, back: &FileState) -> Result<Undone> {
        fs::clean(&self.path);
        let what = |verb: &str, e: &std::io::Error| self.broken(verb, e);
        let now = fs::state(&self.path).map_err(|e| what("read", &e))?;
        let undone = if now == *back {
            Undone::Already
        } else if now == self.state {
            fs::put(&self.path, back).map_err(|e| what("give back", &e))?;
            Undone::Yes
        } else {
            return Ok(Undone::Theirs(format!("{} has been changed since", self.path.display())));
        };
        Ok(undone)
    }

    fn leave_dirs(&self, ctx: &mut Context<'_>) -> Result<()> {
        for dir in self.dirs.iter().rev() {
            let holder = (ctx.lab, self.held);
            if matches!(ctx.holders.look(holder, &dir_key(dir))?, Release::Back(found) if found.is_empty()) {
                // Nobody had it before, and nobody else has it now. Somebody else may have put something into it; then it stays.
                crate::kernel::effect::here();
                let _ = std::fs::remove_dir(dir);
            }
            ctx.holders.release(holder, &dir_key(dir))?;
        }
        Ok(())
    }

    fn broken(&self, verb: &str, error: &std::io::Error) -> Box<Diagnostic> {
        let kernel = KernelError::from_io(format!("{verb} {}", self.path.display()), error);
        let words = error.to_string();
        let words = words.split(" (os error").next().unwrap_or_default().to_lowercase();
        Diagnostic::new(Code::BadFile, format!("cannot {verb} {}: {words}", self.path.display())).kernel(kernel)
    }
}

impl Change for FilePut {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let text = |state: &FileState| serde_json::to_string(state).unwrap_or_default();
        let _turn = ctx.holders.turn().map_err(Failure::clean)?;
        // Looked at again: a lab that goes may have given it back since `before`.
        let before = fs::state(&self.path).map_err(|e| Failure::clean(self.broken("read", &e)))?;
        let found = vec![(self.path.clone(), text(&before))];
        ctx.holders.hold((ctx.lab, self.held), &self.key(), found).map_err(Failure::partial)?;
        for dir in &self.dirs {
            let found = if dir.exists() { vec![(dir.clone(), String::new())] } else { Vec::new() };
            ctx.holders.hold((ctx.lab, self.held), &dir_key(dir), found).map_err(Failure::partial)?;
            crate::kernel::effect::here();
            if let Err(e) = std::fs::create_dir(dir)
                && e.kind() != std::io::ErrorKind::AlreadyExists
            {
                return Err(Failure::partial(self.broken("make the folder of", &e)));
            }
        }
        fs::put(&self.path, &self.state).map_err(|e| Failure::partial(self.broken("write", &e)))?;
        Ok(After::Nothing)
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        let (key, _turn) = (self.key(), ctx.holders.turn()?);
        let stored = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| self.before.clone());
        let undone = match ctx.holders.look((ctx.lab, self.held), &key)? {
            Release::NotHeld => {
                self.leave_dirs(ctx)?;
                return Ok(Undone::Already);
            }
            Release::Covered => Undone::Yes,
            Release::Back(found) => {
                self.give_back(&found.first().map_or_else(|| self.before.clone(), |(_, t)| stored(t)))?
            }
        };
        ctx.holders.release((ctx.lab, self.held), &key)?;
        self.leave_dirs(ctx)?;
        Ok(undone)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        vec![words(&self.path, &self.state)]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        vec![words(&self.path, &self.before)]
    }

    fn rhai(&self, names: &Names) -> String {
        let text = if let FileState::File { text, .. } = &self.state { text.as_str() } else { "" };
        let of = self.path.strip_prefix("/etc/netns").ok().and_then(|rest| rest.iter().next()?.to_str());
        let place = of.map_or_else(|| "host".to_owned(), |netns| names.handle_by_name(netns));
        let verb = if self.path.ends_with("hosts") { "hosts" } else { "resolv_conf" };
        format!("{place}.{verb}({text:?})")
    }
}

/// The name by which labs hold a folder.
pub fn dir_key(dir: &std::path::Path) -> String {
    format!("dir {}", dir.display())
}

/// A state of a file as a shell command.
fn words(path: &std::path::Path, state: &FileState) -> String {
    let path = path.display();
    match state {
        FileState::Missing => format!("rm {path}"),
        FileState::Symlink { target } => format!("ln -sfn {} {path}", target.display()),
        FileState::File { text, .. } => {
            let quoted = shlex::try_quote(text).map(|q| q.into_owned()).unwrap_or_else(|_| format!("{text:?}"));
            format!("printf %s {quoted} > {path}")
        }
    }
}
