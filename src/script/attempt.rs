//! `attempt { … }`: what a block did is undone when it throws, and the error goes on.

use rhai::{Dynamic, Engine, EvalAltResult, EvalContext, Expression};

use super::error::words;
use super::raise::{ScriptError, raise};
use super::session::Shared;
use crate::diag::{Code, Diagnostic, Site};
use crate::lab::plan::Plan;

/// Teaches the engine the word.
///
/// # Errors
/// Those of Rhai's parser for the syntax itself, which is fixed here.
pub(super) fn register(engine: &mut Engine, session: &Shared) -> Result<(), rhai::ParseError> {
    let session = session.clone();
    engine
        .register_custom_syntax(
            ["attempt", "$block$"],
            false,
            move |ctx: &mut EvalContext<'_, '_, '_, '_, '_, '_>, parts: &[Expression<'_>]| {
                run(&session, ctx, &parts[0])
            },
        )
        .map(|_| ())
}

fn run(
    session: &Shared,
    ctx: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    block: &Expression<'_>,
) -> Result<Dynamic, ScriptError> {
    let position = block.position();
    let here = Site {
        file: ctx.source().unwrap_or("<script>").to_owned(),
        line: position.line().unwrap_or(0),
        column: position.position().unwrap_or(1),
    };
    let (point, planned) = {
        let mut session = session.borrow_mut();
        match session.lab() {
            Ok(lab) => (lab.savepoint(), lab.plan.as_ref().map(Plan::count)),
            Err(error) => return Err(raise(&mut session, error, here, position)),
        }
    };
    let result = ctx.eval_expression_tree(block);
    let mut session = session.borrow_mut();
    let Ok(lab) = session.lab() else { return result };
    match result {
        Ok(value) => {
            lab.release(point);
            Ok(value)
        }
        // The whole run ends: the rollback that follows takes this back as well.
        Err(error) if matches!(*error, EvalAltResult::ErrorTerminated(..)) => Err(error),
        Err(error) => {
            let undoing = lab.rollback(point);
            lab.release(point);
            lab.plan_take_back(&here, planned);
            match undoing.leftovers.first() {
                None => Err(error),
                Some(leftover) => {
                    let stuck = Diagnostic::new(
                        Code::Stuck,
                        format!(
                            "{}; and what the attempt did cannot all be taken back: {}",
                            words(&session, &error),
                            leftover.why
                        ),
                    );
                    Err(raise(&mut session, stuck, here, position))
                }
            }
        }
    }
}
