//! Docker's containers and networks, as a lab finds and makes them.

use std::net::IpAddr;

use super::Lab;
use super::blame::belongs_to;
use super::objects::NsId;
use crate::action::docker_network::DockerNetwork;
use crate::action::docker_pull::DockerPull;
use crate::action::docker_run::DockerRun;
use crate::action::docker_start::DockerStart;
use crate::action::docker_stop::DockerStop;
use crate::action::text::Guest;
use crate::action::{Action, After};
use crate::container::docker::{Container, Image, Network};
use crate::container::engine::{Engine, Wait};
use crate::container::refusal::Trouble;
use crate::diag::{Code, Diagnostic, Result, Site, nearest};
use crate::kernel::process;
use crate::probe::state;
use crate::types::address::Prefix;
use crate::types::name::LabName;

/// What a script wants of a network.
#[derive(Debug, Clone, Default)]
pub struct NetworkWish {
    /// Who makes it work.
    pub driver: String,
    /// Its subnets.
    pub subnets: Vec<Prefix>,
    /// The gateway that its containers get.
    pub gateway: Option<IpAddr>,
    /// The link below a macvlan.
    pub parent: Option<String>,
    /// The mode of a macvlan.
    pub mode: Option<String>,
    /// Whether it has no way out.
    pub internal: bool,
}

/// What a script wants of a container.
#[derive(Debug, Clone, Default)]
pub struct ContainerWish {
    /// What it is made from.
    pub image: String,
    /// The network it is put into.
    pub network: Option<String>,
    /// The address it gets there.
    pub ip: Option<IpAddr>,
    /// The name it knows itself by.
    pub hostname: Option<String>,
    /// What runs in it.
    pub command: Vec<String>,
    /// Variables for it.
    pub env: Vec<String>,
    /// Whether it has a terminal; by default where it is given no command.
    pub interactive: Option<bool>,
}

impl Lab {
    /// Finds the namespace of a running container.
    ///
    /// # Errors
    /// `NL0124` if there is none of that name or it does not run, `NL0402` without a daemon.
    pub fn docker(&mut self, name: &str) -> Result<NsId> {
        let engine = Engine::find()?;
        let container = self.container(&engine, name)?;
        self.enter_container(&engine, &container)
    }

    /// Makes a network; it goes at `down`.
    ///
    /// # Errors
    /// `NL0101` if the name is taken, and what the daemon refuses.
    pub fn docker_network(&mut self, site: &Site, name: &str, wish: NetworkWish) -> Result<()> {
        check_name("network", name)?;
        let engine = Engine::find()?;
        if let Some(gateway) = wish.gateway
            && !wish.subnets.iter().any(|s| s.contains(gateway))
        {
            let subnets: Vec<String> = wish.subnets.iter().map(Prefix::to_string).collect();
            return Err(Diagnostic::new(
                Code::BadAddress,
                format!("the gateway {gateway} is not in the subnet of the network `{name}`: {}", subnets.join(", ")),
            ));
        }
        let network = DockerNetwork {
            socket: engine.socket().into(),
            name: name.into(),
            driver: wish.driver,
            subnets: wish.subnets.iter().map(Prefix::to_string).collect(),
            gateway: wish.gateway,
            parent: wish.parent,
            mode: wish.mode,
            internal: wish.internal,
            label: self.label(),
        };
        self.perform(site, Action::DockerNetwork(network))
    }

    /// Makes and starts a container, which goes at `down`; gives its namespace.
    ///
    /// # Errors
    /// `NL0101` if the name is taken, `NL0125` without the image, `NL0124` without the network, and what the daemon refuses.
    pub fn docker_run(&mut self, site: &Site, name: &str, wish: ContainerWish) -> Result<NsId> {
        check_name("container", name)?;
        let engine = Engine::find()?;
        self.check_place(&engine, &wish)?;
        let run = DockerRun {
            socket: engine.socket().into(),
            name: name.into(),
            image: wish.image,
            network: wish.network,
            ip: wish.ip,
            hostname: wish.hostname,
            interactive: wish.interactive.unwrap_or(wish.command.is_empty()),
            command: wish.command,
            env: wish.env,
            label: self.label(),
        };
        self.perform(site, Action::DockerRun(run))?;
        let id = match self.steps.last().map(|(_, step)| &step.after) {
            Some(After::Docker { id, .. }) => id.clone(),
            _ => name.to_owned(),
        };
        let container = self.container(&engine, &id)?;
        self.enter_container(&engine, &container)
    }

    /// Starts a container that is there and does not run; it is stopped at `down`. Gives its namespace.
    ///
    /// # Errors
    /// `NL0124` without such a container, `NL0101` if it runs already.
    pub fn docker_start(&mut self, site: &Site, name: &str) -> Result<NsId> {
        let engine = Engine::find()?;
        let container = self.container(&engine, name)?;
        if container.running {
            return Err(Diagnostic::new(Code::NameTaken, format!("the container `{name}` runs already"))
                .help(format!("docker({name:?}) gives its namespace")));
        }
        let start = DockerStart { socket: engine.socket().into(), name: container.name, id: container.id.clone() };
        self.perform(site, Action::DockerStart(start))?;
        let container = self.container(&engine, &container.id)?;
        self.enter_container(&engine, &container)
    }

    /// Stops a container that the lab made or started.
    ///
    /// # Errors
    /// `NL0124` without such a container, `NL0123` for one of somebody else's.
    pub fn docker_stop(&mut self, site: &Site, name: &str) -> Result<()> {
        let engine = Engine::find()?;
        let container = self.container(&engine, name)?;
        if !container.running {
            return Err(Diagnostic::new(Code::NoSuchContainer, format!("the container `{name}` does not run")));
        }
        let started = |a: &Action| matches!(a, Action::DockerStart(start) if start.id == container.id);
        if let Some(seq) = self.open_step(started) {
            return self.take_back_one(seq);
        }
        let made = self.open_step(|a| made_it(a, &container));
        if made.is_none() && !self.force {
            return Err(Diagnostic::new(
                Code::CannotComeBack,
                format!(
                    "the container `{name}` is not this lab's: what its programs hold in memory would not come back"
                ),
            )
            .help(format!("stop it yourself with `{} stop {name}`, or run with --force", engine.tool())));
        }
        let stop = DockerStop {
            socket: engine.socket().into(),
            again: self.must_keep(made),
            name: container.name,
            id: container.id,
            pid: container.pid,
        };
        self.perform(site, Action::DockerStop(stop))
    }

    /// Removes a container that the lab made.
    ///
    /// # Errors
    /// `NL0124` without such a container, `NL0115` for one of somebody else's.
    pub fn docker_rm(&mut self, name: &str) -> Result<()> {
        let engine = Engine::find()?;
        let container = self.container(&engine, name)?;
        match self.open_step(|a| made_it(a, &container)) {
            Some(seq) => self.take_back_one(seq),
            None => Err(Diagnostic::new(Code::NotOurs, format!("the container `{name}` is not this lab's"))
                .help(format!("remove it yourself: `{} rm -f {name}`", engine.tool()))),
        }
    }

    /// Fetches an image, unless it is there. It goes at `down`, unless it is to be kept.
    ///
    /// # Errors
    /// `NL0125` if no registry gives it.
    pub fn docker_pull(&mut self, site: &Site, image: &str, keep: bool) -> Result<()> {
        let (engine, wait) = (Engine::find()?, self.patience());
        if engine.image(image, &wait).map_err(|t| t.into_error("list the images"))?.is_some() {
            return Ok(());
        }
        let pull = DockerPull { socket: engine.socket().into(), image: image.into(), keep };
        self.perform(site, Action::DockerPull(pull))
    }

    /// Adds to an error about a name that is taken who has it.
    pub(super) fn blame_docker(&self, error: Box<Diagnostic>, action: &Action) -> Box<Diagnostic> {
        let wait = Wait::default();
        let (label, reach, remove) = match action {
            Action::DockerRun(run) => {
                let engine = Engine::at(&run.socket);
                let label = engine.container(&run.name, &wait).ok().flatten().and_then(|c| c.label);
                (label, format!("docker({:?})", run.name), format!("{} rm -f {}", engine.tool(), run.name))
            }
            Action::DockerNetwork(network) => {
                let engine = Engine::at(&network.socket);
                let label = engine.network(&network.name, &wait).ok().flatten().and_then(|n| n.label);
                (
                    label,
                    format!("network: {:?}", network.name),
                    format!("{} network rm {}", engine.tool(), network.name),
                )
            }
            _ => return error,
        };
        let of = |label: &str| self.steps.iter().find(|(_, s)| made_by(&s.action) == Some(label));
        match label.as_deref() {
            Some(label) if of(label).is_some() => error.help(self.made_it(of(label).map(|(_, step)| &step.site))),
            // What is of a lab by its label may have lost that lab's journal.
            Some(label) => match LabName::new(label.split(':').next().unwrap_or(label)) {
                Ok(lab) if self.store.journal(&lab).exists() => error.help(belongs_to(&lab)),
                _ => error.help(format!("a lab that is no more left it behind; remove it with `{remove}`")),
            },
            None => error.help(format!(
                "it was there before this lab; reach it with {reach}, remove it with `{remove}`, or choose another name"
            )),
        }
    }

    /// Adds to an error about a missing parent which links there are.
    pub(super) fn blame_parent(&mut self, error: Box<Diagnostic>, network: &DockerNetwork) -> Box<Diagnostic> {
        let wanted = network.parent.as_deref().unwrap_or_default();
        let host = self.header.host;
        let links = self.kernel.socket(host).and_then(|socket| state::link::read(socket).ok()).unwrap_or_default();
        let names: Vec<&str> = links.iter().filter(|l| !l.loopback).map(|l| l.ifname.as_str()).collect();
        if names.contains(&wanted) {
            return error.help("it is on the host, but not in the namespace that dockerd runs in");
        }
        match nearest(wanted, names.iter().copied()) {
            Some(near) => error.help(format!("did you mean \"{near}\"?")),
            None if names.is_empty() => error.help("the host has none but `lo`"),
            None => error.help(format!("the host has {}", names.join(", "))),
        }
    }

    /// The number of a step that stands.
    fn open_step(&self, is: impl Fn(&Action) -> bool) -> Option<u64> {
        self.steps.iter().rev().find(|(_, s)| s.phase.is_open() && is(&s.action)).map(|(seq, _)| *seq)
    }

    /// The images that are there.
    ///
    /// # Errors
    /// `NL0402` without a daemon.
    pub fn docker_images(&mut self) -> Result<Vec<Image>> {
        let (engine, wait) = (Engine::find()?, self.patience());
        engine.images(&wait).map_err(|t| t.into_error("list the images"))
    }

    /// Looks whether the network is there and has the address, since what Docker says about that differs with its version.
    fn check_place(&mut self, engine: &Engine, wish: &ContainerWish) -> Result<()> {
        let wait = self.patience();
        let Some(name) = &wish.network else {
            return match wish.ip {
                None => Ok(()),
                Some(ip) => Err(Diagnostic::new(Code::BadOption, format!("the address {ip} needs a network to be in"))
                    .help("make one with docker_network(\"lan\", #{ subnet: \"10.90.0.0/24\" }), and say network: \"lan\"")),
            };
        };
        // `container:web` and such are none.
        if name == "none" || name == "host" || name.contains(':') {
            return Ok(());
        }
        let what = format!("look at the Docker network `{name}`");
        let Some(network) = engine.network(name, &wait).map_err(|t| t.into_error(&what))? else {
            return Err(self.no_such_network(engine, name));
        };
        let Some(ip) = wish.ip else { return Ok(()) };
        check_address(ip, &network)
    }

    fn no_such_network(&mut self, engine: &Engine, name: &str) -> Box<Diagnostic> {
        let error = Diagnostic::new(Code::NoSuchContainer, format!("there is no Docker network `{name}`"));
        let all = engine.networks(&self.patience()).unwrap_or_default();
        let mut names: Vec<&str> = all.iter().map(|n| n.name.as_str()).collect();
        names.sort_unstable();
        match nearest(name, names.iter().copied()) {
            Some(near) => error.help(format!("did you mean \"{near}\"?")),
            None => error.help(format!(
                "docker_network({name:?}, #{{ subnet: \"10.90.0.0/24\" }}) makes it; there is {}",
                names.join(", ")
            )),
        }
    }

    /// The container of a name, with the nearest names in the error.
    pub(super) fn container(&mut self, engine: &Engine, name: &str) -> Result<Container> {
        let wait = self.patience();
        let found = if name.is_empty() { Ok(None) } else { engine.container(name, &wait) };
        if let Some(container) = found.map_err(|t: Trouble| t.into_error(&format!("look at the container `{name}`")))? {
            return Ok(container);
        }
        Err(no_such_container(engine, name, &wait))
    }

    fn enter_container(&mut self, engine: &Engine, container: &Container) -> Result<NsId> {
        let name = &container.name;
        let process = process_of(engine, container)?;
        let guest = Guest {
            name: name.clone(),
            title: format!("docker:{name}"),
            pid: format!("$({} inspect -f '{{{{.State.Pid}}}}' {name})", engine.tool()),
            handle: format!("docker({name:?})"),
        };
        self.enter_guest(process, guest)
    }

    /// The label for what the next step makes.
    fn label(&self) -> String {
        format!("{}:{}:{}", self.header.lab, self.header.seed, self.next_seq())
    }

    fn patience(&self) -> Wait {
        Wait { stop: Some(self.stop.clone()), deadline: self.deadline }
    }
}

/// The first process of a container, which has to run.
///
/// # Errors
/// `NL0124` if it does not.
pub fn process_of(engine: &Engine, container: &Container) -> Result<process::ProcessKey> {
    let (name, tool) = (&container.name, engine.tool());
    if !container.running || container.pid <= 0 {
        return Err(Diagnostic::new(Code::NoSuchContainer, format!("the container `{name}` does not run"))
            .help(format!("start it with docker_start({name:?}) in the script, or `{tool} start {name}`; {tool} logs {name} says why it ended")));
    }
    process::key(container.pid).ok_or_else(|| {
        Diagnostic::new(
            Code::NoSuchContainer,
            format!("the container `{name}` runs as process {}, which cannot be seen from here", container.pid),
        )
        .help("a sandbox has processes of its own; run netlab as root on the machine itself, with --host")
    })
}

/// The error for a container that is not there, with the nearest name.
pub fn no_such_container(engine: &Engine, name: &str, wait: &Wait) -> Box<Diagnostic> {
    let error = Diagnostic::new(Code::NoSuchContainer, format!("there is no container `{name}`"));
    let names = engine.container_names(wait).unwrap_or_default();
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean \"{near}\"?")),
        None if names.is_empty() => {
            error.help(format!("there is none at all; docker_run({name:?}, #{{ image: … }}) makes one"))
        }
        None => error.help(format!("there is {}", names.join(", "))),
    }
}

/// Docker's own rule for names.
fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(Diagnostic::new(Code::BadName, format!("`{name}` cannot be the name of a Docker {what}"))
        .help("it has two characters or more: a letter or digit, then letters, digits, `_`, `.` and `-`"))
}

fn made_it(action: &Action, container: &Container) -> bool {
    matches!(action, Action::DockerRun(run) if container.label.as_deref() == Some(&run.label))
}

/// The label of what an action makes.
fn made_by(action: &Action) -> Option<&str> {
    match action {
        Action::DockerRun(run) => Some(&run.label),
        Action::DockerNetwork(network) => Some(&network.label),
        _ => None,
    }
}

fn check_address(ip: IpAddr, network: &Network) -> Result<()> {
    let name = &network.name;
    if !network.subnets.iter().any(|s| s.contains(ip)) {
        let subnets: Vec<String> = network.subnets.iter().map(Prefix::to_string).collect();
        return Err(Diagnostic::new(
            Code::BadAddress,
            format!("{ip} is not in the Docker network `{name}`, which has {}", subnets.join(", ")),
        ));
    }
    if network.gateways.contains(&ip) {
        return Err(Diagnostic::new(Code::AddressTaken, format!("{ip} is the gateway of the Docker network `{name}`"))
            .help("leave `ip` out, and Docker chooses one that is free"));
    }
    match network.containers.iter().find(|(_, addr)| *addr == ip) {
        Some((other, _)) => Err(Diagnostic::new(
            Code::AddressTaken,
            format!("{ip} is taken in the Docker network `{name}`: the container `{other}` has it"),
        )
        .help("leave `ip` out, and Docker chooses one that is free")),
        None => Ok(()),
    }
}
