//! The server's configuration: what `firedrill serve --config FILE` may do, and who may speak to its hooks.

mod senders;

use std::collections::BTreeSet;
use std::path::Path;

use super::check::shape;
use super::check::view::View;
use super::diagnostic::Span;
use super::findings::{Findings, Sink};
use super::form::{Form, Keys, Object, defaulted, optional, required};
use super::library::Options;
use super::{source, tree, vars};
use crate::model::network::Network;
use crate::model::signal::Senders;

/// What a server may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Environments whose stacks may be disturbed.
    pub environments: Vec<String>,
    /// Programs that probes, hooks and remedies may run, as plans write them.
    pub programs: BTreeSet<String>,
    /// Services by name, and containers by label as `key=value`, that no fault may touch.
    pub protected: BTreeSet<String>,
    /// How many runs may live at once.
    pub runs: Option<usize>,
    /// Channels that drills may send messages to.
    pub channels: BTreeSet<String>,
    /// Who may send signals to `/hooks/…`.
    pub senders: Senders,
    /// Whether status pages of drills need no account.
    pub publishes: bool,
    /// Names by which the server is asked for, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Under which name the platform publishes figures of its drills, if it does.
    pub transparency: Option<String>,
    /// Proxies in front whose word is taken for who asks and whether that is encrypted.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Config {
    /// Staging only, no programs, and hooks closed.
    fn default() -> Self {
        Self {
            environments: vec!["staging".to_owned()],
            programs: BTreeSet::new(),
            protected: BTreeSet::new(),
            runs: None,
            channels: BTreeSet::new(),
            senders: Senders::default(),
            publishes: false,
            hosts: Vec::new(),
            transparency: None,
            trusted_proxies: Vec::new(),
        }
    }
}

/// A configuration with every key.
pub(crate) const EXAMPLE: &str = "\
environments: [staging, qa]          # stacks of other environments are refused
programs: [./rollout, ./check-backup] # exactly as probes, hooks and remedies write them
protected: [ledger, team=treasury]   # services, and labels of containers, that no fault may touch
channels: [team-chat, sandbox-page]  # where messages of drills may be sent, beside firedrill's own pages
status_pages: private                # public: without a log-in, for whoever is given a page's address
runs: 4                              # at once on all stacks together; on each stack it is always one
transparency: {platform: Example Wallet} # publish figures of drills at /transparency, to anybody
hosts: [drills.example.org]          # names in this server's address, where that is no number
trusted_proxies: [127.0.0.1/32]      # whose word is taken for who asks, and whether that was encrypted
tokens:
  alertmanager: \"${env:ALERTMANAGER_TOKEN}\"
hooks:
  pagerduty: {secrets: [\"${env:PAGERDUTY_SECRET}\"]}
  slack: {secrets: [\"${env:SLACK_SECRET}\"]}
  statuspage: {pages: {kctbh9vrtdwd: {team: wallet-oncall, posts: people}}}
signal_tests:
  alertmanager:
    url: http://127.0.0.1:9093/api/v2/alerts
    headers: {content-type: application/json}
    body: '[{\"labels\": {\"alertname\": \"SignalTest\", \"number\": \"{nonce}\"}}]'
    within: 1m
people:
  ann: [U2147483697, PLH1HKV]        # Slack's and PagerDuty's ids of the team's members
";

pub(crate) static CONFIG: Object = Object {
    what: "the server's configuration",
    about: "What `firedrill serve` may do.",
    groups: &[&[
        optional("vars", Form::Any, "Values that `${name}` stands for."),
        optional(
            "environments",
            Form::List(&Form::Text, 1, 100),
            "Environments whose stacks may be disturbed; `staging` when absent.",
        ),
        optional(
            "programs",
            Form::List(&Form::Text, 0, 1_000),
            "Programs that probes, hooks and remedies may run, exactly as their files write them; none when absent.",
        ),
        optional(
            "protected",
            Form::List(&Form::Text, 0, 1_000),
            "Services by name, and containers by label as `key=value`, that no fault may touch.",
        ),
        optional(
            "channels",
            Form::List(&Form::Name, 0, 1_000),
            "Channels by name that messages of drills may be sent to; only those that firedrill serves itself when absent.",
        ),
        defaulted(
            "status_pages",
            Form::Word(&[
                ("private", "Whoever may see a run sees its status page."),
                ("public", "Anybody does, without a log-in."),
            ]),
            "private",
            "Who sees the sandbox status pages of drills.",
        ),
        optional(
            "runs",
            Form::Integer(1, 1_000),
            "Runs at once on all stacks together; on each stack it is always one.",
        ),
        optional(
            "hosts",
            Form::List(&Form::Text, 0, 100),
            "Names by which browsers ask for this server; addresses and `localhost` are always answered.",
        ),
        optional(
            "transparency",
            Form::Object(&TRANSPARENCY),
            "Publishes figures of drills at `/transparency`, without a login; nothing is published when absent.",
        ),
        optional(
            "trusted_proxies",
            Form::List(&Form::Network, 0, 100),
            "Networks of proxies in front, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; they must pass \
             `Host` on. With any, everybody needs an account, since what they forward comes from elsewhere.",
        ),
        optional(
            "tokens",
            Form::Map(Keys::Name, &senders::SECRET),
            "Bearer tokens that hooks accept, each under a name of your own; write them as `${env:NAME}`, or as \
             `{file: PATH}`.",
        ),
        optional(
            "hooks",
            Form::Object(&senders::HOOKS),
            "What senders of signals sign with.",
        ),
        optional(
            "signal_tests",
            Form::Object(&senders::TESTS),
            "How a test signal is sent through each tool that a drill depends on, before it begins.",
        ),
        optional(
            "people",
            Form::Map(Keys::Name, &senders::IDS),
            "Team members, each with the ids under which Slack and PagerDuty know them.",
        ),
    ]],
    rules: &[],
};

static TRANSPARENCY: Object = Object {
    what: "what is published",
    about: "How often drills were held, detected and recovered: no names, no addresses, no days.",
    groups: &[&[required(
        "platform",
        Form::Text,
        "The platform, as it calls itself.",
    )]],
    rules: &[],
};

/// Reads a server's configuration. It is used by this process alone and kept nowhere, so that it holds secrets' values.
pub fn read_config(path: &Path, options: &Options) -> Result<Config, Findings> {
    let source = source::read(path).map_err(|finding| Findings::new([finding]))?;
    let (nodes, mut found) = tree::parse(&source, Span::new(0, source.text.len()));
    let mut config = Config::default();
    let mut sink = Sink::new(&source);
    for mut root in nodes.into_iter().take(1) {
        let secrets = vars::Secrets::Revealed(&options.env);
        vars::substitute(&mut root, &options.vars, secrets, &mut sink);
        shape::check_object(&root, root.span, &CONFIG, &mut sink);
        let view = View::new(&root, &CONFIG);
        if let Some(environments) = view
            .all::<String>("environments")
            .filter(|list| !list.is_empty())
        {
            config.environments = environments;
        }
        config.programs = view
            .all::<String>("programs")
            .unwrap_or_default()
            .into_iter()
            .collect();
        config.protected = view
            .all::<String>("protected")
            .unwrap_or_default()
            .into_iter()
            .collect();
        config.publishes = view.text("status_pages") == Some("public");
        config.channels = view
            .all::<String>("channels")
            .unwrap_or_default()
            .into_iter()
            .collect();
        config.trusted_proxies = view.all::<Network>("trusted_proxies").unwrap_or_default();
        config.hosts = view.all::<String>("hosts").unwrap_or_default();
        config.transparency = view
            .value("transparency")
            .and_then(|node| View::new(node, &TRANSPARENCY).text("platform"))
            .map(str::to_owned);
        config.runs = view.integer::<u16>("runs").map(usize::from);
        let folder = path.parent().unwrap_or(Path::new(""));
        config.senders = senders::read(view, folder, &mut sink);
    }
    found.extend(sink.into_found());
    if found.is_empty() {
        Ok(config)
    } else {
        Err(Findings::new(found))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::signal::Secret;

    fn read(text: &str) -> Result<Config, String> {
        let folder = std::env::temp_dir().join(format!(
            "firedrill-config-{}-{}",
            std::process::id(),
            text.len()
        ));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("firedrill.yaml");
        std::fs::write(&path, text).expect("a file");
        let env = Arc::new(|name: &str| (name == "TOKEN").then(|| "s3cret".to_owned()));
        let read = read_config(
            &path,
            &Options {
                env,
                ..Options::default()
            },
        )
        .map_err(|found| found.render(false));
        let _ = std::fs::remove_dir_all(&folder);
        read
    }

    #[test]
    fn a_configuration_names_environments_programs_and_tokens() {
        let config = read(
            "environments: [staging, qa]\nprograms: [./check]\ntokens: {am: '${env:TOKEN}'}\n",
        );
        let config = config.expect("a configuration");
        assert_eq!(config.environments, ["staging", "qa"]);
        assert!(config.programs.contains("./check"));
        assert_eq!(config.senders.tokens, [Secret::new("s3cret")]);
        assert_eq!(read("{}").expect("all defaults"), Config::default());
    }

    #[test]
    fn the_example_of_the_reference_is_a_configuration() {
        let example = EXAMPLE.replace("ALERTMANAGER_TOKEN", "TOKEN");
        let example = example.replace("PAGERDUTY_SECRET", "TOKEN");
        let config = read(&example.replace("SLACK_SECRET", "TOKEN")).expect("a configuration");
        assert_eq!(config.environments, ["staging", "qa"]);
        assert_eq!(config.programs.len(), 2);
        assert_eq!(config.transparency.as_deref(), Some("Example Wallet"));
        let senders = config.senders;
        assert_eq!(senders.tokens, [Secret::new("s3cret")]);
        assert_eq!(senders.pagerduty, [Secret::new("s3cret")]);
        assert_eq!(senders.sandboxes["kctbh9vrtdwd"].team, "wallet-oncall");
        assert!(senders.sandboxes["kctbh9vrtdwd"].by_people);
        assert_eq!(senders.people["PLH1HKV"], "ann");
    }

    #[test]
    fn a_secret_may_be_in_a_file_and_is_never_empty() {
        let folder = std::env::temp_dir().join(format!("firedrill-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (full, empty) = (folder.join("full"), folder.join("empty"));
        std::fs::write(&full, "from a file\n").expect("a file");
        std::fs::write(&empty, "\n").expect("a file");
        let grafana = |file: &str| {
            read(&format!(
                "hooks: {{grafana: {{secret: {{file: '{file}'}}, timestamp_header: X-Time}}}}\n"
            ))
        };
        let config = grafana(&full.to_string_lossy()).expect("a configuration");
        let signing = config.senders.grafana.expect("it signs");
        assert_eq!(signing.secret, Secret::new("from a file"));
        assert_eq!(signing.signature_header, "X-Grafana-Alerting-Signature");
        assert!(
            !format!("{signing:?}").contains("from a file"),
            "it is shown"
        );
        let found = grafana(&empty.to_string_lossy()).expect_err("a finding");
        assert!(found.contains("is empty"), "{found}");
        let found = grafana("gone").expect_err("a finding");
        assert!(found.contains("can't be read"), "{found}");
        let found = read("hooks: {slack: {secrets: ['']}}\n").expect_err("a finding");
        assert!(found.contains("empty"), "{found}");
        let found = read("people: {ann: [U1], bo: [U1]}\n").expect_err("a finding");
        assert!(found.contains("U1"), "{found}");
        let _ = std::fs::remove_dir_all(&folder);
    }

    #[test]
    fn a_slip_in_a_configuration_is_shown_where_it_is() {
        let found = read("programms: [./check]\n").expect_err("a finding");
        assert!(
            found.contains("programms") && found.contains("programs"),
            "{found}"
        );
    }
}
