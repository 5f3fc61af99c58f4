//! Only what the lab made goes; what somebody else made or changed since stays and is named.

use crate::house::House;

#[test]
fn another_container_of_the_same_name_stays() {
    let Some(house) = House::with_docker() else { return };
    house.run(r#"docker_run("web", #{ image: "busybox", network: "none" });"#).ends_with(0);
    house.sh("docker rm -f web; docker run -d --name web --network none busybox sleep 1000");
    house.down();
    assert_eq!(house.sh("docker ps --format '{{.Names}}'"), "web\n");
}

#[test]
fn a_network_that_somebody_uses_stays_and_is_named() {
    let Some(house) = House::with_docker() else { return };
    house.run(r#"docker_network("lan", #{ subnet: "10.90.0.0/24" }); docker_run("web", #{ image: "busybox", network: "lan" });"#).ends_with(0);
    house.sh("docker run -d --name theirs --network lan busybox sleep 1000");
    let run = house.sandbox.netlab(&["down"]);
    let said = "the Docker network `lan` is in use by `theirs`, which is not this lab's; it stays until `docker network rm lan`";
    assert!(run.stdout.contains(said) || run.stderr.contains(said), "{run}");
    assert_eq!(
        house.sh("docker ps --format '{{.Names}}'; docker network ls --format '{{.Name}}' | grep lan"),
        "theirs\nlan\n"
    );
}

#[test]
fn a_started_container_that_was_started_again_runs_on() {
    let Some(house) = House::with_docker() else { return };
    house.sh("docker create --name users --network none busybox sleep 1000");
    house.run(r#"docker_start("users");"#).ends_with(0);
    house.sh("docker restart -t 0 users");
    let run = house.sandbox.netlab(&["down"]).ends_with(0);
    let said = "the container `users` was started again since; it runs on";
    assert!(run.stdout.contains(said) || run.stderr.contains(said), "{run}");
    assert_eq!(house.sh("docker ps --format '{{.Names}}'"), "users\n");
}

/// The daemon is gone when the lab goes: stuck, with what a person can type; and done once it is back.
#[test]
fn without_the_daemon_down_is_stuck_and_can_be_finished() {
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    house.run(r#"docker_network("lan", #{ subnet: "10.90.0.0/24" }); docker_run("web", #{ image: "busybox", network: "lan", command: "sleep 1000" });"#).ends_with(0);
    house.sh("mv /run/docker.sock /run/away.sock");
    let run = house.sandbox.netlab(&["down"]).ends_with(4);
    assert!(run.stderr.contains("docker rm -f web") || run.stdout.contains("docker rm -f web"), "{run}");
    house.sh("mv /run/away.sock /run/docker.sock");
    house.sandbox.netlab(&["down"]).ends_with(0);
    house.assert_same(&before, "the second down");
}

/// The daemon is that of the run, whatever DOCKER_HOST says at `down`.
#[test]
fn down_asks_the_daemon_that_run_asked() {
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    house.run(r#"docker_run("web", #{ image: "busybox", network: "none" });"#).ends_with(0);
    let env = [("DOCKER_HOST", "unix:///nosuch.sock")];
    house.sandbox.netlab_with(&["down"], &env, std::path::Path::new("/")).ends_with(0);
    house.assert_same(&before, "down");
}

/// Ctrl-C while the daemon is slow: the run ends, and nothing is left.
#[test]
fn interrupted_while_a_container_starts() {
    use nix::sys::signal::Signal;
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    house.sandbox.write(
        "/run/x.rhai",
        r#"print("begun"); for n in 1..=50 { docker_run(`web${n}`, #{ image: "busybox", network: "none" }); }"#,
    );
    for wait in [0, 40, 90, 150, 300] {
        let mut run = house.sandbox.start_netlab(&["run", "/run/x.rhai"]);
        run.wait_for("begun");
        std::thread::sleep(std::time::Duration::from_millis(wait));
        run.signal(Signal::SIGINT);
        let run = run.end();
        assert_eq!(run.code, Some(130), "{run}");
        house.assert_same(&before, &format!("Ctrl-C after {wait} ms"));
    }
}

/// At `down` another process tells of it, which has never asked for the container.
#[test]
fn what_was_changed_since_is_named_by_its_container() {
    let Some(house) = House::with_docker() else { return };
    house.sh("docker run -d --name users --network none busybox sleep 1000");
    house.run(r#"docker("users")["lo"].mtu(1400);"#).ends_with(0);
    house.sh("nsenter -n -t $(docker inspect -f '{{.State.Pid}}' users) ip link set lo mtu 1300");
    let run = house.sandbox.netlab(&["down"]).ends_with(0);
    let said = run.stdout.clone() + &run.stderr;
    assert!(said.contains("in `docker:users`"), "{run}");
    assert!(!said.contains("host unchanged"), "{run}");
}
