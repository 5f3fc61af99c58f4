//! A container of Docker's that was there and did not run is started.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::docker_run::{ended, find_soon, let_go, survives};
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::container::engine::{Engine, Wait, tool};
use crate::container::refusal::Trouble;
use crate::diag::{Code, Diagnostic, Result};

/// How many seconds a container may take to end.
pub(super) const SECONDS: u32 = 3;

/// A container is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerStart {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
}

impl Change for DockerStart {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (engine, wait) = (Engine::at(&self.socket), &ctx.wait);
        let what = format!("start the container `{}`", self.name);
        match engine.start(&self.id, wait) {
            Ok(()) => {}
            Err(Trouble::Refused(refusal)) => return Err(Failure::clean(refusal.into_error(&what))),
            Err(Trouble::NoAnswer(error)) => return Err(Failure::partial(error)),
        }
        let look = || engine.container(&self.id, wait).map_err(|t| Failure::partial(t.into_error(&what)));
        let found = match look()? {
            Some(c) if c.running && !survives(c.pid) => look()?,
            other => other,
        };
        match found {
            Some(c) if c.running && c.pid > 0 => Ok(After::Docker { id: c.id, started: c.started }),
            Some(c) => Err(Failure::partial(ended(&c, &engine, wait))),
            None => Err(Failure::clean(Diagnostic::new(
                Code::NoSuchContainer,
                format!("the container `{}` is gone", self.name),
            ))),
        }
    }

    fn undo(&self, after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        let (engine, wait) = (Engine::at(&self.socket), Wait::default());
        let what = format!("stop the container `{}`", self.name);
        let look = || Ok(engine.container(&self.id, &wait)?.filter(|c| c.running));
        let found = if *after == After::Nothing { find_soon(look) } else { look() };
        let Some(container) = found.map_err(|t| t.into_error(&what))? else { return Ok(Undone::Already) };
        if let After::Docker { started, .. } = after
            && *started != container.started
        {
            return Ok(Undone::Theirs(format!("the container `{}` was started again since; it runs on", self.name)));
        }
        let_go(container.pid, ctx);
        engine.stop(&container.id, SECONDS, &wait).map_err(|t| t.into_error(&what))?;
        Ok(Undone::Yes)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        vec![format!("{} start {}", tool(&self.socket), self.name)]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        vec![format!("{} stop {}", tool(&self.socket), self.name)]
    }

    fn rhai(&self, _names: &Names) -> String {
        format!("docker_start({:?})", self.name)
    }
}
