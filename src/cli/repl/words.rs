//! What is typed at the prompt and is no statement: commands, and the short forms for the hand.

/// A line as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing, or a comment.
    Empty,
    /// A statement of the language.
    Statement,
    /// A command, with what follows it.
    Command(Word, String),
    /// `ns1 ping ns2`, `ns1 sh`, `ns1 ip route`: the namespace, then what is to be done there.
    There(String, Vec<String>),
}

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Help,
    Changes,
    Undo,
    Redo,
    Checkpoint,
    Rollback,
    Save,
    Record,
    Explain,
    ShowAs,
    Vars,
    PingAll,
    Why,
    Graph,
    Watch,
    Exit,
}

/// All of them: how it is typed, what may follow, and what it does.
pub(super) const WORDS: [(&str, Word, &str, &str); 16] = [
    ("help", Word::Help, "[NAME]", "this, or what a function does; also ?NAME"),
    ("changes", Word::Changes, "", "what this session has changed, as statements and as commands of iproute2"),
    ("undo", Word::Undo, "[N]", "take back the last statement, or the last N"),
    ("redo", Word::Redo, "", "run what was taken back again"),
    ("checkpoint", Word::Checkpoint, "NAME", "give this moment a name"),
    ("rollback", Word::Rollback, "[NAME]", "take back all since that moment, or all"),
    ("save", Word::Save, "FILE", "write what stands as a script"),
    ("record", Word::Record, "FILE | off", "keep what is typed and printed, as Markdown"),
    ("explain", Word::Explain, "STATEMENT", "what it would do, without doing it"),
    ("show as", Word::ShowAs, "ip | rhai | nothing", "print each change as it is made"),
    ("vars", Word::Vars, "", "the variables and functions that there are"),
    ("pingall", Word::PingAll, "", "who reaches whom"),
    ("why", Word::Why, "FROM TO", "what stops a ping, and what would mend it"),
    ("graph", Word::Graph, "", "the picture of what is there"),
    ("watch", Word::Watch, "links", "the links as they change, until Ctrl-C"),
    ("exit", Word::Exit, "[keep | rollback]", "leave; also Ctrl-D"),
];

/// Reads a line. `is_place` knows the names of namespaces, `is_variable` what has a value.
pub(super) fn read(text: &str, is_place: impl Fn(&str) -> bool, is_variable: impl Fn(&str) -> bool) -> Line {
    let text = text.trim();
    if text.is_empty() || (text.starts_with("//") && !text.contains('\n')) {
        return Line::Empty;
    }
    if let Some(name) = text.strip_prefix('?') {
        return Line::Command(Word::Help, name.trim().to_owned());
    }
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim_start();
    let goes_on = !rest.is_empty() && rest.starts_with(|c: char| c.is_alphanumeric() || "/~.-_\"?".contains(c));
    for (word, command, ..) in WORDS {
        let tail = match text.strip_prefix(word) {
            Some(tail) if tail.is_empty() || tail.starts_with(char::is_whitespace) => tail.trim(),
            _ => continue,
        };
        // `help = 1` and `undo.x` are statements; so is all that begins with a variable of that name.
        let is_meant = tail.is_empty() || tail.starts_with(|c: char| c.is_alphanumeric() || "/~.-_\"(#{[".contains(c));
        if is_meant && !is_variable(first) {
            return Line::Command(command, tail.to_owned());
        }
    }
    let is_word = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    if goes_on && !text.contains('\n') && first.chars().all(is_word) && is_place(first) && !is_operator(rest) {
        return match shlex::split(rest) {
            Some(words) if !words.is_empty() => Line::There(first.to_owned(), words),
            _ => Line::Statement,
        };
    }
    Line::Statement
}

/// Words that stand between two values.
fn is_operator(rest: &str) -> bool {
    let word = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    matches!(word, "in" | "is") || rest.starts_with(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant() {
        let read = |text: &str| read(text, |name| name.starts_with("ns"), |name| name == "save");
        let there = |ns: &str, words: &[&str]| Line::There(ns.into(), words.iter().map(ToString::to_string).collect());
        assert_eq!(read("  "), Line::Empty);
        assert_eq!(read("// nothing"), Line::Empty);
        assert_eq!(read("?veth"), Line::Command(Word::Help, "veth".into()));
        assert_eq!(read("undo 3"), Line::Command(Word::Undo, "3".into()));
        assert_eq!(read("undo"), Line::Command(Word::Undo, String::new()));
        assert_eq!(read("show as ip"), Line::Command(Word::ShowAs, "ip".into()));
        assert_eq!(read("checkpoint \"before\""), Line::Command(Word::Checkpoint, "\"before\"".into()));
        assert_eq!(read("explain veth(\"a\", \"b\")"), Line::Command(Word::Explain, "veth(\"a\", \"b\")".into()));
        assert_eq!(read("undo = 3"), Line::Statement);
        assert_eq!(read("save x.rhai"), Line::Statement);
        assert_eq!(read("pingall([a, b])"), Line::Statement);
        assert_eq!(read("let ns1 = 1"), Line::Statement);
        assert_eq!(read("ns1 ping ns2"), there("ns1", &["ping", "ns2"]));
        assert_eq!(read("ns-1 ip route show 'x y'"), there("ns-1", &["ip", "route", "show", "x y"]));
        assert_eq!(read("ns1.ping(ns2)"), Line::Statement);
        assert_eq!(read("ns1 == ns2"), Line::Statement);
        assert_eq!(read("ns1 in list"), Line::Statement);
        assert_eq!(read("ns1"), Line::Statement);
        assert_eq!(read("other ping ns2"), Line::Statement);
    }
}
