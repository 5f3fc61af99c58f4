//! A learner's way: from the list to the solution, with wrong turns.

use std::time::{Duration, Instant};

use std::path::Path;

use crate::common::sandbox::Sandbox;
use crate::common::skip;
use crate::common::world::{World, assert_same};
use crate::netlab;

#[test]
fn from_the_list_to_the_solution() {
    let Some(sandbox) = Sandbox::new() else { return };
    let list = netlab(&sandbox, "exercise list").ends_with(0).stdout;
    assert!(list.contains("two-namespaces     1      -      Two namespaces, one wire\n"), "{list}");
    let none = netlab(&sandbox, "exercise check").ends_with(2);
    assert_eq!(
        none.stderr,
        "error[NL0802]: no exercise has been started\n  help: `netlab exercise list` shows them, `netlab exercise start NAME` begins one\n"
    );
    let run = netlab(&sandbox, "exercise start --no-shell --seed 1 bridge").ends_with(0);
    assert!(
        run.stdout
            .starts_with("Three hosts on one switch\n  1  The namespaces h1, h2 and h3 are there. Make a bridge lan"),
        "{run}"
    );
    assert_eq!(
        sandbox.sh("ip -br link | wc -l; ls /run/netns | wc -l"),
        "1\n0\n",
        "the machine itself has nothing of it"
    );

    let check = netlab(&sandbox, "exercise check").ends_with(1).stdout;
    assert!(check.contains("     ✗ there is the bridge\n       namespace `host` has no link `lan`\n"), "{check}");
    assert!(
        check.contains("     · each has its address\n       waits for: h1, h2 and h3 are on one segment\n"),
        "{check}"
    );
    assert!(check.contains("0 of 5 checks pass, 0 of 8 points\n"), "{check}");
    for (at, hint) in
        [(1, "A bridge is a link of the kind `bridge`."), (2, "This shell is on the sandbox's host"), (2, "This shell")]
    {
        let said = netlab(&sandbox, "exercise hint").ends_with(0).stdout;
        assert!(said.starts_with(&format!("✗ there is the bridge\n  hint {at} of 2: {hint}")), "{said}");
    }
    let early = netlab(&sandbox, "exercise solution").ends_with(2);
    assert_eq!(
        early.stderr,
        "error[NL0210]: the solution of `bridge` is for who has passed\n  help: `netlab exercise hint` helps on; --give-up shows it all the same\n"
    );

    // With plain ip, and one wire forgotten; the hint sees which.
    let inside = |line: &str| {
        sandbox.write("/mnt/line.sh", line);
        netlab(&sandbox, "exec bridge/host -- bash -eu /mnt/line.sh").ends_with(0)
    };
    inside(
        "ip link add lan type bridge; ip link set lan up
        for n in 1 2; do ip link add p$n type veth peer name eth0 netns h$n; ip link set p$n master lan up
        ip -n h$n addr add 192.168.41.$n/24 dev eth0; ip -n h$n link set eth0 up; done",
    );
    let check = netlab(&sandbox, "exercise check").ends_with(1).stdout;
    assert!(check.contains("✓ there is the bridge"), "{check}");
    assert!(
        check.contains("✗ h1, h2 and h3 are on one segment\n       `h2` and `h3` are not on one segment\n"),
        "{check}"
    );
    let hint = |_| netlab(&sandbox, "exercise hint").stdout;
    let hints: Vec<String> = (0..3).map(hint).collect();
    assert!(hints[1].ends_with("hint 2 of 3: The bridge has 2 of the three ports that it needs.\n"), "{hints:?}");

    // And with a script of netlab's, in the sandbox, on what the start made.
    sandbox.write("/mnt/rest.rhai", "veth(get_netns(\"h3\").port(\"eth0\", \"192.168.41.3/24\"), host[\"lan\"]);");
    let exe = env!("CARGO_BIN_EXE_netlab");
    netlab(&sandbox, &format!("exec bridge/host -- {exe} run -q /mnt/rest.rhai")).ends_with(0);
    let done = netlab(&sandbox, "exercise check").ends_with(0).stdout;
    assert!(done.contains("✓ all 5 checks pass\n  compare: netlab exercise solution"), "{done}");
    let progress = sandbox.sh("tail -n1 /mnt/.local/state/netlab/exercises");
    assert_eq!(progress, "bridge passed seed=1 hints=1:2,2:3\n");
    assert!(netlab(&sandbox, "exercise list").stdout.contains("bridge             1      passed "));
    assert!(
        netlab(&sandbox, "exercise solution")
            .ends_with(0)
            .stdout
            .contains("let lan = bridge(sw);\nfor n in 1..=3 {\n    veth(")
    );

    // From the very start again, with the same values.
    netlab(&sandbox, "exercise reset --no-shell").ends_with(0);
    let links = inside("ip -br link");
    assert_eq!(links.stdout.lines().count(), 1, "{links}");
    assert!(netlab(&sandbox, "exercise check").ends_with(1).stdout.contains("0 of 5 checks pass"));
    netlab(&sandbox, "down").ends_with(0);
    assert_eq!(sandbox.sh("ip -br link | wc -l; ls /run/netns | wc -l"), "1\n0\n");
}

/// Where the cause is what is to be found, the checks do not tell it.
#[test]
fn a_drill_does_not_give_its_fault_away() {
    let Some(sandbox) = Sandbox::new() else { return };
    netlab(&sandbox, "exercise start --no-shell --seed 3 find-wire").ends_with(0);
    let check = netlab(&sandbox, "exercise check").ends_with(1).stdout;
    assert!(check.contains("✗ ann reaches bob\n       no reply from 10.20.0.2 in 1 s\n"), "{check}");
    assert!(netlab(&sandbox, "why find-wire/ann bob").stdout.contains("`bob` is told not to answer pings"));
    netlab(&sandbox, "exercise start --no-shell --seed 3 router").ends_with(0);
    let check = netlab(&sandbox, "exercise check router").ends_with(1).stdout;
    assert!(check.contains(", since "), "{check}");
}

#[test]
fn what_is_wrong_with_a_name_or_a_file() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write("/mnt/lab.rhai", "netns(\"red\");\n");
    sandbox.write("/mnt/early.rhai", "exercise(\"x\", \"X\");\ncheck(\"c\", || true);\n");
    sandbox.write("/mnt/key.rhai", "exercise(\"x\", \"X\", #{ levl: 2 });\n");
    sandbox.write("/mnt/after.rhai", "exercise(\"x\", \"X\");\ntask(\"t\");\ncheck(\"one\", || true);\ncheck(\"two\", #{ after: [\"on\"] }, || true);\n");
    for (line, message) in [
        (
            "exercise start bridg --no-shell",
            "error[NL0802]: there is no exercise `bridg`, and no such file\n  help: did you mean `bridge`?\n",
        ),
        (
            "exercise start lab.rhai --no-shell",
            "error[NL0801]: an exercise's file only says what it consists of, and this works on a network\n --> lab.rhai:1:1\n  |\n1 | netns(\"red\");\n  | ^^^^^\n  help: write it in setup(|| { … }), in a check, in solution or in wrong\n",
        ),
        (
            "exercise start early.rhai --no-shell",
            "error[NL0801]: the check \"c\" stands before the first task\n --> early.rhai:2:1\n  |\n2 | check(\"c\", || true);\n  | ^^^^^\n  help: each check belongs to the task above it\n",
        ),
        (
            "exercise start key.rhai --no-shell",
            "error[NL0118]: `exercise` has no option `levl`\n --> key.rhai:1:1\n  |\n1 | exercise(\"x\", \"X\", #{ levl: 2 });\n  | ^^^^^^^^\n  help: did you mean `level`?\n",
        ),
        (
            "exercise start after.rhai --no-shell",
            "error[NL0801]: `after` names a check that does not stand before it: \"on\"\n --> after.rhai:4:1\n  |\n4 | check(\"two\", #{ after: [\"on\"] }, || true);\n  | ^^^^^\n  help: did you mean \"one\"?\n",
        ),
    ] {
        let run = netlab(&sandbox, line);
        assert_eq!(run.stderr, message, "{line}\n{run}");
        assert!(run.code == Some(2) || run.code == Some(1), "{line}: {run}");
    }
    let as_lab = netlab(&sandbox, "run early.rhai").ends_with(1);
    assert!(
        as_lab.stderr.starts_with("error[NL0801]: `exercise` is a word of exercises, and this is run as a lab\n"),
        "{as_lab}"
    );
}

/// Whoever ends a command in the middle finds nothing of it, or what `recover` takes back.
#[test]
fn ended_in_the_middle() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write(
        "/mnt/slow.rhai",
        "exercise(\"slow\", \"S\");\nsetup(|| { netns(\"a\"); sleep(60); });\ntask(\"t\");\ncheck(\"c\", || true);\n",
    );
    sandbox.write("/mnt/sleeps.rhai", "host.exec(\"sleep 1234\");");
    let before = World::read(&sandbox);
    let at_work = "until netlab list | grep -q busy; do sleep 0.05; done";
    let sh = |line: &str| {
        let folder = Path::new(env!("CARGO_BIN_EXE_netlab")).parent().unwrap().display();
        sandbox.try_sh(&format!("export HOME=/mnt PATH={folder}:$PATH; cd /mnt; set -m; {line}")).status.code()
    };
    let start = "netlab exercise start slow.rhai --no-shell >/dev/null 2>&1 &";
    assert_eq!(sh(&format!("{start} {at_work}; kill -INT $!; wait $!")), Some(130));
    assert_eq!(netlab(&sandbox, "list").stdout, "no lab is up\n");
    assert_eq!(sh(&format!("{start} {at_work}; kill -9 $!; wait $!")), Some(137));
    netlab(&sandbox, "recover").ends_with(0);
    assert_eq!(netlab(&sandbox, "list").stdout, "no lab is up\n");
    // What it has at work ends with it.
    let grade = "netlab exercise grade router sleeps.rhai --time 600 >/dev/null 2>&1 &";
    let runs = "until pgrep -fx 'sleep 1234' >/dev/null; do sleep 0.05; done";
    assert_eq!(sh(&format!("{grade} {runs}; kill -9 $!; wait $!")), Some(137));
    sandbox.sh(
        "for n in $(seq 100); do pgrep -f '[e]xercise-job|[s]leep 1234' >/dev/null || exit 0; sleep 0.05; done; exit 1",
    );
    assert_same(&before, &sandbox, "what was ended");
}

/// In a real terminal: the shell of `start`, and `watch` beside it.
#[test]
fn in_a_terminal() {
    let Some(sandbox) = Sandbox::new() else { return };
    if !sandbox.try_sh("command -v tmux").status.success() {
        return skip("no tmux, in which a terminal is tried");
    }
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_netlab")).parent().unwrap().display();
    sandbox.sh(&format!(
        "cd /mnt; PATH={folder}:$PATH TERM=xterm-256color HOME=/mnt TMUX_TMPDIR=/mnt SHELL=/bin/sh NO_COLOR=1 tmux -L t -f /dev/null \
         new-session -d -x 120 -y 50 /bin/sh \\; new-window /bin/sh"
    ));
    let tmux = |line: &str| sandbox.sh(&format!("TMUX_TMPDIR=/mnt tmux -L t {line}"));
    let screen = |window: u8| tmux(&format!("capture-pane -p -t :{window}"));
    let shows = |window: u8, text: &str| {
        let begun = Instant::now();
        while !screen(window).contains(text) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{text:?} is not shown:\n{}", screen(window));
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let types = |window: u8, text: &str| drop(tmux(&format!("send-keys -t :{window} -- '{text}' Enter")));
    types(0, "netlab exercise start two-namespaces --seed 1");
    shows(0, "you are in the sandbox of `two-namespaces`; `exit` leads back");
    types(1, "netlab exercise watch");
    shows(1, "0 of 5 checks pass");
    types(0, "ip netns add red && ip netns add blue");
    shows(1, "1 of 5 checks pass");
    types(0, "ip -n red link add eth0 type veth peer name eth0 netns blue");
    shows(1, "2 of 5 checks pass");
    // Within the shell the exercise is the only one there is.
    types(0, "netlab exercise hint");
    shows(0, "hint 1 of 2: `ip -n red addr` shows what red has.");
    types(0, "netlab exercise reset");
    shows(0, "this shell would end with the sandbox that it is in");
    let address = sandbox.sh("sed -n '/two-namespaces/p' /mnt/.local/state/netlab/exercises");
    assert_eq!(address, "two-namespaces begun seed=1 hints=3:1\n");
    let net = "192.168.40";
    for (i, name) in ["red", "blue"].into_iter().enumerate() {
        types(0, &format!("ip -n {name} addr add {net}.{}/24 dev eth0 && ip -n {name} link set eth0 up", i + 1));
    }
    shows(1, "✓ all 5 checks pass");
    types(0, "exit");
    shows(0, "`two-namespaces` goes on: netlab exercise check");
    types(0, "netlab down");
    shows(0, "`two-namespaces` has ended, with its sandbox and all that was in it");
}
