//! The server's configuration: what `firedrill serve --config FILE` may do, and who may speak to its hooks.

use std::collections::BTreeSet;
use std::path::Path;

use super::check::shape;
use super::check::view::View;
use super::diagnostic::Span;
use super::findings::{Findings, Sink};
use super::form::{Form, Keys, Object, optional};
use super::library::Options;
use super::{source, tree, vars};

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
    /// Bearer tokens that `/hooks/…` accepts.
    pub hook_tokens: Vec<String>,
    /// Names by which the server is asked for, beside addresses and `localhost`.
    pub hosts: Vec<String>,
}

impl Default for Config {
    /// Staging only, no programs, and hooks closed.
    fn default() -> Self {
        Self {
            environments: vec!["staging".to_owned()],
            programs: BTreeSet::new(),
            protected: BTreeSet::new(),
            runs: None,
            hook_tokens: Vec::new(),
            hosts: Vec::new(),
        }
    }
}

/// A configuration with every key.
pub(crate) const EXAMPLE: &str = "\
environments: [staging, qa]          # stacks of other environments are refused
programs: [./rollout, ./check-backup] # exactly as probes, hooks and remedies write them
protected: [ledger, team=treasury]   # services, and labels of containers, that no fault may touch
runs: 4                              # at once on all stacks together; on each stack it is always one
hosts: [drills.example.org]          # names in this server's address, where that is no number
tokens:
  alertmanager: \"${env:ALERTMANAGER_TOKEN}\"
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
            "tokens",
            Form::Map(Keys::Name, &Form::Text),
            "Bearer tokens that hooks accept, each under a name of your own; write them as `${env:NAME}`.",
        ),
    ]],
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
        config.hosts = view.all::<String>("hosts").unwrap_or_default();
        config.runs = view.integer::<u16>("runs").map(usize::from);
        let tokens = view
            .value("tokens")
            .map(tree::Node::entries)
            .unwrap_or_default();
        config.hook_tokens = tokens
            .iter()
            .filter_map(|entry| entry.value.text().map(str::to_owned))
            .collect();
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
        assert_eq!(config.hook_tokens, ["s3cret"]);
        assert_eq!(read("{}").expect("all defaults"), Config::default());
    }

    #[test]
    fn the_example_of_the_reference_is_a_configuration() {
        let config =
            read(&EXAMPLE.replace("ALERTMANAGER_TOKEN", "TOKEN")).expect("a configuration");
        assert_eq!(config.environments, ["staging", "qa"]);
        assert_eq!(config.programs.len(), 2);
        assert_eq!(config.hook_tokens, ["s3cret"]);
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
