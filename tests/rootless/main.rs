//! Labs without root: each in a sandbox of its own, which an ordinary user makes, uses and ends, and which leaves nothing.
//!
//! The witnesses are `ip`, `ps` and `find`, run by root outside, or through `netlab exec` inside. `NETLAB_SANDBOXES=8` makes
//! the loop of up and down shorter.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod killed;
mod refused;
mod table;
mod uplink;
mod user;
mod walls;

use common::lab_state::{assert_same_lab, lab_state};
use common::labs::LABS;
use common::{aloud, side_by_side};
use table::Table;
use user::Machine;

/// The README's first command, and all that one can do with a lab.
#[test]
fn a_lab_from_its_beginning_to_its_end() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    let run = user.netlab("run create-ns-bridge.rhai").ends_with(0);
    assert!(run.stdout.contains("`create-ns-bridge` is up in a sandbox: 3 namespaces (ns1 ns2 ns3)"), "{run}");
    assert!(machine.root.sh("ip -o link; ls /run/netns").lines().count() == 1, "only `lo` is on the machine itself");
    user.sh("netlab exec ns1 -- ping -qc1 194.168.1.4").ends_with(0);
    let list = user.netlab("list").ends_with(0).stdout;
    let row: Vec<&str> = list.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!((row[0], row[1], row.last()), ("create-ns-bridge", "up", Some(&"sandbox")), "{list}");
    assert!(user.netlab("list --json").stdout.contains("\"sandbox\":\"create-ns-bridge\""));
    let inside = user.sh("netlab exec create-ns-bridge -- ip -o link").ends_with(0).stdout;
    assert!(inside.contains("stdocker") && inside.contains("lo: <LOOPBACK,UP"), "{inside}");
    assert!(user.netlab("show").ends_with(0).stdout.contains("ns2        create-ns-bridge"));
    assert!(user.netlab("show create-ns-bridge/ns2").ends_with(0).stdout.contains("194.168.1.3/8"));
    user.netlab("snapshot --quiet --lab create-ns-bridge a.json").ends_with(0);
    assert_eq!(user.netlab("diff a.json").ends_with(0).stdout, "nothing differs\n");
    user.netlab("run create-ns-bridge.rhai").ends_with(2);
    user.netlab("run --quiet --replace create-ns-bridge.rhai").ends_with(0);
    let down = user.netlab("down").ends_with(0);
    assert_eq!(
        (down.stdout.as_str(), down.stderr.as_str()),
        ("`create-ns-bridge`: 7 steps taken back\nhost unchanged\n", "")
    );
    machine.assert_left(&before, "run and down");
    assert_eq!(user.netlab("list").stdout, "no lab is up\n");
}

/// With and without root a lab is the same; the table of that in the README is written by this test.
#[test]
fn each_lab_is_the_same_without_root() {
    let labs: Vec<_> = LABS.iter().filter(|lab| lab.args.is_empty()).copied().collect();
    // Containers are the machine's, and no lab with them runs in a sandbox: `containers` has them.
    let table = Table::default();
    side_by_side(labs, |lab| {
        let Some(machine) = Machine::new() else { return };
        let (user, title) = (machine.user(1001), lab.title());
        if !lab.can_run(&machine.root) {
            let before = machine.left();
            let run = user.netlab(&format!("run {title}.rhai")).ends_with(3);
            assert!(run.stderr.contains(lab.needs.unwrap_or_default()), "{title}: {run}");
            machine.assert_left(&before, &title);
            return aloud(&format!("{title}: refused, since this kernel lacks it"));
        }
        let with_root = table::size(&machine.root.netlab(&["run", &lab.script()]).ends_with(0));
        let rooted = lab_state(&machine.root);
        machine.root.netlab(&["down"]).ends_with(0);
        let before = machine.left();
        let without = table::size(&user.netlab(&format!("run {title}.rhai")).ends_with(0));
        let rootless = lab_state(&machine.root.view_of(user.keeper(lab.name)));
        // Inside, the user is root.
        let rootless = serde_json::from_str(&rootless.to_string().replace("1001:1001", "0:0")).unwrap();
        assert_same_lab(&title, &rootless, &rooted);
        table.row(lab.name, &with_root, &without);
        let down = user.netlab(&format!("down {title}")).ends_with(0);
        assert!(down.stdout.ends_with("host unchanged\n") && down.stderr.is_empty(), "{title}: {down}");
        machine.assert_left(&before, &title);
    });
    table.check();
}

#[test]
fn two_users_and_two_labs_with_the_same_names() {
    let Some(machine) = Machine::new() else { return };
    let (one, two) = (machine.user(1001), machine.user(1002));
    let before = machine.left();
    for user in [one, two] {
        user.netlab("run --quiet create-ns-bridge.rhai").ends_with(0);
        user.netlab("run --quiet --name again create-ns-bridge.rhai").ends_with(0);
    }
    for (user, other) in [(one, two), (two, one)] {
        assert_eq!(user.netlab("list").stdout.lines().count(), 3);
        let both = user.netlab("exec ns1 -- true").ends_with(2);
        assert_eq!(
            both.stderr,
            "error[NL0210]: `ns1` is in the sandboxes of `again` and of `create-ns-bridge`\n  help: say which: `again/ns1`\n"
        );
        // What one changes, the other does not see.
        user.netlab("exec again/ns1 -- ip link set lo down").ends_with(0);
        for user in [user, other] {
            let link = user.netlab("exec create-ns-bridge/ns1 -- ip -o link show lo").ends_with(0);
            assert!(link.stdout.contains(",UP"), "{link}");
        }
    }
    one.netlab("down --all --quiet").ends_with(0);
    assert_eq!(two.netlab("list").stdout.lines().count(), 3);
    two.netlab("down --all --quiet").ends_with(0);
    machine.assert_left(&before, "two users");
}

/// Many, of which some are up at the same time.
#[test]
fn many_sandboxes_leave_nothing() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    let count: u32 = std::env::var("NETLAB_SANDBOXES").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    side_by_side((0..count).collect(), |n| {
        user.netlab(&format!("run --quiet --name lab{n} create-ns-bridge.rhai")).ends_with(0);
        user.netlab(&format!("exec lab{n}/ns1 -- ping -qc1 194.168.1.4")).ends_with(0);
        user.netlab(&format!("down --quiet lab{n}")).ends_with(0);
    });
    machine.assert_left(&before, "a loop");
}

/// Whoever comes second to a name is told; runs and downs at the same time get in each other's way, and nothing more.
#[test]
fn at_the_same_time() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    let run = user.sh(
        "for i in 1 2 3 4 5; do (netlab run -q create-ns-bridge.rhai 2>>$HOME/errors; echo $? >>$HOME/codes) & done; wait; sort \
         $HOME/codes",
    );
    let codes: Vec<&str> = run.stdout.lines().collect();
    // Busy is a failure of the moment, there already a wrong name.
    assert!(
        codes.iter().filter(|c| **c == "0").count() == 1 && codes.iter().all(|c| ["0", "1", "2"].contains(c)),
        "{run}"
    );
    let errors = user.sh("grep ^error $HOME/errors").stdout;
    assert!(errors.lines().all(|e| e.contains("NL0503") || e.contains("NL0501")), "{errors}");
    for _ in 0..5 {
        user.sh("for i in 1 2 3; do netlab run -q create-ns-bridge.rhai & netlab list & netlab down -q create-ns-bridge & done; wait");
    }
    user.netlab("down --all --quiet").ends_with(0);
    machine.assert_left(&before, "runs and downs at the same time");
}

#[test]
fn a_shell_says_where_it_is() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    user.netlab("run --quiet create-ns-bridge.rhai").ends_with(0);
    let ask = "echo 'echo $NETLAB_PLACE; exit 7' | SHELL=/bin/sh netlab shell";
    for (target, place) in
        [("", "create-ns-bridge"), ("ns1", "create-ns-bridge/ns1"), ("create-ns-bridge/ns2", "create-ns-bridge/ns2")]
    {
        let run = user.sh(&format!("{ask} {target}")).ends_with(7);
        assert_eq!(run.stdout, format!("{place}\n"));
    }
    // A bash on a terminal of its own, with a prompt of the user's; Ctrl-C ends what runs in it, and not the shell.
    if machine.root.try_sh("command -v script").status.success() {
        user.write(".bashrc", "PS1='mine> '\n");
        let typed = "(sleep 1; echo 'sleep 100'; sleep 1; printf '\\003'; sleep 1; echo 'echo still here; exit') | SHELL=/bin/bash script -qec 'netlab shell ns1' /dev/null";
        let seen = user.sh(typed).stdout;
        assert!(seen.contains("you are in the namespace `ns1`, in the sandbox of `create-ns-bridge`"), "{seen}");
        assert!(
            seen.contains("(create-ns-bridge/ns1) mine> ") && seen.lines().any(|line| line.ends_with("still here")),
            "{seen}"
        );
    }
}

/// As root it is asked for, and what is on the machine is left alone.
/// The prompt is in a sandbox of its own, which goes with it or stays as a lab.
#[test]
fn a_prompt() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    user.write(
        "lines",
        "let a = netns(\"a\"); let b = netns(\"b\");\nveth(a.port(\"10.0.0.1/24\"), b.port(\"10.0.0.2/24\"));\na ping b\n",
    );
    let run = user.sh("netlab repl <lines").ends_with(0);
    assert!(run.stdout.starts_with("ok: ") && run.stdout.ends_with("host unchanged\n"), "{run}");
    machine.assert_left(&before, "a prompt that was left");
    user.sh("(cat lines; echo exit keep) | netlab repl").ends_with(0);
    let run = user.sh("echo a ping b | netlab repl --lab repl").ends_with(0);
    assert!(run.stdout.starts_with("ok: "), "{run}");
    user.netlab("down repl").ends_with(0);
    machine.assert_left(&before, "a prompt that was kept, and down");
}

#[test]
fn root_has_sandboxes_too() {
    let Some(machine) = Machine::new() else { return };
    let root = &machine.root;
    let before = machine.left();
    root.netlab(&["run", "--quiet", "--sandbox", "create-ns-bridge.rhai"]).ends_with(0);
    root.netlab(&["run", "--quiet", "--name", "here", "create-ns-bridge.rhai"]).ends_with(0);
    let list = root.netlab(&["list"]).ends_with(0).stdout;
    assert!(list.contains("  sandbox\n") && list.ends_with("  host\n"), "{list}");
    root.netlab(&["exec", "create-ns-bridge/ns1", "--", "ip", "link", "set", "lo", "down"]).ends_with(0);
    let here = root.netlab(&["exec", "ns1", "--", "ip", "-o", "link", "show", "lo"]).ends_with(0);
    assert!(here.stdout.contains(",UP"), "the machine's own namespace is meant first: {here}");
    root.netlab(&["down", "here"]).ends_with(0);
    root.netlab(&["down"]).ends_with(0);
    root.sh("rmdir /var/lib/netlab; rmdir /run/netlab; umount /run/netns");
    machine.assert_left(&before, "run --sandbox");
}
