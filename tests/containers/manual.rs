//! The examples of the reference that need Docker or systemd-nspawn, which `tests/reference` skips.

use netlab::script::reference::entries;

use crate::house::House;

#[test]
fn each_example_runs_and_leaves_nothing() {
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    let mut count = 0;
    for entry in entries() {
        for example in entry.examples() {
            if !example.contains("needs(\"docker\")") && !example.contains("needs(\"nspawn\")") {
                continue;
            }
            let run = house.run(example);
            assert_eq!(run.code, Some(0), "{example}\n{run}");
            house.down();
            house.assert_same(&before, &entry.signature);
            count += 1;
        }
    }
    assert!(count >= 9, "{count}");
}
