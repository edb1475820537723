//! Alerts, known by the labels that they carry.

use std::collections::BTreeMap;

use crate::model::signal::Sender;
use crate::spec::code::Code;
use crate::spec::findings::Sink;
use crate::spec::form::{Form, Keys};
use crate::spec::tree::{Kind, Node};

/// The labels under `alertmanager` or `grafana`.
pub(crate) const ALERT: Form = Form::Map(Keys::Text, &Form::Free);

/// Reports an alert without any label: every alert would be it.
pub(crate) fn some_label(item: &Node, sink: &mut Sink) {
    let alert = item.entry("alertmanager").or_else(|| item.entry("grafana"));
    if let Some(entry) = alert.filter(|entry| entry.value.entries().is_empty())
        && matches!(entry.value.kind, Kind::Map(_))
    {
        sink.error(
            Code::WrongLength,
            entry.span,
            "expected at least 1 label here, found 0",
        );
    }
}

/// The labels under an item's sender.
pub(crate) fn labels(item: &Node, sender: Sender) -> Option<BTreeMap<String, String>> {
    let labels = item.get(sender.as_str())?.entries();
    labels
        .iter()
        .map(|entry| Some((entry.key.to_string(), entry.value.text()?.to_owned())))
        .collect()
}
