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
use crate::lab::nspawn::MachineWish;
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
        name: "docker_start",
        params: "name",
        arity: (1, 1),
        gives: "namespace",
        doc: "Starts a Docker container that is there and does not run; it is stopped at `down`.\n\n```rhai\nneeds(\"docker\");\ndocker_run(\"web\", #{ image: \"busybox\", network: \"none\" });\ndocker_stop(\"web\");\nlet web = docker_start(\"web\");\nexpect(web.ping(\"127.0.0.1\"));\n```",
        form: Form::Call(|c| {
            let (name, site) = (c.text(0)?, c.site.clone());
            c.lab()?.docker_start(&site, &name).map(value)
        }),
    },
    Function {
        of: Of::Free,
        name: "docker_stop",
        params: "name",
        arity: (1, 1),
        gives: "()",
        doc: "Stops a Docker container that the lab made or started.\n\nIts namespace goes, with all that was put into it.\n\n```rhai\nneeds(\"docker\");\ndocker_run(\"web\", #{ image: \"busybox\", network: \"none\" });\ndocker_stop(\"web\");\n```",
        form: Form::Call(|c| {
            let (name, site) = (c.text(0)?, c.site.clone());
            c.lab()?.docker_stop(&site, &name).map(|()| Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Free,
        name: "docker_rm",
        params: "name",
        arity: (1, 1),
        gives: "()",
        doc: "Ends and removes a Docker container that the lab made; `down` does it by itself.\n\n```rhai\nneeds(\"docker\");\ndocker_run(\"web\", #{ image: \"busybox\", network: \"none\" });\ndocker_rm(\"web\");\n```",
        form: Form::Call(|c| {
            let name = c.text(0)?;
            c.lab()?.docker_rm(&name).map(|()| Dynamic::UNIT)
        }),
    },
    Function {
        of: Of::Free,
        name: "docker_pull",
        params: "image, #{ keep }?",
        arity: (1, 2),
        gives: "()",
        doc: "Fetches an image from a registry, unless it is there; nothing else ever does.\n\nIt goes at `down`.\n\n* `keep` - whether it stays at `down`, so that the next run need not fetch it again\n\n```rhai\nneeds(\"docker\");\ndocker_pull(\"busybox\", #{ keep: true });\n```",
        form: Form::Call(|c| {
            let (image, site, mut options) = (c.text(0)?, c.site.clone(), c.options(1)?);
            let keep = options.bool("keep")?.unwrap_or(false);
            options.finish()?;
            c.lab()?.docker_pull(&site, &image, keep).map(|()| Dynamic::UNIT)
        }),
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
    Function {
        of: Of::Free,
        name: "nspawn",
        params: "name",
        arity: (1, 1),
        gives: "namespace",
        doc: "Finds the namespace of a running systemd-nspawn machine, by its name.\n\nEvery verb and probe works in it, and nothing has to be installed in the machine.\n\n```rhai\nneeds(\"nspawn\");\ntry { nspawn(\"nosuch\"); } catch (e) { expect(e.code == \"NL0124\"); }\n```",
        form: Form::Call(|c| {
            let name = c.text(0)?;
            c.look()?.nspawn(&name).map(value)
        }),
    },
    Function {
        of: Of::Free,
        name: "nspawn_run",
        params: "name, #{ directory, command, boot }",
        arity: (2, 2),
        gives: "namespace",
        doc: "Starts a systemd-nspawn machine with a network of its own, which ends at `down`; gives its namespace.\n\nWhat the machine writes into its folder stays there.\n\n* `directory` - the folder that is its root, with a whole system in it\n* `command` - what runs in it, a line or an array of words; `sleep infinity` otherwise\n* `boot` - whether its own init is started instead\n\n```rhai\nneeds(\"nspawn\");\ntry { nspawn_run(\"web\", #{ directory: \"/nosuch\" }); } catch (e) { expect(e.code == \"NL0125\"); }\n```",
        form: Form::Call(machine),
    },
];

fn machine(c: &mut Call<'_>) -> Result<Dynamic> {
    let (name, site, mut options) = (c.text(0)?, c.site.clone(), c.options(1)?);
    let directory = options.text("directory")?;
    let command = options.any("command").map(|given| argv(&given)).transpose()?;
    let boot = options.bool("boot")?.unwrap_or(false);
    options.finish()?;
    let Some(directory) = directory else {
        return Err(Diagnostic::new(Code::BadOption, format!("the machine `{name}` needs a folder that is its root"))
            .help("directory: \"/var/lib/machines/web\""));
    };
    if boot && command.is_some() {
        return Err(Diagnostic::new(Code::BadOption, "a machine either boots or runs a command")
            .help("leave one of `boot` and `command` out"));
    }
    let command = command.unwrap_or_else(|| vec!["sleep".into(), "infinity".into()]);
    let wish = MachineWish { directory: directory.into(), command, boot };
    c.lab()?.nspawn_run(&site, &name, wish).map(value)
}

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
