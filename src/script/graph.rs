//! `graph()`: the picture of what the script has made.

use rhai::Dynamic;

use super::args::Call;
use super::function::{Form, Function};
use super::values::Of;
use crate::diag::{Code, Diagnostic, Result};
use crate::graph::{self, export, layout, paint, read};
use crate::why::world::World;

pub(super) const FUNCTIONS: &[Function] = &[Function {
    of: Of::Free,
    name: "graph",
    params: "#{ format, width, ascii }?",
    arity: (0, 1),
    gives: "text",
    doc: "Draws what the script has made, and the host where something hangs on it: namespaces as boxes, bridges and wires as bars below them.\n\n* `format` - `\"text\"`, `\"svg\"`, `\"dot\"` or `\"mermaid\"`\n* `width` - the columns that a text may take; a wider picture becomes a list\n* `ascii` - only characters that every terminal has\n\n```rhai\nstar(bridge(\"lan\"), netns(\"h\", 1..=3), \"10.0.0.0/24\");\nprint(graph());\nexpect(graph(#{ format: \"dot\" }).contains(\"lan\"));\n```",
    form: Form::Call(call),
}];

fn call(c: &mut Call<'_>) -> Result<Dynamic> {
    let mut options = c.options(0)?;
    let format = options.text("format")?.unwrap_or_else(|| "text".into());
    let (width, ascii) = (options.number::<u16>("width")?, options.bool("ascii")?.unwrap_or(false));
    options.finish()?;
    let lab = c.look()?;
    let wanted: Vec<String> =
        lab.objects.named_netns().filter_map(|ns| ns.name.as_ref().map(ToString::to_string)).collect();
    let wanted = if wanted.is_empty() { vec![crate::why::world::HOST.to_owned()] } else { wanted };
    let mut world = World::read(lab.kernel(), &[])?;
    let graph = read::read(&mut world, &wanted);
    let text = match format.as_str() {
        "text" => graph::text(&graph, width.map_or(graph::WIDTH, usize::from), ascii),
        "svg" => paint::svg(&layout::lay(&graph)),
        "dot" => export::dot(&graph),
        "mermaid" => export::mermaid(&graph),
        other => {
            return Err(Diagnostic::new(Code::BadOption, format!("there is no format `{other}`"))
                .help("text, svg, dot or mermaid"));
        }
    };
    Ok(text.into())
}
