//! A link is moved to another namespace.

use serde::{Deserialize, Serialize};

use super::text::{Names, dev};
use super::{After, Change, Context, Failure, Subject, Undone, failed};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::{self, LinkKey};
use crate::kernel::space::NetnsCookie;
use crate::snapshot::scope::Touch;
use crate::types::name::IfName;

/// A link is moved to another namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkMove {
    /// Where it was.
    pub from: LinkKey,
    /// Where it will be; the ifindex is chosen by us.
    pub to: LinkKey,
    /// Its name.
    pub dev: IfName,
}

impl Change for LinkMove {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        ctx.socket(self.to.netns).map_err(Failure::clean)?;
        shift(self.from, self.to, None, ctx).map_err(|e| {
            Failure::clean(match e.errno {
                libc::EEXIST => Diagnostic::new(
                    Code::NameTaken,
                    format!("cannot move `{}`: there is a link of that name already where it should go", self.dev),
                )
                .kernel(e),
                libc::EINVAL => Diagnostic::new(
                    Code::Refused,
                    format!("`{}` cannot be moved to another namespace", self.dev),
                )
                .help("a bridge, `lo`, and tunnels bound to their namespace stay where they were made: make it there")
                .kernel(e),
                libc::ENODEV => Diagnostic::new(Code::NoSuchLink, format!("link `{}` is gone", self.dev)).kernel(e),
                _ => failed(&format!("move `{}`", self.dev), e),
            })
        })?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Link(self.from, Vec::new()), Touch::Link(self.to, Vec::new())])
    }

    /// Moves it back under the name that it had; what it held is given back afterwards. It may be gone: a namespace that
    /// dies takes virtual links along.
    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        if !ctx.exists(self.to.netns) || !ctx.exists(self.from.netns) {
            return Ok(Undone::Already);
        }
        if link::get(ctx.socket(self.to.netns)?, self.to.index).is_err() {
            return Ok(Undone::Already);
        }
        shift(self.to, self.from, Some(&self.dev), ctx).map_err(|e| failed(&format!("move `{}` back", self.dev), e))?;
        Ok(Undone::Yes)
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.from)
    }

    fn places(&self) -> Vec<NetnsCookie> {
        vec![self.from.netns, self.to.netns]
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        let (ip, target) = (names.ip(self.from.netns), names.target(self.to.netns));
        vec![format!("{ip} link set {} netns {target}", dev(self.dev.as_str()))]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        LinkMove { from: self.to, to: self.from, dev: self.dev.clone() }.ip(names)
    }

    fn rhai(&self, names: &Names) -> String {
        let link = names.link_handle(self.from, self.dev.as_str());
        format!("{link}.move_to({})", names.handle(self.to.netns))
    }
}

fn shift(
    from: LinkKey,
    to: LinkKey,
    name: Option<&IfName>,
    ctx: &mut Context<'_>,
) -> std::result::Result<(), crate::diag::KernelError> {
    let lost = || crate::diag::KernelError::new("RTM_NEWLINK", libc::ENODEV);
    let target = ctx.kernel.target(from.netns, to.netns).ok_or_else(lost)?;
    let (message, flags) = link::move_to(from.index, target, to.index, name);
    ctx.kernel.socket(from.netns).ok_or_else(lost)?.change(message, flags)
}
