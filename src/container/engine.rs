//! The daemon: where its socket is, asking it, and what to say where it does not answer.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{self, Request};
use super::refusal::{Refusal, Trouble};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::effect;
use crate::kernel::signal::Stop;

/// Docker's own socket.
const DOCKER: &str = "/var/run/docker.sock";
/// How long an answer may take: Docker waits ten seconds for a container to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for a mere look: an undo must not wait long for a daemon that hangs.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);
/// The same for what comes over the internet.
const LONG_PATIENCE: Duration = Duration::from_secs(1800);

/// How long to wait, and for whom not.
#[derive(Debug, Clone, Default)]
pub struct Wait {
    /// What ends the wait; nothing in an undo, which is interrupted between its steps only.
    pub stop: Option<Stop>,
    /// When the run has to end.
    pub deadline: Option<Instant>,
}

impl Wait {
    /// Whether to wait on.
    ///
    /// # Errors
    /// `NL0506` and `NL0507`.
    pub fn check(&self) -> Result<()> {
        match self.stop.as_ref().and_then(Stop::signal) {
            Some(signal) => Err(Diagnostic::new(Code::Interrupted, format!("interrupted by signal {signal}"))),
            None if self.deadline.is_some_and(|d| Instant::now() >= d) => {
                Err(Diagnostic::new(Code::Timeout, "the time limit was reached")
                    .help("give the run more time with --timeout SECONDS"))
            }
            None => Ok(()),
        }
    }
}

/// A daemon that speaks Docker's API: Docker or Podman.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The daemon that `docker` would ask (`DOCKER_HOST`, else Docker's socket), or Podman's where Docker has none.
    ///
    /// # Errors
    /// `NL0402` if it is on another machine.
    pub fn find() -> Result<Self> {
        let chosen = std::env::var("DOCKER_HOST").unwrap_or_default();
        if !chosen.is_empty() {
            return match chosen.strip_prefix("unix://") {
                Some(path) => Ok(Self::at(Path::new(path))),
                None => Err(Diagnostic::new(
                    Code::Environment,
                    format!("DOCKER_HOST is `{chosen}`: netlab needs a daemon on this machine, since it goes into its containers"),
                )
                .help("unset DOCKER_HOST, or set it to unix:///var/run/docker.sock")),
            };
        }
        let podman = Self::podmans().into_iter().find(|path| path.exists());
        Ok(match podman {
            Some(podman) if !Path::new(DOCKER).exists() => Self::at(&podman),
            _ => Self::at(Path::new(DOCKER)),
        })
    }

    /// The daemon at a socket.
    pub fn at(socket: &Path) -> Self {
        Self { socket: socket.into() }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The command that talks to it as a person would.
    pub fn tool(&self) -> String {
        tool(&self.socket)
    }

    fn podmans() -> Vec<PathBuf> {
        let own = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("podman/podman.sock"));
        own.into_iter().chain([PathBuf::from("/run/podman/podman.sock")]).collect()
    }

    /// Whether it answers at all.
    ///
    /// # Errors
    /// `NL0402`, `NL0109`.
    pub fn ping(&self) -> Result<()> {
        match self.get_bytes("/_ping", &Wait::default()) {
            Ok(_) => Ok(()),
            Err(trouble) => Err(trouble.into_error("reach the Docker daemon")),
        }
    }

    /// Asks what changes nothing.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn get(&self, path: &str, wait: &Wait) -> std::result::Result<Value, Trouble> {
        self.get_bytes(path, wait).map(|bytes| json(&bytes))
    }

    /// Asks for what is no JSON.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn get_bytes(&self, path: &str, wait: &Wait) -> std::result::Result<Vec<u8>, Trouble> {
        self.ask_for("GET", path, None, LOOK_PATIENCE, wait)
    }

    /// Has something made or done.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn post(&self, path: &str, body: Option<&Value>, wait: &Wait) -> std::result::Result<Value, Trouble> {
        effect::here();
        self.ask("POST", path, body, wait).map(|bytes| json(&bytes))
    }

    /// Has something done that takes its time, and whose answer is no JSON.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn post_long(&self, path: &str, wait: &Wait) -> std::result::Result<Vec<u8>, Trouble> {
        effect::here();
        self.ask_for("POST", path, None, LONG_PATIENCE, wait)
    }

    /// Has something removed.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn delete(&self, path: &str, wait: &Wait) -> std::result::Result<Value, Trouble> {
        effect::here();
        self.ask("DELETE", path, None, wait).map(|bytes| json(&bytes))
    }

    fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
        wait: &Wait,
    ) -> std::result::Result<Vec<u8>, Trouble> {
        self.ask_for(method, path, body, PATIENCE, wait)
    }

    fn ask_for(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
        patience: Duration,
        wait: &Wait,
    ) -> std::result::Result<Vec<u8>, Trouble> {
        let body = body.map(Value::to_string);
        let request = Request { method, path, body: body.as_deref(), patience };
        let answer = http::ask(&self.socket, request, &|| wait.check().is_ok())
            .map_err(|e| Trouble::NoAnswer(self.no_answer(method, path, &e, (patience, wait))))?;
        if (200..400).contains(&answer.status) {
            return Ok(answer.body);
        }
        let value = json(&answer.body);
        let words =
            value["message"].as_str().or(value["cause"].as_str()).or(value.as_str()).unwrap_or("no reason given");
        Err(Trouble::Refused(Refusal { status: answer.status, words: words.trim().to_owned() }))
    }

    fn no_answer(
        &self,
        method: &str,
        path: &str,
        error: &io::Error,
        (patience, wait): (Duration, &Wait),
    ) -> Box<Diagnostic> {
        let socket = self.socket.display();
        let short = path.split('?').next().unwrap_or(path);
        if let Err(asked) = wait.check() {
            return asked;
        }
        let connect = || KernelError::from_io(format!("connect {socket}"), error);
        match error.kind() {
            ErrorKind::TimedOut => Diagnostic::new(
                Code::Environment,
                format!("the daemon at {socket} has not answered `{method} {short}` for {} s", patience.as_secs()),
            )
            .help(format!("see what it does: `{} ps -a`", self.tool())),
            ErrorKind::NotFound => Diagnostic::new(Code::Environment, format!("there is no Docker daemon: {socket} is missing"))
                .help("start it (`sudo systemctl start docker`, or `sudo dockerd &`), install it (Debian: `sudo apt install docker.io`), or set DOCKER_HOST=unix://…")
                .kernel(connect()),
            ErrorKind::ConnectionRefused => Diagnostic::new(
                Code::Environment,
                format!("no Docker daemon listens at {socket}"),
            )
            .help("it has ended: start it again with `sudo systemctl start docker`, or `sudo dockerd &`")
            .kernel(connect()),
            ErrorKind::PermissionDenied => Diagnostic::new(
                Code::NotPermitted,
                format!("you may not talk to the Docker daemon at {socket}"),
            )
            .help("run netlab as root: containers are entered as well, which the group `docker` is not enough for")
            .kernel(connect()),
            _ => Diagnostic::new(Code::Environment, format!("the daemon at {socket} does not answer as Docker does: {error}"))
                .help("is DOCKER_HOST right?"),
        }
    }
}

/// The command that a person would type for the daemon at a socket.
pub fn tool(socket: &Path) -> String {
    if socket.to_string_lossy().contains("podman") {
        "podman".into()
    } else if socket == Path::new(DOCKER) {
        "docker".into()
    } else {
        format!("docker -H unix://{}", socket.display())
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}
