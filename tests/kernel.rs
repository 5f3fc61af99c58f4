//! netlab on another kernel: Debian's user-mode Linux, which has the link kinds that the machine's own may lack.
//!
//! `tests/kernel/boot` boots it in two seconds and without root. Suites of this folder run in it as they are, with what
//! they would skip here. It is older than most (6.1), so what newer kernels forgive shows as well.

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use common::{aloud, skip};

/// The suites that run inside.
const SUITES: [&str; 6] = ["kinds", "kinds_more", "labs", "rollback", "reference", "exercise"];

/// The labs that want VLANs.
const VLAN_LABS: &str = "vlan,vlan eth0,vlan-bridge";

#[test]
fn a_command_gives_its_output_and_code() {
    if !is_there() {
        return;
    }
    let output = boot("echo out; echo err >&2; cat /proc/version; touch /tests-were-here; exit 7", &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    assert!(text.starts_with("out\nLinux version ") && !text.contains('\r'), "{text:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.starts_with("err\n") && errors.contains("Read-only file system"), "{errors:?}");
    assert!(!Path::new("/tests-were-here").exists());
}

#[test]
fn link_kinds() {
    inside("kinds", "", &[]);
}

#[test]
fn more_link_kinds() {
    inside("kinds_more", "", &[]);
}

/// The labs beside their bash, here with those that want VLANs; the others show that an older kernel does the same.
#[test]
fn labs() {
    inside("labs", "each_lab", &[("LABS", &format!("{VLAN_LABS},vxlan"))]);
}

#[test]
fn labs_failing_at_each_step() {
    inside("rollback", "", &[("LABS", VLAN_LABS)]);
}

/// The manual's examples of what the machine's kernel may lack.
#[test]
fn examples() {
    // A module brings settings and links into every namespace when it is loaded, which no lab takes away again.
    let first = "for module in vrf bonding ip_gre geneve sch_netem; do $(cat /proc/sys/kernel/modprobe) $module; done";
    let env = [("CASE", "vlan,dummy,needs,vrf,bond,gre,geneve,netem")];
    inside_after(first, "reference", "every_example", &env);
}

/// The exercises that want VLANs.
#[test]
fn exercises() {
    inside("exercise", "each_does", &[("CASE", "vlan,vlan-bridge,router-on-a-stick")]);
}

/// A machine that was started with `ipv6.disable=1`: labs run, and leave what they found.
#[test]
fn without_ipv6() {
    if !is_there() {
        return;
    }
    let job = format!(
        r#"
        set -euo pipefail
        netlab={}
        look() {{ ip -j -d link; ip -j addr; ip -j route show table all; ip -j rule; ls /run/netns; }}
        ! ip -6 rule 2>/dev/null
        modprobe=$(cat /proc/sys/kernel/modprobe)
        for module in bridge veth 8021q macvlan; do $modprobe $module; done
        look >/run/before
        $netlab run create-ns-bridge.rhai
        ip netns exec ns1 ping -c1 -W2 194.168.1.4
        $netlab run vlan.rhai
        ip netns exec pc ping -c1 -W2 10.0.20.254
        ! cmp -s <(look) /run/before
        $netlab down vlan
        $netlab down create-ns-bridge
        diff /run/before <(look)
        "#,
        env!("CARGO_BIN_EXE_netlab")
    );
    let output = boot(&job, &[("TEST_KERNEL_IPV6", "disable=1")]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("host unchanged").count(), 2, "{}", said(&output));
}

/// Runs a suite, or the tests of it with `filter` in their names.
fn inside(suite: &str, filter: &str, env: &[(&str, &str)]) {
    inside_after(":", suite, filter, env);
}

/// The same after a line of shell.
fn inside_after(first: &str, suite: &str, filter: &str, env: &[(&str, &str)]) {
    if !is_there() {
        return;
    }
    let begun = Instant::now();
    let file = suites()[suite].display();
    let output = boot(&format!("{first}; RUST_BACKTRACE=0 '{file}' --nocapture --test-threads=1 {filter}"), env);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    // A filter that fits nothing is a success as well.
    let passed = text.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok());
    assert!(passed.is_some_and(|count: usize| count > 0), "{}", said(&output));
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("skipped: ")).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    for line in errors.lines().filter(|line| !line.is_empty()).chain(told) {
        aloud(&format!("in the test kernel: {line}"));
    }
    aloud(&format!("in the test kernel: {suite} in {} s", begun.elapsed().as_secs()));
}

/// Boots the test kernel for one command line.
fn boot(command: &str, env: &[(&str, &str)]) -> Output {
    Command::new(root().join("tests/kernel/boot"))
        .arg(command)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("bash is there")
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// Whether the test kernel can be had; it is skipped aloud if not, once for each test.
fn is_there() -> bool {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    let fetch = || {
        let output = Command::new(root().join("tests/kernel/fetch")).output().map_err(|e| e.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
    };
    match ANSWER.get_or_init(fetch) {
        Ok(()) => true,
        Err(why) => {
            skip(&format!("no test kernel: {why}"));
            false
        }
    }
}

/// The programs of the suites, as cargo has built them beside this one.
fn suites() -> &'static HashMap<String, PathBuf> {
    static FILES: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--no-run", "--message-format=json", "--manifest-path"]).arg(root().join("Cargo.toml"));
        cargo.args(SUITES.iter().flat_map(|suite| ["--test", suite]));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.output().expect("cargo is where it was");
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let programs = messages.filter(|m| m["target"]["kind"][0] == "test").filter_map(|m| {
            let name = m["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(m["executable"].as_str()?)))
        });
        let programs: HashMap<_, _> = programs.collect();
        assert!(SUITES.iter().all(|suite| programs.contains_key(*suite)), "{programs:?}");
        programs
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
