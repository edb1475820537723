//! Cuts in words: which container loses sight of whom, and how it comes back.

use super::faults::found;
use crate::model::cut::{Address, Cut, Others, Party};
use crate::model::ids::ServiceName;
use crate::model::stack::ContainerSelector;

/// What a cut does, to what, and what undoes it.
pub(super) fn rows(
    service: &ServiceName,
    selector: &ContainerSelector,
    cut: &Cut,
) -> (Vec<(&'static str, String)>, String) {
    let mut rows = Vec::new();
    let back = match cut.address() {
        Address::Same => "with the fixed address it has there",
        Address::Any => "with its fixed address where it has one, else with any",
    };
    let undo = match cut {
        Cut::Disconnect { networks, .. } => {
            let which = if networks.is_empty() {
                "every user-defined network that it is on".to_owned()
            } else {
                networks.join(", ")
            };
            rows.push(("does", format!("{service}: its container leaves {which}")));
            format!("it is connected again as it was, {back}")
        }
        Cut::Part {
            from, with, others, ..
        } => {
            let mut does = format!(
                "{service}: its container leaves the networks it shares with {} for private ones",
                names(from)
            );
            if !with.is_empty() {
                does = format!("{does}, shared with {}", names(with));
            }
            rows.push(("does", does));
            rows.push((
                "others",
                match others {
                    Others::Refuse => {
                        "refused where containers on neither side run there".to_owned()
                    }
                    Others::Cut => "containers on neither side lose sight of it as well".to_owned(),
                },
            ));
            format!("it is connected again as it was, {back}; the private networks are removed")
        }
    };
    rows.push(("target", found(selector)));
    (rows, undo)
}

fn names(parties: &[Party]) -> String {
    let names: Vec<&str> = parties.iter().map(|one| one.service.as_str()).collect();
    names.join(", ")
}
