//! The standard library, written in Rhai and embedded: its functions are called like our own, and their errors are the
//! caller's.

use std::cell::OnceCell;
use std::rc::Rc;

use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, NativeCallContext, Scope};

use super::function::{self, Form, Function};
use super::raise::{ScriptError, lower, raise, site};
use super::session::Shared;
use super::values::{Ns, Of};
use crate::diag::{Code, Diagnostic};
use crate::lab::objects::HOST;

/// The files, in the order in which they are put together.
pub const FILES: &[(&str, &str)] = &[
    ("stdlib/topology.rhai", include_str!("../../stdlib/topology.rhai")),
    ("stdlib/routed.rhai", include_str!("../../stdlib/routed.rhai")),
    ("stdlib/looks.rhai", include_str!("../../stdlib/looks.rhai")),
];

/// The functions that scripts may call. Their manuals are the comments in the files.
pub(super) const FUNCTIONS: &[Function] = &[
    topology("star", "bridge, nodes, net", 3),
    topology("line", "nodes, net", 2),
    topology("ring", "nodes, net", 2),
    topology("mesh", "nodes, net", 2),
    topology("tree", "nodes, fanout, net", 3),
    topology("wired", "pairs, nodes, net", 3),
    topology("routed", "topology or array of them", 1),
    library("has_addr", "ns, addr", 2, "#{ ok, why }"),
    library("has_route", "ns, dst, via", 3, "#{ ok, why }"),
    library("goes_via", "from, to, hops", 3, "#{ ok, why, path }"),
];

const fn topology(name: &'static str, params: &'static str, arity: usize) -> Function {
    library(name, params, arity, "#{ nodes, wires, net, segments }")
}

const fn library(name: &'static str, params: &'static str, arity: usize, gives: &'static str) -> Function {
    Function { of: Of::Free, name, params, arity: (arity, arity), gives, doc: "", form: Form::Library }
}

/// The library, compiled when it is first needed: most labs of a course never do.
#[derive(Clone, Default)]
pub(super) struct Library(Rc<OnceCell<AST>>);

impl Library {
    /// Calls one of its functions. While it runs, errors and journal lines are at the place of this call.
    pub(super) fn call(
        &self,
        session: &Shared,
        ctx: &NativeCallContext<'_>,
        name: &str,
        args: Vec<Dynamic>,
    ) -> Result<Dynamic, ScriptError> {
        let here = site(&session.borrow(), ctx);
        let ast = match self.ast(ctx.engine()) {
            Ok(ast) => ast,
            Err(error) => return Err(raise(&mut session.borrow_mut(), error, here, ctx.call_position())),
        };
        let outermost = session.borrow().outer.is_none();
        session.borrow_mut().outer.get_or_insert(here.clone());
        let mut scope = Scope::new();
        scope.push_constant("host", Ns(HOST));
        let options = CallFnOptions::new().eval_ast(false);
        let result = ctx.engine().call_fn_with_options::<Dynamic>(options, &mut scope, ast, name, args);
        if outermost {
            session.borrow_mut().outer = None;
        }
        result.map_err(|error| self.relocate(session, ctx, name, *error))
    }

    /// The library's syntax tree.
    pub(super) fn ast(&self, engine: &Engine) -> crate::diag::Result<&AST> {
        if let Some(ast) = self.0.get() {
            return Ok(ast);
        }
        let mut scope = Scope::new();
        scope.push_constant("host", Ns(HOST));
        let mut whole = AST::empty();
        for (file, text) in FILES {
            let broken = |e| Diagnostic::new(Code::Internal, format!("{file} does not parse: {e}"));
            let mut part = engine.compile_with_scope(&scope, text).map_err(broken)?;
            part.set_source(*file);
            whole += part;
        }
        Ok(self.0.get_or_init(|| whole))
    }

    /// An error out of the library, at the caller's place.
    fn relocate(
        &self,
        session: &Shared,
        ctx: &NativeCallContext<'_>,
        name: &str,
        mut error: EvalAltResult,
    ) -> ScriptError {
        let at = ctx.call_position();
        if matches!(error, EvalAltResult::ErrorTerminated(..)) {
            return error.into();
        }
        let inner = error.unwrap_inner();
        if let EvalAltResult::ErrorRuntime(thrown, _) = inner
            && lower(&session.borrow(), thrown).is_some_and(|error| error.code != Code::WrongArguments)
        {
            return EvalAltResult::ErrorRuntime(thrown.clone(), at).into();
        }
        let words = super::error::words(&session.borrow(), inner);
        let usage = function::named(name).next().map_or_else(String::new, Function::signature);
        let diagnostic =
            Diagnostic::new(Code::WrongArguments, format!("`{name}` cannot work with these arguments: {words}"))
                .help(format!("it is called like this: {usage}"));
        let here = site(&session.borrow(), ctx);
        error.set_position(at);
        raise(&mut session.borrow_mut(), diagnostic, here, at)
    }
}
