//! The exact text of each error about containers: the cases stand in `errors.txt`, in the form of `tests/errors`.
//!
//! `UPDATE=1` writes what netlab says now; read the difference before you commit it.

use std::fmt::Write;
use std::fs;

use crate::house::House;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/containers/errors.txt");

struct Case {
    name: String,
    /// Done first, in bash; what it makes must be as before afterwards.
    setup: String,
    script: String,
    expected: String,
}

#[test]
fn each_error_is_exactly_this() {
    let Some(house) = House::with_docker() else { return };
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut cases = parse(&fs::read_to_string(FILE).expect("the cases can be read"));
    let mut wrong = Vec::new();
    for case in cases.iter_mut().filter(|case| case.name.contains(&wanted)) {
        house.sh(&format!("set -e\n{}", case.setup));
        let before = house.look();
        house.sandbox.write("/mnt/lab.rhai", &case.script);
        let run = house.sandbox.netlab_with(&["run", "--quiet", "lab.rhai"], &env(&case.setup), "/mnt".as_ref());
        let said: String =
            run.stderr.lines().filter(|l| *l != "host unchanged").fold(String::new(), |all, l| all + l + "\n");
        let is = format!("--- exit {} ---\n{said}", run.code.unwrap_or(-1));
        house.assert_same(&before, &case.name);
        house.sh("docker ps -aq | xargs -r docker rm -f; docker network prune -f; mv /run/away.sock /run/docker.sock 2>/dev/null; ip link del card 2>/dev/null; true");
        if is.trim() != case.expected.trim() {
            wrong.push(format!("{}\n--- expected\n{}\n--- is\n{is}", case.name, case.expected));
            case.expected = is;
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(FILE, print(&cases)).expect("the cases can be written");
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// What Docker does it does on the machine itself: a script whose hands are tied, or that is in a sandbox, reaches no daemon.
#[test]
fn hands_tied() {
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    house.sandbox.write("/mnt/lab.rhai", "docker_network(\"lan\", #{ driver: \"bridge\", subnet: \"10.91.0.0/24\" });");
    for option in ["--no-exec", "--no-files", "--no-host", "--sandbox"] {
        let run = house.sandbox.netlab_with(&["run", "--quiet", option, "lab.rhai"], &[], "/mnt".as_ref());
        assert_eq!(run.code, Some(1), "{option}: {run}");
        let words = "error[NL0130]: this run may not work with containers: they are the machine's\n";
        assert!(run.stderr.starts_with(words), "{option}: {run}");
        house.assert_same(&before, option);
    }
}

/// A setup may say `# DOCKER_HOST=…`, which is for netlab alone.
fn env(setup: &str) -> Vec<(&str, &str)> {
    setup.lines().filter_map(|l| l.strip_prefix("# ")?.split_once('=')).collect()
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_error = false;
    for line in text.lines() {
        if line.starts_with("--- exit ") {
            in_error = true;
        } else if let Some(name) = line.strip_prefix("--- ").and_then(|l| l.strip_suffix(" ---")) {
            let [setup, script, expected] = [const { String::new() }; 3];
            cases.push(Case { name: name.into(), setup, script, expected });
            in_error = false;
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        let (part, line) = match line.strip_prefix("$ ") {
            Some(setup) if !in_error => (&mut case.setup, setup),
            _ if in_error => (&mut case.expected, line),
            _ => (&mut case.script, line),
        };
        part.push_str(line);
        part.push('\n');
    }
    cases
}

fn print(cases: &[Case]) -> String {
    let mut text = String::new();
    for case in cases {
        let setup = case.setup.lines().fold(String::new(), |all, line| all + "$ " + line + "\n");
        let _ = writeln!(text, "--- {} ---\n{setup}{}\n{}\n", case.name, case.script.trim(), case.expected.trim());
    }
    text
}

/// Somebody without privilege, whom the socket is closed to; and one whom it is open to, but who cannot go into a container.
#[test]
fn without_privilege() {
    let Some(house) = House::with_docker() else { return };
    house.sandbox.write("/mnt/lab.rhai", "docker(\"web\");");
    house.sh(&format!(
        "cp {} /mnt/netlab; mkdir -m 700 /mnt/nobody; chown 65534 /mnt/nobody",
        env!("CARGO_BIN_EXE_netlab")
    ));
    let run = || {
        let line = "cd /mnt; XDG_RUNTIME_DIR=/mnt/nobody setpriv --reuid=65534 --regid=65534 --clear-groups ./netlab run --quiet lab.rhai";
        let output = house.sandbox.try_sh(line);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("error[NL0109]: you may not talk to the Docker daemon at /var/run/docker.sock\n"), "{said}");
    assert!(said.contains("help: run netlab as root: containers are entered as well"), "{said}");
    house.sh("chmod 666 /run/docker.sock; docker run -d --name web --network none busybox sleep 1000");
    let (code, said) = run();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("error[NL0124]: the container `web` runs as process ")
            && said.contains("run netlab as root on the machine itself, with --host"),
        "{said}"
    );
}
