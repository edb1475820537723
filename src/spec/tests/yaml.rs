use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::spec::findings::Findings;

fn one(text: &str) -> String {
    check(&[("f.yaml", text)])
}

#[test]
fn what_is_not_yaml_says_where() {
    assert_snapshot!(one("kind: Team\nname: [a\nmembers: b\n"), @r"
    error[syntax]: this is not YAML: illegal placement of ':' indicator
     --> f.yaml:3:8
      |
    3 | members: b
      |        ^
    ");
    assert_snapshot!(one("kind: Team\nname: *nobody\n{a: b}: c\nmembers: !!set {a: b}\n"), @r"
    error[syntax]: there is no anchor `&nobody`
     --> f.yaml:2:7
      |
    2 | name: *nobody
      |       ^^^^^^^

    error[bad-key]: a key must be a plain text
     --> f.yaml:3:1
      |
    3 | {a: b}: c
      | ^^^^^^ a map
      |
      = help: a value that begins with `{` or `[` must be quoted

    error[bad-tag]: the tag `!!set` has no meaning here
     --> f.yaml:4:16
      |
    4 | members: !!set {a: b}
      |                ^
      |
      = help: leave the tag out; quote a value to make it a text

    error[wrong-type]: expected a list, found a map
     --> f.yaml:4:16
      |
    4 | members: !!set {a: b}
      |                ^^^^^^
    ");
}

#[test]
fn a_file_says_what_it_is() {
    assert_snapshot!(one(""), @r"
    error[missing-kind]: this file doesn't say what it is
     --> f.yaml:1:1
      |
    1 |
      | ^
      |
      = help: begin it with `kind:` and one of `Stack`, `Experiment`, `Drill`, `GameDay`, `Runbook`, `Team`, `Channel` or `Messages`
    ");
    assert_snapshot!(one("name: x\n"), @r"
    error[missing-kind]: this file doesn't say what it is
     --> f.yaml:1:1
      |
    1 | name: x
      | ^^^^
      |
      = help: begin it with `kind:` and one of `Stack`, `Experiment`, `Drill`, `GameDay`, `Runbook`, `Team`, `Channel` or `Messages`
    ");
    assert_snapshot!(one("- 1\n"), @r"
    error[wrong-type]: expected a map of keys and values, found a list
     --> f.yaml:1:1
      |
    1 | - 1
      | ^^^
      |
      = help: begin it with `kind:` and one of `Stack`, `Experiment`, `Drill`, `GameDay`, `Runbook`, `Team`, `Channel` or `Messages`
    ");
    assert_snapshot!(one("kind: Stak\n---\nkind: 5\n"), @r"
    error[unknown-kind]: there is no kind `Stak`
     --> f.yaml:1:7
      |
    1 | kind: Stak
      |       ^^^^
      |
      = help: did you mean `Stack`? it is one of `Stack`, `Experiment`, `Drill`, `GameDay`, `Runbook`, `Team`, `Channel` and `Messages`

    error[unknown-kind]: there is no kind `5`
     --> f.yaml:3:7
      |
    3 | kind: 5
      |       ^
      |
      = help: it is one of `Stack`, `Experiment`, `Drill`, `GameDay`, `Runbook`, `Team`, `Channel` and `Messages`
    ");
}

#[test]
fn a_key_stands_once() {
    assert_snapshot!(one("kind: Team\nname: a\nmembers: [a, a]\nname: b\n"), @r"
    error[duplicate-id]: the member `a` stands here a second time
     --> f.yaml:3:14
      |
    3 | members: [a, a]
      |              ^

    error[duplicate-key]: the key `name` stands here a second time
     --> f.yaml:4:1
      |
    4 | name: b
      | ^^^^
    ");
}

#[test]
fn an_alias_inside_what_it_names_is_refused() {
    assert_snapshot!(one("kind: Team\nname: a\nmembers: &a [x, *a]\n"), @r"
    error[cyclic-alias]: this alias stands inside what it names, so it would never end
     --> f.yaml:3:17
      |
    3 | members: &a [x, *a]
      |                 ^^
    ");
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let mut text = String::from("kind: Team\nname: t\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &[
            "a",
            &level.to_string(),
            ": &a",
            &level.to_string(),
            " [",
            &alias,
            "]\n",
        ]
        .concat();
    }
    let found = one(&text);
    assert!(found.contains("error[too-much]"), "{found}");
    let nested = format!(
        "kind: Team\nmembers: {}{}\n",
        "[".repeat(80),
        "]".repeat(80)
    );
    assert!(one(&nested).contains("error[too-deep]"), "{}", one(&nested));
    let wide = format!("kind: Team\nmembers: [{}]\n", "a,".repeat(200_000));
    assert!(one(&wide).contains("error[too-much]"));
    // Anchors within anchors copy each other; the copies are bounded too.
    let anchors = (0..60)
        .map(|n| format!("&n{n} ["))
        .collect::<Vec<_>>()
        .concat();
    let deep = format!(
        "kind: Team\nmembers: {anchors}{}{}\n",
        "a,".repeat(50_000),
        "]".repeat(60)
    );
    assert!(one(&deep).contains("error[too-much]"));
    let text = format!(
        "kind: Team\nvars: {{x: {}}}\nmembers: [{}]\n",
        "y".repeat(100_000),
        "\"${x}${x}\",".repeat(5_000)
    );
    assert!(one(&text).contains("error[too-much]"));
}

#[test]
fn aliases_and_anchors_save_writing() {
    let text = "kind: Team\nname: &n team-a\nmembers: [*n, &m bo]\n---\nkind: Team\nname: team-b\nmembers: &l [x]\n";
    assert_eq!(one(text), "");
}

#[test]
fn variables_take_their_types_and_places() {
    let text = r#"
kind: Experiment
name: e
stack: wallet-staging
vars:
  length: {type: duration, default: 1m}
  streak: {type: integer, default: 2}
  share: {type: number}
  direction: both
  say: {default: "x"}
hypothesis: "It costs $${length}: ${say}${say}."
steady_state: [{probe: nonce-gap, fail_after: "${streak}"}]
method: [{latency: {link: api-signer, latency: 1s, for: "${length}", toxicity: "${share}", direction: "${direction}"}}]
"#;
    let files = [("stack.yaml", STACK), ("e.yaml", text)];
    let plan = plan(&files, &[("share", "0.5"), ("length", "30s")]).expect("a plan");
    assert_eq!(plan.experiment.hypothesis, "It costs ${length}: xx.");
    assert_eq!(plan.experiment.steady_state[0].fail_after, 2);
    assert_eq!(plan.injections.len(), 2);
    assert_eq!(plan.injections[0].lasts.deadline().to_string(), "30s");
    let wrong = super::plan(&files, &[("share", "half"), ("lenght", "30s")]);
    assert_snapshot!(wrong.expect_err("no plan"), @r"
    error[unknown-override]: there is no variable `lenght` to give a value to
    --> e.yaml
     = help: did you mean `length`? there is `direction`, `length`, `say`, `share` and `streak`

    error[bad-variable]: the value given for `share` is not a number
     --> e.yaml:8:3
      |
    8 |   share: {type: number}
      |   ^^^^^
      |
      = help: give --var share=… as a number
    ");
}

#[test]
fn variables_that_are_not_there_are_named() {
    assert_snapshot!(one(r#"
kind: Team
vars: {host: a, other: "${host}", list: [], n: {type: integer, default: x}, t: {typ: text}}
name: "team-${hots}"
members: ["${host", "${list}", "${n}"]
"#), @r#"
    error[unknown-variable]: a variable's value can't use another variable
     --> f.yaml:3:25
      |
    3 | vars: {host: a, other: "${host}", list: [], n: {type: integer, default: x}, t: {typ: text}}
      |                         ^^^^^^^
      |
      = help: only `${env:NAME}` may stand here

    error[wrong-type]: expected a variable, a map, or a text, a number, `true` or `false`, found a list
     --> f.yaml:3:41
      |
    3 | vars: {host: a, other: "${host}", list: [], n: {type: integer, default: x}, t: {typ: text}}
      |                                         ^^

    error[bad-variable]: the default of `n` is not a whole number
     --> f.yaml:3:73
      |
    3 | vars: {host: a, other: "${host}", list: [], n: {type: integer, default: x}, t: {typ: text}}
      |                                                                         ^

    error[bad-variable]: the variable `t` has no value
     --> f.yaml:3:77
      |
    3 | vars: {host: a, other: "${host}", list: [], n: {type: integer, default: x}, t: {typ: text}}
      |                                                                             ^
      |
      = help: give it a `default`, or run with --var t=…

    error[unknown-key]: a variable has no key `typ`
     --> f.yaml:3:81
      |
    3 | vars: {host: a, other: "${host}", list: [], n: {type: integer, default: x}, t: {typ: text}}
      |                                                                                 ^^^
      |
      = help: did you mean `type`? a variable has `type` and `default`

    error[unknown-variable]: there is no variable `hots`
     --> f.yaml:4:13
      |
    4 | name: "team-${hots}"
      |             ^^^^^^^
      |
      = help: did you mean `host`? there is `host`, `list`, `n`, `other` and `t`

    error[unknown-variable]: this `${` is never closed
     --> f.yaml:5:12
      |
    5 | members: ["${host", "${list}", "${n}"]
      |            ^^^^^^
      |
      = help: write `$${` for the text `${` itself
    "#);
}

#[test]
fn a_misplaced_secret_is_a_finding_and_never_shown() {
    let stack = r#"
kind: Stack
name: s
environment: "${env:TOKEN}"
probes:
  a: {http: {url: "http://127.0.0.1/", headers: {authorization: "Bearer ${env:TOKEN}"}}, every: "${env:TOKEN}"}
  b: {http: {url: "${env:TOKEN}"}, expect: {json: {"$.a": "${env:NOBODY}"}, within: "${env:TOKEN}s"}}
"#;
    let found = one(stack);
    assert!(!found.contains("hunter2"), "{found}");
    assert_snapshot!(found, @r#"
    error[misplaced-secret]: no secret can stand here: this is read before the run, or shown
     --> f.yaml:4:14
      |
    4 | environment: "${env:TOKEN}"
      |              ^^^^^^^^^^^^^^
      |
      = help: secrets are sent in a URL's path or query, a header, a body or an argument; elsewhere use a variable

    error[misplaced-secret]: no secret can stand here: this is read before the run, or shown
     --> f.yaml:6:97
      |
    6 |   a: {http: {url: "http://127.0.0.1/", headers: {authorization: "Bearer ${env:TOKEN}"}}, every: "${env:TOKEN}"}
      |                                                                                                 ^^^^^^^^^^^^^^
      |
      = help: secrets are sent in a URL's path or query, a header, a body or an argument; elsewhere use a variable

    error[bad-url]: `${env:TOKEN}` is not a usable URL
     --> f.yaml:7:19
      |
    7 |   b: {http: {url: "${env:TOKEN}"}, expect: {json: {"$.a": "${env:NOBODY}"}, within: "${env:TOKEN}s"}}
      |                   ^^^^^^^^^^^^^^
      |
      = help: its scheme, host and port can't be a secret: write them here, or use a variable, `${name}`, with `--var name=…`

    error[missing-secret]: the environment variable `NOBODY` is not set
     --> f.yaml:7:60
      |
    7 |   b: {http: {url: "${env:TOKEN}"}, expect: {json: {"$.a": "${env:NOBODY}"}, within: "${env:TOKEN}s"}}
      |                                                            ^^^^^^^^^^^^^
      |
      = help: set it where firedrill runs: export NOBODY=…

    error[misplaced-secret]: no secret can stand here: this is read before the run, or shown
     --> f.yaml:7:85
      |
    7 |   b: {http: {url: "${env:TOKEN}"}, expect: {json: {"$.a": "${env:NOBODY}"}, within: "${env:TOKEN}s"}}
      |                                                                                     ^^^^^^^^^^^^^^^
      |
      = help: secrets are sent in a URL's path or query, a header, a body or an argument; elsewhere use a variable
    "#);
}

#[test]
fn a_secret_has_no_place_in_what_a_run_reads_or_shows() {
    let found = experiment(
        "method:\n  - down: {link: \"${env:TOKEN}\", for: 1m, after: \"${env:TOKEN}\"}\nstop_when: [{probe: \"${env:TOKEN}\", fails_for: 1s}]\n",
    );
    assert!(!found.contains("hunter2"), "{found}");
    assert_eq!(found.matches("[misplaced-secret]").count(), 3, "{found}");
}

#[test]
fn secrets_stay_references_where_they_are_sent() {
    let stack = r#"
kind: Stack
name: s
environment: staging
vars: {key: "k-${env:TOKEN}", dollar: "$", fake: "", path: {default: "${env:TOKEN}"}}
probes:
  a:
    http:
      url: "http://127.0.0.1/${path}?a=${key}"
      headers: {authorization: "Bearer ${env:TOKEN}", plain: "$${env:TOKEN}", given: "${fake}"}
      body: "${dollar}{env:TOKEN} ${dollar}${env:TOKEN}"
  b: {process: {command: ["./check", "--token=${env:TOKEN}", "$${env:TOKEN}"]}}
  c: {prometheus: {url: "http://127.0.0.1/${env:TOKEN}", query: "up"}, expect: {below: 1}}
"#;
    let files = [
        ("s.yaml", stack),
        (
            "e.yaml",
            "kind: Experiment\nname: e\nstack: s\nhypothesis: h\nsteady_state: [{probe: a}]\nmethod: [{hook: {id: h, do: {run: [\"true\"]}, undo: {run: [\"true\"]}, for: 1s}}]\n",
        ),
    ];
    let mut library = library(&files, &[("fake", "${env:TOKEN}")]);
    let plan = library.plan(&PathBuf::from("e.yaml"));
    let plan = plan.map_err(|found| found.render(false)).expect("a plan");
    let text = serde_json::to_string(&plan).expect("plans are JSON");
    assert!(!text.contains("hunter2"), "{text}");
    let asks: Vec<_> = plan.stack.probes.values().map(|probe| &probe.ask).collect();
    insta::assert_json_snapshot!(asks, @r#"
    [
      {
        "http": {
          "method": "GET",
          "url": "http://127.0.0.1/${env:TOKEN}?a=k-${env:TOKEN}",
          "headers": {
            "authorization": "Bearer ${env:TOKEN}",
            "given": "${env:}TOKEN}",
            "plain": "${env:}TOKEN}"
          },
          "body": "${env:}TOKEN} $${env:TOKEN}"
        }
      },
      {
        "process": {
          "command": [
            "./check",
            "--token=${env:TOKEN}",
            "${env:}TOKEN}"
          ],
          "folder": "."
        }
      },
      {
        "prometheus": {
          "url": "http://127.0.0.1/${env:TOKEN}",
          "query": "up"
        }
      }
    ]
    "#);
}

#[test]
fn findings_are_json_too() {
    let source = Source::new("f.yaml", "kind: Team\nname: tüm\nmembers: [a]\n");
    let mut library = Library::of([source], Options::default());
    let findings = library.validate(&[PathBuf::from("f.yaml")]).findings;
    insta::assert_json_snapshot!(findings.to_json(), @r#"
    [
      {
        "file": "f.yaml",
        "line": 2,
        "column": 7,
        "end": {
          "line": 2,
          "column": 10
        },
        "severity": "error",
        "code": "bad-name",
        "message": "`tüm` is not a name",
        "label": "",
        "hint": "use 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit"
      }
    ]
    "#);
    let coloured = findings.render(true);
    assert!(coloured.contains('\u{1b}'));
}

#[test]
fn many_findings_are_counted_not_shown() {
    let text = format!(
        "kind: Team\nname: t\nmembers: [{}]\n",
        "\" \",".repeat(5_000)
    );
    let found = one(&text);
    assert!(found.lines().count() < 4_000, "{}", found.lines().count());
    assert!(found.contains("more findings"));
    assert_eq!(Findings::default().render(false), "");
}

#[test]
fn line_ends_and_marks_of_other_systems_do_not_move_positions() {
    let text = "\u{feff}kind: Team\r\nname: t\r\nmembers: [ä, b]\r\n";
    assert_snapshot!(one(text), @r"
    error[bad-name]: `ä` is not a name
     --> f.yaml:3:11
      |
    3 | members: [ä, b]
      |           ^
      |
      = help: use 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit
    ");
    let runbook = "\u{feff}---\r\nkind: Runbook\r\nname: ü\r\nexpect: [{id: a, manual: x}]\r\n---\r\n# Body\r\n";
    assert_snapshot!(check(&[("r.md", runbook)]), @r"
    error[bad-name]: `ü` is not a name
     --> r.md:3:7
      |
    3 | name: ü
      |       ^
      |
      = help: use 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit
    ");
}

fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "kind: Stack\n",
        "kind: Experiment\n",
        "kind: Drill\n",
        "kind: Runbook\n",
        "---\n",
        "name: a\n",
        "method:\n",
        "  - latency: ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "link: a -> b",
        "for: 1m",
        "&a ",
        "*a",
        "!!str ",
        "${x}",
        "${env:",
        "\"",
        "'",
        "\n",
        "  ",
        "ü",
        "\u{feff}",
        "\r\n",
        "|\n",
        "- ",
        "probes:\n",
        "  p: {http: \"http://127.0.0.1/\"}\n",
        "0x1",
        "1e999",
        ".nan",
        "vars: {x: 1}\n",
        "expect:\n",
        "{event: update}",
        "#",
        "\t",
        "? ",
        "\u{0}",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..60)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,400}", yaml in pieces()) {
        for text in [text, yaml] {
            for path in ["f.yaml", "f.md"] {
                let mut library = Library::of([Source::new(path, text.clone())], options(&[("x", "1")]));
                let findings = library.validate(&[PathBuf::from(path)]).findings;
                let _ = (findings.render(false), findings.to_json());
                let _ = library.plan(Path::new(path));
            }
        }
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(at in 0usize..2_000, length in 0usize..40, put in "\\PC{0,6}") {
        let runbook = super::drill::RUNBOOK;
        for (path, text) in [("s.yaml", STACK), ("e.yaml", super::drill::EXPERIMENT), ("d.yaml", super::drill::DRILL), ("r.md", runbook)] {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            if !text.is_char_boundary(at) || !text.is_char_boundary(end) {
                continue;
            }
            let changed = format!("{}{put}{}", &text[..at], &text[end..]);
            let _ = check(&[("stack.yaml", STACK), ("t.yaml", super::drill::TEAM), (path, &changed)]);
        }
    }
}

#[test]
fn a_file_of_many_mistakes_or_documents_is_not_looked_at_to_its_end() {
    for text in ["---\n".repeat(50_000), "a: |\n x\n".repeat(50_000)] {
        let mut library = library(&[("f.yaml", &text)], &[]);
        let count = library
            .validate(&[PathBuf::from("f.yaml")])
            .findings
            .iter()
            .count();
        assert!((100..600).contains(&count), "{count}");
    }
    let deep = format!("kind: Team\nmembers: {}", "[".repeat(300_000));
    assert!(one(&deep).contains("error[too-deep]"), "{}", one(&deep));
}

#[test]
fn of_a_very_long_line_only_a_part_is_shown() {
    let text = format!(
        "{{kind: Team, name: t, members: [{}\"ü ü\", b]}}",
        "\"öööö\",".repeat(90)
    );
    let found = one(&text);
    let last = found.trim_end().split("\n\n").last().expect("a finding");
    assert_snapshot!(last, @r#"
    error[bad-name]: `ü ü` is not a name
     --> f.yaml:1:663
      |
     :::
    1 | ,"öööö","öööö","öööö","öööö","öööö","öööö","öööö","öööö","öööö","ü ü", b]}
      |                                                                 ^^^^^
      |
      = help: use 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit
    "#);
}
