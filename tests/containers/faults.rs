//! A failure at each step and SIGKILL at effects of a run and of a `down`: nothing of containers or networks is left.

use crate::common::aloud;
use crate::house::House;

const DOCKER: &str = r#"
let plug = veth("card", "plug").a;
docker_network("lan", #{ parent: plug, subnet: "10.90.0.0/24", gateway: "10.90.0.254" });
let web = docker_run("web", #{ image: "busybox", network: "lan", ip: "10.90.0.11", command: "sleep 1000" });
let alone = docker_run("alone", #{ image: "busybox", network: "none" });
veth(web.port("v1", "10.97.0.1/24"), alone.port("v2", "10.97.0.2/24"));
veth(alone.port("10.98.0.2/24"), host.port("10.98.0.1/24"));
alone.route("10.90.0.0/24", "10.97.0.1");
expect(alone.ping("10.90.0.11"));
"#;

/// Containers that are stopped and started, one of them the user's.
const STARTS: &str = r#"
docker_start("users");
docker_run("own", #{ image: "busybox", network: "none", command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"] });
docker_stop("own");
docker_start("own");
docker_rm("own");
"#;

const MACHINE: &str = r#"
let m = nspawn_run("m1", #{ directory: "/mnt/tree" });
veth(host.port("ve0", "192.168.10.1/24"), m.port("veth1", "192.168.10.2/24"));
m.route("default", "192.168.10.1");
expect(host.ping("192.168.10.2"));
"#;

/// A container that has run, and ends at SIGTERM, so that stopping it takes no time.
const USERS: &str = "docker run -d --name users --network none busybox sh -c 'trap exit TERM; while :; do sleep 0.1; done'; docker stop users";

/// Fails each step in its turn.
fn fail_each(house: &House, name: &str, script: &str) {
    let before = house.look();
    let mut count = 0;
    for step in 1.. {
        let run = house.fault(&format!("fail@{step}"), script);
        if run.code == Some(0) {
            house.down();
            house.assert_same(&before, "down");
            break;
        }
        run.ends_with(1);
        house.assert_same(&before, &format!("{name} that failed at step {step}"));
        count += 1;
    }
    aloud(&format!("{name}: failed at each of {count} steps"));
    assert!(count >= 3);
}

/// Kills a run before each `stride`-th effect, and recovers.
fn kill_each(house: &House, name: &str, script: &str, stride: usize) {
    let before = house.look();
    let mut count = 0;
    for n in (1..).step_by(stride) {
        let run = house.fault(&format!("kill@{n}"), script);
        if !run.was_killed() {
            run.ends_with(0);
            house.down();
            break;
        }
        house.sandbox.netlab(&["recover"]).ends_with(0);
        house.assert_same(&before, &format!("{name} that was killed before effect {n}"));
        count += 1;
    }
    aloud(&format!("{name}: killed {count} times"));
    assert!(count >= 5);
}

/// Kills a `down` before each `stride`-th effect, and finishes it.
fn kill_each_down(house: &House, name: &str, script: &str, stride: usize) {
    let before = house.look();
    let mut count = 0;
    for n in (2..).step_by(stride) {
        house.run(script).ends_with(0);
        let run = house.sandbox.netlab_fault(&format!("kill@{n}"), &["down"]);
        if !run.was_killed() {
            run.ends_with(0);
            break;
        }
        house.sandbox.netlab(&["recover"]).ends_with(0);
        house.assert_same(&before, &format!("{name} whose down was killed before effect {n}"));
        count += 1;
    }
    aloud(&format!("{name}: down was killed {count} times"));
    assert!(count >= 3);
}

#[test]
fn docker_fails_at_each_step() {
    let Some(house) = House::with_docker() else { return };
    fail_each(&house, "docker", DOCKER);
    house.sh(USERS);
    fail_each(&house, "starts", STARTS);
}

#[test]
fn docker_is_killed() {
    let Some(house) = House::with_docker() else { return };
    kill_each(&house, "docker", DOCKER, 1);
}

#[test]
fn starts_are_killed() {
    let Some(house) = House::with_docker() else { return };
    house.sh(USERS);
    kill_each(&house, "starts", STARTS, 2);
}

#[test]
fn docker_goes_down_and_is_killed() {
    let Some(house) = House::with_docker() else { return };
    kill_each_down(&house, "docker", DOCKER, 3);
}

#[test]
fn machines_fail_and_are_killed() {
    let Some(house) = House::new() else { return };
    fail_each(&house, "machine", MACHINE);
    kill_each(&house, "machine", MACHINE, 1);
    kill_each_down(&house, "machine", MACHINE, 2);
}
