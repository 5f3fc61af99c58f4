//! The program as a script in bash, which takes back what it made if it fails or is asked to.

use std::fmt::Write;

use super::{Part, Program};
use crate::action::Action;
use crate::kernel::space::NetnsCookie;

/// Writes it.
pub fn text(program: &Program) -> String {
    let mut names = program.names.clone();
    // The shell itself is in the namespace that the lab works in.
    names.set_host_pid("$$");
    let made: Vec<&str> = program.steps.iter().filter_map(|s| netns(&s.action)).collect();
    let links: Vec<&str> = program.steps.iter().flat_map(|s| links(&s.action, &names)).collect();
    let mut text = format!(
        "#!/usr/bin/env bash\n# The network of the lab `{}`, as it was when it was exported. `{{}} down` takes it back.\nset -euo pipefail\n",
        program.title
    )
    .replace("{}", "$0");
    let _ = writeln!(text, "\ncleanup() {{");
    let _ = writeln!(text, "    set +e");
    for step in program.steps.iter().rev().filter(|s| is_outside(&s.action, &names)) {
        for line in step.action.change().by_hand(&names) {
            let _ = writeln!(text, "    {line}");
        }
    }
    for name in made.iter().rev() {
        let _ = writeln!(text, "    ip netns del {name}");
        if program.steps.iter().any(|s| file_of(&s.action, name)) {
            let _ = writeln!(text, "    rm -rf /etc/netns/{name}");
        }
    }
    text.push_str("    set -e\n} 2>/dev/null\n");
    text.push_str("if [ \"${1:-}\" = down ]; then cleanup; exit; fi\n\n");
    text.push_str("# What is there already is somebody's, and not to be cleaned up.\n");
    if !made.is_empty() {
        let _ = writeln!(text, "for name in {}; do", made.join(" "));
        text.push_str("    if [ -e \"/run/netns/$name\" ]; then echo \"$0: there is a namespace $name already\" >&2; exit 1; fi\ndone\n");
    }
    if !links.is_empty() {
        let _ = writeln!(text, "for name in {}; do", links.join(" "));
        text.push_str("    if ip link show dev \"$name\" >/dev/null 2>&1; then echo \"$0: there is a link $name already\" >&2; exit 1; fi\ndone\n");
    }
    text.push_str("trap 'code=$?; if [ $code != 0 ]; then cleanup; fi; exit $code' EXIT\n");
    let mut part: Option<Part> = None;
    for step in &program.steps {
        if part != Some(step.part) {
            text.push('\n');
        }
        part = Some(step.part);
        if let Action::FilePut(put) = &step.action {
            put.dirs.iter().for_each(|dir| {
                let _ = writeln!(text, "mkdir -p {}", dir.display());
            });
        }
        for line in step.action.change().ip(&names) {
            let _ = writeln!(text, "{line}");
        }
    }
    if !program.missing.is_empty() {
        text.push('\n');
    }
    for missing in &program.missing {
        let _ = writeln!(text, "# not exported: {}", missing.text().replace('\n', " "));
    }
    text
}

fn netns(action: &Action) -> Option<&str> {
    if let Action::NetnsAdd(add) = action { Some(add.name.as_str()) } else { None }
}

fn is_host(netns: NetnsCookie, names: &crate::action::text::Names) -> bool {
    names.netns(netns) == "host"
}

/// The links that it makes outside of its namespaces.
fn links<'a>(action: &'a Action, names: &crate::action::text::Names) -> Vec<&'a str> {
    let Action::LinkAdd(add) = action else { return Vec::new() };
    add.ends().filter(|end| is_host(end.link.netns, names)).map(|end| end.link.name.as_str()).collect()
}

/// Whether it leaves something that does not go with a namespace or a link.
fn is_outside(action: &Action, names: &crate::action::text::Names) -> bool {
    match action {
        Action::LinkAdd(add) => add.ends().any(|end| is_host(end.link.netns, names)),
        Action::RuleAdd(_) | Action::RouteAdd(_) => action.change().places().iter().all(|p| is_host(*p, names)),
        _ => false,
    }
}

fn file_of(action: &Action, name: &str) -> bool {
    matches!(action, Action::FilePut(put) if put.path.starts_with(std::path::Path::new("/etc/netns").join(name)))
}
