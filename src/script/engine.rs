//! The Rhai engine with everything that netlab puts into it.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::path::Path;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, Map, Module, NativeCallContext, Position};

use super::args::Call;
use super::function::{self, Form, Function};
use super::import::{Folder, Imports};
use super::raise::{ScriptError, raise, site, wrong};
use super::session::{Session, Shared};
use super::topology::Library;
use super::values::{Cable, Link, Ns, Of, PortValue, Program, Subnet, kind};
use super::{attempt, expect, planned, unknown};
use crate::diag::{Code, Diagnostic, Site, nearest};
use crate::lab::objects::HOST;

/// The most operations of a script: some minutes of pure computing.
const MAX_OPERATIONS: u64 = 500_000_000;
/// The deepest nesting of calls.
pub(super) const MAX_CALLS: usize = 64;
/// The deepest nesting of expressions, at the top and in functions.
const MAX_DEPTH: (usize, usize) = (128, 64);
/// The longest string in bytes, and the most elements of an array or a map.
pub(super) const MAX_SIZES: (usize, usize, usize) = (16 << 20, 1 << 20, 1 << 18);

/// An engine for one script. `folder` is where its imports are looked for.
///
/// # Errors
/// `NL0901` if Rhai refuses what is fixed here.
pub fn build(session: &Shared, args: &[String], folder: &Path) -> crate::diag::Result<Engine> {
    let mut engine = Engine::new();
    engine
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        .set_max_operations(MAX_OPERATIONS)
        .set_max_call_levels(MAX_CALLS)
        .set_max_expr_depths(MAX_DEPTH.0, MAX_DEPTH.1)
        .set_max_string_size(MAX_SIZES.0)
        .set_max_array_size(MAX_SIZES.1)
        .set_max_map_size(MAX_SIZES.2)
        .disable_symbol("eval");
    types(&mut engine, session);
    functions(&mut engine, session);
    attempt::register(&mut engine, session)
        .map_err(|e| Diagnostic::new(Code::Internal, format!("the syntax of `attempt` is refused: {e}")))?;
    constants(&mut engine, args);
    engine.set_module_resolver(Imports(Folder::new(folder, args, session)));
    engine.on_print(say);
    Ok(engine)
}

/// Prints a line for the script; a closed pipe is the reader's business.
pub fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// `host` and `args` are seen in functions, closures and imports as well, so they stand in the global module too.
fn constants(engine: &mut Engine, args: &[String]) {
    let mut module = Module::new();
    module.set_var("host", Ns(HOST));
    module.set_var("args", args_value(args));
    engine.register_global_module(module.into());
    // A closure in a function takes them from the function's own variables, where they are not.
    #[allow(deprecated)]
    engine.on_var(|name, _, _| Ok(if name == "host" { Some(Dynamic::from(Ns(HOST))) } else { None }));
}

/// What followed `--`, as a value.
pub fn args_value(args: &[String]) -> Dynamic {
    args.iter().map(|a| Dynamic::from(a.clone())).collect::<rhai::Array>().into()
}

fn types(engine: &mut Engine, session: &Shared) {
    engine
        .register_type_with_name::<Ns>("namespace")
        .register_type_with_name::<Link>("link")
        .register_type_with_name::<Cable>("wire")
        .register_type_with_name::<PortValue>("port")
        .register_type_with_name::<Program>("program")
        .register_type_with_name::<Subnet>("subnet");
    equality::<Ns>(engine);
    equality::<Link>(engine);
    equality::<Cable>(engine);
    equality::<Program>(engine);
    equality::<Subnet>(engine);
    engine.register_fn("!", |probe: Map| expect::negate(probe));
    for (of, id) in [
        (Of::Netns, TypeId::of::<Ns>()),
        (Of::Link, TypeId::of::<Link>()),
        (Of::Wire, TypeId::of::<Cable>()),
        (Of::Program, TypeId::of::<Program>()),
        (Of::Subnet, TypeId::of::<Subnet>()),
    ] {
        for word in ["to_string", "to_debug"] {
            let session = session.clone();
            engine.register_raw_fn(word, [id], move |_: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
                Ok(Dynamic::from(text_of(&session, args[0])))
            });
        }
        let session = session.clone();
        let by_name = [id, TypeId::of::<ImmutableString>()];
        engine.register_raw_fn("index$get$", by_name, move |ctx: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
            let (this, name) = (args[0].flatten_clone(), args[1].to_string());
            index(&session, &ctx, of, &this, &name)
        });
    }
    let session = session.clone();
    let by_number = [TypeId::of::<Subnet>(), TypeId::of::<i64>()];
    engine.register_raw_fn("index$get$", by_number, move |ctx: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
        let net = args[0].flatten_clone().try_cast::<Subnet>();
        let n = args[1].as_int().unwrap_or(0);
        let Some(net) = net else { return Ok(Dynamic::UNIT) };
        net.cidr(n).map(Dynamic::from).map_err(|e| {
            let here = site(&session.borrow(), &ctx);
            raise(&mut session.borrow_mut(), e, here, ctx.call_position())
        })
    });
}

fn equality<T: Clone + PartialEq + 'static>(engine: &mut Engine) {
    engine.register_fn("==", |a: T, b: T| a == b).register_fn("!=", |a: T, b: T| a != b);
}

/// A value as `print` has it.
pub(super) fn names_in(engine: &Engine, value: &Dynamic) -> String {
    let mut scope = rhai::Scope::new();
    scope.push_dynamic("value", value.clone());
    engine.eval_expression_with_scope::<String>(&mut scope, "`${value}`").unwrap_or_else(|_| value.to_string())
}

fn text_of(session: &Shared, value: &Dynamic) -> String {
    let value = value.flatten_clone();
    let mut session = session.borrow_mut();
    let link = |session: &mut Session, id| {
        let name = session.lab().ok().and_then(|lab| Some(lab.objects.link(id).ok()?.name().to_owned()));
        name.unwrap_or_else(|| "a link that is gone".into())
    };
    if let Some(ns) = value.clone().try_cast::<Ns>() {
        return session.lab().map_or_else(|_| "host".into(), |lab| lab.netns_name(ns.0));
    }
    if let Some(id) = value.clone().try_cast::<Link>() {
        return link(&mut session, id.0);
    }
    if let Some(wire) = value.clone().try_cast::<Cable>() {
        return format!("{} -- {}", link(&mut session, wire.0.a), link(&mut session, wire.0.b));
    }
    if let Some(program) = value.clone().try_cast::<Program>() {
        return format!("program {}", program.0.pid);
    }
    value.try_cast::<Subnet>().map_or_else(|| "a port".into(), |net| net.to_string())
}

/// `ns["eth0"]`; and, since Rhai takes an unknown property for an index, the errors for those.
fn index(
    session: &Shared,
    ctx: &NativeCallContext<'_>,
    of: Of,
    this: &Dynamic,
    name: &str,
) -> Result<Dynamic, ScriptError> {
    let mut session = session.borrow_mut();
    let here = site(&session, ctx);
    let result = match (of, this.clone().try_cast::<Ns>()) {
        _ if function::find(of, name).is_some() => Err(Diagnostic::new(
            Code::UnknownFunction,
            format!("`{name}` is a verb of {}: call it, with parentheses", kind(this)),
        )
        .help(function::find(of, name).map_or_else(String::new, Function::signature))),
        (Of::Netns, Some(ns)) => session.lab().and_then(|lab| lab.find_link(ns.0, name)).map(super::bridge::value),
        _ => {
            let properties = function::all().filter(|f| f.of == of).map(|f| f.name);
            let error = Diagnostic::new(Code::UnknownFunction, format!("{} has no property `{name}`", kind(this)));
            Err(match nearest(name, properties) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            })
        }
    };
    result.map_err(|e| fail(&mut session, e, here, ctx.call_position()))
}

fn functions(engine: &mut Engine, session: &Shared) {
    let library = Library::default();
    let mut calls = BTreeSet::new();
    for function in function::all() {
        if let Form::Property(run) = function.form {
            property(engine, session, function, run);
            continue;
        }
        let receiver = usize::from(function.of != Of::Free);
        calls.extend((function.arity.0..=function.arity.1).map(|n| (function.name, n + receiver)));
    }
    // Rhai's own functions name their types, and an exact type wins over any: its `sleep`, which no signal ends, would be
    // called in the place of ours.
    let numbers = [TypeId::of::<i64>(), TypeId::of::<f64>()];
    let exact = calls.iter().filter(|(_, count)| *count == 1).flat_map(|(name, _)| numbers.map(|n| (*name, vec![n])));
    let any = calls.iter().map(|(name, count)| (*name, vec![TypeId::of::<Dynamic>(); *count]));
    for (name, types) in exact.chain(any) {
        let (session, library) = (session.clone(), library.clone());
        engine.register_raw_fn(name, types, move |ctx: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
            let args: Vec<Dynamic> = args.iter().map(|a| a.flatten_clone()).collect();
            call(&session, &library, &ctx, name, args)
        });
    }
}

fn property(
    engine: &mut Engine,
    session: &Shared,
    function: &'static Function,
    run: fn(&mut Call<'_>) -> crate::diag::Result<Dynamic>,
) {
    let id = match function.of {
        Of::Netns => TypeId::of::<Ns>(),
        Of::Link => TypeId::of::<Link>(),
        Of::Wire => TypeId::of::<Cable>(),
        Of::Program => TypeId::of::<Program>(),
        Of::Subnet => TypeId::of::<Subnet>(),
        Of::Free => return,
    };
    let session = session.clone();
    let name = format!("get${}", function.name);
    engine.register_raw_fn(name, [id], move |ctx: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
        let this = args[0].flatten_clone();
        let mut session = session.borrow_mut();
        let here = site(&session, &ctx);
        let mut call = Call { session: &mut session, site: here.clone(), function, this, args: Vec::new() };
        let result = planned::run(&mut call, run);
        result.map_err(|e| fail(&mut session, e, here, ctx.call_position()))
    });
}

/// A call by name: the receiver, or its absence, says which function is meant.
fn call(
    session: &Shared,
    library: &Library,
    ctx: &NativeCallContext<'_>,
    name: &'static str,
    mut args: Vec<Dynamic>,
) -> Result<Dynamic, ScriptError> {
    let passed = {
        let mut session = session.borrow_mut();
        let here = site(&session, ctx);
        planned::pass(&mut session, ctx, here, name, &args)
    };
    if let Some(result) = passed {
        return result;
    }
    let fits = |f: &Function, n: usize| !f.is_property() && (f.arity.0..=f.arity.1).contains(&n);
    let of_receiver = args.first().and_then(Of::value);
    let method = function::named(name).find(|f| Some(f.of) == of_receiver && fits(f, args.len() - 1));
    let free = function::named(name).find(|f| f.of == Of::Free && fits(f, args.len()));
    let Some(function) = method.or(free) else {
        let here = site(&session.borrow(), ctx);
        let error = misplaced(name, &args);
        return Err(raise(&mut session.borrow_mut(), error, here, ctx.call_position()));
    };
    let run = match function.form {
        Form::Library => return library.call(session, ctx, name, args),
        Form::Call(run) | Form::Property(run) => run,
    };
    let this = if function.of == Of::Free { Dynamic::UNIT } else { args.remove(0) };
    let mut session = session.borrow_mut();
    let here = site(&session, ctx);
    let result = planned::run(&mut Call { session: &mut session, site: here.clone(), function, this, args }, run);
    result.map_err(|e| fail(&mut session, e, here, ctx.call_position()))
}

/// An error of one of our functions as the script gets it.
fn fail(session: &mut Session, error: Box<Diagnostic>, here: Site, position: Position) -> ScriptError {
    // A run that is asked to end must not be held up by a `try` in the script; nor a plan that can tell no more.
    if matches!(error.code, Code::Interrupted | Code::Timeout) {
        return EvalAltResult::ErrorTerminated(error.message.into(), position).into();
    }
    match planned::doubtful(session, &error) {
        Some(end) => unknown::end_with(session, end, position),
        None => raise(session, error, here, position),
    }
}

/// The error for one of our functions on the wrong thing, or with the wrong number of arguments.
fn misplaced(name: &str, args: &[Dynamic]) -> Box<Diagnostic> {
    let signatures: Vec<String> = function::named(name).filter(|f| !f.is_property()).map(Function::signature).collect();
    let of: Vec<&str> = function::named(name).map(|f| f.of.word()).filter(|w| !w.is_empty()).collect();
    let first = args.first().map_or("nothing", kind);
    let known_receiver = args.first().and_then(Of::value).is_some_and(|of| function::find(of, name).is_some());
    let message = if known_receiver || of.is_empty() {
        format!("`{name}` does not take {} arguments", args.len() - usize::from(known_receiver))
    } else {
        format!("`{name}` cannot be called on {first}")
    };
    wrong(message).help(format!("it is called like this: {}", signatures.join(", or ")))
}
