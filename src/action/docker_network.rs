//! A network of Docker's is made for containers.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::docker_run::{belongs_elsewhere, find_soon};
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone};
use crate::container::docker::LABEL;
use crate::container::engine::{Engine, Wait, tool};
use crate::container::refusal::{Refusal, Trouble};
use crate::diag::{Code, Diagnostic, Result};

/// A network is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerNetwork {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The name it gets.
    pub name: String,
    /// Who makes it work: `bridge`, `macvlan`, …
    pub driver: String,
    /// Its subnets; Docker chooses one if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
    /// The gateway that its containers get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The link below a macvlan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The mode of a macvlan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Whether it has no way out.
    #[serde(default)]
    pub internal: bool,
    /// The label by which it is found again: lab, seed, step.
    pub label: String,
}

impl DockerNetwork {
    fn body(&self) -> Value {
        // The gateway is of one family, and belongs to the subnet of that family.
        let config: Vec<Value> = self
            .subnets
            .iter()
            .map(|subnet| match self.gateway.filter(|g| g.is_ipv6() == subnet.contains(':')) {
                Some(gateway) => json!({ "Subnet": subnet, "Gateway": gateway.to_string() }),
                None => json!({ "Subnet": subnet }),
            })
            .collect();
        json!({
            "Name": self.name,
            "CheckDuplicate": true,
            "Driver": self.driver,
            "Internal": self.internal,
            "EnableIPv6": self.subnets.iter().any(|s| s.contains(':')),
            "IPAM": { "Driver": "default", "Config": config },
            "Options": self.options().into_iter().map(|(k, v)| (k.into(), v.into())).collect::<Map<_, _>>(),
            "Labels": { LABEL: self.label },
        })
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        let parent = self.parent.iter().map(|parent| ("parent", parent.clone()));
        parent.chain(self.mode.iter().map(|mode| ("macvlan_mode", mode.clone()))).collect()
    }

    /// What the daemon's words mean.
    fn explain(&self, refusal: Refusal) -> Box<Diagnostic> {
        let name = &self.name;
        if refusal.status == 409 || refusal.says(&["already exists", "already used"]) {
            return Diagnostic::new(Code::NameTaken, format!("there is a Docker network called `{name}` already"));
        }
        if refusal.says(&["invalid subinterface vlan name", "no such device", "parent interface"])
            && let Some(parent) = &self.parent
        {
            return Diagnostic::new(
                Code::NoSuchLink,
                format!("Docker finds no link `{parent}` for the network `{name}`"),
            );
        }
        if refusal.says(&["pool overlaps"]) {
            let subnets = self.subnets.join(", ");
            return Diagnostic::new(
                Code::AddressTaken,
                format!("the subnet {subnets} overlaps with that of another Docker network"),
            )
            .help(format!("choose another; `{} network inspect NAME` shows what the others have", tool(&self.socket)));
        }
        refusal.into_error(&format!("make the Docker network `{name}`"))
    }
}

impl Change for DockerNetwork {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        match Engine::at(&self.socket).create_network(&self.body(), &ctx.wait) {
            Ok(id) => Ok(After::Docker { id, started: String::new() }),
            Err(Trouble::Refused(refusal)) => Err(Failure::clean(self.explain(refusal))),
            Err(Trouble::NoAnswer(error)) => Err(Failure::partial(error)),
        }
    }

    fn undo(&self, after: &After, _ctx: &mut Context<'_>) -> Result<Undone> {
        let (engine, wait) = (Engine::at(&self.socket), Wait::default());
        let what = format!("remove the Docker network `{}`", self.name);
        let found = match after {
            After::Docker { id, .. } => engine.network(id, &wait),
            _ => find_soon(|| engine.labelled_network(&self.label, &wait)),
        };
        let Some(network) = found.map_err(|t| t.into_error(&what))? else { return Ok(Undone::Already) };
        if network.label.as_deref() != Some(&self.label) {
            return Ok(Undone::Theirs(belongs_elsewhere("network", &self.name)));
        }
        // The lab's own containers are gone by now.
        if !network.containers.is_empty() {
            let mut names: Vec<String> = network.containers.iter().map(|(name, _)| format!("`{name}`")).collect();
            names.dedup();
            return Ok(Undone::Theirs(format!(
                "the Docker network `{}` is in use by {}, which is not this lab's; it stays until `{} network rm {}`",
                self.name,
                names.join(", "),
                engine.tool(),
                self.name
            )));
        }
        engine.remove_network(&network.id, &wait).map_err(|t| t.into_error(&what))?;
        Ok(Undone::Yes)
    }

    fn subject(&self) -> Subject {
        Subject::Machine
    }

    fn ip(&self, _names: &Names) -> Vec<String> {
        let mut line = format!("{} network create -d {}", tool(&self.socket), self.driver);
        for subnet in &self.subnets {
            line.push_str(&format!(" --subnet {subnet}"));
        }
        if let Some(gateway) = self.gateway {
            line.push_str(&format!(" --gateway {gateway}"));
        }
        for (key, value) in self.options() {
            line.push_str(&format!(" -o {key}={value}"));
        }
        if self.internal {
            line.push_str(" --internal");
        }
        vec![format!("{line} {}", self.name)]
    }

    fn by_hand(&self, _names: &Names) -> Vec<String> {
        vec![format!("{} network rm {}", tool(&self.socket), self.name)]
    }

    fn rhai(&self, _names: &Names) -> String {
        let mut options = vec![format!("driver: {:?}", self.driver)];
        match self.subnets.as_slice() {
            [] => {}
            [one] => options.push(format!("subnet: {one:?}")),
            many => options.push(format!("subnet: {many:?}")),
        }
        options.extend(self.gateway.map(|g| format!("gateway: \"{g}\"")));
        options.extend(self.parent.as_ref().map(|p| format!("parent: {p:?}")));
        options.extend(self.mode.as_ref().map(|m| format!("mode: {m:?}")));
        options.extend(self.internal.then(|| "internal: true".to_owned()));
        format!("docker_network({:?}, #{{ {} }})", self.name, options.join(", "))
    }
}
