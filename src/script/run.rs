//! Running a script: understood first, then checked, then run on a lab.

use std::path::Path;
use std::time::Instant;

use rhai::{AST, Dynamic, Engine, EvalAltResult, Scope};

use super::check;
use super::engine::{args_value, build};
use super::error::{Homes, Trace, homes, parse, trace};
use super::session::{Session, Shared};
use super::values::Ns;
use crate::diag::{Code, Diagnostic};
use crate::kernel::signal::Stop;
use crate::lab::Lab;
use crate::lab::objects::HOST;

/// A script that has been understood and checked; nothing has been touched.
pub struct Script {
    engine: Engine,
    ast: AST,
    file: String,
    homes: Homes,
    session: Shared,
    args: Vec<String>,
}

impl Script {
    /// Understands a script. `folder` is where it may import from.
    ///
    /// # Errors
    /// `NL0201` to `NL0205`: it does not parse, names a variable or calls a function that does not exist.
    pub fn new(file: &str, text: &str, args: &[String], folder: &Path) -> Result<Self, Box<Diagnostic>> {
        let session = Session::new(None);
        let engine = build(&session, args, folder)?;
        let scope = scope(args);
        let mut ast = engine.compile_with_scope(&scope, text).map_err(|e| {
            let names: Vec<&str> = ["host", "args"].into_iter().chain(words(text)).collect();
            parse(&e, file, &names)
        })?;
        ast.set_source(file);
        check::calls(&engine, &ast, file)?;
        let homes = homes(&ast, file);
        Ok(Self { engine, ast, file: file.into(), homes, session, args: args.to_vec() })
    }

    /// Runs it on a lab, which comes back in any case.
    pub fn run(mut self, lab: Lab, stop: &Stop, deadline: Option<Instant>) -> (Lab, Result<(), Trace>) {
        let flag = stop.flag();
        self.engine.on_progress(move |_| {
            let asked =
                flag.load(std::sync::atomic::Ordering::Relaxed) || deadline.is_some_and(|d| Instant::now() >= d);
            asked.then_some(Dynamic::UNIT)
        });
        self.session.borrow_mut().lab = Some(lab);
        let result = self.evaluate();
        let mut session = self.session.borrow_mut();
        session.servers.clear();
        let result = result.map_err(|error| match (&*error, session.lab.as_ref().map(Lab::may_go_on)) {
            // The script was ended from outside; why is what the lab knows.
            (EvalAltResult::ErrorTerminated(..), Some(Err(why))) => Trace::from(why),
            _ => trace(&session, &error, &self.file, &self.homes),
        });
        let lab = session.lab.take();
        drop(session);
        // The process ends soon, and to take an engine apart costs more than to build it.
        std::mem::forget(self);
        match lab {
            Some(lab) => (lab, result),
            // It was put there above, and nothing takes it.
            None => unreachable!("the lab of a running script is gone"),
        }
    }

    fn evaluate(&self) -> Result<(), Box<EvalAltResult>> {
        let mut scope = scope(&self.args);
        let run = || self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &self.ast);
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            Ok(result) => result.map(|_| ()),
            // The rollback must run all the same; the panic's own words have been printed already.
            Err(_) => {
                let bug = Diagnostic::new(Code::Internal, "netlab has a bug: it panicked while it ran this script");
                Err(EvalAltResult::ErrorRuntime(bug.message.into(), rhai::Position::NONE).into())
            }
        }
    }
}

/// What a script sees from its start.
fn scope(args: &[String]) -> Scope<'static> {
    let mut scope = Scope::new();
    scope.push_constant("host", Ns(HOST)).push_constant("args", args_value(args));
    scope
}

/// The words of a script that may be names of variables, for near names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("let ").or_else(|| line.trim_start().strip_prefix("const "))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    })
}
