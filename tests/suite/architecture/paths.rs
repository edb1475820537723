//! The paths that a source file names: `use` trees spread out, other paths as they stand, `super` and `self` resolved.
//! Comments, strings and the tests at a file's end are left out.

use std::path::Path;

/// One file of the crate.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it is in `src`.
    pub(super) file: String,
    /// The module it is; nothing for the crate's root.
    pub(super) module: Vec<String>,
    /// Modules it declares for tests only.
    pub(super) test_modules: Vec<Vec<String>>,
    /// Every path it names that has at least two steps.
    pub(super) paths: Vec<Vec<String>>,
}

impl Source {
    pub(super) fn read(file: &Path, text: &str) -> Self {
        let mut module: Vec<String> = file
            .with_extension("")
            .iter()
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        if matches!(
            module.last().map(String::as_str),
            Some("lib" | "main" | "mod")
        ) {
            module.pop();
        }
        let tokens = tokens(text);
        let mut source = Self {
            file: file.display().to_string(),
            module,
            test_modules: Vec::new(),
            paths: Vec::new(),
        };
        source.walk(&tokens);
        source
    }

    fn walk(&mut self, mut tokens: &[String]) {
        while let Some(first) = tokens.first() {
            let starts = |pattern: &[&str]| {
                tokens.len() > pattern.len() + 1 && tokens.iter().zip(pattern).all(|(a, b)| a == b)
            };
            // Whatever its visibility: `mod`, `pub mod`, `pub(crate) mod`.
            let at = starts(&MARK).then(|| tokens.iter().take(12).position(|token| token == "mod"));
            let at = at.flatten().filter(|at| {
                tokens[MARK.len()..*at]
                    .iter()
                    .all(|token| VISIBILITY.contains(&token.as_str()))
            });
            if let Some(at) = at {
                if tokens[at + 2] == "{" {
                    // By convention the tests end their file.
                    return;
                }
                let mut name = self.module.clone();
                name.push(tokens[at + 1].clone());
                self.test_modules.push(name);
                tokens = &tokens[at + 2..];
            } else if first == "use" {
                let end = tokens
                    .iter()
                    .position(|token| token == ";")
                    .unwrap_or(tokens.len());
                self.spread(&[], &tokens[1..end]);
                tokens = &tokens[end..];
            } else if is_name(first) {
                let end = chain(tokens);
                self.keep(
                    tokens[..end]
                        .iter()
                        .filter(|token| *token != "::")
                        .cloned()
                        .collect(),
                );
                tokens = &tokens[end..];
            } else {
                tokens = &tokens[1..];
            }
        }
    }

    /// One `use` tree, below `before`.
    fn spread(&mut self, before: &[String], tree: &[String]) {
        let end = chain(tree);
        let mut path = before.to_vec();
        path.extend(tree[..end].iter().filter(|token| *token != "::").cloned());
        let rest = &tree[end..];
        if rest.first().is_none_or(|token| token != "{") {
            if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
                path.pop();
            }
            self.keep(path);
            return;
        }
        let (mut depth, mut start) = (0, 1);
        for (index, token) in rest.iter().enumerate() {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if (token == "," && depth == 1) || (token == "}" && depth == 0) {
                if start < index {
                    self.spread(&path, &rest[start..index]);
                }
                start = index + 1;
            }
        }
    }

    fn keep(&mut self, path: Vec<String>) {
        if path.len() < 2 {
            return;
        }
        let mut steps = path.as_slice();
        let mut place = self.module.clone();
        let mut relative = false;
        while let Some((step, rest)) = steps.split_first() {
            match step.as_str() {
                "self" => {}
                "super" => drop(place.pop()),
                _ => break,
            }
            relative = true;
            steps = rest;
        }
        self.paths.push(if relative {
            [&["crate".to_owned()], place.as_slice(), steps].concat()
        } else {
            path
        });
    }
}

/// What marks a module as one of tests.
const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// What may stand between an attribute and `mod`.
const VISIBILITY: [&str; 6] = ["pub", "(", ")", "crate", "super", "in"];

/// How many tokens of a path there are at the start: names with `::` between, and one after them before a brace.
fn chain(tokens: &[String]) -> usize {
    let mut end = 0;
    while tokens.get(end).is_some_and(|token| is_name(token)) {
        end += 1;
        if tokens.get(end).is_none_or(|token| token != "::") {
            break;
        }
        end += 1;
    }
    end
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names, `::`, and every other character by itself; without comments, strings, characters and numbers.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = string(rest) {
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else if is_name(rest) {
            let length = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else {
            if !first.is_whitespace() && !first.is_numeric() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of a string or character literal that `text` begins with.
fn string(text: &str) -> Option<usize> {
    let after_prefix = text.strip_prefix('b').unwrap_or(text);
    let prefix = text.len() - after_prefix.len();
    if let Some(raw) = after_prefix.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = prefix + 1 + hashes + 1;
            return Some(
                text[body..]
                    .find(&end)
                    .map_or(text.len(), |at| body + at + end.len()),
            );
        }
    }
    let quote = after_prefix
        .chars()
        .next()
        .filter(|c| *c == '"' || *c == '\'')?;
    if quote == '\'' {
        // A lifetime has no closing quote right after its first character.
        let mut inside = after_prefix[1..].chars();
        if inside.next() != Some('\\') && inside.next() != Some('\'') {
            return None;
        }
    }
    let mut escaped = false;
    for (at, character) in after_prefix.char_indices().skip(1) {
        match character {
            '\\' if !escaped => escaped = true,
            _ if character == quote && !escaped => return Some(prefix + at + 1),
            _ => escaped = false,
        }
    }
    Some(text.len())
}

#[test]
fn paths_are_read_wherever_they_stand() {
    let text = r##"
        //! crate::comment::one
        use std::{fs, io::{self, Read as _}};
        use super::super::probes::Ask;
        use self::inner::Thing;
        fn f<'a>() { let a = "crate::string::one"; let b = '"'; tokio::spawn(r#"x::y"#); crate::a::b!(); }
        #[cfg(test)]
        pub(crate) mod fixture;
        #[cfg(test)]
        mod tests { use crate::test::only; }
    "##;
    let source = Source::read(Path::new("faults/docker.rs"), text);
    let paths: Vec<String> = source.paths.iter().map(|path| path.join("::")).collect();
    let expected = [
        "std::fs",
        "std::io",
        "std::io::Read",
        "crate::probes::Ask",
        "crate::faults::docker::inner::Thing",
        "tokio::spawn",
        "crate::a::b",
    ];
    assert_eq!(paths, expected);
    assert_eq!(
        source.test_modules,
        [["faults", "docker", "fixture"].map(str::to_owned)]
    );
}
