//! Containers: Docker's, found and made, with their networks.

use rhai::{Array, Dynamic, Map};

use super::args::Call;
use super::function::{Form, Function};
use super::netns::value;
use super::options::Options;
use super::program::{argv, texts};
use super::values::{Link, Of, Subnet, kind};
use crate::diag::{Code, Diagnostic, Result};
use crate::lab::docker::{ContainerWish, NetworkWish};
use crate::types::address::{Prefix, ip};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        of: Of::Free,
        name: "docker",
        params: "name",
        arity: (1, 1),
        gives: "namespace",
        doc: "Finds the namespace of a running Docker container, by its name or id.\n\nEvery verb and probe works in it, and nothing has to be installed in the container. A container that is started again has a new namespace: the old handle says so, and `docker(name)` gives the new one.\n\n```rhai\nneeds(\"docker\");\ndocker_run(\"web\", #{ image: \"busybox\", network: \"none\" });\nlet web = docker(\"web\");\nexpect(web.ping(\"127.0.0.1\"));\n```",
        form: Form::Call(|c| {
            let name = c.text(0)?;
            c.look()?.docker(&name).map(value)
        }),
    },
    Function {
        of: Of::Free,
        name: "docker_network",
        params: "name, #{ driver, subnet, gateway, parent, mode, internal }?",
        arity: (1, 2),
        gives: "the name",
        doc: "Makes a network of Docker's, which goes at `down`.\n\n* `driver` - `\"bridge\"`, or `\"macvlan\"`, which it is where a `parent` is given\n* `subnet` - `\"10.90.0.0/24\"`, or an array of an IPv4 and an IPv6 one; Docker chooses if it is missing\n* `gateway` - the gateway that its containers get\n* `parent` - the link below a macvlan, a link or its name\n* `mode` - of a macvlan: `\"bridge\"`, `\"private\"`, `\"vepa\"` or `\"passthru\"`\n* `internal` - whether it has no way out\n\n```rhai\nneeds(\"docker\");\nlet cable = veth(\"card\", \"plug\");\ndocker_network(\"lan\", #{ parent: cable.a, subnet: \"10.90.0.0/24\", gateway: \"10.90.0.1\" });\n```",
        form: Form::Call(network),
    },
    Function {
        of: Of::Free,
        name: "docker_run",
        params: "name, #{ image, network, ip, hostname, command, env, interactive }",
        arity: (2, 2),
        gives: "namespace",
        doc: "Makes and starts a Docker container, which goes at `down`; gives its namespace.\n\n* `image` - must be there already; `docker_images()` lists them\n* `network` - a name, or `\"none\"` for a container that is wired by the lab\n* `ip` - the address that it gets in that network\n* `command` - what runs in it, a line or an array of words; the image's own command otherwise\n* `env` - variables: `[\"NAME=value\"]`\n* `interactive` - whether it has a terminal, without which a shell ends at once; by default where there is no `command`\n\n```rhai\nneeds(\"docker\");\nlet web = docker_run(\"web\", #{ image: \"busybox\", network: \"none\", command: \"sleep infinity\" });\nexpect(web.ping(\"127.0.0.1\"));\n```",
        form: Form::Call(run),
    },
    Function {
        of: Of::Free,
        name: "docker_images",
        params: "",
        arity: (0, 0),
        gives: "array of #{ names, id, size }",
        doc: "The images that Docker has.\n\n```rhai\nneeds(\"docker\");\nfor image in docker_images() { print(image.names); }\n```",
        form: Form::Call(|c| {
            let images = c.look()?.docker_images()?;
            let map = |i: crate::container::docker::Image| -> Dynamic {
                let fields: [(&str, Dynamic); 3] =
                    [("names", texts(i.names)), ("id", i.id.into()), ("size", i.size.into())];
                fields.into_iter().map(|(k, v)| (k.into(), v)).collect::<Map>().into()
            };
            Ok(images.into_iter().map(map).collect::<Array>().into())
        }),
    },
];

fn network(c: &mut Call<'_>) -> Result<Dynamic> {
    let (name, site, mut options) = (c.text(0)?, c.site.clone(), c.options(1)?);
    let parent = options.any("parent").map(|given| link_name(c, &given)).transpose()?;
    let mode = options.text("mode")?;
    let is_macvlan = parent.is_some() || mode.is_some();
    let wish = NetworkWish {
        driver: options.text("driver")?.unwrap_or_else(|| if is_macvlan { "macvlan" } else { "bridge" }.into()),
        subnets: subnets(&mut options)?,
        gateway: options.text("gateway")?.map(|text| ip(&text)).transpose()?,
        parent,
        mode,
        internal: options.bool("internal")?.unwrap_or(false),
    };
    options.finish()?;
    if let Some(mode) = wish.mode.as_deref().filter(|m| !["bridge", "private", "vepa", "passthru"].contains(m)) {
        return Err(Diagnostic::new(Code::BadOption, format!("Docker knows no macvlan mode `{mode}`"))
            .help("it knows bridge, private, vepa and passthru"));
    }
    if wish.driver == "macvlan" && wish.parent.is_none() {
        return Err(Diagnostic::new(Code::BadOption, "a macvlan network needs the link that it sits on")
            .help("parent: \"eth0\""));
    }
    c.lab()?.docker_network(&site, &name, wish)?;
    Ok(name.into())
}

fn run(c: &mut Call<'_>) -> Result<Dynamic> {
    let (name, site, mut options) = (c.text(0)?, c.site.clone(), c.options(1)?);
    let image = options.text("image")?;
    let wish = ContainerWish {
        image: image.clone().unwrap_or_default(),
        network: options.text("network")?,
        ip: options.text("ip")?.map(|text| ip(&text)).transpose()?,
        hostname: options.text("hostname")?,
        command: options.any("command").map(|given| argv(&given)).transpose()?.unwrap_or_default(),
        env: options.texts("env")?,
        interactive: options.bool("interactive")?,
    };
    options.finish()?;
    if image.is_none_or(|i| i.is_empty()) {
        return Err(Diagnostic::new(Code::BadOption, format!("the container `{name}` needs an image"))
            .help("image: \"busybox\"; docker_images() lists those that are there"));
    }
    c.lab()?.docker_run(&site, &name, wish).map(value)
}

fn subnets(options: &mut Options) -> Result<Vec<Prefix>> {
    let given = match options.any("subnet") {
        None => return Ok(Vec::new()),
        Some(list) if list.is_array() => list.into_array().unwrap_or_default(),
        Some(one) => vec![one],
    };
    given
        .into_iter()
        .map(|item| match item.clone().try_cast::<Subnet>() {
            Some(Subnet { base, len }) => Prefix::new(&format!("{base}/{len}")),
            None if item.is_string() => Prefix::new(&item.to_string()),
            None => Err(options.mistaken("subnet", "a string, a subnet, or an array of them", kind(&item))),
        })
        .collect()
}

/// A link or its name.
fn link_name(c: &mut Call<'_>, given: &Dynamic) -> Result<String> {
    match given.clone().try_cast::<Link>() {
        Some(link) => Ok(c.look()?.objects.link(link.0)?.name().to_owned()),
        None if given.is_string() => Ok(given.to_string()),
        None => Err(Diagnostic::new(
            Code::BadOption,
            format!("option `parent` of `docker_network` is {}, not a link or its name", kind(given)),
        )),
    }
}
