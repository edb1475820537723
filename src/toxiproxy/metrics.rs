//! `/metrics`, in the text format of Prometheus: Toxiproxy's own names and labels, counted live, and a few more.

use std::{fmt::Write as _, sync::Arc};

use super::{
    api::VERSION,
    proxy::{Proxy, View},
    registry::Registry,
    toxic::Stream,
    toxics::Toxic,
};

/// The text format, as Prometheus names it.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const STREAMS: [Stream; 2] = [Stream::Upstream, Stream::Downstream];

/// Everything there is to say. `state_file` says whether it could last be written, where there is one.
pub(crate) fn page(registry: &Registry, state_file: Option<bool>) -> String {
    let proxies: Vec<(View, Arc<Proxy>)> = registry
        .all()
        .into_iter()
        .map(|proxy| (proxy.view(), proxy))
        .collect();
    let mut page = Page::default();

    page.family(
        "toxiproxy_proxy_received_bytes_total",
        "counter",
        "Bytes read from the client (upstream) or the upstream (downstream).",
    );
    for (view, proxy) in &proxies {
        for stream in STREAMS {
            let bytes = proxy.traffic().of(stream).received();
            page.sample(&flow(view, stream), bytes);
        }
    }
    page.family(
        "toxiproxy_proxy_sent_bytes_total",
        "counter",
        "Bytes written to the upstream (upstream) or the client (downstream).",
    );
    for (view, proxy) in &proxies {
        for stream in STREAMS {
            let bytes = proxy.traffic().of(stream).sent();
            page.sample(&flow(view, stream), bytes);
        }
    }
    page.family(
        "toxiproxy_proxy_connections_total",
        "counter",
        "Connections accepted.",
    );
    for (view, proxy) in &proxies {
        page.sample(&whole(view), proxy.traffic().connections_opened());
    }
    page.family(
        "toxiproxy_proxy_open_connections",
        "gauge",
        "Connections open now, those included whose upstream is still being dialled.",
    );
    for (view, proxy) in &proxies {
        page.sample(&whole(view), proxy.traffic().connections_open());
    }
    page.family(
        "toxiproxy_proxy_enabled",
        "gauge",
        "Whether the proxy is enabled.",
    );
    for (view, _) in &proxies {
        page.sample(&whole(view), u64::from(view.enabled));
    }
    page.family(
        "toxiproxy_proxy_toxics",
        "gauge",
        "Toxics on the proxy, by direction and type; none where there is no sample.",
    );
    for (view, _) in &proxies {
        toxics(&mut page, view);
    }
    page.family(
        "toxiproxy_tasks",
        "gauge",
        "Tasks of the server: a few that keep it, one for each enabled proxy, one for each connection.",
    );
    page.sample(&[], registry.tasks() as u64);
    if let Some(well) = state_file {
        page.family(
            "toxiproxy_state_file_written",
            "gauge",
            "Whether the state file could be written when it last had to be.",
        );
        page.sample(&[], u64::from(well));
    }
    page.family(
        "toxiproxy_build_info",
        "gauge",
        "The version of firedrill, and that of the Toxiproxy whose API it has.",
    );
    page.sample(
        &[("api", VERSION), ("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    page.text
}

fn toxics(page: &mut Page, view: &View) {
    for stream in STREAMS {
        let mut kinds: Vec<&str> = view
            .toxics
            .iter()
            .filter(|toxic| toxic.direction() == stream)
            .map(Toxic::kind)
            .collect();
        kinds.sort_unstable();
        for same in kinds.chunk_by(|left, right| left == right) {
            let labels = [
                ("direction", named(stream)),
                ("proxy", &view.name),
                ("type", same[0]),
            ];
            page.sample(&labels, same.len() as u64);
        }
    }
}

fn flow(view: &View, stream: Stream) -> [(&'static str, &str); 4] {
    let [listener, proxy, upstream] = whole(view);
    [("direction", named(stream)), listener, proxy, upstream]
}

fn whole(view: &View) -> [(&'static str, &str); 3] {
    [
        ("listener", &view.listen),
        ("proxy", &view.name),
        ("upstream", &view.upstream),
    ]
}

fn named(stream: Stream) -> &'static str {
    match stream {
        Stream::Upstream => "upstream",
        Stream::Downstream => "downstream",
    }
}

#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        // Writing to a string can't fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: u64) {
        self.text.push_str(self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{name}=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// A label's value: backslash, quote and line feed are escaped, nothing else.
fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::io::AsyncWriteExt as _;

    use super::super::tests::fixture::{Rig, expect};
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.family("up", "gauge", "Help.");
        page.sample(&[], 1);
        page.sample(&[("a", "x"), ("b", "\\ \" \n \u{e9}")], 2);
        assert_eq!(
            page.text,
            "# HELP up Help.\n# TYPE up gauge\nup 1\nup{a=\"x\",b=\"\\\\ \\\" \\n \u{e9}\"} 2\n"
        );
    }

    #[tokio::test]
    async fn bytes_count_while_their_connection_is_open() {
        let file: PathBuf =
            std::env::temp_dir().join(format!("firedrill-metrics-{}.json", std::process::id()));
        let rig = Rig::keeping(&file).await;
        let (mut client, mut server) = rig.pair().await;
        client.write_all(b"question").await.unwrap();
        expect(&mut server, b"question").await;
        server.write_all(b"yes").await.unwrap();
        expect(&mut client, b"yes").await;
        rig.toxic("timeout", "downstream", "{}").await;
        server.write_all(b"lost").await.unwrap();
        let proxy = rig.ok("GET", "/proxies/p", "").await.json();
        let (listen, upstream) = (&proxy["listen"], &proxy["upstream"]);
        let whole = format!("listener={listen},proxy=\"p\",upstream={upstream}");
        let expected = [
            format!("toxiproxy_proxy_received_bytes_total{{direction=\"upstream\",{whole}}} 8"),
            format!("toxiproxy_proxy_sent_bytes_total{{direction=\"upstream\",{whole}}} 8"),
            format!("toxiproxy_proxy_received_bytes_total{{direction=\"downstream\",{whole}}} 7"),
            format!("toxiproxy_proxy_sent_bytes_total{{direction=\"downstream\",{whole}}} 3"),
            format!("toxiproxy_proxy_connections_total{{{whole}}} 1"),
            format!("toxiproxy_proxy_open_connections{{{whole}}} 1"),
            format!("toxiproxy_proxy_enabled{{{whole}}} 1"),
            "toxiproxy_proxy_toxics{direction=\"downstream\",proxy=\"p\",type=\"timeout\"} 1"
                .to_owned(),
            "toxiproxy_state_file_written 1".to_owned(),
        ];
        let mut page = String::new();
        for _ in 0..200 {
            let answer = rig.ok("GET", "/metrics", "").await;
            assert_eq!(answer.content_type(), CONTENT_TYPE);
            page = answer.body;
            if expected
                .iter()
                .all(|line| page.lines().any(|shown| shown == line))
            {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        for line in &expected {
            assert!(
                page.lines().any(|shown| shown == line),
                "{line} is not in\n{page}"
            );
        }
        drop(rig);
        for suffix in ["", ".lock"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
        }
    }
}
