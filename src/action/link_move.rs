//! A link is moved to another namespace.

use serde::{Deserialize, Serialize};

use super::held::Held;
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone, failed};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::{self, LinkKey};
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
    /// What it held, if it must be possible to go back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Held>>,
}

impl Change for LinkMove {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        ctx.socket(self.to.netns).map_err(Failure::clean)?;
        shift(self.from, self.to, ctx).map_err(|e| {
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

    fn undo(&self, _after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        let Some(before) = &self.before else { return Ok(Undone::Already) };
        if ctx.exists(self.to.netns) && link::get(ctx.socket(self.to.netns)?, self.to.index).is_ok() {
            shift(self.to, self.from, ctx).map_err(|e| failed(&format!("move `{}` back", self.dev), e))?;
        }
        before.give_back(self.from, ctx)
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.from)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        let target = match names.netns(self.to.netns) {
            "host" => "1".into(),
            name => name.to_owned(),
        };
        vec![format!("{} link set {} netns {target}", names.ip(self.from.netns), self.dev)]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        LinkMove { from: self.to, to: self.from, dev: self.dev.clone(), before: None }.ip(names)
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}[{:?}].move_to({})", names.handle(self.from.netns), self.dev.as_str(), names.handle(self.to.netns))
    }
}

fn shift(from: LinkKey, to: LinkKey, ctx: &mut Context<'_>) -> std::result::Result<(), crate::diag::KernelError> {
    let lost = || crate::diag::KernelError::new("RTM_NEWLINK", libc::ENODEV);
    let target = ctx.kernel.target(from.netns, to.netns).ok_or_else(lost)?;
    let (message, flags) = link::move_to(from.index, target, to.index, None);
    ctx.kernel.socket(from.netns).ok_or_else(lost)?.change(message, flags)
}
