//! What only a run can tell, as a value: it goes through expressions, and where a script decides something by it, a plan ends.

use std::any::TypeId;
use std::rc::Rc;

use rhai::{
    AST, ASTNode, Array, Dynamic, Engine, EvalAltResult, Expr, ImmutableString, Map, Module, NativeCallContext,
    Position, Stmt,
};

use super::check::names_of_the_language;
use super::function;
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
    /// Why the plan ended.
    ended: Option<Box<Diagnostic>>,
    /// How many were put into texts and have not been printed, and the line of the last.
    spilled: (usize, usize),
}

/// What stands around an unknown in a text, so that it is recognised there. No script has these characters.
const MARKS: (char, char) = ('\u{f8fe}', '\u{f8ff}');
/// What is printed for it.
const SHOWN: &str = "(only a run can tell)";
/// The name of the type, which Rhai's own errors name.
const TYPE: &str = "unknown";
/// Methods of arrays and maps that take whatever is not `true` for false.
const DECIDING: [&str; 10] =
    ["all", "drain", "filter", "find", "find_map", "index_of", "retain", "some", "sort", "sort_by"];

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

    /// The line in which something unknown came into a text that was not only printed.
    pub fn spilled(&self) -> Option<usize> {
        (self.spilled.0 > 0).then_some(self.spilled.1)
    }

    /// Ends the plan, past every `catch` of the script.
    pub fn end(&mut self, unknown: Unknown, position: Position) -> ScriptError {
        self.end_with(told(&unknown.0), position)
    }

    fn end_with(&mut self, why: Box<Diagnostic>, position: Position) -> ScriptError {
        self.ended = Some(why);
        EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into()
    }

    /// A value that follows from one.
    fn follow(&mut self, unknown: Unknown, position: Position) -> Result<Dynamic, ScriptError> {
        if self.cautious { Err(self.end(unknown, position)) } else { Ok(Dynamic::from(unknown)) }
    }

    /// A text as it is printed, of which some may be unknown.
    pub fn print(&mut self, text: &str) -> String {
        let mut shown = String::new();
        for (number, part) in text.split(MARKS.0).enumerate() {
            match part.split_once(MARKS.1) {
                Some((_, rest)) if number > 0 => {
                    self.spilled.0 = self.spilled.0.saturating_sub(1);
                    shown.extend([SHOWN, rest]);
                }
                _ => shown.push_str(part),
            }
        }
        shown
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
    let text = value.read_lock::<ImmutableString>()?;
    let (_, rest) = text.split_once(MARKS.0)?;
    Some(Unknown(rest.split(MARKS.1).next().unwrap_or_default().into()))
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
    if let Some(why) = &unknowns.ended {
        return Some(why.clone());
    }
    if !is_decision(error) {
        return None;
    }
    // Which of them it was the language does not say.
    let mut all: Vec<&str> = unknowns.asked.iter().map(|unknown| &*unknown.0).collect();
    all.dedup();
    Some(told(&all.join(", or on ")))
}

fn told(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(
        Code::Untold,
        format!("the plan ends here: what follows depends on {what}, which only a run can tell"),
    )
}

/// Ends the plan, past every `catch` of the script.
pub fn end_with(session: &mut Session, why: Box<Diagnostic>, position: Position) -> ScriptError {
    match &mut session.unknowns {
        Some(unknowns) => unknowns.end_with(why, position),
        None => EvalAltResult::ErrorTerminated(why.message.into(), position).into(),
    }
}

/// Whether a bool or a number was wanted where an unknown stood.
fn is_decision(error: &EvalAltResult) -> bool {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            is_decision(inner)
        }
        EvalAltResult::ErrorMismatchDataType(_, words, _)
        | EvalAltResult::ErrorMismatchOutputType(_, words, _)
        | EvalAltResult::ErrorIndexingType(words, _)
        | EvalAltResult::ErrorDotExpr(words, _)
        | EvalAltResult::ErrorFunctionNotFound(words, _) => {
            words.contains(std::any::type_name::<Unknown>())
                || words.split(|c: char| !c.is_alphanumeric()).any(|w| w == TYPE)
        }
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
        engine.register_raw_fn(word, [unknown], move |ctx: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
            if let Some(unknowns) = &mut session.borrow_mut().unknowns {
                unknowns.spilled = (unknowns.spilled.0 + 1, ctx.call_position().line().unwrap_or(0));
            }
            let what = within(args[0]).map_or_else(|| "?".into(), |unknown| unknown.0);
            Ok(Dynamic::from(format!("{}{what}{}", MARKS.0, MARKS.1)))
        });
    }
    let mut forms: Vec<(String, Vec<TypeId>)> = vec![("index$get$".into(), vec![unknown, any])];
    for name in names_of_the_language() {
        // Without those that change what stands before them, `x += y` is `x = x + y`, which gives an unknown.
        let is_operator = !name.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_ours = function::named(&name).any(|f| !f.is_property());
        if is_operator || is_ours || OWN.contains(&name.as_str()) || name.contains('$') {
            continue;
        }
        forms.extend([vec![unknown], vec![unknown, any], vec![unknown, any, any]].map(|form| (name.clone(), form)));
    }
    for operator in OPERATORS {
        let forms_of = [vec![any, unknown], vec![unknown, any], vec![unknown]];
        forms.extend(forms_of.map(|form| (operator.to_owned(), form)));
    }
    // These have a function of their own that takes anything, which would be taken before one of ours.
    for holder in [TypeId::of::<Array>(), TypeId::of::<Map>(), TypeId::of::<ImmutableString>()] {
        forms.push(("contains".into(), vec![holder, unknown]));
        forms.extend(["+", "=="].map(|operator| (operator.into(), vec![holder, unknown])));
    }
    for (name, form) in forms {
        let session = session.clone();
        engine.register_raw_fn(name, form, move |ctx: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
            let unknown = args.iter().find_map(|arg| within(arg));
            let unknown = unknown.unwrap_or_else(|| Unknown("what is not known".into()));
            follow(&mut session.borrow_mut(), unknown, ctx.call_position())
        });
    }
    texts_and_arrays(engine, session);
    let mut module = Module::new();
    let session = session.clone();
    module.set_iter_result(unknown, move |value| {
        let unknown = within(&value).unwrap_or_else(|| Unknown("what is not known".into()));
        let end = session.borrow_mut().unknowns.as_mut().map(|unknowns| unknowns.end(unknown, Position::NONE));
        Box::new(end.into_iter().map(Err))
    });
    engine.register_global_module(module.into());
}

/// Comparisons of values that may hold an unknown, which the language has built in.
fn texts_and_arrays(engine: &mut Engine, session: &Shared) {
    engine.set_fast_operators(false);
    let (text, array) = (TypeId::of::<ImmutableString>(), TypeId::of::<Array>());
    for (operator, form, is_equal) in
        [("==", text, true), ("!=", text, false), ("==", array, true), ("!=", array, false)]
    {
        let session = session.clone();
        let compare = move |ctx: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
            if let Some(unknown) = args.iter().find_map(|arg| within(arg)) {
                return follow(&mut session.borrow_mut(), unknown, ctx.call_position());
            }
            let (a, b) = (args[0].flatten_clone(), args[1].flatten_clone());
            Ok(Dynamic::from(equal(&ctx, a, b)? == is_equal))
        };
        engine.register_raw_fn(operator, [form, form], compare);
    }
}

/// Whether two texts or two arrays are equal.
fn equal(ctx: &NativeCallContext<'_>, a: Dynamic, b: Dynamic) -> Result<bool, ScriptError> {
    if a.is_string() {
        return Ok(a.to_string() == b.to_string());
    }
    let (Ok(a), Ok(b)) = (a.into_array(), b.into_array()) else { return Ok(false) };
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.into_iter().zip(b) {
        if !ctx.call_native_fn::<bool>("==", (a, b))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Those that give a value and change nothing.
const OPERATORS: [&str; 18] =
    ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "**", "!", "&", "|", "^", "<<", ">>"];
/// Functions of the language that take an unknown as they take anything.
const OWN: [&str; 6] = ["print", "debug", "to_string", "to_debug", "type_of", "is_shared"];
