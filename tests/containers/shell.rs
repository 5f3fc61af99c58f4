//! `exec`, `shell` and `show` with docker:NAME and nspawn:NAME.

use crate::house::House;

#[test]
fn a_container_from_the_command_line() {
    let Some(house) = House::with_docker() else { return };
    house
        .run(r#"docker_run("web", #{ image: "busybox", network: "none", hostname: "inside", env: ["GREETING=hello"] })["lo"].addr("10.8.8.8/32");"#)
        .ends_with(0);
    let netlab = |args: &[&str]| house.sandbox.netlab(args);
    let run = netlab(&[
        "exec",
        "docker:web",
        "--",
        "sh",
        "-c",
        "hostname; echo $GREETING; ls -d /mnt 2>&1; cat /proc/1/comm; exit 7",
    ])
    .ends_with(7);
    assert_eq!(run.stdout, "inside\nhello\nls: /mnt: No such file or directory\nsh\n");
    let run = netlab(&["exec", "docker:web", "--", "nosuch"]).ends_with(125);
    assert_eq!(
        run.stderr,
        "error[NL0120]: there is no program `nosuch` in `docker:web`\n  help: its programs are those of its image; in a \
         script, `docker(…).exec` runs this machine's programs in its network\n  kernel: execve nosuch → ENOENT: No such file or directory\n"
    );
    let run = netlab(&["exec", "docker:wbe", "--", "true"]).ends_with(125);
    assert_eq!(run.stderr, "error[NL0124]: there is no container `wbe`\n  help: did you mean \"web\"?\n");
    let run = netlab(&["show", "docker:web", "--json"]).ends_with(0);
    assert!(run.stdout.contains("10.8.8.8"), "{run}");
    let shell = format!(
        "echo 'hostname; ip addr show lo | grep -c 10.8.8.8; exit 3' | {} shell docker:web",
        env!("CARGO_BIN_EXE_netlab")
    );
    let output = house.sandbox.try_sh(&shell);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(3), "inside\n1\n"));
    // A signal that ends the program ends netlab in the same way.
    let run = netlab(&["exec", "docker:web", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(run.signal, Some(15), "{run}");
}

#[test]
fn a_machine_from_the_command_line() {
    let Some(house) = House::new() else { return };
    house.run(r#"nspawn_run("m1", #{ directory: "/mnt/tree" });"#).ends_with(0);
    let run =
        house.sandbox.netlab(&["exec", "nspawn:m1", "--", "sh", "-c", "hostname; ls /sys/class/net"]).ends_with(0);
    assert_eq!(run.stdout, "m1\nlo\n");
    let run = house.sandbox.netlab(&["shell", "nspawn:m2"]).ends_with(125);
    assert_eq!(run.stderr, "error[NL0124]: no machine called `m2` runs\n  help: did you mean \"m1\"?\n");
}
