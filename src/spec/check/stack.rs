//! Stacks: services, links, probes, and the proof that the system under test is staging.

use std::collections::BTreeMap;

use crate::model::ids::{ProbeName, ProxyName, ServiceName};
use crate::model::probe::Probe;
use crate::model::stack::{ContainerSelector, Link, Service, Stack, Toxiproxy};
use crate::spec::address;
use crate::spec::check::ground;
use crate::spec::check::identity;
use crate::spec::check::probe::{self, PROBE};
use crate::spec::check::refer;
use crate::spec::check::shape::head;
use crate::spec::check::view::View;
use crate::spec::code::Code;
use crate::spec::diagnostic::Span;
use crate::spec::findings::Sink;
use crate::spec::form::{Field, Form, Keys, Object, Rule, defaulted, optional, required};
use crate::spec::tree::Node;
use crate::spec::vars::VARIABLE;

/// The keys at the head of every file.
pub(crate) static HEAD: &[Field] = &[
    required("kind", Form::Name, "What the file is."),
    optional(
        "vars",
        Form::Map(
            Keys::Name,
            &Form::Either(&[Form::Object(&VARIABLE), Form::Scalar]),
        ),
        "Variables: `${name}` in any value stands for theirs. Each is a value, or {type, default}.",
    ),
];

pub(crate) static STACK: Object = Object {
    what: "a stack",
    about: "A staging system under test, and the proof that it is one.",
    groups: &[
        HEAD,
        &[
            required("name", Form::Name, "As other files name it."),
            required(
                "environment",
                Form::Text,
                "The environment it claims to be; compared with the allow-list.",
            ),
            optional(
                "identity",
                Form::List(&Form::Object(&identity::IDENTITY), 0, 100),
                "What proves that it is staging, read from the targets before each run and each fault.",
            ),
            optional(
                "toxiproxy",
                Form::Object(&TOXIPROXY),
                "The Toxiproxy-compatible server that carries its links.",
            ),
            optional(
                "docker",
                Form::Object(&DOCKER),
                "Where its containers run; without it container faults are refused.",
            ),
            optional(
                "services",
                Form::Map(Keys::Name, &Form::Object(&SERVICE)),
                "Its services by name.",
            ),
            optional(
                "links",
                Form::List(&Form::Object(&LINK), 0, 1_000),
                "Who calls whom, each through one proxy.",
            ),
            optional(
                "probes",
                Form::Map(Keys::Name, &Form::Object(&PROBE)),
                "Health questions by name.",
            ),
        ],
    ],
    rules: &[],
};

static TOXIPROXY: Object = Object {
    what: "a toxiproxy",
    about: "The Toxiproxy-compatible server that carries the links: one that runs already, or firedrill's own.",
    groups: &[&[
        defaulted("url", Form::Url, "http://127.0.0.1:8474", "Its API."),
        optional(
            "create_proxies",
            Form::Flag,
            "Whether missing proxies are created from the links; not when absent.",
        ),
        defaulted(
            "embedded",
            Form::Flag,
            "false",
            "Whether firedrill itself serves that API while it runs; proxies are then created.",
        ),
    ]],
    rules: &[],
};

static DOCKER: Object = Object {
    what: "a docker",
    about: "The Docker daemon that runs the containers.",
    groups: &[&[required(
        "host",
        Form::DockerHost,
        "`unix://` for a local socket, `tcp://` or `ssh://`.",
    )]],
    rules: &[],
};

static SERVICE: Object = Object {
    what: "a service",
    about: "One part of the stack.",
    groups: &[&[
        optional(
            "tier",
            Form::Name,
            "The layer it belongs to, such as `customer`, `keys` or `chain`.",
        ),
        optional(
            "container",
            Form::Object(&SELECTOR),
            "How its container is found.",
        ),
        defaulted(
            "protected",
            Form::Flag,
            "false",
            "Whether no fault may touch it: no link that leads to it, not its container, no hook that is addressed to it.",
        ),
    ]],
    rules: &[],
};

static SELECTOR: Object = Object {
    what: "a container",
    about: "How a container is found.",
    groups: &[&[
        optional("name", Form::Text, "By its exact name."),
        optional(
            "label",
            Form::LabelSelector,
            "By a label, `key=value` or `key`. Where it matches several running containers, steps say how many they hit.",
        ),
        optional(
            "compose",
            Form::Text,
            "By its Compose service: `service`, or `project/service` where the daemon runs several projects.",
        ),
    ]],
    rules: &[Rule::ExactlyOne(&["name", "label", "compose"])],
};

static LINK: Object = Object {
    what: "a link",
    about: "One dependency between two services, carried by one proxy.",
    groups: &[&[
        required("from", Form::Name, "The service that calls."),
        required("to", Form::Name, "The service called."),
        required("proxy", Form::Name, "The proxy's name."),
        required(
            "listen",
            Form::Address,
            "Where the proxy listens: `host:port`.",
        ),
        required(
            "upstream",
            Form::Address,
            "Where it forwards to: `host:port`.",
        ),
    ]],
    rules: &[],
};

pub(crate) fn read(root: &Node, sink: &mut Sink) -> Option<Stack> {
    let view = View::new(root, &STACK);
    let identity = identity::read(view.items("identity"), sink);
    let services = services(view);
    let links = links(view, sink);
    let probes = probes(view, sink);
    let toxiproxy = view.value("toxiproxy").map(toxiproxy);
    identity::idle_checks(view, sink);
    if view.items("identity").is_empty() {
        for span in far_places(view) {
            unproven(span, sink);
        }
    }
    let stack = Stack {
        name: view.read("name")?,
        environment: view.text("environment")?.to_owned(),
        identity: identity?,
        toxiproxy: match toxiproxy {
            Some(toxiproxy) => Some(toxiproxy?),
            None => None,
        },
        docker: match view.value("docker") {
            Some(docker) => Some(docker.get("host")?.text()?.to_owned()),
            None => None,
        },
        services: services?,
        links: links?,
        probes: probes?,
    };
    ground::servers(view, &stack, sink);
    Some(stack)
}

fn toxiproxy(node: &Node) -> Option<Toxiproxy> {
    let view = View::new(node, &TOXIPROXY);
    let embedded = view.flag("embedded")?;
    Some(Toxiproxy {
        url: view.template("url")?,
        create_proxies: embedded || view.flag("create_proxies").unwrap_or(false),
        embedded,
    })
}

fn services(view: View<'_>) -> Option<BTreeMap<ServiceName, Service>> {
    let entries = view.value("services").map_or(&[][..], Node::entries);
    entries
        .iter()
        .map(|entry| {
            let view = View::new(&entry.value, &SERVICE);
            let container = match view.value("container") {
                None => None,
                Some(node) => Some(selector(View::new(node, &SELECTOR))?),
            };
            let tier = view.text("tier").map(str::to_owned);
            let service = Service {
                tier,
                container,
                protected: view.flag("protected")?,
            };
            Some((entry.key.parse().ok()?, service))
        })
        .collect()
}

fn selector(view: View<'_>) -> Option<ContainerSelector> {
    let given = |key: &str| view.text(key).map(str::to_owned);
    if let Some(name) = given("name") {
        return Some(ContainerSelector::Name(name));
    }
    if let Some(label) = given("label") {
        return Some(ContainerSelector::Label(label));
    }
    let compose = given("compose")?;
    let (project, service) = match compose.split_once('/') {
        Some((project, service)) => (Some(project.to_owned()), service.to_owned()),
        None => (None, compose),
    };
    Some(ContainerSelector::Compose { project, service })
}

fn links(view: View<'_>, sink: &mut Sink) -> Option<Vec<Link>> {
    let services = view.value("services").map_or(&[][..], Node::entries);
    let known = || services.iter().map(|entry| &*entry.key);
    let mut links: Vec<Link> = Vec::new();
    let mut whole = true;
    for item in view.items("links") {
        let link = View::new(item, &LINK);
        for end in ["from", "to"] {
            if let (Some(name), Some(span)) = (link.text(end), link.span(end))
                && !known().any(|service| service == name)
            {
                refer::unknown(Code::UnknownService, "service", name, span, known(), sink);
            }
        }
        match read_link(link) {
            Some(link_read) => {
                clash(&links, &link_read, link, sink);
                links.push(link_read);
            }
            None => whole = false,
        }
    }
    if let Some(first) = view.items("links").first()
        && view.value("toxiproxy").is_none()
    {
        let span = view.key_span("links").unwrap_or_else(|| head(first));
        sink.error(
            Code::NoToxiproxy,
            span,
            "links are carried by proxies, and this stack has no `toxiproxy`",
        )
        .with_hint("add `toxiproxy: {embedded: true}`, or the `url` of a server");
    }
    whole.then_some(links)
}

fn read_link(view: View<'_>) -> Option<Link> {
    Some(Link {
        from: view.read("from")?,
        to: view.read("to")?,
        proxy: view.read::<ProxyName>("proxy")?,
        listen: view.read("listen")?,
        upstream: view.read("upstream")?,
    })
}

/// Two links can't share a proxy or an address to listen on, and a proxy can't forward to itself.
fn clash(links: &[Link], link: &Link, view: View<'_>, sink: &mut Sink) {
    if links.iter().any(|other| other.proxy == link.proxy) {
        refer::twice("proxy", link.proxy.as_str(), view.span("proxy"), sink);
    }
    if links.iter().any(|other| other.listen == link.listen) {
        refer::twice("address", &link.listen, view.span("listen"), sink);
    }
    if link.listen == link.upstream {
        let span = view.span("upstream").unwrap_or_default();
        sink.error(Code::BadAddress, span, "the proxy would forward to itself")
            .with_hint(
                "`upstream` is where the service listens, `listen` is where its callers connect",
            );
    }
}

fn probes(view: View<'_>, sink: &mut Sink) -> Option<BTreeMap<ProbeName, Probe>> {
    let mut all = BTreeMap::new();
    let mut whole = true;
    for entry in view.value("probes").map_or(&[][..], Node::entries) {
        match probe::read(entry, sink) {
            Some(probe) => {
                all.insert(probe.name.clone(), probe);
            }
            None => whole = false,
        }
    }
    whole.then_some(all)
}

/// Everything a stack names that lies beyond loopback.
fn far_places(view: View<'_>) -> Vec<Span> {
    let mut far = Vec::new();
    for link in view.items("links") {
        for key in ["listen", "upstream"] {
            if let Some(node) = link.get(key)
                && node.text().is_some_and(|text| {
                    address::host_and_port(text).is_ok_and(|place| !place.is_loopback())
                })
            {
                far.push(node.span);
            }
        }
    }
    if let Some(url) = view.value("toxiproxy").and_then(|node| node.get("url"))
        && url
            .text()
            .is_some_and(|text| address::url(text).is_ok_and(|place| !place.is_loopback()))
    {
        far.push(url.span);
    }
    if let Some(host) = view.value("docker").and_then(|node| node.get("host"))
        && let Some(Ok(Some(place))) = host.text().map(address::docker_host)
        && !place.is_loopback()
    {
        far.push(host.span);
    }
    for probe in view.value("probes").map_or(&[][..], Node::entries) {
        far.extend(probe::far_places(&probe.value));
    }
    far
}

/// Reports a place beyond loopback that a stack without proof of its identity names.
pub(crate) fn unproven(span: Span, sink: &mut Sink) {
    sink.error(Code::NoIdentity, span, "this lies beyond loopback, and the stack has no `identity` checks")
        .with_label("not on this machine")
        .with_hint("prove that the stack is staging: add `identity:` with a chain id, a container label or upstream networks");
}
