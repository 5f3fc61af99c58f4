//! An image is fetched from a registry, since the script says so.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::container::engine::{Engine, Wait, tool};
use crate::container::refusal::Trouble;
use crate::diag::{Code, Diagnostic, Result};

/// An image is fetched that was not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerPull {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// Its name.
    pub image: String,
    /// Whether it stays at `down`, so that the next run need not fetch it again.
    pub keep: bool,
}

impl Change for DockerPull {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let engine = Engine::at(&self.socket);
        match engine.pull(&self.image, &ctx.wait) {
            Ok(()) => {}
            Err(Trouble::Refused(refusal)) => {
                let error = Diagnostic::new(
                    Code::NoSuchImage,
                    format!("cannot pull the image `{}`: {}", self.image, refusal.words.trim_end_matches('.')),
                );
                return Err(Failure::partial(error.help(format!(
                    "without a registry: `{} load -i FILE` for what `docker save` wrote, or `{} import FILE NAME` for a tree",
                    engine.tool(),
                    engine.tool()
                ))));
            }
            Err(Trouble::NoAnswer(error)) => return Err(Failure::partial(error)),
        }
        let id = engine.image(&self.image, &ctx.wait).ok().flatten().unwrap_or_default();
        Ok(After::Docker { id, started: String::new() })
    }

    fn undo(&self, after: &After, _ctx: &mut Context<'_>) -> Result<Undone> {
        if self.keep {
            return Ok(Undone::Already);
        }
        let (engine, wait) = (Engine::at(&self.socket), Wait::default());
        let what = format!("remove the image `{}`", self.image);
        let Some(id) = engine.image(&self.image, &wait).map_err(|t| t.into_error(&what))? else {
            return Ok(Undone::Already);
        };
        let theirs = |why: &str| {
            let tool = engine.tool();
            Ok(Undone::Theirs(format!("the image `{}` {why}; it stays until `{tool} rmi {}`", self.image, self.image)))
        };
        if let After::Docker { id: pulled, .. } = after
            && *pulled != id
        {
            return theirs("is another one than this lab fetched");
        }
        match engine.remove_image(&self.image, &wait) {
            Ok(()) => Ok(Undone::Yes),
            Err(trouble) if trouble.status() == Some(409) => theirs("is in use by a container that is not this lab's"),
            Err(trouble) => Err(trouble.into_error(&what)),
        }
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        vec![format!("{} pull {}", tool(&self.socket), self.image)]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        if self.keep { Vec::new() } else { vec![format!("{} rmi {}", tool(&self.socket), self.image)] }
    }

    fn rhai(&self, _names: &Names) -> String {
        let keep = if self.keep { ", #{ keep: true }" } else { "" };
        format!("docker_pull({:?}{keep})", self.image)
    }
}
