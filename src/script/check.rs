//! Looking through a script and what it imports before its first step: a function that does not exist is found while
//! nothing has been touched.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Engine, Expr, FnAccess, FnCallExpr, Position, Stmt};

use super::error::{Trace, count, site_at};
use super::function::{self, Function};
use super::import::Folder;
use super::parse::reserved;
use super::values::Of;
use crate::diag::{Code, Diagnostic, Site, nearest};

/// Finds names that cannot be used, calls of functions that do not exist, and calls with a number of arguments that they
/// never take; also in the files that the script imports by name.
///
/// # Errors
/// `NL0202`, `NL0204`, `NL0205` and `NL0208`, at the first such place, and whatever is wrong with an imported file.
pub(super) fn script(engine: &Engine, ast: &AST, file: &str, text: &str, folder: &Folder) -> Result<(), Trace> {
    statement(engine, ast, file, text, folder, BTreeSet::new()).map(|_| ())
}

/// The same of a part of a script, before which there are variables: a closure in one of them may be called by its name. Gives
/// what it imports, each path with its name.
///
/// # Errors
/// As [`script`].
pub(super) fn statement(
    engine: &Engine,
    ast: &AST,
    file: &str,
    text: &str,
    folder: &Folder,
    names: BTreeSet<String>,
) -> Result<Vec<(String, String)>, Trace> {
    let mut found = Found { names, ..Found::default() };
    ast.walk(&mut |path| {
        if let Some(node) = path.last() {
            found.take(node);
        }
        true
    });
    for (name, position) in &found.bound {
        if FIXED.contains(&name.as_str()) {
            return Err(reserved(name).at(site_at(file, *position)).into());
        }
    }
    for f in ast.iter_functions() {
        if let Some(name) = f.params.iter().find(|p| FIXED.contains(*p)) {
            let site = parameter(text, name, file);
            // What a closure takes from around it is a parameter of it as well, which nobody wrote.
            if site.line > 0 || !f.name.starts_with("anon$") {
                return Err(reserved(name).at(site).into());
            }
        }
    }
    let mut modules: BTreeMap<&str, Option<AST>> = BTreeMap::new();
    for (path, alias, position) in &found.imports {
        let module = folder.understand(engine, path).map_err(|mut trace| {
            let here = site_at(file, *position);
            if trace.error.site.is_some() {
                trace.calls.push((here, format!("while importing \"{path}\"")));
                return trace;
            }
            Trace { error: trace.error.at(here), calls: trace.calls }
        })?;
        // One name for two files can be either.
        modules.entry(alias).and_modify(|known| *known = None).or_insert(Some(module));
    }
    for (alias, call) in &found.into_modules {
        if let Some(Some(module)) = modules.get(alias.as_str()) {
            into_module(alias, call, module).map_err(|error| error.at(site_at(file, call.position)))?;
        }
    }
    calls(ast, file, &found).map_err(Trace::from)?;
    Ok(found.imports.into_iter().map(|(path, alias, _)| (path, alias)).collect())
}

fn calls(ast: &AST, file: &str, found: &Found) -> Result<(), Box<Diagnostic>> {
    let own: BTreeMap<&str, Vec<&Function>> = function::all().fold(BTreeMap::new(), |mut map, f| {
        map.entry(f.name).or_insert_with(Vec::new).push(f);
        map
    });
    let mut script: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for f in ast.iter_functions() {
        script.entry(f.name).or_default().push(f.params);
    }
    // Asking for all that the language has takes longer than everything else here, so it is asked only when needed.
    let mut language: Option<BTreeSet<String>> = None;
    for call in &found.calls {
        let (name, ours, theirs) = (call.name.as_str(), own.get(call.name.as_str()), script.get(call.name.as_str()));
        let fits_theirs = theirs.is_some_and(|all| all.iter().any(|params| params.len() == call.count));
        if fits_theirs || found.names.contains(name) || KEYWORDS.contains(&name) {
            continue;
        }
        if ours.is_some_and(|fs| fs.iter().any(|f| call.fits(f))) {
            continue;
        }
        let language = language.get_or_insert_with(names_of_the_language);
        // A method may be the language's, of a value that only the run can tell.
        if language.contains(name) && ours.is_none_or(|fs| fs.iter().all(|f| f.of != Of::Free)) {
            continue;
        }
        return Err(match (theirs, ours) {
            (Some(all), _) => wrong_count_of_theirs(call, all),
            (None, Some(functions)) => wrong_count(call, functions),
            (None, None) => unknown(
                call,
                own.keys().copied().chain(language.iter().map(String::as_str)).chain(script.keys().copied()),
            ),
        }
        .at(site_at(file, call.position)));
    }
    Ok(())
}

/// A call of a function in a module.
fn into_module(alias: &str, call: &Called, module: &AST) -> Result<(), Box<Diagnostic>> {
    let all: Vec<_> = module.iter_functions().filter(|f| !f.name.starts_with("anon$")).collect();
    let named: Vec<_> = all.iter().filter(|f| f.name == call.name).collect();
    if named.is_empty() {
        let error =
            Diagnostic::new(Code::UnknownFunction, format!("the module `{alias}` has no function `{}`", call.name));
        let near = nearest(&call.name, all.iter().map(|f| f.name));
        return Err(match near {
            Some(near) => error.help(format!("did you mean `{alias}::{near}`?")),
            None if all.is_empty() => error,
            None => {
                let names: Vec<&str> = all.iter().map(|f| f.name).collect();
                error.help(format!("it has {}", names.join(", ")))
            }
        });
    }
    if named.iter().all(|f| f.access == FnAccess::Private) {
        return Err(Diagnostic::new(
            Code::UnknownFunction,
            format!("the function `{}` is private in the module `{alias}`", call.name),
        )
        .help("take the word `private` away there, or call a function that is not"));
    }
    if named.iter().any(|f| f.params.len() == call.count) {
        return Ok(());
    }
    Err(wrong_count_of_theirs(call, &named.iter().map(|f| f.params.clone()).collect::<Vec<_>>()))
}

/// The words that are always the same and cannot be given to anything else.
const FIXED: [&str; 3] = ["host", "args", "attempt"];

/// Words that look like functions and are part of the language.
const KEYWORDS: [&str; 7] = ["Fn", "call", "curry", "is_def_fn", "is_def_var", "is_shared", "type_of"];

#[derive(Default)]
struct Found {
    calls: Vec<Called>,
    /// Calls of functions in modules, each with the module's name.
    into_modules: Vec<(String, Called)>,
    /// Imports by a path that is written out: the path and the name.
    imports: Vec<(String, String, Position)>,
    /// What is made or set: variables, loop variables, the names of errors and modules.
    bound: Vec<(String, Position)>,
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
                self.bind(&var.0);
            }
            ASTNode::Stmt(Stmt::For(parts, _)) => {
                self.bind(&parts.0);
                if let Some(counter) = &parts.1 {
                    self.bind(counter);
                }
            }
            ASTNode::Stmt(Stmt::TryCatch(parts, _)) => self.set(&parts.expr),
            ASTNode::Stmt(Stmt::Assignment(parts)) => self.set(&parts.1.lhs),
            ASTNode::Stmt(Stmt::Import(parts, _)) => {
                self.bind(&parts.1);
                if let Expr::StringConstant(path, position) = &parts.0 {
                    self.imports.push((path.to_string(), parts.1.name.to_string(), *position));
                }
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

    fn bind(&mut self, name: &rhai::Ident) {
        self.bound.push((name.name.to_string(), name.pos));
    }

    fn set(&mut self, left: &Expr) {
        if let Expr::Variable(variable, _, position) = left {
            self.bound.push((variable.1.to_string(), *position));
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, method: bool) {
        let name = call.name.as_str();
        // Operators, and closures by their hidden names.
        if call.op_token.is_some() || !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return;
        }
        if name.starts_with("anon$") {
            return;
        }
        let called = Called { name: name.into(), count: call.args.len(), method, position };
        match &call.namespace.path[..] {
            [] => self.calls.push(called),
            [module] => self.into_modules.push((module.name.to_string(), called)),
            // Modules of modules are known only when they are loaded.
            _ => {}
        }
    }
}

/// The names of all functions that Rhai brings along.
pub(super) fn names_of_the_language() -> BTreeSet<String> {
    Engine::new().collect_fn_metadata(None, |f| Some(f.metadata.name.to_string()), true).into_iter().collect()
}

/// The place of a parameter, which Rhai does not keep.
fn parameter(text: &str, name: &str, file: &str) -> Site {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let in_list = |list: &str| {
        let starts = list.match_indices(name).map(|(i, _)| i);
        starts.into_iter().find(|i| !list[..*i].ends_with(is_name) && !list[i + name.len()..].starts_with(is_name))
    };
    let place = text.lines().zip(1..).find_map(|(line, number)| {
        // Of a function, or between the bars of a closure, where nothing else than names can stand.
        let of_function = line.find("fn ").map(|at| at..line.find(')').unwrap_or(line.len()).max(at));
        let bars: Vec<usize> = line.match_indices('|').map(|(at, _)| at).collect();
        let of_closures = bars.windows(2).map(|pair| pair[0] + 1..pair[1]);
        let is_list =
            |range: &std::ops::Range<usize>| line[range.clone()].chars().all(|c| is_name(c) || ", ".contains(c));
        let mut lists = of_function.into_iter().chain(of_closures.filter(is_list));
        lists.find_map(|list| {
            let at = list.start + in_list(line.get(list.clone())?)?;
            Some((number, line[..at].chars().count() + 1))
        })
    });
    let (line, column) = place.unwrap_or((0, 1));
    Site { file: file.to_owned(), line, column }
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
    let fitting = |f: &&&Function| (f.of == Of::Free) != call.method;
    let mut shown: Vec<&Function> = functions.iter().filter(fitting).copied().collect();
    if shown.is_empty() {
        shown = functions.to_vec();
    }
    let signatures: Vec<String> = shown.iter().map(|f| f.signature()).collect();
    let message = match &shown[..] {
        all if all.iter().all(|f| f.is_property()) => {
            format!("`{}` is a property: read it without parentheses", call.name)
        }
        all if !call.method && all.iter().all(|f| f.of != Of::Free) => {
            format!("`{}` belongs to something, and stands behind it with a dot", call.name)
        }
        [first, rest @ ..] if rest.iter().all(|f| f.arity == first.arity && !f.is_property()) => {
            first.wants(call.count)
        }
        _ => format!("`{}` does not take {}", call.name, count(call.count, "argument")),
    };
    Diagnostic::new(Code::WrongArguments, message).help(format!("it is used like this: {}", signatures.join(", or ")))
}

/// The same for functions that the script itself defines.
fn wrong_count_of_theirs(call: &Called, all: &[Vec<&str>]) -> Box<Diagnostic> {
    let here = match call.count {
        0 => "here are none".to_owned(),
        1 => "here is 1".to_owned(),
        n => format!("here are {n}"),
    };
    let takes: Vec<String> = all.iter().map(|params| params.len().to_string()).collect();
    let nouns = if takes == ["1"] { "argument" } else { "arguments" };
    let shown: Vec<String> = all.iter().map(|params| format!("{}({})", call.name, params.join(", "))).collect();
    Diagnostic::new(Code::WrongArguments, format!("`{}` takes {} {nouns}, {here}", call.name, takes.join(" or ")))
        .help(format!("it was made like this: {}", shown.join(", or ")))
}
