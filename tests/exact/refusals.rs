//! What would cut off whoever types: the link of the default route, and the one of an SSH connection, stay as they are
//! in the namespace that netlab runs in, unless `--force` says otherwise. Then they come back like any other.

use std::path::Path;

use crate::bench::{down, fixture};
use crate::common::is_root;
use crate::common::sandbox::{Run, Sandbox};
use crate::common::side_by_side;
use crate::common::witness::write_script;
use crate::common::world::{World, assert_same};

/// A script, from where somebody has logged in, and whether it is let through.
struct Case {
    script: &'static str,
    /// What sshd sets: the client's address and port, and the server's.
    ssh: &'static str,
    is_refused: bool,
}

const fn refused(script: &'static str, ssh: &'static str) -> Case {
    Case { script, ssh, is_refused: true }
}

const fn allowed(script: &'static str, ssh: &'static str) -> Case {
    Case { script, ssh, is_refused: false }
}

/// Behind the second leg, behind the router, and from the machine itself.
const NEAR: &str = "10.1.0.9 40000 10.1.0.1 22";
const FAR: &str = "198.51.100.9 40000 192.0.2.2 22";
const NEAR_V6: &str = "2001:db8:1::9 40000 2001:db8:1::1 22";
const LOCAL: &str = "127.0.0.1 40000 127.0.0.1 22";

const CASES: &[Case] = &[
    refused(r#"host["gw0"].down();"#, ""),
    refused(r#"host["gw0"].down().up();"#, ""),
    refused(r#"host["gw0"].move_to(netns("far"));"#, ""),
    refused(r#"host["gw0"].del();"#, ""),
    refused(r#"get_netns("isp")["gw0"].del();"#, ""),
    refused(r#"host["gw0"].down();"#, FAR),
    refused(r#"host["v1"].down();"#, NEAR),
    refused(r#"host["v1"].move_to(netns("far"));"#, NEAR),
    refused(r#"host["v1"].del();"#, NEAR),
    refused(r#"host["v1"].down();"#, NEAR_V6),
    // A wire in the middle of a script: what came before is taken back.
    refused(r#"netns("far"); host["v0"].mtu(1300); host["gw0"].down();"#, ""),
    allowed(r#"host["v1"].down();"#, ""),
    allowed(r#"host["v1"].down();"#, FAR),
    allowed(r#"host["v0"].down();"#, NEAR),
    allowed(r#"host["v1"].down();"#, LOCAL),
    allowed(r#"host["gw0"].mtu(1400).alias("x").rename("w9");"#, ""),
    allowed(r#"get_netns("mine")["p0"].down();"#, ""),
    allowed(
        r#"let far = netns("far"); veth(far.port("w0", "10.77.0.1/24"), netns("b")); far.route("default", "10.77.0.9"); far["w0"].down();"#,
        "",
    ),
];

#[test]
fn the_way_to_whoever_types_is_kept() {
    if !is_root("what is refused on the user's links") {
        return;
    }
    let halves = CASES.chunks(CASES.len().div_ceil(2)).collect();
    side_by_side(halves, |cases: &[Case]| {
        let Some(sandbox) = Sandbox::new() else { return };
        let Some(before) = fixture(&sandbox) else { return };
        for case in cases {
            check(case, &sandbox, &before);
        }
    });
}

fn check(case: &Case, sandbox: &Sandbox, before: &World) {
    write_script(sandbox, case.script);
    let run = typed(sandbox, case, &["run", "/run/x.rhai"]);
    let what = format!("{} with SSH_CONNECTION={:?}: {run}", case.script, case.ssh);
    if !case.is_refused {
        assert_eq!(run.code, Some(0), "{what}");
        return down(sandbox, before, &what);
    }
    assert_eq!(run.code, Some(1), "{what}");
    assert!(run.stderr.contains("--force"), "{what}");
    assert!(run.stdout.ends_with("host unchanged\n"), "{what}");
    assert_same(before, sandbox, &what);
    let forced = typed(sandbox, case, &["run", "--force", "/run/x.rhai"]);
    assert_eq!(forced.code, Some(0), "{} with --force: {forced}", case.script);
    down(sandbox, before, &format!("{} with --force", case.script));
}

fn typed(sandbox: &Sandbox, case: &Case, args: &[&str]) -> Run {
    let ssh: &[(&str, &str)] = if case.ssh.is_empty() { &[] } else { &[("SSH_CONNECTION", case.ssh)] };
    sandbox.netlab_with(args, ssh, Path::new("/"))
}
