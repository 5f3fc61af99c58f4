//! What a learner has done, in a file of hers that she can read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::diag::{Code, Diagnostic, KernelError, Result};

/// What is known about one exercise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Whether all checks have passed, once.
    pub passed: bool,
    /// The seed that it was begun with.
    pub seed: u64,
    /// How many hints were shown, by the number of the check, from 1.
    pub hints: BTreeMap<usize, usize>,
}

/// All that is known, by the exercise's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress(BTreeMap<String, Entry>);

const HEAD: &str = "# What `netlab exercise` remembers, a line for each exercise: whether it is passed, the seed that its values come from,\n# and how many hints each check has shown (check:hints).\n";

impl Progress {
    /// Reads the file. What cannot be read in it counts as not done.
    pub fn load() -> Self {
        file().and_then(|file| std::fs::read_to_string(file).ok()).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let name = words.next().filter(|name| !name.starts_with('#'))?;
            let mut entry = Entry { passed: words.next()? == "passed", ..Entry::default() };
            for word in words {
                match word.split_once('=') {
                    Some(("seed", seed)) => entry.seed = seed.parse().ok()?,
                    Some(("hints", hints)) => {
                        entry.hints = hints
                            .split(',')
                            .filter_map(|hint| hint.split_once(':'))
                            .filter_map(|(check, count)| Some((check.parse().ok()?, count.parse().ok()?)))
                            .collect();
                    }
                    _ => {}
                }
            }
            Some((name.to_owned(), entry))
        };
        Self(text.lines().filter_map(line).collect())
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (name, entry) in &self.0 {
            let state = if entry.passed { "passed" } else { "begun" };
            text.push_str(&format!("{name} {state} seed={}", entry.seed));
            if !entry.hints.is_empty() {
                let hints: Vec<String> = entry.hints.iter().map(|(check, count)| format!("{check}:{count}")).collect();
                text.push_str(&format!(" hints={}", hints.join(",")));
            }
            text.push('\n');
        }
        text
    }

    /// What is known about an exercise.
    pub fn get(&self, exercise: &str) -> Option<&Entry> {
        self.0.get(exercise)
    }

    /// Changes what is known about an exercise, in the file.
    ///
    /// # Errors
    /// `NL0119` if it cannot be written.
    pub fn change(exercise: &str, f: impl FnOnce(&mut Entry)) -> Result<()> {
        let Some(file) = file() else { return Ok(()) };
        let mut all = Self::load();
        f(all.0.entry(exercise.to_owned()).or_default());
        let failed = |e: std::io::Error| {
            Diagnostic::new(Code::BadFile, format!("cannot write down what was done in {}", file.display()))
                .kernel(KernelError::from_io(format!("write {}", file.display()), &e))
        };
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // Another netlab may read it at any moment.
        let new = file.with_extension("new");
        std::fs::write(&new, all.text()).map_err(failed)?;
        std::fs::rename(&new, &file).map_err(failed)
    }
}

/// The file; none for who has no home.
pub fn file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("netlab/exercises"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let entry = Entry { passed: true, seed: 7, hints: BTreeMap::from([(1, 2), (3, 1)]) };
        let all = Progress(BTreeMap::from([("two".to_owned(), entry), ("one".to_owned(), Entry::default())]));
        assert_eq!(all.text(), format!("{HEAD}one begun seed=0\ntwo passed seed=7 hints=1:2,3:1\n"));
        assert_eq!(Progress::parse(&all.text()), all);
        assert_eq!(Progress::parse("rubbish\nx passed seed=no\n\n# y passed"), Progress::default());
    }
}
