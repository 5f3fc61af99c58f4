//! What each code means, at length: the texts in `stdlib/codes/`.

const TEXTS: [&str; 6] = [
    include_str!("../../stdlib/codes/things.md"),
    include_str!("../../stdlib/codes/language.md"),
    include_str!("../../stdlib/codes/run.md"),
    include_str!("../../stdlib/codes/why.md"),
    include_str!("../../stdlib/codes/warnings.md"),
    include_str!("../../stdlib/codes/exercises.md"),
];

/// A code with its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// `NL0101`.
    pub code: &'static str,
    /// What it is about, in some words.
    pub title: &'static str,
    /// What it means, an example that gives it, and what to do, in Markdown.
    pub text: &'static str,
}

/// All of them, in the order of the numbers.
pub fn all() -> Vec<Explained> {
    let sections = TEXTS.iter().flat_map(|text| text.split("## ").skip(1));
    let explained = sections.filter_map(|section| {
        let (head, text) = section.split_once('\n')?;
        let (code, title) = head.split_once(' ')?;
        Some(Explained { code, title, text: text.trim() })
    });
    let mut all: Vec<Explained> = explained.collect();
    all.sort_by_key(|explained| explained.code);
    all
}

/// One by its code, however it is written: `NL0101`, `nl101`, `101`.
pub fn find(code: &str) -> Option<Explained> {
    let number = |code: &str| code.to_ascii_uppercase().trim_start_matches("NL").parse::<u16>().ok();
    let wanted = number(code)?;
    all().into_iter().find(|explained| number(explained.code) == Some(wanted))
}
