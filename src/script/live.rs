//! A script that grows: statements are understood, checked and run one after the other on one lab, with the variables and
//! functions of those before.

use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use rhai::{AST, Dynamic, Engine, ModuleResolver, Scope};

use super::check;
use super::engine::{build, names_in};
use super::error::{Trace, homes, trace};
use super::import::{Folder, Imports};
use super::parse::{open_comment, parse};
use super::run::scope;
use super::session::{Session, Shared};
use super::values::{Link, Ns, Of};
use crate::diag::Result;
use crate::kernel::signal::Stop;
use crate::kernel::space::NetnsCookie;
use crate::lab::Lab;
use crate::probe::state::addr;
use crate::snapshot::link;

/// A script that grows.
pub struct Live {
    engine: Engine,
    session: Shared,
    folder: Rc<Folder>,
    state: State,
    stop: Stop,
}

/// What it knows at one moment: a later one can be left for it.
#[derive(Clone)]
pub struct State {
    scope: Scope<'static>,
    functions: AST,
}

impl Live {
    /// One that knows nothing yet. `folder` is where it may import from, `print` gets what is printed.
    ///
    /// # Errors
    /// `NL0901`.
    pub fn new(lab: Lab, stop: &Stop, folder: &Path, args: &[String], print: impl Fn(&str) + 'static) -> Result<Self> {
        let session = Session::new(None);
        let folder = Folder::new(folder, args, &session);
        let mut engine = build(&session, args, Path::new("."))?;
        engine.set_module_resolver(Imports(folder.clone()));
        engine.on_print(print);
        let flag = stop.flag();
        engine.on_progress(move |_| flag.load(std::sync::atomic::Ordering::Relaxed).then_some(Dynamic::UNIT));
        session.borrow_mut().lab = Some(lab);
        let state = State { scope: scope(args), functions: AST::empty() };
        Ok(Self { engine, session, folder, state, stop: stop.clone() })
    }

    /// Understands, checks and runs a text, which errors call `name`; gives the value of its last expression. What it did to the
    /// lab stays if it fails: to take that back is the caller's business.
    ///
    /// # Errors
    /// As those of a script.
    pub fn run(&mut self, name: &str, text: &str) -> std::result::Result<Dynamic, Trace> {
        let shown = text.strip_prefix("#!").map_or_else(|| text.to_owned(), |rest| format!("// {rest}"));
        let compiled = self.engine.compile_with_scope(&self.state.scope, &shown);
        let mut ast = compiled.map_err(|e| parse(&e.0, e.1, name, &shown))?;
        if let Some(error) = open_comment(&shown, name) {
            return Err(error.into());
        }
        ast.set_source(name);
        self.session.borrow_mut().homes.extend(homes(&ast, name));
        let mut whole = self.state.functions.merge(&ast);
        whole.set_source(name);
        let known = self.state.scope.iter_raw().map(|(name, ..)| name.to_owned()).collect();
        let imports = check::statement(&self.engine, &whole, name, &shown, &self.folder, known)?;
        let result = self.engine.eval_ast_with_scope::<Dynamic>(&mut self.state.scope, &whole);
        let mut session = self.session.borrow_mut();
        session.servers.clear();
        match result {
            Ok(value) => {
                self.state.functions = whole.clone_functions_only();
                drop(session);
                self.keep(&imports, name);
                Ok(value)
            }
            Err(error) => {
                let told = trace(&session, &error, name, &whole);
                // It was ended from outside; why is what the lab knows.
                let ended = session.lab.as_ref().and_then(|lab| lab.may_go_on().err());
                Err(match ended {
                    Some(why) => {
                        Trace { error: told.error.site.map_or(why.clone(), |site| why.at(site)), calls: told.calls }
                    }
                    None => told,
                })
            }
        }
    }

    /// Has what was imported be there from here on: the language forgets it with the text that imported it.
    fn keep(&mut self, imports: &[(String, String)], name: &str) {
        for (path, alias) in imports {
            let imports = Imports(self.folder.clone());
            if let Ok(module) = imports.resolve(&self.engine, Some(name), path, rhai::Position::NONE) {
                self.engine.register_static_module(alias, module);
            }
        }
    }

    /// What it knows now.
    pub fn state(&self) -> State {
        self.state.clone()
    }

    /// Goes back to what it knew.
    pub fn set_state(&mut self, state: State) {
        self.state = state;
    }

    /// Something was changed beside what statements did: probes wait for the links again.
    pub fn changed(&mut self) {
        self.session.borrow_mut().changed = Some(Instant::now());
    }

    /// Asks or changes the lab.
    pub fn with_lab<T>(&mut self, f: impl FnOnce(&mut Lab) -> T) -> Result<T> {
        Ok(f(self.session.borrow_mut().lab()?))
    }

    /// The lab, when nothing more is to be run on it.
    pub fn into_lab(self) -> Option<Lab> {
        self.session.borrow_mut().lab.take()
    }

    /// What asks a statement to end.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// The variables, the last of each name, with what kind of value each holds.
    pub fn variables(&self) -> Vec<(String, Option<Of>)> {
        let mut seen = std::collections::BTreeMap::new();
        for (name, _, value) in self.state.scope.iter_raw() {
            seen.insert(name.to_owned(), Of::value(&value.flatten_clone()));
        }
        seen.into_iter().collect()
    }

    /// The value of a variable.
    pub fn value(&self, name: &str) -> Option<Dynamic> {
        self.state.scope.get(name).map(Dynamic::flatten_clone)
    }

    /// The functions that were written here, each as it is called.
    pub fn functions(&self) -> Vec<String> {
        let call = |f: rhai::ScriptFnMetadata<'_>| format!("{}({})", f.name, f.params.join(", "));
        self.state.functions.iter_functions().filter(|f| !f.name.starts_with("anon$")).map(call).collect()
    }

    /// A value as text, as `print` has it.
    pub fn text(&self, value: &Dynamic) -> String {
        names_in(&self.engine, value)
    }

    /// A handle of a link or namespace as a script would get hold of it anew.
    pub fn handle(&mut self, value: &Dynamic) -> Option<String> {
        let value = value.flatten_clone();
        let mut session = self.session.borrow_mut();
        let lab = session.lab().ok()?;
        let names = lab.objects.names();
        if let Some(ns) = value.clone().try_cast::<Ns>() {
            return lab.objects.netns(ns.0).ok().map(|ns| names.handle(ns.cookie));
        }
        let link = lab.objects.link(value.try_cast::<Link>()?.0).ok()?;
        Some(format!("{}[{:?}]", names.handle(link.key().netns), link.name()))
    }

    /// The names of the links in a namespace.
    pub fn links(&mut self, namespace: &Dynamic) -> Vec<String> {
        let Some(Ns(id)) = namespace.flatten_clone().try_cast::<Ns>() else { return Vec::new() };
        let mut session = self.session.borrow_mut();
        let Ok(lab) = session.lab() else { return Vec::new() };
        let Ok(cookie) = lab.objects.netns(id).map(|ns| ns.cookie) else { return Vec::new() };
        if !lab.kernel().find(cookie) {
            return Vec::new();
        }
        let links = lab.kernel().socket(cookie).and_then(|socket| link::dump(socket).ok()).unwrap_or_default();
        link::names(&links).into_values().collect()
    }

    /// The addresses in the namespaces that it knows, without those of `lo`.
    pub fn addresses(&mut self) -> Vec<String> {
        let mut session = self.session.borrow_mut();
        let Ok(lab) = session.lab() else { return Vec::new() };
        let places: Vec<NetnsCookie> = lab.objects.named_netns().map(|ns| ns.cookie).chain([lab.header.host]).collect();
        let mut all = Vec::new();
        for cookie in places {
            let kernel = lab.kernel();
            let socket = if kernel.find(cookie) { kernel.socket(cookie) } else { None };
            let addrs =
                socket.and_then(|socket| addr::read(socket, None, &Default::default()).ok()).unwrap_or_default();
            all.extend(addrs.iter().filter(|a| a.scope == "global").map(|a| a.local.to_string()));
        }
        all
    }
}
