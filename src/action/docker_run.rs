//! A container of Docker's is made and started.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::container::docker::{Container, LABEL};
use crate::container::engine::{Engine, Wait, tool};
use crate::container::refusal::{Refusal, Trouble};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::{netns, process};

/// How long a daemon may go on with a request whose netlab was killed, until what it made can be seen.
const GRACE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);
/// A command that ends at once, ends within that.
const PROBATION: Duration = Duration::from_millis(50);

/// A container is made and started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerRun {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The name it gets.
    pub name: String,
    /// What it is made from.
    pub image: String,
    /// The network it is put into; Docker's own choice if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The address it gets there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The name it knows itself by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// What runs in it; the image's own command if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Variables for it, `NAME=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Whether it has a terminal and an input, without which a shell ends at once.
    pub interactive: bool,
    /// The label by which it is found again: lab, seed, step.
    pub label: String,
}

impl DockerRun {
    fn body(&self) -> Value {
        let mut body = json!({
            "Image": self.image,
            "Tty": self.interactive,
            "OpenStdin": self.interactive,
            "Env": self.env,
            "Labels": { LABEL: self.label },
            "HostConfig": {},
        });
        if !self.command.is_empty() {
            body["Cmd"] = json!(self.command);
        }
        if let Some(hostname) = &self.hostname {
            body["Hostname"] = json!(hostname);
        }
        if let Some(network) = &self.network {
            body["HostConfig"]["NetworkMode"] = json!(network);
            if let Some(ip) = self.ip {
                let key = if ip.is_ipv4() { "IPv4Address" } else { "IPv6Address" };
                let ends: Map<String, Value> =
                    [(network.clone(), json!({ "IPAMConfig": { key: ip.to_string() } }))].into_iter().collect();
                body["NetworkingConfig"] = json!({ "EndpointsConfig": ends });
            }
        }
        body
    }

    /// What the daemon's words mean.
    fn explain(&self, refusal: Refusal, engine: &Engine, wait: &Wait) -> Box<Diagnostic> {
        let name = &self.name;
        if refusal.says(&["no such image", "not known"]) {
            return no_such_image(&self.image, engine, wait);
        }
        if refusal.status == 409 || refusal.says(&["that name is already in use"]) {
            return Diagnostic::new(Code::NameTaken, format!("there is a container called `{name}` already"));
        }
        if refusal.says(&["address already in use"])
            && let Some(ip) = self.ip
        {
            let network = self.network.as_deref().unwrap_or("bridge");
            return Diagnostic::new(Code::AddressTaken, format!("{ip} is taken in the Docker network `{network}`"))
                .help("leave `ip` out, and Docker chooses one that is free");
        }
        if refusal.says(&["executable file not found", "no such file or directory", "no command specified"]) {
            let command =
                if self.command.is_empty() { "its command".into() } else { format!("`{}`", self.command.join(" ")) };
            let error = Diagnostic::new(Code::BadProgram, format!("the container `{name}` cannot run {command}"));
            return error.help(if refusal.says(&["no command specified"]) {
                format!("the image `{}` names no command: give one with `command`", self.image)
            } else {
                format!("the programs in a container are those of its image: there is none such in `{}`", self.image)
            });
        }
        refusal.into_error(&format!("run the container `{name}`"))
    }

    /// Looks whether it lives, since a container whose command has ended has no network any more.
    fn look(&self, engine: &Engine, id: &str, wait: &Wait) -> Result<Container> {
        let what = format!("look at the container `{}`", self.name);
        let found = engine.container(id, wait).map_err(|t| t.into_error(&what))?;
        let found = match found {
            Some(container) if container.running && !survives(container.pid) => {
                engine.container(id, wait).map_err(|t| t.into_error(&what))?
            }
            other => other,
        };
        match found {
            Some(container) if container.running && container.pid > 0 => Ok(container),
            Some(container) => Err(ended(&container, engine, wait)),
            None => Err(Diagnostic::new(Code::NoSuchContainer, format!("the container `{}` is gone again", self.name))),
        }
    }
}

impl Change for DockerRun {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (engine, wait) = (Engine::at(&self.socket), &ctx.wait);
        let id = match engine.create_container(&self.name, &self.body(), wait) {
            Ok(id) => id,
            Err(Trouble::Refused(refusal)) => return Err(Failure::clean(self.explain(refusal, &engine, wait))),
            Err(Trouble::NoAnswer(error)) => return Err(Failure::partial(error)),
        };
        match engine.start(&id, wait) {
            Ok(()) => {}
            Err(Trouble::Refused(refusal)) => return Err(Failure::partial(self.explain(refusal, &engine, wait))),
            Err(Trouble::NoAnswer(error)) => return Err(Failure::partial(error)),
        }
        let container = self.look(&engine, &id, wait).map_err(Failure::partial)?;
        Ok(After::Docker { id, started: container.started })
    }

    fn undo(&self, after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        let (engine, wait) = (Engine::at(&self.socket), Wait::default());
        let what = format!("remove the container `{}`", self.name);
        let found = match after {
            After::Docker { id, .. } => engine.container(id, &wait),
            _ => find_soon(|| engine.labelled_container(&self.label, &wait)),
        };
        let Some(container) = found.map_err(|t| t.into_error(&what))? else { return Ok(Undone::Already) };
        if container.label.as_deref() != Some(&self.label) {
            return Ok(Undone::Theirs(belongs_elsewhere("container", &self.name)));
        }
        let_go(container.pid, ctx);
        engine.remove_container(&container.id, &wait).map_err(|t| t.into_error(&what))?;
        // Where somebody else was removing it, that may take a moment.
        let deadline = Instant::now() + 10 * GRACE;
        while engine.container(&container.id, &wait).map_err(|t| t.into_error(&what))?.is_some() {
            if Instant::now() >= deadline {
                return Err(Diagnostic::new(Code::Busy, format!("the container `{}` does not go", self.name)));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Undone::Yes)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        let mut words = vec!["run".to_owned(), "-d".into()];
        if self.interactive {
            words.push("-it".into());
        }
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.extend([format!("--{name}"), value]);
            }
        };
        option("name", Some(self.name.clone()));
        option("hostname", self.hostname.clone());
        option("network", self.network.clone());
        match self.ip {
            Some(ip) if ip.is_ipv6() => option("ip6", Some(ip.to_string())),
            ip => option("ip", ip.map(|ip| ip.to_string())),
        }
        self.env.iter().for_each(|variable| option("env", Some(variable.clone())));
        words.push(self.image.clone());
        words.extend(self.command.iter().cloned());
        let line = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "));
        vec![format!("{} {line}", tool(&self.socket))]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        vec![format!("{} rm -f {}", tool(&self.socket), self.name)]
    }

    fn rhai(&self, _names: &Names) -> String {
        let mut options = vec![format!("image: {:?}", self.image)];
        options.extend(self.network.as_ref().map(|n| format!("network: {n:?}")));
        options.extend(self.ip.map(|ip| format!("ip: \"{ip}\"")));
        options.extend(self.hostname.as_ref().map(|h| format!("hostname: {h:?}")));
        if !self.command.is_empty() {
            options.push(format!("command: {:?}", self.command));
        }
        if !self.env.is_empty() {
            options.push(format!("env: {:?}", self.env));
        }
        if self.interactive == self.command.is_empty() {
        } else {
            options.push(format!("interactive: {}", self.interactive));
        }
        format!("docker_run({:?}, #{{ {} }})", self.name, options.join(", "))
    }
}

/// Whether a process that was just started lives on for a moment.
pub(super) fn survives(pid: i32) -> bool {
    let Some(process) = process::key(pid) else {
        // It has ended already, or cannot be seen from here: the daemon knows.
        std::thread::sleep(PAUSE);
        return false;
    };
    let deadline = Instant::now() + PROBATION;
    while Instant::now() < deadline {
        if !process::is_alive(process) {
            // The daemon hears of it a little later.
            std::thread::sleep(PAUSE);
            return false;
        }
        std::thread::sleep(PROBATION / 10);
    }
    true
}

/// Closes the namespace of a process that ends now: while somebody has it open, the links in it live on.
pub(super) fn let_go(pid: i32, ctx: &mut Context<'_>) {
    if pid > 0
        && let Ok(fd) = netns::of_pid(pid)
        && let Ok(cookie) = ctx.kernel.adopt(fd)
        && cookie != ctx.kernel.host()
    {
        ctx.kernel.close(cookie);
    }
}

/// Looks for what may have been made or started. The daemon may still be about to do it for a netlab that was killed.
pub(super) fn find_soon<T>(
    look: impl Fn() -> std::result::Result<Option<T>, Trouble>,
) -> std::result::Result<Option<T>, Trouble> {
    let deadline = Instant::now() + GRACE;
    loop {
        let found = look()?;
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
        }
        std::thread::sleep(PAUSE);
    }
}

/// The sentence for what has our id or name and not our label.
pub(super) fn belongs_elsewhere(what: &str, name: &str) -> String {
    format!("the {what} `{name}` carries another label than this lab's")
}

/// The error for a container that has ended.
pub fn ended(container: &Container, engine: &Engine, wait: &Wait) -> Box<Diagnostic> {
    let name = &container.name;
    let printed = engine.printed(&container.id, wait).unwrap_or_default();
    let printed = if printed.is_empty() { String::new() } else { format!("; it printed: {printed}") };
    Diagnostic::new(
        Code::BadProgram,
        format!("the container `{name}` ended at once, with code {}{printed}", container.exit_code),
    )
    .help("a container lives as long as its command: command: \"sleep infinity\" would do, or interactive: true for a shell")
}

/// The error for an image that is not there, with those that are.
pub fn no_such_image(image: &str, engine: &Engine, wait: &Wait) -> Box<Diagnostic> {
    let error = Diagnostic::new(Code::NoSuchImage, format!("there is no image `{image}`"));
    let names: Vec<String> = engine.images(wait).unwrap_or_default().into_iter().flat_map(|i| i.names).collect();
    // Nobody writes `:latest`.
    let names: Vec<String> =
        names.into_iter().map(|n| n.strip_suffix(":latest").map(str::to_owned).unwrap_or(n)).collect();
    let get = format!("get it with `{} pull {image}`, or docker_pull({image:?}) in the script", engine.tool());
    match crate::diag::nearest(image, names.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean \"{near}\"? Otherwise {get}")),
        None if names.is_empty() => error.help(format!("there is none at all; {get}")),
        None => error.help(format!("there is {}; {get}", names.join(", "))),
    }
}
