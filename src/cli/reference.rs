//! The reference of the command line, as Markdown, made from what `--help` says: `docs/commands.md`.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::Cli;

const HEAD: &str = "\
<!-- Made from the help of the commands by `cli::reference`. Rewrite it as CONTRIBUTING.md says. -->

# Commands

What each command's `--help` says. Standard output carries only results: reports, explanations, schemas, findings as
JSON. Everything else goes to standard error.

";

/// The columns of a help text.
const WIDTH: usize = 100;

/// The reference of every command, as Markdown.
pub fn reference() -> String {
    let mut root = Cli::command().term_width(WIDTH);
    root.build();
    let mut text = HEAD.to_owned();
    for command in root.get_subcommands().filter(|command| is_shown(command)) {
        let name = command.get_name();
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        let _ = writeln!(text, "- [firedrill {name}](#firedrill-{name}): {about}");
    }
    text.push('\n');
    write(&mut text, &mut root, "firedrill");
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A command, then those below it.
fn write(text: &mut String, command: &mut clap::Command, path: &str) {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.trim().lines().map(str::trim_end).collect();
    let _ = write!(text, "## {path}\n\n```text\n{}\n```\n\n", help.join("\n"));
    for below in command.get_subcommands_mut() {
        if is_shown(below) {
            let path = format!("{path} {}", below.get_name());
            write(text, below, &path);
        }
    }
}

fn is_shown(command: &clap::Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_option_is_in_the_reference() {
        fn each(command: &clap::Command, path: &str, page: &str) {
            assert!(page.contains(&format!("\n## {path}\n")), "{path}");
            // What is written by hand is broken by hand, for the usual width: clap would break it a second time.
            let after = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                after.lines().all(|line| line.chars().count() <= 80),
                "{path}"
            );
            for option in command.get_opts().filter(|option| !option.is_hide_set()) {
                let long = option.get_long().expect("options have long names");
                assert!(page.contains(&format!("--{long}")), "{path} --{long}");
            }
            for below in command.get_subcommands().filter(|below| is_shown(below)) {
                each(below, &format!("{path} {}", below.get_name()), page);
            }
        }
        let page = reference();
        each(&Cli::command(), "firedrill", &page);
        assert!(!page.contains("--script"), "what is hidden stays hidden");
        let longest = page.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(120), "{longest:?}");
    }
}
