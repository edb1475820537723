//! Ramps: what a toxic begins with, and how it comes to what its step says.

use crate::model::fault::{Lasts, Ramp, Strength, Toxic};
use crate::model::time::Millis;
use crate::spec::check::fault::form_of;
use crate::spec::check::scalar::number;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Object};
use crate::spec::tree::{Kind, Node};

/// The shortest time from one level to the next: each is a request that is recorded first and read back after.
const SHORTEST_STEP: Millis = Millis::new(100);

/// Reads the ramp of a toxic named `name`, which is `full` at its end.
pub(crate) fn read(
    node: &Node,
    name: &str,
    full: Strength,
    lasts: Option<Lasts>,
    sink: &mut Sink,
) -> Option<Ramp> {
    let object = object_in(form_of(name)?, "ramp")?;
    let view = View::new(node, object);
    let from = from(view, full)?;
    let over: Millis = view.read("over")?;
    let steps: u32 = view.integer("steps")?;
    let at_over = view.span("over").unwrap_or_default();
    if let Some(lasts) = lasts
        && over >= lasts.deadline()
    {
        sink.error(
            Code::OutOfRange,
            at_over,
            format!(
                "a step that lasts {} is never what it says after a ramp `over` {over}",
                lasts.deadline()
            ),
        )
        .with_hint("`over` is shorter than the step lasts");
    }
    if over.get() / u64::from(steps) < SHORTEST_STEP.get() {
        sink.error(
            Code::OutOfRange,
            view.span("steps").unwrap_or_default(),
            format!("{steps} steps over {over} are shorter than {SHORTEST_STEP} each"),
        )
        .with_hint("take fewer steps, or more time: `over`");
    }
    if from == full {
        sink.error(
            Code::OutOfRange,
            view.span("from").unwrap_or_default(),
            "this ramp begins with what it ends with: nothing grows",
        )
        .with_hint("let `from` differ from what the step says, or leave `ramp` out");
    }
    Some(Ramp { from, over, steps })
}

/// What it begins with: one value, or several by their keys.
fn from(view: View<'_>, full: Strength) -> Option<Strength> {
    let node = view.value("from")?;
    let mut strength = full;
    if let Kind::Map(_) = node.kind {
        let Form::Either([_, Form::Object(object)]) = view.object.field("from")?.form else {
            return None;
        };
        let given = View::new(node, object);
        let has = |key: &str| object.field(key).is_some() && node.get(key).is_some();
        // Nothing that grows: that was said already.
        if !object.fields().any(|field| has(field.name)) {
            return None;
        }
        if has("toxicity") {
            strength.toxicity = given.number("toxicity")?;
        }
        match &mut strength.toxic {
            Toxic::Latency { latency, jitter } => {
                if has("latency") {
                    *latency = given.read("latency")?;
                }
                if has("jitter") {
                    *jitter = given.read("jitter")?;
                }
            }
            Toxic::Bandwidth { rate } if has("rate") => *rate = given.integer("rate")?,
            Toxic::PacketLoss {
                loss_rate,
                correlation,
            } => {
                if has("loss_rate") {
                    *loss_rate = given.number("loss_rate")?;
                }
                if has("correlation") {
                    *correlation = given.number("correlation")?;
                }
            }
            _ => {}
        }
        return Some(strength);
    }
    match &mut strength.toxic {
        Toxic::Latency { latency, .. } => *latency = view.read("from")?,
        Toxic::Bandwidth { rate } => *rate = view.integer("from")?,
        Toxic::PacketLoss { loss_rate, .. } => *loss_rate = number(node)?,
        _ => return None,
    }
    Some(strength)
}

fn object_in(object: &'static Object, field: &str) -> Option<&'static Object> {
    match object.field(field)?.form {
        Form::Object(object) => Some(object),
        _ => None,
    }
}
