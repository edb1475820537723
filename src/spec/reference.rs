//! The reference of users' files, as Markdown, made from the forms that the checker walks: `docs/files.md`.
//!
//! What stands here as prose is only what a form can't say. Keys, defaults and ranges are never written by hand.

mod parts;
mod words;

use std::fmt::Write as _;

use super::config::{self, CONFIG};
use super::document::Kind;
use super::form::Object;
use super::source::LARGEST;
use parts::Parts;

/// What stands above the examples.
const HEAD: &str = "\
<!-- Made from the checker's own tables by `spec::reference`. Rewrite it as CONTRIBUTING.md says. -->

# Files

firedrill reads YAML files of eight kinds: [Stack](#stack), [Experiment](#experiment), [Drill](#drill),
[GameDay](#gameday), [Runbook](#runbook), [Team](#team), [Channel](#channel) and [Messages](#messages). A runbook is Markdown with YAML front matter. `firedrill serve
--config` reads one more file, the [server configuration](#server-configuration).

`firedrill validate` checks files and reports every finding at its exact token; each has a code with a page in
[errors/](errors/README.md). `firedrill schema KIND` prints a JSON Schema for editors. `firedrill explain FILE` says what
a run would do.

";

/// What each kind's example shows, beside its file of the shipped library.
const EXAMPLES: [(Kind, &str, &str); 8] = [
    (
        Kind::Stack,
        "stacks/wallet-demo.yaml",
        "The stack of `firedrill demo`. `identity` proves that it is staging: the chain id that a node answers, and the \
         networks that every link leads into. `embedded: true` makes firedrill itself serve Toxiproxy's API. Each link is \
         one dependency: callers dial `listen`, the service is at `upstream`. A probe with `impact: true` shows by failing \
         that users are hurt.",
    ),
    (
        Kind::Experiment,
        "experiments/signer-outage.yaml",
        "One fault on that stack. `steady_state` must hold before anything is touched and again afterwards; `during` must \
         hold while the fault is on. `until: remedied` lets responders of a drill end the fault; `at_most` is its deadline. \
         `stop_when` and `limits` end the run early.",
    ),
    (
        Kind::Drill,
        "drills/signer-outage.yaml",
        "The same fault with a team. `detection` says which signals count. Each remedy is something that responders can do: \
         here a call that changes the stack, and in `restore` the call that puts it back after the run. A remedy with \
         `ends` removes a fault of the experiment instead.",
    ),
    (
        Kind::GameDay,
        "gamedays/keys-and-tokens.yaml",
        "Two drills in one afternoon. The second begins `pause` after everything of the first is undone, where the first \
         passed or failed: after a run that somebody ended, or that errored or is stuck, nothing more begins.",
    ),
    (
        Kind::Runbook,
        "runbooks/signing.md",
        "What responders should do, as text, and what a run is judged against, as lines of `expect`. A line in time earns \
         its `weight`; after `within` the credit falls until `limit`; a `critical` line caps the rating. \
         [Scoring](scoring.md) has the rules.",
    ),
    (
        Kind::Team,
        "teams/wallet-oncall.yaml",
        "Who is drilled: handles, never names of people.",
    ),
    (
        Kind::Channel,
        "channels/status-page.yaml",
        "Where a drill's messages may go, and who reads them. This one is firedrill's own status page, a sandbox that \
         needs nothing else. [Communication](communication.md) shows the others.",
    ),
    (
        Kind::Messages,
        "messages/en.yaml",
        "Texts of messages in one language. A library's own piece stands before the shipped one of the same language.",
    ),
];

/// What holds for every file and has no form.
const EVERYWHERE: &str = "\
## Variables and secrets

A file declares variables under `vars` and uses them as `${name}` in any value. A value that is wholly `${name}` takes the
variable's type; inside a longer text it becomes text. Each file has its own variables. `--var name=value` replaces a
value in every file that declares the name; a name that no file declares is an error. A variable's value can't use another
variable.

`${env:NAME}` stands for an environment variable of the process that runs firedrill, for tokens and passwords. One that
is not set is a finding. Findings show the reference, never the value.

`$${` stands for the text `${` itself. Keys are never substituted.

";

/// What values look like.
const VALUES: &str = "\
## Values

| value | how it is written |
|---|---|
| a name | 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit |
| a duration | `500ms`, `30s`, `2m`, `1h`, `1d`, or several in a row: `1m30s`; a number alone is refused |
| a link | `from -> to`, or its proxy's name; the name is needed where several links have the same ends |
| an address | `host:port` |
| a URL | `http://` or `https://` with a host |
| a network | CIDR form without address bits: `172.16.0.0/12` |
| a JSONPath | RFC 9535: `$.result`, `$.items[0].id` |
| a program | a list, the program first: `[./check, --fast]`; no shell, and run in the folder of its file |
| a hexadecimal text | in quotes: `\"0x7a69\"`; without them YAML reads a number |

";

/// Where names are looked up.
const LOOKUP: &str = "\
## Where files are found

An experiment names its stack, a drill names its experiment, runbook, team and channels, a game day its drills. A name is looked up in the file itself,
then in folders, then among the other files of the same command.

| kind | folders, without options | with options |
|---|---|---|
| Stack | `stacks/` in the working folder; `stacks/` beside the file; the file's folder; `../stacks/` | `--stacks DIR`, else `--library DIR`, each with its subfolders below |
| others | the file's folder; then the eight subfolders beside it, of its parent, and of the working folder | `--library DIR` and its subfolders |

The subfolders are `stacks`, `experiments`, `drills`, `gamedays`, `runbooks`, `teams`,
`channels` and `messages`. A runbook may also be named by its path,
from the drill's folder, that folder's parent, the working folder or `--library`.

";

/// The reference of every file that users write. The examples are taken from `shipped`, paths and texts.
pub fn reference(shipped: &[(&str, &str)]) -> String {
    let mut text = HEAD.to_owned();
    text.push_str("## Complete examples\n\n");
    text.push_str("They are the files of the shipped library, which every test run checks.\n\n");
    for (kind, path, about) in EXAMPLES {
        let _ = write!(
            text,
            "### {} example: {path}\n\n{}\n\n",
            kind.as_str(),
            wrapped(about)
        );
        let language = if kind == Kind::Runbook {
            "markdown"
        } else {
            "yaml"
        };
        let _ = write!(text, "```{language}\n{}```\n\n", file(shipped, path));
    }
    text.push_str(VALUES);
    text.push_str(EVERYWHERE);
    text.push_str(LOOKUP);
    let _ = write!(
        text,
        "A file has at most {} KiB. Several documents in one file are separated by `---`.\n\n",
        LARGEST / 1024
    );
    let roots: Vec<(String, &'static Object)> = Kind::ALL
        .into_iter()
        .map(|kind| (kind.as_str().to_owned(), kind.object()))
        .chain([("Server configuration".to_owned(), &CONFIG)])
        .collect();
    let parts = Parts::gather(&roots);
    for (title, object) in &roots {
        let _ = write!(text, "## {title}\n\n");
        if std::ptr::eq(*object, &raw const CONFIG) {
            let _ = write!(
                text,
                "The file of `firedrill serve --config`. It has no `kind`.\n\n```yaml\n{}```\n\n",
                config::EXAMPLE
            );
        }
        parts.write_root(&mut text, title, object);
    }
    parts.write_shared(&mut text);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn file<'a>(shipped: &[(&str, &'a str)], path: &str) -> &'a str {
    shipped
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, text)| *text)
        .expect("the example is a file of the shipped library")
}

/// Prose at the width of the other documents.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 120 {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::parts::anchor;
    use super::*;

    /// How often each heading's address stands in a page.
    fn headings(page: &str) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        let mut fenced = false;
        for line in page.lines() {
            fenced ^= line.starts_with("```");
            if !fenced && line.starts_with('#') {
                *all.entry(anchor(line.trim_start_matches('#').trim()))
                    .or_insert(0) += 1;
            }
        }
        all
    }

    #[test]
    fn every_link_of_the_page_leads_to_one_heading() {
        let page = reference(crate::shipped::FILES);
        let headings = headings(&page);
        let links: Vec<String> = page
            .split("](#")
            .skip(1)
            .map(|rest| format!("#{}", rest.split(')').next().unwrap_or_default()))
            .collect();
        assert!(links.len() > 40, "{}", links.len());
        for link in links {
            assert_eq!(headings.get(&link), Some(&1), "{link}");
        }
    }

    #[test]
    fn prose_is_wrapped_and_loses_no_word() {
        let text = "a ".repeat(200);
        assert!(wrapped(&text).lines().all(|line| line.len() <= 120));
        assert_eq!(wrapped(&text).split_whitespace().count(), 200);
    }
}
