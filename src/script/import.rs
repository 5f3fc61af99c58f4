//! `import`: relative to the script, and never out of its folder.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{AST, Engine, EvalAltResult, Module, ModuleResolver, Position, Scope};

use super::check;
use super::engine::args_value;
use super::error::{Trace, homes, site_at};
use super::parse::{open_comment, parse};
use super::raise::raise;
use super::session::Shared;
use super::values::Ns;
use crate::diag::{Code, Diagnostic, KernelError};
use crate::lab::objects::HOST;

/// The folder of a script, from which it may import, with what has been read of it.
pub(super) struct Folder {
    root: PathBuf,
    args: Vec<String>,
    session: Shared,
    understood: RefCell<HashMap<PathBuf, AST>>,
    loaded: RefCell<HashMap<PathBuf, rhai::Shared<Module>>>,
    /// The files that are being read now, each on behalf of the one before.
    under_way: RefCell<Vec<PathBuf>>,
}

/// The folder as the engine takes it.
pub(super) struct Imports(pub(super) Rc<Folder>);

impl Folder {
    /// The folder of a script.
    pub(super) fn new(root: &Path, args: &[String], session: &Shared) -> Rc<Self> {
        Rc::new(Self {
            root: root.to_owned(),
            args: args.to_vec(),
            session: session.clone(),
            understood: RefCell::default(),
            loaded: RefCell::default(),
            under_way: RefCell::default(),
        })
    }

    /// Reads a file that the script imports, and all that this imports by name, before anything is run.
    pub(super) fn understand(&self, engine: &Engine, path: &str) -> Result<AST, Trace> {
        let file = self.path(path)?;
        if let Some(ast) = self.understood.borrow().get(&file) {
            return Ok(ast.clone());
        }
        self.enter(&file)?;
        let ast = self.read(engine, path, &file);
        self.under_way.borrow_mut().pop();
        let ast = ast?;
        self.understood.borrow_mut().insert(file, ast.clone());
        Ok(ast)
    }

    /// All files that have been read.
    pub(super) fn scripts(&self) -> Vec<AST> {
        self.understood.borrow().values().cloned().collect()
    }

    fn read(&self, engine: &Engine, path: &str, file: &Path) -> Result<AST, Trace> {
        let name = self.name(file);
        let text = std::fs::read_to_string(file).map_err(|e| {
            let words = match e.kind() {
                std::io::ErrorKind::InvalidData => format!("cannot import \"{path}\": {name} is no text"),
                _ => format!("cannot import \"{path}\": {name} cannot be read"),
            };
            Diagnostic::new(Code::BadImport, words).kernel(KernelError::from_io(format!("open {name}"), &e))
        })?;
        let mut ast = engine.compile_with_scope(&self.scope(), &text).map_err(|e| parse(&e.0, e.1, &name, &text))?;
        if let Some(error) = open_comment(&text, &name) {
            return Err(error.into());
        }
        ast.set_source(&name);
        {
            let mut session = self.session.borrow_mut();
            session.homes.insert(format!("import {path}"), name.clone());
            session.homes.extend(homes(&ast, &name));
        }
        check::script(engine, &ast, &name, &text, self)?;
        Ok(ast)
    }

    /// Notes that a file is being read; one that is being read already imports itself.
    fn enter(&self, file: &Path) -> Result<(), Trace> {
        let mut under_way = self.under_way.borrow_mut();
        if let Some(at) = under_way.iter().position(|f| f == file) {
            let circle: Vec<String> =
                under_way[at..].iter().map(PathBuf::as_path).chain([file]).map(|f| self.name(f)).collect();
            let words = format!("{} imports itself: {}", self.name(file), circle.join(" → "));
            return Err(Diagnostic::new(Code::BadImport, words)
                .help("put what both need into a third file, which imports neither")
                .into());
        }
        under_way.push(file.to_owned());
        Ok(())
    }

    fn path(&self, path: &str) -> Result<PathBuf, Trace> {
        let refuse = |why: String| Diagnostic::new(Code::BadImport, format!("cannot import \"{path}\": {why}"));
        let wanted = PathBuf::from(format!("{}.rhai", path.trim_end_matches(".rhai")));
        let root = self.root.canonicalize().map_err(|e| refuse(e.to_string()))?;
        let Ok(file) = self.root.join(&wanted).canonicalize() else {
            let name = self.name(&root.join(&wanted));
            return Err(refuse(format!("there is no file {name}"))
                .help("a path is relative to the script's folder")
                .into());
        };
        // Compared after following links, so that neither `..` nor a link leads out.
        if file.starts_with(&root) {
            Ok(file)
        } else {
            Err(refuse("it lies outside of the script's folder".into())
                .help("a script may import only from its own folder and those in it: put the file there")
                .into())
        }
    }

    /// A file as somebody in the folder where the command was typed would call it.
    fn name(&self, file: &Path) -> String {
        let root = self.root.canonicalize().unwrap_or_default();
        let inside = file.strip_prefix(root).unwrap_or(file);
        let whole = if self.root == Path::new(".") { inside.to_owned() } else { self.root.join(inside) };
        whole.display().to_string()
    }

    fn scope(&self) -> Scope<'static> {
        let mut scope = Scope::new();
        scope.push_constant("host", Ns(HOST)).push_constant("args", args_value(&self.args));
        scope
    }
}

impl ModuleResolver for Imports {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<rhai::Shared<Module>, Box<EvalAltResult>> {
        let folder = &*self.0;
        let refuse = |trace: Trace| {
            let here = site_at(source.unwrap_or("<script>"), position);
            let is_inside = trace.error.site.is_some();
            let error = raise(&mut folder.session.borrow_mut(), trace.error, here, position);
            if is_inside { EvalAltResult::ErrorInModule(path.into(), error, position).into() } else { error }
        };
        let file = folder.path(path).map_err(refuse)?;
        if let Some(module) = folder.loaded.borrow().get(&file) {
            return Ok(module.clone());
        }
        let ast = folder.understand(engine, path).map_err(refuse)?;
        folder.enter(&file).map_err(refuse)?;
        let module = Module::eval_ast_as_new(folder.scope(), &ast, engine);
        folder.under_way.borrow_mut().pop();
        let module: rhai::Shared<Module> =
            module.map_err(|error| Box::new(EvalAltResult::ErrorInModule(path.into(), error, position)))?.into();
        folder.loaded.borrow_mut().insert(file, module.clone());
        Ok(module)
    }
}
