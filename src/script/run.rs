//! Running a script: understood first, then checked, then run on a lab.

use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use rhai::{AST, Dynamic, Engine, EvalAltResult, Scope};

use super::engine::{args_value, build};
use super::error::{Trace, homes, trace};
use super::import::{Folder, Imports};
use super::parse::{open_comment, parse};
use super::raise::raise;
use super::session::{Session, Shared};
use super::unknown::{self, Unknowns};
use super::values::Ns;
use super::{check, planned};
use crate::diag::{Code, Diagnostic, Site};
use crate::kernel::signal::Stop;
use crate::lab::Lab;
use crate::lab::objects::HOST;

/// A script that has been understood and checked; nothing has been touched.
pub struct Script {
    pub(super) engine: Engine,
    pub(super) ast: AST,
    pub(super) file: String,
    pub(super) session: Shared,
    folder: Rc<Folder>,
    args: Vec<String>,
}

impl Script {
    /// Understands a script and all that it imports by name. `folder` is where it may import from.
    ///
    /// # Errors
    /// `NL0201` to `NL0208`: it does not parse, names a variable or calls a function that does not exist.
    pub fn new(file: &str, text: &str, args: &[String], folder: &Path) -> Result<Self, Trace> {
        let session = Session::new(None);
        let folder = Folder::new(folder, args, &session);
        let mut engine = build(&session, args, Path::new("."))?;
        engine.set_module_resolver(Imports(folder.clone()));
        // A first line for the kernel, as programs have it, is a comment here.
        let shown = text.strip_prefix("#!").map_or_else(|| text.to_owned(), |rest| format!("// {rest}"));
        let mut ast = engine.compile_with_scope(&scope(args), &shown).map_err(|e| parse(&e.0, e.1, file, &shown))?;
        if let Some(error) = open_comment(&shown, file) {
            return Err(error.into());
        }
        ast.set_source(file);
        session.borrow_mut().homes = homes(&ast, file);
        check::script(&engine, &ast, file, &shown, &folder)?;
        Ok(Self { engine, ast, file: file.into(), session, folder, args: args.to_vec() })
    }

    /// Runs it on a lab, which comes back in any case.
    pub fn run(mut self, lab: Lab, stop: &Stop, deadline: Option<Instant>) -> (Lab, Result<(), Trace>) {
        let done = self.on_lab(lab, stop, deadline, Self::evaluate);
        // The process ends soon, and to take an engine apart costs as much as to build it.
        std::mem::forget(self);
        done
    }

    /// Has `f` work while a lab is the script's, which comes back in any case.
    pub(super) fn on_lab<T>(
        &mut self,
        lab: Lab,
        stop: &Stop,
        deadline: Option<Instant>,
        f: impl FnOnce(&Self) -> Result<T, Box<EvalAltResult>>,
    ) -> (Lab, Result<T, Trace>) {
        let flag = stop.flag();
        self.engine.on_progress(move |_| {
            let asked =
                flag.load(std::sync::atomic::Ordering::Relaxed) || deadline.is_some_and(|d| Instant::now() >= d);
            asked.then_some(Dynamic::UNIT)
        });
        self.session.borrow_mut().lab = Some(lab);
        let result = self.guarded(f);
        let mut session = self.session.borrow_mut();
        session.servers.clear();
        let result = result.map_err(|error| match (&*error, session.lab.as_ref().map(Lab::may_go_on)) {
            // The script was ended from outside; why is what the lab knows.
            (_, Some(Err(why))) if is_ended(&error) => {
                let place = trace(&session, &error, &self.file, &self.ast);
                Trace { error: place.error.site.map_or(why.clone(), |site| why.at(site)), calls: place.calls }
            }
            _ => {
                let mut told = trace(&session, &error, &self.file, &self.ast);
                let doubtful = || planned::doubtful(&session, &told.error);
                if let Some(end) = unknown::ending(&session, &error).or_else(doubtful) {
                    told.error = told.error.site.clone().map_or(end.clone(), |site| end.at(site));
                }
                if let Some(unknowns) = &mut session.unknowns {
                    told.error.message = unknowns.print(&told.error.message);
                }
                told
            }
        });
        let spilled = session.unknowns.as_ref().and_then(Unknowns::spilled);
        let mut lab = session.lab.take();
        if let (Some(line), Some(lab), Ok(_)) = (spilled, &mut lab, &result) {
            // The language looks into texts by itself, so nobody knows what was decided by this one.
            let site = Site { file: self.file.clone(), line, column: 1 };
            lab.plan_note(
                &site,
                "what only a run can tell is in a text here; what follows from that text is a guess".into(),
            );
        }
        match lab {
            Some(lab) => (lab, result),
            // It was put there above, and nothing takes it.
            None => unreachable!("the lab of a running script is gone"),
        }
    }

    /// Plans it on a lab that knows that it is only planned: what only a run can tell is a value of its own, and ends the plan
    /// with `NL0303` where the script decides by it. `print` gets what the script prints.
    pub fn plan(
        mut self,
        lab: Lab,
        stop: &Stop,
        deadline: Option<Instant>,
        print: fn(&str),
    ) -> (Lab, Result<(), Trace>) {
        let imported = self.folder.scripts();
        self.session.borrow_mut().unknowns = Some(Unknowns::of(imported.iter().chain([&self.ast])));
        unknown::register(&mut self.engine, &self.session);
        let session = self.session.clone();
        let show = move |text: &str| {
            let shown = session.borrow_mut().unknowns.as_mut().map(|unknowns| unknowns.print(text));
            print(&shown.unwrap_or_else(|| text.to_owned()));
        };
        self.engine.on_debug({
            let show = show.clone();
            move |text, _, _| show(text)
        });
        self.engine.on_print(show);
        self.run(lab, stop, deadline)
    }

    /// Runs the file's own statements.
    pub(super) fn evaluate(&self) -> Result<(), Box<EvalAltResult>> {
        let mut scope = scope(&self.args);
        self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &self.ast).map(|_| ())
    }

    /// Calls `f`; a panic in it is an error of the script, since the rollback must run all the same.
    pub(super) fn guarded<T>(
        &self,
        f: impl FnOnce(&Self) -> Result<T, Box<EvalAltResult>>,
    ) -> Result<T, Box<EvalAltResult>> {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(self))) {
            Ok(result) => result,
            // The panic's own words have been printed already.
            Err(_) => {
                let bug = Diagnostic::new(Code::Internal, "netlab has a bug: it panicked while it ran this script");
                let here = Site { file: self.file.clone(), line: 0, column: 0 };
                Err(raise(&mut self.session.borrow_mut(), bug, here, rhai::Position::NONE))
            }
        }
    }
}

/// What a script sees from its start.
pub(super) fn scope(args: &[String]) -> Scope<'static> {
    let mut scope = Scope::new();
    scope.push_constant("host", Ns(HOST)).push_constant("args", args_value(args));
    scope
}

/// Whether a script was ended from outside, however deep in calls.
pub(super) fn is_ended(error: &EvalAltResult) -> bool {
    match error {
        EvalAltResult::ErrorTerminated(..) => true,
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            is_ended(inner)
        }
        _ => false,
    }
}
