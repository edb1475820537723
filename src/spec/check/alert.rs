//! Alerts, known by the labels that they carry.

use std::collections::BTreeMap;

use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Keys};
use crate::spec::tree::{Kind, Node};

/// The labels under `alertmanager`.
pub(crate) const ALERT: Form = Form::Map(Keys::Text, &Form::Free);

/// Reports an alert without any label: every alert would be it.
pub(crate) fn some_label(item: &Node, sink: &mut Sink) {
    if let Some(entry) = item
        .entry("alertmanager")
        .filter(|entry| entry.value.entries().is_empty())
        && matches!(entry.value.kind, Kind::Map(_))
    {
        sink.error(
            Code::WrongLength,
            entry.span,
            "expected at least 1 label here, found 0",
        );
    }
}

/// The labels under an item's `alertmanager`.
pub(crate) fn labels(item: &Node) -> Option<BTreeMap<String, String>> {
    let labels = item.get("alertmanager")?.entries();
    labels
        .iter()
        .map(|entry| Some((entry.key.to_string(), entry.value.text()?.to_owned())))
        .collect()
}
