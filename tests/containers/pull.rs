//! Images are fetched only where the script says so, from a registry of the test's own.

use crate::house::House;

/// A registry with one image, which the daemon itself has no more.
const REGISTRY: &str = r#"
printf 'version: 0.1\nstorage: { filesystem: { rootdirectory: /mnt/registry } }\nhttp: { addr: "127.0.0.1:5000" }\nlog: { level: error }\n' >/run/registry.yml
docker-registry serve /run/registry.yml >/run/registry.log 2>&1 &
docker tag busybox 127.0.0.1:5000/train/bb:2
for i in $(seq 50); do docker push -q 127.0.0.1:5000/train/bb:2 >/dev/null 2>&1 && break; sleep 0.1; done
docker rmi 127.0.0.1:5000/train/bb:2 >/dev/null
docker tag busybox keep/away:1 && docker rmi busybox:latest >/dev/null
"#;

fn images(house: &House) -> String {
    house.sh("docker images --format '{{.Repository}}:{{.Tag}}' | sort")
}

#[test]
fn an_image_comes_and_goes() {
    let Some(house) = House::with_docker() else { return };
    house.sh(REGISTRY);
    let before = house.look();
    let script = r#"docker_pull("127.0.0.1:5000/train/bb:2"); docker_run("web", #{ image: "127.0.0.1:5000/train/bb:2", network: "none" }); expect(docker("web").ping("127.0.0.1"));"#;
    house.run(script).ends_with(0);
    assert_eq!(images(&house), "127.0.0.1:5000/train/bb:2\nkeep/away:1\n");
    house.down();
    house.assert_same(&before, "down");
    // Never by itself.
    let run = house.run(r#"docker_run("web", #{ image: "127.0.0.1:5000/train/bb:2", network: "none" });"#).ends_with(1);
    assert!(run.stderr.contains("NL0125"), "{run}");
    house.assert_same(&before, "a refusal");
    for n in 5..=8 {
        let run = house.fault(&format!("kill@{n}"), script);
        assert!(run.was_killed(), "{run}");
        house.sandbox.netlab(&["recover"]).ends_with(0);
        house.assert_same(&before, &format!("a pull that was killed before effect {n}"));
    }
}

#[test]
fn an_image_that_is_kept_or_used_stays() {
    let Some(house) = House::with_docker() else { return };
    house.sh(REGISTRY);
    // With another name an image can lose one in spite of the container.
    house.sh("docker rmi keep/away:1");
    house.run(r#"docker_pull("127.0.0.1:5000/train/bb:2");"#).ends_with(0);
    house.sh("docker create --name theirs 127.0.0.1:5000/train/bb:2");
    let run = house.sandbox.netlab(&["down"]).ends_with(0);
    let said = "the image `127.0.0.1:5000/train/bb:2` is in use by a container that is not this lab's";
    assert!(run.stdout.contains(said) || run.stderr.contains(said), "{run}");
    house.sh("docker rm theirs && docker rmi 127.0.0.1:5000/train/bb:2");
    house.run(r#"docker_pull("127.0.0.1:5000/train/bb:2", #{ keep: true });"#).ends_with(0);
    house.down();
    // One that is there is not fetched again, and not this lab's.
    house.run(r#"docker_pull("127.0.0.1:5000/train/bb:2");"#).ends_with(0);
    house.down();
    assert_eq!(images(&house), "127.0.0.1:5000/train/bb:2\n");
}
