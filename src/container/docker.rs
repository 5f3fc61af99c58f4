//! What Docker has: containers, networks and images, found and changed by its API.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::engine::{Engine, Wait};
use super::http::quote;
use super::refusal::{Refusal, Trouble};
use crate::types::address::Prefix;

/// The label on everything that a lab makes: `netlab.lab=LAB:SEED:STEP`. By it an undo finds what was made right before a
/// kill, and knows that it is the lab's.
pub const LABEL: &str = "netlab.lab";

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id, which is never used again.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The label of the lab that made it.
    pub label: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// Its first process, if it runs.
    pub pid: i32,
    /// When it was started last, in the daemon's words: another time is another start.
    pub started: String,
    /// What its command ended with.
    pub exit_code: i64,
    /// The variables that its programs see.
    pub env: Vec<String>,
    /// Whether it has a network of its own, and not the host's or another container's.
    pub network_mode: String,
}

impl Container {
    fn new(value: &Value) -> Option<Self> {
        let state = &value["State"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let env = value["Config"]["Env"].as_array().into_iter().flatten();
        Some(Self {
            id: value["Id"].as_str()?.to_owned(),
            name: text(&value["Name"]).trim_start_matches('/').to_owned(),
            label: value["Config"]["Labels"][LABEL].as_str().map(str::to_owned),
            running: state["Running"].as_bool().unwrap_or(false),
            pid: state["Pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0),
            started: text(&state["StartedAt"]),
            exit_code: state["ExitCode"].as_i64().unwrap_or(0),
            env: env.filter_map(|v| v.as_str().map(str::to_owned)).collect(),
            network_mode: text(&value["HostConfig"]["NetworkMode"]),
        })
    }
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The label of the lab that made it.
    pub label: Option<String>,
    /// Its subnets.
    pub subnets: Vec<Prefix>,
    /// Its gateways.
    pub gateways: Vec<IpAddr>,
    /// The containers in it, with their addresses.
    pub containers: Vec<(String, IpAddr)>,
}

impl Network {
    fn new(value: &Value) -> Option<Self> {
        let config = || value["IPAM"]["Config"].as_array().into_iter().flatten();
        let containers = value["Containers"].as_object().into_iter().flatten().map(|(_, c)| c);
        Some(Self {
            id: value["Id"].as_str()?.to_owned(),
            name: value["Name"].as_str()?.to_owned(),
            label: value["Labels"][LABEL].as_str().map(str::to_owned),
            subnets: config().filter_map(|c| Prefix::new(c["Subnet"].as_str()?).ok()).collect(),
            gateways: config().filter_map(|c| c["Gateway"].as_str()?.parse().ok()).collect(),
            containers: containers
                .flat_map(|c| {
                    ["IPv4Address", "IPv6Address"].map(|key| {
                        let addr = c[key].as_str()?.split('/').next()?.parse().ok()?;
                        Some((c["Name"].as_str()?.to_owned(), addr))
                    })
                })
                .flatten()
                .collect(),
        })
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// Its names, `repository:tag`.
    pub names: Vec<String>,
    /// How big it is, in bytes.
    pub size: i64,
}

type Answer<T> = std::result::Result<T, Trouble>;

/// What there is.
impl Engine {
    /// The container of a name or id, running or not.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn container(&self, name: &str, wait: &Wait) -> Answer<Option<Container>> {
        Ok(missing(self.get(&format!("/containers/{}/json", quote(name)), wait))?.as_ref().and_then(Container::new))
    }

    /// The names of all containers, running or not.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn container_names(&self, wait: &Wait) -> Answer<Vec<String>> {
        let all = self.get("/containers/json?all=1", wait)?;
        let first = |c: &Value| Some(c["Names"][0].as_str()?.trim_start_matches('/').to_owned());
        let mut names: Vec<String> = all.as_array().into_iter().flatten().filter_map(first).collect();
        names.sort();
        Ok(names)
    }

    /// The container that carries a label.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn labelled_container(&self, label: &str, wait: &Wait) -> Answer<Option<Container>> {
        let all = self.get(&format!("/containers/json?all=1&filters={}", filter(label)), wait)?;
        match all[0]["Id"].as_str() {
            Some(id) => self.container(id, wait),
            None => Ok(None),
        }
    }

    /// The network of a name or id.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn network(&self, name: &str, wait: &Wait) -> Answer<Option<Network>> {
        Ok(missing(self.get(&format!("/networks/{}", quote(name)), wait))?.as_ref().and_then(Network::new))
    }

    /// All networks. Which containers are in them is not among what this answer says.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn networks(&self, wait: &Wait) -> Answer<Vec<Network>> {
        let all = self.get("/networks", wait)?;
        Ok(all.as_array().into_iter().flatten().filter_map(Network::new).collect())
    }

    /// The network that carries a label.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn labelled_network(&self, label: &str, wait: &Wait) -> Answer<Option<Network>> {
        let all = self.get(&format!("/networks?filters={}", filter(label)), wait)?;
        match all[0]["Id"].as_str() {
            Some(id) => self.network(id, wait),
            None => Ok(None),
        }
    }

    /// The images that are there.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn images(&self, wait: &Wait) -> Answer<Vec<Image>> {
        let all = self.get("/images/json", wait)?;
        let image = |i: &Value| {
            let names = i["RepoTags"].as_array().into_iter().flatten();
            Some(Image {
                id: i["Id"].as_str()?.to_owned(),
                names: names.filter_map(|n| n.as_str()).filter(|n| *n != "<none>:<none>").map(str::to_owned).collect(),
                size: i["Size"].as_i64().unwrap_or(0),
            })
        };
        let mut images: Vec<Image> = all.as_array().into_iter().flatten().filter_map(image).collect();
        images.sort_by(|a, b| a.names.cmp(&b.names));
        Ok(images)
    }

    /// The id of an image, if it is there.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn image(&self, name: &str, wait: &Wait) -> Answer<Option<String>> {
        // The name is a part of the path as it is: Podman does not take its slashes quoted.
        let found = missing(self.get(&format!("/images/{}/json", quote(name).replace("%2F", "/")), wait))?;
        Ok(found.and_then(|image| image["Id"].as_str().map(str::to_owned)))
    }

    /// What a container has printed.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn printed(&self, id: &str, wait: &Wait) -> Answer<String> {
        let bytes = self.get_bytes(&format!("/containers/{}/logs?stdout=1&stderr=1&tail=3", quote(id)), wait)?;
        let text = String::from_utf8_lossy(&pieces(&bytes)).replace('\r', "");
        Ok(text.trim().to_owned())
    }
}

/// What is changed.
impl Engine {
    /// Makes a container; gives its id.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn create_container(&self, name: &str, body: &Value, wait: &Wait) -> Answer<String> {
        let made = self.post(&format!("/containers/create?name={}", quote(name)), Some(body), wait)?;
        Ok(made["Id"].as_str().unwrap_or_default().to_owned())
    }

    /// Starts a container.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn start(&self, id: &str, wait: &Wait) -> Answer<()> {
        self.post(&format!("/containers/{}/start", quote(id)), None, wait).map(|_| ())
    }

    /// Stops a container: kindly, and by SIGKILL after some seconds.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn stop(&self, id: &str, seconds: u32, wait: &Wait) -> Answer<()> {
        self.post(&format!("/containers/{}/stop?t={seconds}", quote(id)), None, wait).map(|_| ())
    }

    /// Ends and removes a container, with the volumes that have no name.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn remove_container(&self, id: &str, wait: &Wait) -> Answer<()> {
        match self.delete(&format!("/containers/{}?force=1&v=1", quote(id)), wait) {
            // Somebody else is removing it.
            Err(trouble) if matches!(trouble.status(), Some(404 | 409)) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Makes a network; gives its id.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn create_network(&self, body: &Value, wait: &Wait) -> Answer<String> {
        let made = self.post("/networks/create", Some(body), wait)?;
        Ok(made["Id"].as_str().unwrap_or_default().to_owned())
    }

    /// Removes a network.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn remove_network(&self, id: &str, wait: &Wait) -> Answer<()> {
        missing(self.delete(&format!("/networks/{}", quote(id)), wait)).map(|_| ())
    }
}

/// Images.
impl Engine {
    /// Fetches an image from a registry.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn pull(&self, image: &str, wait: &Wait) -> Answer<()> {
        // Without a tag all of a repository would come.
        let is_exact = image.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        let tag = if is_exact { "" } else { "&tag=latest" };
        let lines = self.post_long(&format!("/images/create?fromImage={}{tag}", quote(image)), wait)?;
        match pull_error(&String::from_utf8_lossy(&lines)) {
            Some(words) => Err(Trouble::Refused(Refusal { status: 404, words })),
            None => Ok(()),
        }
    }

    /// Removes an image, unless a container uses it.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn remove_image(&self, name: &str, wait: &Wait) -> Answer<()> {
        missing(self.delete(&format!("/images/{}", quote(name).replace("%2F", "/")), wait)).map(|_| ())
    }
}

/// What was printed, without the head of each piece: which output, three zeros, the length. With a terminal there are none.
fn pieces(mut rest: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let [0..=2, 0, 0, 0, a, b, c, d, tail @ ..] = rest {
        let length = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).min(tail.len());
        text.extend_from_slice(&tail[..length]);
        rest = &tail[length..];
    }
    text.extend_from_slice(rest);
    text
}

/// What went wrong, of the lines that a pull answers: its status says nothing, since it is sent first.
fn pull_error(lines: &str) -> Option<String> {
    let errors = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    errors.rev().find_map(|line| line["error"].as_str().map(str::to_owned))
}

fn filter(label: &str) -> String {
    quote(&json!({ "label": [format!("{LABEL}={label}")] }).to_string())
}

/// What is not there is no trouble.
fn missing(answer: Answer<Value>) -> Answer<Option<Value>> {
    match answer {
        Err(trouble) if trouble.status() == Some(404) => Ok(None),
        other => other.map(Some),
    }
}
