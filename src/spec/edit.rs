//! Files as somebody edits them: what would be wrong, there and elsewhere, and which commands an edit would bring in.
//!
//! Commands are code (invariant 11): a server runs those of its files and never one that came with a page. So an edit is
//! held against the file as it is: each command must have been there, at the same place.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Severity, Source};
use super::document;
use super::findings::Findings;
use super::library::{Library, Options};
use super::tree::Node;

/// What an edit would do.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// What is wrong in the file itself.
    pub own: Findings,
    /// Errors that other files do not have now, and would have.
    pub others: Findings,
    /// Commands that the file does not have now, each with its place.
    pub commands: Vec<String>,
}

/// Looks at `text` in place of the file `path`, among all files of `paths`. `now` is the file's text as it is; nothing
/// where it is a new one.
pub fn consider(
    paths: &[PathBuf],
    path: &Path,
    text: &str,
    now: Option<&str>,
    options: &Options,
) -> Edit {
    let before = Library::new(options.clone()).validate(paths);
    let shown = path.to_string_lossy();
    let is_own = |one: &&Diagnostic| one.file.path == shown;
    let is_known = before.files.iter().any(|file| file == path);
    if now == Some(text) && is_known {
        // As it is, it changes nothing.
        return Edit {
            own: Findings::new(before.findings.iter().filter(is_own).cloned()),
            ..Edit::default()
        };
    }
    let mut library = Library::new(options.clone());
    library.overlay(path, text);
    let mut all = paths.to_vec();
    all.push(path.to_owned());
    let after = library.validate(&all);
    let known: BTreeSet<_> = before
        .findings
        .iter()
        .map(|one| (one.file.path.as_str(), one.code, one.message.as_str()))
        .collect();
    let is_new = |one: &&Diagnostic| {
        one.severity == Severity::Error
            && !known.contains(&(one.file.path.as_str(), one.code, one.message.as_str()))
    };
    Edit {
        own: Findings::new(after.findings.iter().filter(is_own).cloned()),
        others: Findings::new(
            after
                .findings
                .iter()
                .filter(|one| !is_own(one) && is_new(one))
                .cloned(),
        ),
        commands: added(path, text, now, options),
    }
}

fn added(path: &Path, text: &str, now: Option<&str>, options: &Options) -> Vec<String> {
    let mut had = now
        .map(|now| commands(path, now, options))
        .unwrap_or_default();
    let mut added = Vec::new();
    for command in commands(path, text, options) {
        match had.iter().position(|known| *known == command) {
            Some(index) => {
                had.swap_remove(index);
            }
            None => added.push(command),
        }
    }
    added
}

/// Every command of a file, with the keys that lead to it. Variables are filled in: a changed value changes a command.
fn commands(path: &Path, text: &str, options: &Options) -> Vec<String> {
    let source = Source::new(path.to_string_lossy(), text);
    let (documents, _) = document::parse(&source, &options.vars, &options.env);
    let mut found = Vec::new();
    for document in &documents {
        gather(&document.root, document.kind.as_str(), &mut found);
    }
    found
}

fn gather(node: &Node, place: &str, found: &mut Vec<String>) {
    for entry in node.entries() {
        let place = format!("{place}.{}", entry.key);
        match &*entry.key {
            "run" | "command" => found.push(format!("{place}: {}", entry.value.to_json())),
            // In which service's container it runs is a part of it.
            "exec" => {
                let service = entry.value.get("service").and_then(Node::text);
                gather(
                    &entry.value,
                    &format!("{place}({})", service.unwrap_or_default()),
                    found,
                );
            }
            _ => gather(&entry.value, &place, found),
        }
    }
    for item in node.items() {
        gather(item, place, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands_of(text: &str) -> Vec<String> {
        commands(Path::new("a.yaml"), text, &Options::default())
    }

    fn brought_in(now: Option<&str>, text: &str) -> Vec<String> {
        added(Path::new("a.yaml"), text, now, &Options::default())
    }

    const STACK: &str = "kind: Stack
name: tiny
vars: {age: {type: text, default: 1h}}
probes:
  fresh: {process: {command: [./check, --age, \"${age}\"]}, every: 1s}
";

    #[test]
    fn what_is_there_may_stay_and_move_among_other_lines() {
        assert_eq!(commands_of(STACK).len(), 1, "{:?}", commands_of(STACK));
        let edited = STACK.replace("every: 1s", "every: 5s") + "environment: staging\n";
        assert_eq!(brought_in(Some(STACK), &edited), [""; 0]);
    }

    #[test]
    fn a_new_or_changed_command_is_told_with_its_place() {
        for edited in [
            STACK.replace("./check", "./other"),
            STACK.replace("default: 1h", "default: \"$(reboot)\""),
            STACK.replace("fresh:", "other:"),
            format!("{STACK}  again: {{process: {{command: [./check, --age, 1h]}}}}\n"),
        ] {
            let found = brought_in(Some(STACK), &edited);
            assert_eq!(found.len(), 1, "{edited}: {found:?}");
            assert!(found[0].starts_with("Stack.probes."), "{found:?}");
        }
        assert_eq!(brought_in(None, STACK).len(), 1, "a new file brings all in");
    }

    #[test]
    fn a_command_does_not_move_to_another_role_or_container() {
        let hook = "kind: Experiment
name: x
method:
  - hook: {do: {run: [./break]}, undo: {run: [./mend]}}
  - exec: {service: api, do: {command: [kill, '1']}, undo: {command: [start]}}
";
        assert_eq!(commands_of(hook).len(), 4, "{:?}", commands_of(hook));
        let swapped = hook.replace("undo: {run: [./mend]}", "undo: {run: [./break]}");
        assert_eq!(brought_in(Some(hook), &swapped).len(), 1);
        let moved = hook.replace("service: api", "service: signer");
        assert_eq!(brought_in(Some(hook), &moved).len(), 2);
    }
}
