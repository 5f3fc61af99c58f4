//! What an instructor is told, and what students get.

use crate::common::sandbox::Sandbox;
use crate::netlab;

/// A right exercise, of which each case changes one thing.
const RIGHT: &str = r#"exercise("x", "An example");
let name = param("name", ["red", "pink"]);
task(`Make a namespace ${name}.`);
check("it is there", #{ hint: ["`ip netns` lists them."] }, || name in netns_list());
solution(|| { netns(name); });
wrong("another name", ["it is there"], || { netns("blue"); });
"#;

#[track_caller]
fn lint(sandbox: &Sandbox, what: (&str, &str), expected: &[&str]) {
    let text = RIGHT.replace(what.0, what.1);
    assert!(text != RIGHT || what.0.is_empty(), "{what:?} changes nothing");
    sandbox.write("/mnt/x.rhai", &text);
    let run = netlab(sandbox, "exercise lint --seeds 1 x.rhai");
    let found: Vec<&str> = run.stderr.lines().filter_map(|line| line.strip_prefix("error[NL0801]: ")).collect();
    assert_eq!(found, expected, "{what:?}\n{run}");
    assert_eq!(run.code, Some(i32::from(!expected.is_empty())), "{run}");
}

#[test]
fn each_fault_of_an_exercise_is_found() {
    let Some(sandbox) = Sandbox::new() else { return };
    lint(&sandbox, ("", ""), &[]);
    lint(&sandbox, ("solution(|| { netns(name); });\n", ""), &["the exercise has no solution"]);
    lint(
        &sandbox,
        ("wrong(\"another name\", [\"it is there\"], || { netns(\"blue\"); });\n", ""),
        &["the exercise names no known mistake"],
    );
    lint(&sandbox, ("#{ hint: [\"`ip netns` lists them.\"] }, ", ""), &["the exercise has no hint"]);
    lint(
        &sandbox,
        ("\"`ip netns` lists them.\"", "\"Type: ip netns add red\""),
        &["a hint gives the solution away: ip netns add red"],
    );
    lint(
        &sandbox,
        ("task(", "task(\"Nothing is asked here.\"); task("),
        &["no check belongs to the task \"Nothing is asked here.\""],
    );
    lint(
        &sandbox,
        ("solution(|| { netns(name); });", "solution(|| { netns(\"green\"); });"),
        &["the solution, seed 1: it does not pass the check \"it is there\""],
    );
    lint(
        &sandbox,
        ("|| name in netns_list()", "|| true"),
        &[
            "the start, seed 1: all checks pass before anything was done",
            "the mistake \"another name\", seed 1: the check \"it is there\" passes, and was to fail",
            "nothing fails the check \"it is there\"",
        ],
    );
    lint(
        &sandbox,
        ("solution(", "check(\"lo is up\", || get_netns(name)[\"lo\"].is_up);\nsolution("),
        &["the mistake \"another name\", seed 1: the check \"lo is up\" fails as well: there is no namespace `red`"],
    );
    lint(
        &sandbox,
        ("|| name in netns_list()", "|| 5"),
        &[
            "the start, seed 1: a check gives a bool or a probe, and this one gives an integer",
            "the solution, seed 1: a check gives a bool or a probe, and this one gives an integer",
            "the mistake \"another name\", seed 1: a check gives a bool or a probe, and this one gives an integer",
        ],
    );
    lint(
        &sandbox,
        ("task(", "setup(|| { veth(\"a\", \"a\"); });\ntask("),
        &["setup, seed 1: both ends would be called `a`"],
    );
    lint(
        &sandbox,
        (
            "solution(|| { netns(name); });",
            "solution(|| { host.exec(\"ip link add left-over type bridge\"); netns(name); });",
        ),
        &["the solution, seed 1: it leaves something behind: link left-over is there and was not"],
    );
}

#[test]
fn the_template_is_right_and_no_file_is_written_over() {
    let Some(sandbox) = Sandbox::new() else { return };
    netlab(&sandbox, "exercise new my-own.rhai").ends_with(0);
    let run = netlab(&sandbox, "exercise lint my-own.rhai").ends_with(0);
    assert!(run.stdout.starts_with("my-own: fine (15 runs)\n"), "{run}");
    let again = netlab(&sandbox, "exercise new my-own.rhai").ends_with(1);
    assert_eq!(
        again.stderr,
        "error[NL0119]: cannot write the new exercise my-own.rhai\n  help: there is such a file: take another name\n  kernel: open my-own.rhai → EEXIST: File exists\n"
    );
}

#[test]
fn students_get_values_of_their_own_and_no_solution() {
    let Some(sandbox) = Sandbox::new() else { return };
    let hidden = "check(\"only for grading\", #{ hidden: true }, || true);\n// How it is done.\nsolution(";
    sandbox.write("/mnt/x.rhai", &RIGHT.replace("solution(", hidden).replace("[\"red\", \"pink\"]", "1..=90000"));
    sandbox.write("/mnt/course.key", "a secret of the course");
    sandbox.write("/mnt/names", "ann\nbob\n\n");
    netlab(&sandbox, "exercise release x.rhai --key course.key --students names -o out").ends_with(0);
    assert_eq!(sandbox.sh("ls /mnt/out"), "ann.rhai\nbob.rhai\n");
    let ann = sandbox.sh("cat /mnt/out/ann.rhai");
    for word in ["solution", "wrong", "only for grading", "How it is done"] {
        assert!(!ann.contains(word), "{ann}");
    }
    assert!(ann.contains("check(\"it is there\""), "{ann}");
    assert!(sandbox.sh("diff /mnt/out/ann.rhai /mnt/out/bob.rhai || true").contains("let name = param(\"name\", ["));
    // Again it is the same, with another key it is not.
    netlab(&sandbox, "exercise release x.rhai --key course.key --students names -o again").ends_with(0);
    sandbox.sh("diff -r /mnt/out /mnt/again");
    sandbox.write("/mnt/course.key", "another secret");
    netlab(&sandbox, "exercise release x.rhai --key course.key --students names -o other").ends_with(0);
    assert!(!sandbox.try_sh("diff -r /mnt/out /mnt/other").status.success());
    sandbox.write("/mnt/course.key", "short");
    let short = netlab(&sandbox, "exercise release x.rhai --key course.key --students names -o other").ends_with(1);
    assert_eq!(
        short.stderr,
        "error[NL0119]: the key in course.key has 5 bytes: it can be guessed\n  help: make one: head -c 32 /dev/urandom > course.key\n"
    );
}

/// What cannot be taken out is not handed out.
#[test]
fn nothing_is_released_with_what_students_must_not_see() {
    let Some(sandbox) = Sandbox::new() else { return };
    let cases = [
        ("solution(|| { netns(name); });", "if true { solution(|| { netns(name); }); }", "`solution`"),
        (
            "wrong(\"another name\", [\"it is there\"], || { netns(\"blue\"); });",
            "for n in 1..=2 { wrong(`another ${n}`, [\"it is there\"], || { netns(\"blue\"); }); }",
            "`wrong`",
        ),
        (
            "solution(",
            "for n in 1..=2 { check(`hidden ${n}`, #{ hidden: true }, || true); }\nsolution(",
            "a hidden `check`",
        ),
        ("param(\"name\", [\"red\", \"pink\"]);", "if true { param(\"name\", 1..=90000) } else { 1 };", "`param`"),
    ];
    for (from, to, what) in cases {
        sandbox.write("/mnt/x.rhai", &RIGHT.replace(from, to));
        let run = netlab(&sandbox, "exercise release x.rhai -o out").ends_with(2);
        assert_eq!(
            run.stderr,
            format!(
                "error[NL0801]: x.rhai cannot be released: {what} stands in a block\n  help: write it at the top of the file, not in `if`, `for` or a function: only there it can be taken out\n"
            )
        );
        assert!(!sandbox.try_sh("ls /mnt/out").status.success(), "{what}: nothing is written");
    }
    // Checks in a loop do not shift those behind them.
    let looped = "for n in 1..=2 { check(`${n} is there`, || name in netns_list()); }\ncheck(\"only for grading\", #{ hidden: true }, || true);\nsolution(";
    sandbox.write("/mnt/x.rhai", &RIGHT.replace("solution(", looped));
    netlab(&sandbox, "exercise release x.rhai -o out").ends_with(0);
    let released = sandbox.sh("cat /mnt/out/x.rhai");
    assert!(
        released.contains("`${n} is there`") && released.contains("\"it is there\"") && !released.contains("grading"),
        "{released}"
    );
}
