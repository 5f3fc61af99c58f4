//! A container of Docker's is stopped.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::docker_run::let_go;
use super::docker_start::SECONDS;
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::container::engine::{Engine, Wait, tool};
use crate::container::refusal::Trouble;
use crate::diag::Result;

const PAUSE: Duration = Duration::from_millis(50);

/// A container is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerStop {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its first process.
    pub pid: i32,
    /// Whether the undo starts it again: one that goes with the lab need not be.
    pub again: bool,
}

impl Change for DockerStop {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let_go(self.pid, ctx);
        match Engine::at(&self.socket).stop(&self.id, SECONDS, &ctx.wait) {
            Ok(()) => Ok(After::Docker { id: self.id.clone(), started: String::new() }),
            Err(Trouble::Refused(refusal)) => {
                Err(Failure::clean(refusal.into_error(&format!("stop the container `{}`", self.name))))
            }
            Err(Trouble::NoAnswer(error)) => Err(Failure::partial(error)),
        }
    }

    fn undo(&self, after: &After, _ctx: &mut Context<'_>) -> Result<Undone> {
        if !self.again {
            return Ok(Undone::Already);
        }
        let (engine, wait) = (Engine::at(&self.socket), Wait::default());
        let what = format!("start the container `{}` again", self.name);
        // For a netlab that was killed the daemon may still be about to stop it.
        let deadline = Instant::now() + Duration::from_secs(SECONDS.into()) + PAUSE;
        let container = loop {
            match engine.container(&self.id, &wait).map_err(|t| t.into_error(&what))? {
                None => return Ok(Undone::Already),
                Some(container) if !container.running => break container,
                Some(_) if *after != After::Nothing || Instant::now() >= deadline => return Ok(Undone::Already),
                Some(_) => std::thread::sleep(PAUSE),
            }
        };
        engine.start(&container.id, &wait).map_err(|t| t.into_error(&what))?;
        Ok(Undone::Yes)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        vec![format!("{} stop {}", tool(&self.socket), self.name)]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        if self.again { vec![format!("{} start {}", tool(&self.socket), self.name)] } else { Vec::new() }
    }

    fn rhai(&self, _names: &Names) -> String {
        format!("docker_stop({:?})", self.name)
    }
}
