//! Whether faults are on long enough to refute what must hold meanwhile.
//!
//! A probe counts as failing after `fail_after` samples, one `every` so often. Where no stretch with faults on is that
//! long, nothing that happens could show that the hypothesis is wrong, so it must not be run as if it could. The longest
//! stretch decides: a short step beside a long one is fine.

use crate::model::fault::Step;
use crate::model::probe::Tolerance;
use crate::model::stack::Stack;
use crate::model::time::Millis;
use crate::spec::check::probe::TOLERANCE;
use crate::spec::check::view::View;
use crate::spec::check::window::longest_stretch;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::tree::Node;

/// Reports each probe of `during`, as written in `items`, that the method can't refute.
pub(crate) fn refutable(
    items: &[Node],
    during: &[Tolerance],
    steady_state: &[Tolerance],
    steps: &[&Step],
    stack: &Stack,
    sink: &mut Sink,
) {
    let Some(on) = longest_stretch(steps) else {
        return;
    };
    for (item, tolerance) in items.iter().zip(during) {
        let Some(probe) = stack.probes.get(&tolerance.probe) else {
            continue;
        };
        // A probe that steady state names too is watched once, by the stricter of both.
        let fail_after = steady_state
            .iter()
            .filter(|other| other.probe == tolerance.probe)
            .map(|other| other.fail_after)
            .fold(tolerance.fail_after, u32::min);
        let needed = Millis::new(probe.every.get().saturating_mul(u64::from(fail_after)));
        if on >= needed {
            continue;
        }
        let view = View::new(item, &TOLERANCE);
        let span = ["fail_after", "probe"]
            .iter()
            .find_map(|key| view.span(key))
            .unwrap_or_default();
        let samples = match fail_after {
            1 => "1 sample".to_owned(),
            more => format!("{more} samples in a row"),
        };
        sink.error(
            Code::Unrefutable,
            span,
            format!(
                "`{}` fails after {samples}, which take {needed}, and faults are on for {on} at a stretch",
                tolerance.probe
            ),
        )
        .with_hint("let a step last longer, lower `fail_after`, or ask the probe more often: `every`");
    }
}
