//! Every function of the language and every option, with `ip -j`, `bridge -j` and files as the witness.

#[path = "../common/mod.rs"]
mod common;

mod attempt;
mod link_makers;
mod link_verbs;
mod names;
mod netns;
mod programs;
mod reading;
mod routes;

use common::witness::judge;

/// A witness that nods at everything proves nothing.
#[test]
fn the_judge_says_no() {
    let shown = r#"[{"a":1,"flags":["UP","LOWER_UP"],"in":{"b":"x"}},{"a":2,"flags":[]},{}]"#;
    let cases = [
        (r#"{"a":1}"#, true),
        (r#"{"a":2,"in":null}"#, true),
        (r#"{"a":1,"in":null}"#, false),
        (r#"{"a":3}"#, false),
        (r#"{"a":1,"in":{"b":"y"}}"#, false),
        (r#"{"a":1,"in":{"c":"x"}}"#, false),
        (r#"{"a":1,"flags":["LOWER_UP"]}"#, true),
        (r#"{"a":1,"flags":["LOWER_UP","UP"]}"#, false),
        (r#"{"a":1,"flags":["=","UP"]}"#, false),
        (r#"{"a":2,"flags":["="]}"#, true),
        (r#"[{"a":1},{"a":2}]"#, true),
        (r#"[{"a":2},{"a":1}]"#, false),
        (r#"["=",{"a":1}]"#, false),
        (r#"["=",{"a":1},{"a":2}]"#, true),
        (r#"no {"a":1}"#, false),
        (r#"no {"a":3}"#, true),
        ("text", false),
    ];
    for (expected, is) in cases {
        assert_eq!(judge(expected, shown).is_ok(), is, "{expected}");
    }
    assert!(judge(r#"{"a":1}"#, "").is_err());
    assert!(judge(r#"["="]"#, "").is_ok());
    assert!(judge(r#"no {"a":1}"#, "").is_ok());
    assert!(judge(r#"no {"a":1}"#, "Device does not exist").is_err());
    assert!(judge("0", "0\n").is_ok());
    assert!(judge("0", "00").is_err());
}
