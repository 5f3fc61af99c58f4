//! The program as a script in bash, which takes back what it made if it fails or is asked to.

use super::{Part, Program};
use crate::action::Action;
use crate::action::sysctl_set::SysctlSet;
use crate::action::text::Names;
use crate::kernel::space::NetnsCookie;

/// Writes it.
pub fn text(program: &Program) -> String {
    let mut names = program.names.clone();
    // The shell itself is in the namespace that the lab works in.
    names.set_host_pid("$$");
    let mut text = format!(
        "#!/usr/bin/env bash\n# The network of the lab `{}`, as it was when it was exported. With `down` it is taken back.\n\
         set -euo pipefail\n\n",
        program.title
    );
    cleanup(&mut text, program, &names);
    refusal(&mut text, program, &names);
    let mut part: Option<Part> = None;
    for step in &program.steps {
        if part != Some(step.part) {
            text.push('\n');
        }
        part = Some(step.part);
        if let Action::FilePut(put) = &step.action {
            put.dirs.iter().for_each(|dir| line(&mut text, &format!("mkdir -p {}", dir.display())));
        }
        let action = outside_first(&step.action, &names);
        action.change().ip(&names).iter().for_each(|command| line(&mut text, command));
    }
    if !program.missing.is_empty() {
        text.push('\n');
    }
    for missing in &program.missing {
        line(&mut text, &format!("# not exported: {}", missing.text().replace('\n', " ")));
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The function that takes back what the script made, and the settings as they were before it.
fn cleanup(text: &mut String, program: &Program, names: &Names) {
    let settings: Vec<&SysctlSet> = program
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            // Those of links go with them.
            Action::SysctlSet(set) if step.part == Part::Netns && is_host(set.netns, names) => Some(set),
            _ => None,
        })
        .collect();
    for (number, set) in settings.iter().enumerate() {
        line(text, &format!("was_{number}=$(cat {})", set.path.display()));
    }
    line(text, "cleanup() {");
    line(text, "    set +e");
    for step in program.steps.iter().rev().filter(|step| is_outside(&step.action, names)) {
        for command in outside_first(&step.action, names).change().by_hand(names) {
            line(text, &format!("    {command}"));
        }
    }
    for name in program.steps.iter().rev().filter_map(|step| netns(&step.action)) {
        line(text, &format!("    ip netns del {name}"));
        if program.steps.iter().any(|step| is_file_of(&step.action, name)) {
            line(text, &format!("    rm -rf /etc/netns/{name}"));
        }
    }
    for (number, set) in settings.iter().enumerate().rev() {
        line(text, &format!("    echo \"$was_{number}\" >{}", set.path.display()));
    }
    line(text, "} 2>/dev/null");
    line(text, "if [ \"${1:-}\" = down ]; then");
    for set in &settings {
        line(text, &format!("    echo \"{} stays as it is\" >&2", set.path.display()));
    }
    line(text, "    cleanup");
    line(text, "    exit 0\nfi\n");
}

/// What is there already is somebody's: nothing is begun then, so that nothing of it is cleaned up.
fn refusal(text: &mut String, program: &Program, names: &Names) {
    let made: Vec<&str> = program.steps.iter().filter_map(|step| netns(&step.action)).collect();
    let links: Vec<&str> = program.steps.iter().flat_map(|step| links(&step.action, names)).collect();
    for (made, what, test) in [
        (made, "namespace", "[ -e \"/run/netns/$name\" ]"),
        (links, "link", "ip link show dev \"$name\" >/dev/null 2>&1"),
    ] {
        if !made.is_empty() {
            line(text, &format!("for name in {}; do", made.join(" ")));
            line(text, &format!("    if {test}; then echo \"there is a {what} $name already\" >&2; exit 1; fi"));
            line(text, "done");
        }
    }
    line(text, "trap 'code=$?; if [ $code != 0 ]; then cleanup; fi; exit $code' EXIT");
}

/// A veth as a person makes it: from where she is, with its far end in the namespace.
fn outside_first(action: &Action, names: &Names) -> Action {
    let mut action = action.clone();
    if let Action::LinkAdd(add) = &mut action
        && let Some(peer) = &mut add.peer
        && is_host(peer.link.netns, names)
    {
        std::mem::swap(&mut add.end, peer);
    }
    action
}

fn netns(action: &Action) -> Option<&str> {
    if let Action::NetnsAdd(add) = action { Some(add.name.as_str()) } else { None }
}

fn is_host(netns: NetnsCookie, names: &Names) -> bool {
    names.netns(netns) == "host"
}

/// The links that it makes outside of its namespaces.
fn links<'a>(action: &'a Action, names: &Names) -> Vec<&'a str> {
    let Action::LinkAdd(add) = action else { return Vec::new() };
    add.ends().filter(|end| is_host(end.link.netns, names)).map(|end| end.link.name.as_str()).collect()
}

/// Whether it leaves something outside of namespaces that does not go with a link.
fn is_outside(action: &Action, names: &Names) -> bool {
    match action {
        // With its namespace a veth goes as well, but only when the kernel comes to it.
        Action::LinkAdd(add) => add.ends().any(|end| is_host(end.link.netns, names)),
        Action::RuleAdd(_) | Action::RouteAdd(_) => action.change().places().iter().all(|p| is_host(*p, names)),
        _ => false,
    }
}

fn is_file_of(action: &Action, name: &str) -> bool {
    matches!(action, Action::FilePut(put) if put.path.starts_with(std::path::Path::new("/etc/netns").join(name)))
}
