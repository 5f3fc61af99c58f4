//! A namespace is made, named, or taken away.

use std::io;
use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::{self, LinkSet};
use crate::kernel::netns::{self, Removed};
use crate::kernel::space::NetnsCookie;
use crate::types::name::NsName;

/// A namespace is made: it exists already without a name (and dies with this process), so that its cookie can stand here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetnsAdd {
    /// The name it gets.
    pub name: NsName,
    /// Which it is.
    pub cookie: NetnsCookie,
    /// Whether `lo` is set up in it, without which it cannot reach its own addresses.
    pub lo: bool,
}

impl Change for NetnsAdd {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        put_name(&self.name, self.cookie, ctx)?;
        if self.lo {
            const LO: u32 = 1;
            let (message, flags) = link::set(LO, &LinkSet { up: Some(true), ..LinkSet::default() });
            let socket = ctx.socket(self.cookie).map_err(Failure::partial)?;
            socket
                .change(message, flags)
                .map_err(|e| Failure::partial(super::failed(&format!("set up `lo` in `{}`", self.name), e)))?;
        }
        Ok(After::Nothing)
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        remove_name(&self.name, self.cookie, ctx)
    }

    fn subject(&self) -> Subject {
        Subject::MakesNetns(self.cookie)
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        let mut lines = vec![format!("ip netns add {}", self.name)];
        if self.lo {
            lines.push(format!("ip -n {} link set lo up", self.name));
        }
        lines
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        vec![format!("ip netns del {}", self.name)]
    }

    fn rhai(&self, _names: &Names) -> String {
        if self.lo {
            format!("netns(\"{}\")", self.name)
        } else {
            format!("netns(\"{}\", #{{ lo: false }})", self.name)
        }
    }
}

/// Somebody else's namespace gets a name. Undone, it loses the name and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetnsAttach {
    /// The name it gets.
    pub name: NsName,
    /// Which it is.
    pub cookie: NetnsCookie,
    /// The process by which it was found.
    pub pid: i32,
}

impl Change for NetnsAttach {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        put_name(&self.name, self.cookie, ctx)?;
        Ok(After::Nothing)
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        remove_name(&self.name, self.cookie, ctx)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn places(&self) -> Vec<NetnsCookie> {
        vec![self.cookie]
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        vec![format!("ip netns attach {} {}", self.name, self.pid)]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        vec![format!("ip netns del {}", self.name)]
    }

    fn rhai(&self, _names: &Names) -> String {
        format!("attach(\"{}\", {})", self.name, self.pid)
    }
}

/// A namespace loses its name, and dies with it unless somebody uses it or it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetnsDel {
    /// The name.
    pub name: NsName,
    /// Which it is.
    pub cookie: NetnsCookie,
    /// Whether it is kept, so that the name can be given back: what dies with a namespace nobody can make again.
    pub keep: bool,
}

impl Change for NetnsDel {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        if self.keep {
            ctx.exists(self.cookie);
            let fd = ctx.kernel.fd(self.cookie).ok_or_else(|| Failure::clean(super::gone(self.cookie)))?;
            netns::keep(self.cookie, fd).map_err(|e| Failure::partial(broken(&self.name, "keep", &e)))?;
        }
        match remove_name(&self.name, self.cookie, ctx).map_err(Failure::partial)? {
            Undone::Yes => {
                if !self.keep {
                    ctx.kernel.close(self.cookie);
                }
                Ok(After::Nothing)
            }
            _ => Err(Failure::partial(Diagnostic::new(
                Code::NoSuchNetns,
                format!("the name `{}` does not stand for this namespace any more", self.name),
            ))),
        }
    }

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        if !self.keep || !ctx.exists(self.cookie) {
            return Ok(Undone::Already);
        }
        let undone = match put_name(&self.name, self.cookie, ctx) {
            Ok(()) => Undone::Yes,
            Err(failure) if failure.error.code == Code::NameTaken && self.has_name(ctx) => Undone::Already,
            Err(failure) => return Err(failure.error),
        };
        netns::let_go(self.cookie).map_err(|e| broken(&self.name, "give back", &e))?;
        Ok(undone)
    }

    fn subject(&self) -> Subject {
        Subject::Netns(self.cookie, None)
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        vec![format!("ip netns del {}", self.name)]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        if !self.keep {
            return vec![format!("ip netns add {}", self.name)];
        }
        vec![
            format!("touch {}", netns::path(&self.name).display()),
            format!("mount --bind {} {}", netns::kept_path(self.cookie).display(), netns::path(&self.name).display()),
        ]
    }

    fn rhai(&self, _names: &Names) -> String {
        format!("get_netns(\"{}\").del()", self.name)
    }
}

impl NetnsDel {
    /// Whether the name stands for it.
    fn has_name(&self, ctx: &mut Context<'_>) -> bool {
        matches!(ctx.kernel.adopt_name(&self.name), Ok(Some(cookie)) if cookie == self.cookie)
    }
}

fn put_name(name: &NsName, cookie: NetnsCookie, ctx: &mut Context<'_>) -> std::result::Result<(), Failure> {
    ctx.exists(cookie);
    let fd = ctx.kernel.fd(cookie).ok_or_else(|| Failure::clean(super::gone(cookie)))?;
    netns::put_name(name, fd.as_fd(), ctx.lab).map_err(|e| match e.raw_os_error() {
        Some(libc::EEXIST) => Failure::clean(
            Diagnostic::new(Code::NameTaken, format!("there is a namespace called `{name}` already"))
                .kernel(KernelError::from_io(format!("link {}", netns::path(name).display()), &e)),
        ),
        _ => Failure::partial(broken(name, "name", &e)),
    })
}

fn remove_name(name: &NsName, cookie: NetnsCookie, ctx: &mut Context<'_>) -> Result<Undone> {
    let names = [(name.clone(), cookie)];
    match netns::remove_names(&names, ctx.lab).pop() {
        Some(Ok(Removed::Yes)) => Ok(Undone::Yes),
        Some(Ok(Removed::Missing)) | None => Ok(Undone::Already),
        Some(Ok(Removed::NotOurs)) => Ok(Undone::Theirs(format!("the name `{name}` stands for another namespace now"))),
        Some(Err(e)) => Err(broken(name, "remove the name of", &e)),
    }
}

/// The error when a name cannot be given or taken.
pub(crate) fn broken(name: &NsName, verb: &str, error: &io::Error) -> Box<Diagnostic> {
    let kernel = KernelError::from_io(format!("mount or unlink {}", netns::path(name).display()), error);
    super::failed(&format!("{verb} the namespace `{name}`"), kernel)
}
