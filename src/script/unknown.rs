//! What only a run can tell, as a value: it goes through expressions, and where a script decides something by it, a plan ends.

use std::any::TypeId;
use std::rc::Rc;

use rhai::{AST, ASTNode, Array, Dynamic, Engine, EvalAltResult, Expr, Map, Module, NativeCallContext, Position, Stmt};

use super::check::names_of_the_language;
use super::raise::ScriptError;
use super::session::{Session, Shared};
use crate::diag::{Code, Diagnostic};

/// Something that only a run can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(pub Rc<str>);

/// What a plan knows of all that it does not know.
#[derive(Debug, Default)]
pub struct Unknowns {
    /// What was asked, in order.
    asked: Vec<Unknown>,
    /// The plan ends wherever one is used, since the script has something that would decide by it without a word: `try` catches
    /// the error of an `if`, `switch` takes its last case, `filter` takes it for false.
    cautious: bool,
    /// What the plan ended at.
    ended: Option<Unknown>,
    /// How many were put into texts and have not been printed.
    spilled: usize,
}

/// What stands in a text for an unknown, so that it is recognised there. No script has these characters.
const MARK: &str = "\u{f8ff}?\u{f8ff}";
/// What is printed for it.
const SHOWN: &str = "(only a run can tell)";
/// The name of the type, which Rhai's own errors name.
const TYPE: &str = "unknown";
/// Methods of arrays and maps that take whatever is not `true` for false.
const DECIDING: [&str; 12] =
    ["all", "drain", "extract", "filter", "find", "find_map", "index_of", "retain", "some", "sort", "sort_by", "split"];

impl Unknowns {
    /// For a script, with the files that it imports.
    pub fn of<'a>(scripts: impl IntoIterator<Item = &'a AST>) -> Self {
        Self { cautious: scripts.into_iter().any(decides_silently), ..Self::default() }
    }

    /// A new one.
    pub fn ask(&mut self, what: String) -> Dynamic {
        let unknown = Unknown(what.into());
        self.asked.push(unknown.clone());
        Dynamic::from(unknown)
    }

    /// Whether texts hold something unknown that was not only printed.
    pub fn has_spilled(&self) -> bool {
        self.spilled > 0
    }

    /// Ends the plan, past every `catch` of the script.
    pub fn end(&mut self, unknown: Unknown, position: Position) -> ScriptError {
        self.ended = Some(unknown);
        EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
    }

    /// A value that follows from one.
    fn follow(&mut self, unknown: Unknown, position: Position) -> Result<Dynamic, ScriptError> {
        if self.cautious { Err(self.end(unknown, position)) } else { Ok(Dynamic::from(unknown)) }
    }

    /// A text as it is printed.
    pub fn print(&mut self, text: &str) -> String {
        self.spilled = self.spilled.saturating_sub(text.matches(MARK).count());
        text.replace(MARK, SHOWN)
    }
}

/// The unknown that a value is or holds.
pub fn within(value: &Dynamic) -> Option<Unknown> {
    if let Some(unknown) = value.read_lock::<Unknown>() {
        return Some(unknown.clone());
    }
    if let Some(array) = value.read_lock::<Array>() {
        return array.iter().find_map(within);
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.values().find_map(within);
    }
    let is_marked = value.is_string() && value.to_string().contains(MARK);
    is_marked.then(|| Unknown("a text with what only a run can tell".into()))
}

/// Goes on with what follows from an unknown by a function that decides nothing.
///
/// # Errors
/// The end of the plan, where the script could decide silently.
pub fn follow(session: &mut Session, unknown: Unknown, position: Position) -> Result<Dynamic, ScriptError> {
    match &mut session.unknowns {
        Some(unknowns) => unknowns.follow(unknown, position),
        None => Ok(Dynamic::from(unknown)),
    }
}

/// The error that a plan ends with, if it ended at an unknown: at one that was used, or at a decision of the language.
pub fn ending(session: &Session, error: &EvalAltResult) -> Option<Box<Diagnostic>> {
    let unknowns = session.unknowns.as_ref()?;
    let what = match &unknowns.ended {
        Some(unknown) => unknown.0.to_string(),
        None if is_decision(error) => match &unknowns.asked[..] {
            [only] => only.0.to_string(),
            all => {
                let mut all: Vec<&str> = all.iter().map(|unknown| &*unknown.0).collect();
                all.dedup();
                all.join(", or on ")
            }
        },
        None => return None,
    };
    let words = format!("the plan ends here: what follows depends on {what}, which only a run can tell");
    Some(Diagnostic::new(Code::Untold, words))
}

/// Whether a bool or a number was wanted where an unknown stood.
fn is_decision(error: &EvalAltResult) -> bool {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            is_decision(inner)
        }
        EvalAltResult::ErrorMismatchDataType(_, is, _) | EvalAltResult::ErrorMismatchOutputType(_, is, _) => is == TYPE,
        // Such as an index of an array.
        EvalAltResult::ErrorIndexingType(words, _) => words.contains(TYPE),
        EvalAltResult::ErrorFunctionNotFound(words, _) => words.contains(TYPE),
        _ => false,
    }
}

/// Whether a script could decide by an unknown without an error that ends it.
fn decides_silently(ast: &AST) -> bool {
    let mut decides = false;
    ast.walk(&mut |path| {
        decides |= match path.last() {
            Some(ASTNode::Stmt(Stmt::TryCatch(..) | Stmt::Switch(..))) => true,
            Some(
                ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _)),
            ) => DECIDING.contains(&call.name.as_str()),
            _ => false,
        };
        !decides
    });
    decides
}

/// Teaches the engine the type: properties, methods and operators of an unknown are unknown.
pub fn register(engine: &mut Engine, session: &Shared) {
    engine.register_type_with_name::<Unknown>(TYPE);
    let (unknown, any) = (TypeId::of::<Unknown>(), TypeId::of::<Dynamic>());
    for word in ["to_string", "to_debug"] {
        let session = session.clone();
        engine.register_raw_fn(word, [unknown], move |_: NativeCallContext<'_>, _: &mut [&mut Dynamic]| {
            if let Some(unknowns) = &mut session.borrow_mut().unknowns {
                unknowns.spilled += 1;
            }
            Ok(Dynamic::from(MARK))
        });
    }
    let mut forms: Vec<(String, Vec<TypeId>)> = vec![("index$get$".into(), vec![unknown, any])];
    for name in names_of_the_language() {
        let is_operator = !name.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if OWN.contains(&name.as_str()) || name.contains('$') {
            continue;
        }
        if is_operator || name == "contains" {
            forms.push((name.clone(), vec![any, unknown]));
        }
        forms.extend([vec![unknown], vec![unknown, any], vec![unknown, any, any]].map(|form| (name.clone(), form)));
    }
    for operator in ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "!"] {
        forms.push((operator.into(), vec![any, unknown]));
        forms.push((operator.into(), vec![unknown, any]));
        forms.push((operator.into(), vec![unknown]));
    }
    for (name, form) in forms {
        let session = session.clone();
        engine.register_raw_fn(name, form, move |ctx: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
            let unknown = args.iter().find_map(|arg| within(arg));
            let unknown = unknown.unwrap_or_else(|| Unknown("what is not known".into()));
            follow(&mut session.borrow_mut(), unknown, ctx.call_position())
        });
    }
    let mut module = Module::new();
    let session = session.clone();
    module.set_iter_result(unknown, move |value| {
        let unknown = within(&value).unwrap_or_else(|| Unknown("what is not known".into()));
        let end = session.borrow_mut().unknowns.as_mut().map(|unknowns| unknowns.end(unknown, Position::NONE));
        Box::new(end.into_iter().map(Err))
    });
    engine.register_global_module(module.into());
}

/// Functions of the language that take an unknown as they take anything.
const OWN: [&str; 6] = ["print", "debug", "to_string", "to_debug", "type_of", "is_shared"];
