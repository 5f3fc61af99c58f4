//! Two hundred submissions of every kind in one call: each is graded, and rightly, and the machine stays as it was.

use serde_json::Value;

use crate::common::sandbox::Sandbox;
use crate::common::world::{World, assert_same};
use crate::netlab;

/// What a student might hand in for `router`, how many do, and the points for it; none for those that are ended.
const KINDS: [(&str, usize, u32, &str); 14] = [
    ("right", 60, 8, "get_netns(\"sales\").route(\"default\", \"A.1\"); get_netns(\"dev\").route(\"default\", \"B.1\"); get_netns(\"router\").forward(true);"),
    (
        "shell",
        20,
        8,
        "get_netns(\"sales\").exec(\"ip route add default via A.1\"); get_netns(\"dev\").exec(\"ip route add default via B.1\");
         get_netns(\"router\").exec([\"sh\", \"-c\", \"echo 1 >/proc/sys/net/ipv4/ip_forward\"]);",
    ),
    ("half", 30, 3, "get_netns(\"sales\").route(\"default\", \"A.1\"); get_netns(\"router\").forward(true);"),
    // What was done before the error counts.
    ("error", 10, 2, "get_netns(\"sales\").route(\"default\", \"A.1\"); get_netns(\"sals\");"),
    ("empty", 12, 0, ""),
    ("loop", 8, 0, "loop { }"),
    ("sleep", 5, 0, "host.exec(\"sleep 1000\");"),
    ("memory", 6, 0, "let all = []; loop { let text = \"x\"; for i in 0..22 { text += text; } all.push(text); }"),
    ("eater", 3, 0, "host.exec([\"python3\", \"-c\", \"all = []\\nwhile True: all.append(bytearray(1 << 20))\"]);"),
    (
        "fake",
        12,
        0,
        "print(\"{\\\"outcomes\\\":[\\\"Passed\\\",\\\"Passed\\\",\\\"Passed\\\",\\\"Passed\\\"]}\");
         host.exec([\"sh\", \"-c\", \"for f in /proc/[0-9]*/fd/*; do echo fake >$f; done\"]);",
    ),
    (
        "outside",
        12,
        0,
        "bridge(\"evil\"); host.sysctl(\"net.ipv4.ip_forward\", \"1\"); netns(\"evil\");
         host.exec([\"sh\", \"-c\", \"touch /mnt/evil /etc/evil /run/evil /tmp/evil; echo evil >/proc/sys/kernel/hostname; rm -rf /mnt/in\"]);",
    ),
    ("suicide", 5, 0, "host.exec([\"sh\", \"-c\", \"kill -9 -1\"]);"),
    ("broken", 15, 0, "let x = ; }"),
    ("exercise", 2, 0, "exercise(\"router\", \"mine\"); task(\"t\"); check(\"sales reaches dev, over the router\", || true);"),
];

#[test]
fn two_hundred_submissions() {
    let Some(sandbox) = Sandbox::new() else { return };
    assert_eq!(KINDS.iter().map(|(_, count, ..)| count).sum::<usize>(), 200);
    sandbox.write("/mnt/course.key", "a secret of the course");
    let mut names = Vec::new();
    for (kind, count, ..) in KINDS {
        names.extend((0..count).map(|n| format!("{kind}-{n}")));
    }
    sandbox.write("/mnt/names", &names.join("\n"));
    netlab(&sandbox, "exercise release router --key course.key --students names -o out").ends_with(0);
    sandbox.sh("mkdir /mnt/in");
    for name in &names {
        let (.., text) = KINDS.iter().find(|(kind, ..)| name.starts_with(kind)).unwrap();
        let own = sandbox.sh(&format!("cat /mnt/out/{name}.rhai"));
        let value = |param: &str| {
            let at = own.find(&format!("param(\"{param}\", [\"")).unwrap();
            own[at..].split('"').nth(3).unwrap().to_owned()
        };
        sandbox.write(
            &format!("/mnt/in/{name}.rhai"),
            &text.replace("A.", &format!("{}.", value("sales"))).replace("B.", &format!("{}.", value("dev"))),
        );
    }
    let before = World::read(&sandbox);
    let run = netlab(&sandbox, "exercise grade router in --key course.key --time 4 --memory 512 --format json");
    assert_same(&before, &sandbox, "grading");
    assert_eq!(sandbox.sh("ls /mnt /etc /run /tmp | grep -c evil || true"), "0\n");
    assert_eq!(sandbox.sh("ls /mnt/in | wc -l"), "200\n");
    assert_eq!(sandbox.sh("pgrep -fc '[e]xercise-job|[s]leep 1000' || true"), "0\n", "no process is left");
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    let grades = told["grades"].as_array().unwrap();
    assert_eq!(grades.len(), 200);
    let mut wrong = Vec::new();
    for grade in grades {
        let student = grade["student"].as_str().unwrap();
        let (_, _, points, _) = KINDS.iter().find(|(kind, ..)| student.starts_with(kind)).unwrap();
        if grade["points"] != *points {
            wrong.push(format!("{student} has {} and not {points}: {}", grade["points"], grade["notes"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    run.ends_with(0);
    let notes = |kind: &str| grades.iter().find(|g| g["student"] == format!("{kind}-0")).unwrap()["notes"].to_string();
    assert!(notes("memory").contains("a string grew too large: it may have 16 MiB"), "{}", notes("memory"));
    assert!(
        notes("suicide").contains("it ended itself, or needed more than 512 MiB of memory"),
        "{}",
        notes("suicide")
    );
    assert!(notes("loop").contains("the time limit was reached"), "{}", notes("loop"));
    assert!(
        notes("broken").contains("it cannot be understood: `;` is not expected here (line 1)"),
        "{}",
        notes("broken")
    );
}

/// What somebody copied, and the forms in which grades are printed.
#[test]
fn another_students_values_and_the_forms() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write("/mnt/x.rhai", "exercise(\"x\", \"X\");\nlet name = param(\"name\", 10000..=99999);\ntask(\"t\");\ncheck(\"it, is there\", #{ points: 3 }, || `n${name}` in netns_list());\n");
    sandbox.write("/mnt/course.key", "a secret of the course");
    sandbox.write("/mnt/names", "ann\nbob");
    netlab(&sandbox, "exercise release x.rhai --key course.key --students names -o out").ends_with(0);
    let number = sandbox.sh("grep -o '[0-9]\\{5\\}' /mnt/out/ann.rhai");
    let number = number.trim();
    sandbox.sh("mkdir -p /mnt/in/ann /mnt/in/bob");
    sandbox.write("/mnt/in/ann/x.rhai", &format!("netns(\"n\" + {number});"));
    sandbox.write("/mnt/in/bob/x.rhai", &format!("netns(\"n\" + {number});"));
    let table = netlab(&sandbox, "exercise grade x.rhai in --key course.key").ends_with(0).stdout;
    assert_eq!(
        table,
        format!(
            "STUDENT  POINTS  CHECKS  NOTES\nann      3/3     ✓       -\nbob      0/3     ✗       it has a value of ann: {number}\n\ncheck 1: it, is there (3)\n"
        )
    );
    let csv = netlab(&sandbox, "exercise grade x.rhai in --key course.key --format csv").stdout;
    assert_eq!(
        csv,
        format!(
            "student,points,of,\"it, is there\",notes,file\nann,3,3,passed,,in/ann/x.rhai\nbob,0,3,failed,it has a value of ann: {number},in/bob/x.rhai\n"
        )
    );
    let xml = netlab(&sandbox, "exercise grade x.rhai in --key course.key --format junit").stdout;
    sandbox.write("/mnt/grades.xml", &xml);
    let counted = sandbox.sh("python3 -c \"import xml.etree.ElementTree as e; r = e.parse('/mnt/grades.xml').getroot(); print([(s.get('name'), s.get('tests'), s.get('failures'), s.get('errors')) for s in r])\"");
    assert_eq!(counted, "[('ann', '1', '0', '0'), ('bob', '1', '1', '0')]\n");
}

/// A machine that cannot, or an exercise that is broken, takes no points away.
#[test]
fn what_is_not_the_students_fault_is_no_zero() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write("/mnt/a.rhai", "");
    sandbox.write(
        "/mnt/x.rhai",
        "exercise(\"x\", \"X\");\nsetup(|| { veth(\"a\", \"a\"); });\ntask(\"t\");\ncheck(\"c\", || true);\n",
    );
    let run = netlab(&sandbox, "exercise grade x.rhai a.rhai").ends_with(3);
    assert_eq!(
        run.stdout,
        "STUDENT  POINTS      CHECKS  NOTES\na        not graded  -       not graded: both ends would be called `a` (line 2)\n\ncheck 1: c (1)\n"
    );
    sandbox.write("/mnt/x.rhai", "exercise(\"x\", \"X\");\ntask(\"t\");\ncheck(\"c\", || nonsense(1));\n");
    netlab(&sandbox, "exercise grade x.rhai a.rhai").ends_with(2);
    sandbox.write("/mnt/x.rhai", "exercise(\"x\", \"X\");\ntask(\"t\");\ncheck(\"c\", || 7);\n");
    let run = netlab(&sandbox, "exercise grade x.rhai a.rhai --format csv").ends_with(3);
    assert_eq!(
        run.stdout,
        "student,points,of,c,notes,file\na,,1,broken,\"not graded: the check \"\"c\"\" could not be made: a check gives a bool or a probe, and this one gives an integer\",a.rhai\n"
    );
}
