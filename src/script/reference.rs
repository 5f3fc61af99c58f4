//! The reference: every function with its signature and manual, ours from the table and the library's from its comments.

use super::function::{self, Form, Function};
use super::topology::FILES;
use super::values::Of;

/// One function in the reference.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it belongs to, in the word of signatures; empty for none.
    pub of: &'static str,
    /// How it is called.
    pub signature: String,
    /// What it gives.
    pub gives: &'static str,
    /// Its manual, in Markdown.
    pub doc: String,
    /// Whether it is read without parentheses.
    pub property: bool,
    arity: (usize, usize),
}

impl Entry {
    /// The first line of the manual, one sentence.
    pub fn first_line(&self) -> &str {
        self.doc.lines().next().unwrap_or_default()
    }

    /// The examples in the manual.
    pub fn examples(&self) -> Vec<&str> {
        self.doc.split("```rhai\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
    }

    /// The function as editors' definitions write it. They know no optional parameters, so all are listed.
    pub fn definition(&self) -> String {
        let receiver = if self.of.is_empty() { Vec::new() } else { vec![self.of.to_owned()] };
        let params: Vec<String> = receiver.into_iter().chain((1..=self.arity.1).map(|n| format!("arg{n}"))).collect();
        let name = if self.property { format!("get ${}", self.name).replace(' ', "") } else { self.name.to_owned() };
        format!("fn {name}({});", params.join(", "))
    }
}

/// All functions, in the order of the table.
pub fn entries() -> Vec<Entry> {
    function::all()
        .map(|f| {
            let doc = match f.form {
                Form::Library => manual(f.name),
                _ => f.doc.to_owned(),
            };
            entry(f, doc)
        })
        .collect()
}

fn entry(f: &Function, doc: String) -> Entry {
    Entry {
        name: f.name,
        of: if f.of == Of::Free { "" } else { f.of.word() },
        signature: f.signature(),
        gives: f.gives,
        doc,
        property: f.is_property(),
        arity: f.arity,
    }
}

/// The comment before a function of the library. It is read as text: Rhai keeps comments only at a price that every run of
/// every script would pay.
fn manual(name: &str) -> String {
    let head = format!("fn {name}(");
    for (_, text) in FILES {
        let mut comment: Vec<&str> = Vec::new();
        for line in text.lines() {
            match line.strip_prefix("///") {
                Some(rest) => comment.push(rest.strip_prefix(' ').unwrap_or(rest)),
                None if line.starts_with(&head) => return comment.join("\n"),
                None => comment.clear(),
            }
        }
    }
    String::new()
}
