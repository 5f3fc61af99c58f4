//! `import`: relative to the script, and never out of its folder.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::engine::args_value;
use super::values::Ns;
use crate::lab::objects::HOST;

/// The folder of a script, from which it may import.
pub(super) struct Folder {
    root: PathBuf,
    args: Vec<String>,
    loaded: RefCell<HashMap<PathBuf, Shared<Module>>>,
}

impl Folder {
    /// The folder of a script.
    pub(super) fn new(root: &Path, args: &[String]) -> Self {
        Self { root: root.to_owned(), args: args.to_vec(), loaded: RefCell::default() }
    }

    fn path(&self, path: &str) -> Result<PathBuf, String> {
        let file = self.root.join(format!("{}.rhai", path.trim_end_matches(".rhai")));
        let root = self.root.canonicalize().map_err(|e| e.to_string())?;
        let file = file.canonicalize().map_err(|_| format!("there is no {}", file.display()))?;
        // Compared after following links, so that neither `..` nor a link leads out.
        if file.starts_with(&root) { Ok(file) } else { Err("it lies outside of the script's folder".into()) }
    }
}

impl ModuleResolver for Folder {
    fn resolve(
        &self,
        engine: &Engine,
        _source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let wrap = |error: Box<EvalAltResult>| -> Box<EvalAltResult> {
            EvalAltResult::ErrorInModule(path.into(), error, position).into()
        };
        let refuse = |why: String| -> Box<EvalAltResult> {
            EvalAltResult::ErrorModuleNotFound(format!("{path}: {why}"), position).into()
        };
        let file = self.path(path).map_err(refuse)?;
        if let Some(module) = self.loaded.borrow().get(&file) {
            return Ok(module.clone());
        }
        let mut scope = Scope::new();
        scope.push_constant("host", Ns(HOST)).push_constant("args", args_value(&self.args));
        let text = std::fs::read_to_string(&file).map_err(|e| refuse(e.to_string()))?;
        let mut ast =
            engine.compile_with_scope(&scope, text).map_err(|e| wrap(EvalAltResult::ErrorParsing(*e.0, e.1).into()))?;
        ast.set_source(file.display().to_string());
        let module: Shared<Module> = Module::eval_ast_as_new(scope, &ast, engine).map_err(wrap)?.into();
        self.loaded.borrow_mut().insert(file, module.clone());
        Ok(module)
    }
}
