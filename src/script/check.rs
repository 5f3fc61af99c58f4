//! Looking through a script before its first step: a function that does not exist is found while nothing has been touched.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Position, Stmt};

use super::function::{self, Function};
use super::values::Of;
use crate::diag::{Code, Diagnostic, Result, Site, nearest};

/// Finds calls of functions that do not exist, and of ours with a number of arguments that they never take.
///
/// # Errors
/// `NL0202` and `NL0204`, at the first such call.
pub fn calls(engine: &Engine, ast: &AST, file: &str) -> Result<()> {
    let mut found = Found::default();
    ast.walk(&mut |path| {
        if let Some(node) = path.last() {
            found.take(node);
        }
        true
    });
    let own: BTreeMap<&str, Vec<&Function>> = function::all().fold(BTreeMap::new(), |mut map, f| {
        map.entry(f.name).or_insert_with(Vec::new).push(f);
        map
    });
    let script: BTreeSet<String> = ast.iter_functions().map(|f| f.name.to_string()).collect();
    // Asking the engine for all it has takes longer than everything else here, so it is asked only when needed.
    let mut language: Option<BTreeSet<String>> = None;
    for call in &found.calls {
        let known_here = script.contains(&call.name) || found.names.contains(&call.name);
        if known_here || KEYWORDS.contains(&call.name.as_str()) {
            continue;
        }
        let ours = own.get(call.name.as_str());
        if ours.is_some_and(|fs| fs.iter().any(|f| call.fits(f))) {
            continue;
        }
        let language = language.get_or_insert_with(|| names_of(engine));
        if language.contains(&call.name) && ours.is_none_or(|fs| fs.iter().all(|f| f.of != Of::Free)) {
            continue;
        }
        let site = Site {
            file: file.to_owned(),
            line: call.position.line().unwrap_or(0),
            column: call.position.position().unwrap_or(1),
        };
        return Err(match ours {
            Some(functions) => wrong_count(call, functions),
            None => unknown(
                call,
                own.keys().copied().chain(language.iter().map(String::as_str)).chain(script.iter().map(String::as_str)),
            ),
        }
        .at(site));
    }
    Ok(())
}

/// Words that look like functions and are part of the language.
const KEYWORDS: [&str; 7] = ["Fn", "call", "curry", "is_def_fn", "is_def_var", "is_shared", "type_of"];

#[derive(Default)]
struct Found {
    calls: Vec<Called>,
    /// Variables, parameters and map keys: a closure in one of them may be called by its name.
    names: BTreeSet<String>,
}

struct Called {
    name: String,
    count: usize,
    method: bool,
    position: Position,
}

impl Called {
    fn fits(&self, f: &Function) -> bool {
        let takes = |n: usize| (f.arity.0..=f.arity.1).contains(&n);
        match (f.of, self.method) {
            _ if f.is_property() => false,
            (Of::Free, false) => takes(self.count),
            (Of::Free, true) => takes(self.count + 1),
            (_, true) => takes(self.count),
            (_, false) => self.count > 0 && takes(self.count - 1),
        }
    }
}

impl Found {
    fn take(&mut self, node: &ASTNode<'_>) {
        match node {
            ASTNode::Expr(Expr::FnCall(call, position)) => self.call(call, *position, false),
            ASTNode::Expr(Expr::MethodCall(call, position)) => self.call(call, *position, true),
            ASTNode::Stmt(Stmt::FnCall(call, position)) => self.call(call, *position, false),
            ASTNode::Stmt(Stmt::Var(var, ..)) => {
                self.names.insert(var.0.name.to_string());
            }
            ASTNode::Expr(Expr::Variable(var, ..)) => {
                self.names.insert(var.1.to_string());
            }
            ASTNode::Expr(Expr::Property(property, _)) => {
                self.names.insert(property.2.to_string());
            }
            ASTNode::Expr(Expr::Map(map, _)) => {
                self.names.extend(map.0.iter().map(|(key, _)| key.name.to_string()));
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, method: bool) {
        let name = call.name.as_str();
        // Operators, closures by their hidden names, and calls into modules, which are known only when they are loaded.
        if call.op_token.is_some()
            || !name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            || !call.namespace.is_empty()
        {
            return;
        }
        if name.starts_with("anon$") {
            return;
        }
        self.calls.push(Called { name: name.into(), count: call.args.len(), method, position });
    }
}

fn names_of(engine: &Engine) -> BTreeSet<String> {
    engine.collect_fn_metadata(None, |f| Some(f.metadata.name.to_string()), true).into_iter().collect()
}

fn unknown<'a>(call: &Called, names: impl Iterator<Item = &'a str>) -> Box<Diagnostic> {
    let what = if call.method { "method" } else { "function" };
    let error = Diagnostic::new(Code::UnknownFunction, format!("there is no {what} `{}`", call.name));
    let names = names.filter(|n| n.starts_with(|c: char| c.is_alphabetic()) && !n.contains('$'));
    match nearest(&call.name, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`netlab docs` lists all functions"),
    }
}

fn wrong_count(call: &Called, functions: &[&Function]) -> Box<Diagnostic> {
    let signatures: Vec<String> = functions.iter().map(|f| f.signature()).collect();
    let all_properties = functions.iter().all(|f| f.is_property());
    let message = if all_properties {
        format!("`{}` is a property: read it without parentheses", call.name)
    } else {
        let s = if call.count == 1 { "" } else { "s" };
        format!("`{}` does not take {} argument{s}", call.name, call.count)
    };
    Diagnostic::new(Code::WrongArguments, message).help(format!("it is used like this: {}", signatures.join(", or ")))
}
