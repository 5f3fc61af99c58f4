//! A whole Debian booted by systemd-nspawn, in which machined runs: netlab inside it finds machines as `machinectl` does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::common::skip;
use crate::house::House;

const PACKAGES: &str = "--include=systemd,systemd-sysv,dbus,systemd-container,iproute2";

/// One test at a time, since both use the tree.
static TREE: Mutex<()> = Mutex::new(());

/// The tree, made once and kept below target/; nothing, aloud, where it cannot be made.
fn tree() -> Option<PathBuf> {
    let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
    if tree.join("ready").exists() {
        return Some(tree);
    }
    // What an interrupted one left would be in the way.
    let _ = std::fs::remove_dir_all(&tree);
    let made = Command::new("debootstrap").args(["--variant=minbase", PACKAGES, "bookworm"]).arg(&tree).output();
    match made {
        Ok(output) if output.status.success() => {
            std::fs::write(tree.join("ready"), "").expect("the tree can be written");
            Some(tree)
        }
        Ok(output) => {
            skip(&format!(
                "debootstrap failed: {}",
                String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or("?")
            ));
            None
        }
        Err(e) => {
            skip(&format!("a machine that boots needs debootstrap: {e}"));
            None
        }
    }
}

/// The tree, and the right to use it.
fn with_tree(test: impl FnOnce(&House, &str)) {
    if !nix::unistd::Uid::effective().is_root() {
        return skip("machines need root");
    }
    let _turn = TREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (Some(tree), Some(house)) = (tree(), House::new()) else { return };
    test(&house, &tree.display().to_string());
}

#[test]
fn the_lab_boots_a_system() {
    with_tree(|house, tree| {
        let before = house.look();
        let script = format!(
            r#"
            let m = nspawn_run("deb", #{{ directory: "{tree}", boot: true }});
            veth(host.port("ve0", "192.168.10.1/24"), m.port("veth1", "192.168.10.2/24"));
            expect(host.ping(m));
            "#
        );
        house.sandbox.write("/run/x.rhai", &script);
        house.sh(&format!("{}{} run --quiet /run/x.rhai", house.in_own_cgroup(), env!("CARGO_BIN_EXE_netlab")));
        house.sh("ping -c1 -W2 192.168.10.2");
        house.sh(&format!("for i in $(seq 100); do {} exec nspawn:deb -- systemctl is-system-running | grep -q -E 'running|degraded' && exit; sleep 0.2; done; exit 1", env!("CARGO_BIN_EXE_netlab")));
        house.down();
        house.assert_same(&before, "down");
    });
}

/// In the booted system, by names that `machinectl` knows.
const INSIDE: &str = r#"
set -e
cd /run/test
until systemctl is-system-running | grep -q -E 'running|degraded'; do sleep 0.2; done
./netlab run --quiet nspawn-veth.rhai -- /run/test/tree
machinectl show guest --value -p Leader | grep -q .
ping() { ./netlab exec host -- /run/test/busybox ping -c1 -W2 192.168.10.2 >/dev/null; }
ping
./netlab down nspawn-veth
! machinectl show guest 2>/dev/null
systemd-run -q --unit=n1x systemd-nspawn -q -D /run/test/tree -M n1 --keep-unit --private-network --as-pid2 /bin/sleep 100
until machinectl show n1 --value -p Leader 2>/dev/null | grep -q .; do sleep 0.1; done
./netlab run --explain nspawn-veth.rhai -- n1
ping
./netlab down
machinectl terminate n1
"#;

#[test]
fn machines_that_machinectl_knows() {
    with_tree(|house, tree| {
        let binary = env!("CARGO_BIN_EXE_netlab");
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
        house.sandbox.write("/mnt/inside.sh", INSIDE);
        house.sh(&format!(
            "mkdir /mnt/test && cp -a /mnt/tree /mnt/test/tree && cp {binary} {scripts}/nspawn-veth.rhai /mnt/inside.sh $(command -v busybox) /mnt/test/"
        ));
        let output = house.sandbox.try_sh(&format!(
            r#"{}
            systemd-nspawn -q -D {tree} -M outer --register=no --keep-unit --private-network --capability=all --bind=/mnt/test:/run/test -b </dev/null >/run/outer.log 2>&1 &
            nspawn=$!
            for i in $(seq 100); do
                for p in $(cat /proc/$nspawn/task/*/children); do [ "$(readlink /proc/$p/ns/pid)" = "$(readlink /proc/self/ns/pid)" ] || leader=$p; done
                [ -n "$leader" ] && nsenter -t $leader -a test -S /run/dbus/system_bus_socket 2>/dev/null && break
                sleep 0.1
            done
            nsenter -t $leader -a env PATH=/usr/sbin:/usr/bin:/sbin:/bin bash /run/test/inside.sh
            end=$?
            kill $nspawn
            wait $nspawn
            exit $end
            "#,
            house.in_own_cgroup()
        ));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("netns $(machinectl show n1 --value -p Leader)"), "{said}");
    });
}
