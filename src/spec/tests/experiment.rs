use insta::assert_snapshot;

use super::*;
use crate::model::fault::Act;

#[test]
fn the_experiment_of_the_design_becomes_injections() {
    let text = head(
        r#"
during: [{probe: nonce-gap}]
method:
  - latency:   {id: slow-signer, link: wallet-api -> signer, latency: 2s, jitter: 200ms, at: 0s, for: 3m, direction: both}
  - partition: {from: [wallet-api], to: [node-a], mode: drop, at: 30s, for: 60s}
  - pause:     {service: signer, after: slow-signer, wait: 30s, for: 45s}
  - hook:      {id: bad-token, do: {run: ["./rollout", "v42"]}, verify: {http: {url: "http://127.0.0.1/version"}, expect: {json: {"$.v": 42}}},
                undo: {run: ["./rollout", "v41"]}, at: 5m, for: 1m}
  - restart:   {service: signer, at: 6m}
stop_when: [{probe: nonce-gap, fails_for: 30s}]
limits: {services: 3, duration: 10m}
"#,
    );
    let plan = plan(
        &[("stack.yaml", STACK), ("folder/experiment.yaml", &text)],
        &[],
    )
    .expect("a plan");
    let lines: Vec<String> = plan
        .injections
        .iter()
        .map(|one| {
            let act = match &one.act {
                Act::AddToxic {
                    link,
                    stream,
                    toxicity,
                    toxic,
                    ..
                } => {
                    format!("{:?} on {} {stream:?} {toxicity}", toxic, link.proxy)
                }
                Act::DisableProxy { link } => format!("disable {}", link.proxy),
                Act::Container {
                    selector, action, ..
                } => format!("{action:?} {selector:?}"),
                Act::Cut { selector, cut, .. } => format!("{cut:?} {selector:?}"),
                Act::Hook(hook) => format!("{:?}", hook.undo),
            };
            format!("{}: {act} for {:?}", one.id, one.lasts)
        })
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
    slow-signer: Latency { latency: Millis(2000), jitter: Millis(200) } on api-signer Downstream 1 for For(Millis(180000))
    slow-signer#2: Latency { latency: Millis(2000), jitter: Millis(200) } on api-signer Upstream 1 for For(Millis(180000))
    partition: Timeout { timeout: Millis(0) } on api-node-a Downstream 1 for For(Millis(60000))
    partition#2: Timeout { timeout: Millis(0) } on api-node-a Upstream 1 for For(Millis(60000))
    pause: Pause Name("wallet-signer") for For(Millis(45000))
    bad-token: Some(Run(Program { command: ["./rollout", "v41"], folder: Some("folder") })) for For(Millis(60000))
    restart: Restart Name("wallet-signer") for For(Millis(0))
    "#);
    assert_eq!(plan.files.len(), 2);
}

#[test]
fn several_mistakes_of_one_file_are_all_found() {
    assert_snapshot!(experiment(r"
metod: []
method:
  - latency: {link: wallet-api -> singer, latency: 2, for: 3m, toxicity: 0}
  - latncy: {link: api-signer, latency: 2s, for: 3m}
  - bandwidth: {link: api-singer, rate: 0, at: 3x, for: 1m}
  - slicer: {link: api-signer, average_size: 10, size_variation: 10, delay: 50us, for: 1m}
  - partition: {from: [signer], to: [wallet-api], for: 1m}
  - kill: {service: node-a, for: 0s}
  - kill: {service: nodea}
during: [{probe: nonce-gp}]
stop_when: [{probe: nonce-gap, fails_for: 30}]
limits: {services: none}
recovery: {stable_for: 2m}
"), @r"
    error[unknown-key]: an experiment has no key `metod`
     --> experiment.yaml:7:1
      |
    7 | metod: []
      | ^^^^^
      |
      = help: did you mean `method`? an experiment has `kind`, `vars`, `name`, `stack`, `hypothesis`, `steady_state`, `during`, `method`, `stop_when`, `limits` and `recovery`

    error[unknown-link]: there is no link `wallet-api -> singer`
     --> experiment.yaml:9:21
      |
    9 |   - latency: {link: wallet-api -> singer, latency: 2, for: 3m, toxicity: 0}
      |                     ^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `wallet-api -> signer`? there is `wallet-api -> signer` (api-signer), `wallet-api -> node-a` (api-node-a)

    error[wrong-type]: expected a duration such as `30s`, found a number
     --> experiment.yaml:9:52
      |
    9 |   - latency: {link: wallet-api -> singer, latency: 2, for: 3m, toxicity: 0}
      |                                                    ^
      |
      = help: give it a unit: `2s` or `2ms`

    error[out-of-range]: 0 is out of range: it must be above 0 and at most 1
     --> experiment.yaml:9:74
      |
    9 |   - latency: {link: wallet-api -> singer, latency: 2, for: 3m, toxicity: 0}
      |                                                                          ^

    error[unknown-key]: `latncy` is not a step
      --> experiment.yaml:10:5
       |
    10 |   - latncy: {link: api-signer, latency: 2s, for: 3m}
       |     ^^^^^^
       |
       = help: did you mean `latency`? a step is one of `latency`, `bandwidth`, `slow_close`, `timeout`, `reset_peer`, `slicer`, `limit_data`, `packet_loss`, `down`, `partition`, `kill`, `stop`, `pause`, `restart`, `crash`, `squeeze`, `exec`, `disconnect`, `confirm` or `hook`

    error[unknown-link]: there is no link `api-singer`
      --> experiment.yaml:11:23
       |
    11 |   - bandwidth: {link: api-singer, rate: 0, at: 3x, for: 1m}
       |                       ^^^^^^^^^^
       |
       = help: did you mean `api-signer`? there is `wallet-api -> signer` (api-signer), `wallet-api -> node-a` (api-node-a)

    error[out-of-range]: 0 is out of range: it must be from 1 to 1000000000
      --> experiment.yaml:11:41
       |
    11 |   - bandwidth: {link: api-singer, rate: 0, at: 3x, for: 1m}
       |                                         ^

    error[bad-duration]: `3x` is not a duration
      --> experiment.yaml:11:48
       |
    11 |   - bandwidth: {link: api-singer, rate: 0, at: 3x, for: 1m}
       |                                                ^^
       |
       = help: write it like `500ms`, `30s`, `2m`, `1h` or `1m30s`

    error[out-of-range]: 10 is out of range: it must be below `average_size`, which is 10
      --> experiment.yaml:12:66
       |
    12 |   - slicer: {link: api-signer, average_size: 10, size_variation: 10, delay: 50us, for: 1m}
       |                                                                  ^^

    error[empty-partition]: this partition cuts no link
      --> experiment.yaml:13:17
       |
    13 |   - partition: {from: [signer], to: [wallet-api], for: 1m}
       |                 ^^^^
       |
       = help: the stack `wallet-staging` has the links `wallet-api -> signer` and `wallet-api -> node-a`; `via: docker` parts their containers

    error[no-container]: the service `node-a` has no container
      --> experiment.yaml:14:21
       |
    14 |   - kill: {service: node-a, for: 0s}
       |                     ^^^^^^
       |
       = help: say in the stack how it is found: node-a: {container: {name: …}} or {label: key=value}

    error[out-of-range]: a step that lasts no time disturbs nothing
      --> experiment.yaml:14:34
       |
    14 |   - kill: {service: node-a, for: 0s}
       |                                  ^^
       |
       = help: give it at least `1ms`

    error[missing-key]: a container step needs one of `for` or `until`
      --> experiment.yaml:15:5
       |
    15 |   - kill: {service: nodea}
       |     ^^^^

    error[unknown-service]: there is no service `nodea`
      --> experiment.yaml:15:21
       |
    15 |   - kill: {service: nodea}
       |                     ^^^^^
       |
       = help: did you mean `node-a`? there is `node-a`, `signer` and `wallet-api`

    error[unknown-probe]: there is no probe `nonce-gp`
      --> experiment.yaml:16:18
       |
    16 | during: [{probe: nonce-gp}]
       |                  ^^^^^^^^
       |
       = help: did you mean `nonce-gap`? there is `backup-fresh`, `error-rate`, `node-lag`, `nonce-gap`, `send-transaction` and `signer-port`

    error[wrong-type]: expected a duration such as `30s`, found a number
      --> experiment.yaml:17:43
       |
    17 | stop_when: [{probe: nonce-gap, fails_for: 30}]
       |                                           ^^
       |
       = help: give it a unit: `30s` or `30ms`

    error[wrong-type]: expected a whole number, found a text
      --> experiment.yaml:18:20
       |
    18 | limits: {services: none}
       |                    ^^^^

    error[out-of-range]: a stack can't hold for 2m `within` 1m
      --> experiment.yaml:19:24
       |
    19 | recovery: {stable_for: 2m}
       |                        ^^
       |
       = help: `stable_for` is at most `within`
    ");
}

#[test]
fn a_step_has_one_key_and_its_times_fit_together() {
    assert_snapshot!(experiment(r#"
method:
  - latency: {link: api-signer, latency: 2s}
    for: 1m
  - down: {link: api-signer, at: 1s, after: latency, for: 1m}
  - down: {id: twice, link: api-signer, wait: 1s, for: 1m, until: remedied}
  - down: {id: twice, link: api-signer, until: remedied}
  - down: {id: "a#2", link: api-signer, at: 2h, for: 1m}
  - {}
"#), @r#"
    error[missing-key]: a latency step needs one of `for` or `until`
     --> experiment.yaml:8:5
      |
    8 |   - latency: {link: api-signer, latency: 2s}
      |     ^^^^^^^

    error[unknown-key]: `for` is not a step
     --> experiment.yaml:9:5
      |
    9 |     for: 1m
      |     ^^^
      |
      = help: to make it a key of `latency`, write it further in

    error[conflicting-keys]: `after` and `at` exclude each other
      --> experiment.yaml:10:38
       |
    10 |   - down: {link: api-signer, at: 1s, after: latency, for: 1m}
       |                                      ^^^^^
       |
       = help: keep one of `at` or `after`

    error[unknown-step]: there is no step `latency`
      --> experiment.yaml:10:45
       |
    10 |   - down: {link: api-signer, at: 1s, after: latency, for: 1m}
       |                                             ^^^^^^^
       |
       = help: there is `down`, `twice` and `a#2`

    error[missing-key]: `wait` needs `after` beside it
      --> experiment.yaml:11:41
       |
    11 |   - down: {id: twice, link: api-signer, wait: 1s, for: 1m, until: remedied}
       |                                         ^^^^

    error[conflicting-keys]: `until` and `for` exclude each other
      --> experiment.yaml:11:60
       |
    11 |   - down: {id: twice, link: api-signer, wait: 1s, for: 1m, until: remedied}
       |                                                            ^^^^^
       |
       = help: keep one of `for` or `until`

    error[missing-key]: `until` needs `at_most` beside it
      --> experiment.yaml:11:60
       |
    11 |   - down: {id: twice, link: api-signer, wait: 1s, for: 1m, until: remedied}
       |                                                            ^^^^^

    error[duplicate-id]: the step `twice` stands here a second time
      --> experiment.yaml:12:16
       |
    12 |   - down: {id: twice, link: api-signer, until: remedied}
       |                ^^^^^

    error[missing-key]: `until` needs `at_most` beside it
      --> experiment.yaml:12:41
       |
    12 |   - down: {id: twice, link: api-signer, until: remedied}
       |                                         ^^^^^

    error[bad-name]: a step's id has no `#` or `:`, and `a#2` has
      --> experiment.yaml:13:16
       |
    13 |   - down: {id: "a#2", link: api-signer, at: 2h, for: 1m}
       |                ^^^^^
       |
       = help: they set the ids of its targets and of remedies apart

    error[missing-key]: a step needs one of `latency`, `bandwidth`, `slow_close`, `timeout`, `reset_peer`, `slicer`, `limit_data`, `packet_loss`, `down`, `partition`, `kill`, `stop`, `pause`, `restart`, `crash`, `squeeze`, `exec`, `disconnect`, `confirm` or `hook`
      --> experiment.yaml:14:5
       |
    14 |   - {}
       |     ^^
    "#);
}

#[test]
fn steps_that_wait_for_each_other_are_shown_as_a_cycle() {
    assert_snapshot!(experiment(r"
method:
  - down: {id: a, link: api-signer, after: b, for: 1m}
  - down: {id: b, link: api-signer, after: a, for: 1m}
  - down: {id: c, link: api-signer, after: d, for: 1m}
"), @r"
    error[cycle]: the step `a` waits for itself
     --> experiment.yaml:8:44
      |
    8 |   - down: {id: a, link: api-signer, after: b, for: 1m}
      |                                            ^
      |
      = help: a waits for b waits for a: let one of them begin `at` a time

    error[cycle]: the step `b` waits for itself
     --> experiment.yaml:9:44
      |
    9 |   - down: {id: b, link: api-signer, after: a, for: 1m}
      |                                            ^
      |
      = help: b waits for a waits for b: let one of them begin `at` a time

    error[unknown-step]: there is no step `d`
      --> experiment.yaml:10:44
       |
    10 |   - down: {id: c, link: api-signer, after: d, for: 1m}
       |                                            ^
       |
       = help: there is `a`, `b` and `c`
    ");
}

#[test]
fn one_target_is_disturbed_in_one_way_at_a_time() {
    assert_snapshot!(experiment(r"
method:
  - timeout: {link: api-signer, at: 0s, for: 2m}
  - partition: {from: [wallet-api], to: [signer], at: 1m, for: 2m}
  - pause: {service: signer, at: 0s, until: remedied, at_most: 10m}
  - kill: {service: signer, at: 5m, for: 1m}
"), @r"
    error[overlap]: `partition` begins while `timeout` is on, and both add a `timeout` to the downstream of `api-signer`
     --> experiment.yaml:9:5
      |
    9 |   - partition: {from: [wallet-api], to: [signer], at: 1m, for: 2m}
      |     ^^^^^^^^^
      |
      = help: let it begin `after: timeout`, or shorten one of them

    error[overlap]: `kill` begins while `pause` is on, and both act on the container wallet-signer
      --> experiment.yaml:11:5
       |
    11 |   - kill: {service: signer, at: 5m, for: 1m}
       |     ^^^^
       |
       = help: let it begin `after: pause`, or shorten one of them
    ");
}

#[test]
fn steps_in_a_row_and_toxics_of_different_kinds_do_not_overlap() {
    assert_eq!(
        experiment(
            r"
method:
  - latency: {link: api-signer, latency: 1s, at: 0s, for: 1m}
  - latency: {link: api-signer, latency: 2s, at: 1m, for: 1m}
  - latency: {id: third, link: api-signer, latency: 3s, after: latency-2, for: 1m}
  - latency: {link: api-signer, latency: 3s, direction: upstream, for: 1m}
  - timeout: {link: api-signer, at: 0s, for: 2m}
  - pause: {service: signer, until: remedied, at_most: 1m}
  - kill: {service: signer, after: pause, for: 1m}
"
        ),
        ""
    );
}

#[test]
fn steps_past_the_end_are_refused() {
    assert_snapshot!(experiment(r"
method:
  - down: {link: api-node-a, at: 1m, for: 2m}
  - latency: {link: api-node-a, latency: 1s, after: down, wait: 1m, for: 20s}
limits: {duration: 4m}
"), @r"
    error[late-step]: the step `latency` can last until 4m20s, past the limit of 4m
     --> experiment.yaml:9:74
      |
    9 |   - latency: {link: api-node-a, latency: 1s, after: down, wait: 1m, for: 20s}
      |                                                                          ^^^
      |
      = help: end it earlier, or raise `limits: {duration: …}`
    ");
    assert_snapshot!(experiment("method: [{down: {link: api-node-a, until: remedied, at_most: 2h}}]\n"), @r"
    error[late-step]: the step `down` can last until 2h, past the limit of 1h, the default
     --> experiment.yaml:6:62
      |
    6 | method: [{down: {link: api-node-a, until: remedied, at_most: 2h}}]
      |                                                              ^^
      |
      = help: end it earlier, or raise `limits: {duration: …}`
    ");
}

#[test]
fn more_services_at_once_than_allowed_are_refused() {
    assert_snapshot!(experiment(r"
method:
  - down: {link: api-signer, at: 0s, for: 2m}
  - down: {link: api-node-a, at: 1m, for: 2m}
limits: {services: 1}
"), @r"
    error[too-many-services]: 2 services are hit at once at 1m, and 1 may be
      --> experiment.yaml:10:20
       |
    10 | limits: {services: 1}
       |                    ^
       |
       = help: `node-a` and `signer` are hit then; a link counts the service that it leads to
    ");
    assert_eq!(
        experiment(
            r"
method:
  - down: {link: api-signer, at: 0s, for: 1m}
  - down: {link: api-node-a, at: 1m, for: 2m}
  - pause: {service: signer, at: 0s, for: 1m}
limits: {services: 1}
"
        ),
        ""
    );
}

#[test]
fn a_stack_without_docker_toxiproxy_or_containers_says_what_it_lacks() {
    let stack = r#"
kind: Stack
name: wallet-staging
environment: staging
services: {a: {container: {name: a}}, b: {}}
probes: {nonce-gap: {http: "http://127.0.0.1:1/"}}
"#;
    let experiment = head(
        "method: [{kill: {service: a, for: 1s}}, {stop: {service: b, for: 1s}}, {down: {link: a -> b, for: 1s}}]\n",
    );
    assert_snapshot!(check(&[("s.yaml", stack), ("e.yaml", &experiment)]), @r#"
    error[no-docker]: `kill` acts on a container, and the stack `wallet-staging` has no `docker`
     --> e.yaml:6:11
      |
    6 | method: [{kill: {service: a, for: 1s}}, {stop: {service: b, for: 1s}}, {down: {link: a -> b, for: 1s}}]
      |           ^^^^
      |
      = help: add `docker: {host: "unix:///var/run/docker.sock"}` to the stack

    error[no-docker]: `stop` acts on a container, and the stack `wallet-staging` has no `docker`
     --> e.yaml:6:42
      |
    6 | method: [{kill: {service: a, for: 1s}}, {stop: {service: b, for: 1s}}, {down: {link: a -> b, for: 1s}}]
      |                                          ^^^^
      |
      = help: add `docker: {host: "unix:///var/run/docker.sock"}` to the stack

    error[no-container]: the service `b` has no container
     --> e.yaml:6:58
      |
    6 | method: [{kill: {service: a, for: 1s}}, {stop: {service: b, for: 1s}}, {down: {link: a -> b, for: 1s}}]
      |                                                          ^
      |
      = help: say in the stack how it is found: b: {container: {name: …}} or {label: key=value}

    error[unknown-link]: there is no link `a -> b`
     --> e.yaml:6:86
      |
    6 | method: [{kill: {service: a, for: 1s}}, {stop: {service: b, for: 1s}}, {down: {link: a -> b, for: 1s}}]
      |                                                                                      ^^^^^^
      |
      = help: the stack `wallet-staging` has no links: add them under `links:`
    "#);
}

#[test]
fn a_link_by_its_ends_must_be_the_only_one() {
    let stack = r#"
kind: Stack
name: wallet-staging
environment: staging
toxiproxy: {embedded: true}
services: {a: {}, b: {}}
links:
  - {from: a, to: b, proxy: one, listen: "127.0.0.1:1", upstream: "127.0.0.1:2"}
  - {from: a, to: b, proxy: two, listen: "127.0.0.1:3", upstream: "127.0.0.1:4"}
probes: {nonce-gap: {http: "http://127.0.0.1:1/"}}
"#;
    let experiment = head("method: [{down: {link: a -> b, for: 1s}}]\n");
    assert_snapshot!(check(&[("s.yaml", stack), ("e.yaml", &experiment)]), @r"
    error[ambiguous-link]: 2 links lead from `a` to `b`
     --> e.yaml:6:24
      |
    6 | method: [{down: {link: a -> b, for: 1s}}]
      |                        ^^^^^^
      |
      = help: name one by its proxy: `one` or `two`
    ");
}

#[test]
fn hooks_need_an_undo_and_calls_that_are_calls() {
    assert_snapshot!(experiment(r#"
method:
  - hook: {do: {run: ["./x"]}, for: 1m}
  - hook: {do: {run: "./x"}, undo: {run: [], http: "ftp://x"}, for: 1m}
  - hook: {do: {run: [""]}, undo: {http: "http://127.0.0.1/"}, verify: {run: ["./x"], expect: {status: 200}}, for: 1m}
"#), @r#"
    error[missing-key]: a hook step needs `undo`
     --> experiment.yaml:8:5
      |
    8 |   - hook: {do: {run: ["./x"]}, for: 1m}
      |     ^^^^
      |
      = help: add `undo:` (a call, a map)

    error[wrong-type]: expected a list, found a text
     --> experiment.yaml:9:22
      |
    9 |   - hook: {do: {run: "./x"}, undo: {run: [], http: "ftp://x"}, for: 1m}
      |                      ^^^^^
      |
      = help: write it as a list: [./x]

    error[wrong-length]: expected at least 1 here, found 0
     --> experiment.yaml:9:37
      |
    9 |   - hook: {do: {run: "./x"}, undo: {run: [], http: "ftp://x"}, for: 1m}
      |                                     ^^^

    error[conflicting-keys]: `http` and `run` exclude each other
     --> experiment.yaml:9:46
      |
    9 |   - hook: {do: {run: "./x"}, undo: {run: [], http: "ftp://x"}, for: 1m}
      |                                              ^^^^
      |
      = help: keep one of `http` or `run`

    error[bad-url]: `ftp://x` is not a usable URL
     --> experiment.yaml:9:52
      |
    9 |   - hook: {do: {run: "./x"}, undo: {run: [], http: "ftp://x"}, for: 1m}
      |                                                    ^^^^^^^^^
      |
      = help: it must begin with `http://` or `https://`

    error[out-of-range]: the program's name must not be empty
      --> experiment.yaml:10:23
       |
    10 |   - hook: {do: {run: [""]}, undo: {http: "http://127.0.0.1/"}, verify: {run: ["./x"], expect: {status: 200}}, fo...
       |                       ^^

    error[expect-mismatch]: a program can't be judged by `status`
      --> experiment.yaml:10:96
       |
    10 |   - hook: {do: {run: [""]}, undo: {http: "http://127.0.0.1/"}, verify: {run: ["./x"], expect: {status: 200}}, fo...
       |                                                                                                ^^^^^^
       |
       = help: it can by `exit` and `within`
    "#);
}

#[test]
fn attributes_stay_in_their_ranges() {
    assert_snapshot!(experiment(r"
method:
  - packet_loss: {link: api-signer, loss_rate: 1.5, correlation: -1, for: 1m}
  - limit_data: {link: api-signer, bytes: -1, for: 400d}
  - slicer: {link: api-signer, average_size: 0, delay: 1.5ms, for: 1m}
  - latency: {link: api-signer, latency: 1s, direction: down, toxicity: .nan, for: 1m}
steady_state: []
"), @r"
    error[out-of-range]: 1.5 is out of range: it must be above 0 and at most 1
     --> experiment.yaml:8:48
      |
    8 |   - packet_loss: {link: api-signer, loss_rate: 1.5, correlation: -1, for: 1m}
      |                                                ^^^

    error[out-of-range]: -1 is out of range: it must be at least 0 and at most 1
     --> experiment.yaml:8:66
      |
    8 |   - packet_loss: {link: api-signer, loss_rate: 1.5, correlation: -1, for: 1m}
      |                                                                  ^^

    error[out-of-range]: -1 is out of range: it must be at least 0
     --> experiment.yaml:9:43
      |
    9 |   - limit_data: {link: api-signer, bytes: -1, for: 400d}
      |                                           ^^

    error[out-of-range]: `400d` is too long: it must be at most 366d
     --> experiment.yaml:9:52
      |
    9 |   - limit_data: {link: api-signer, bytes: -1, for: 400d}
      |                                                    ^^^^

    error[out-of-range]: 0 is out of range: it must be from 1 to 1000000000
      --> experiment.yaml:10:46
       |
    10 |   - slicer: {link: api-signer, average_size: 0, delay: 1.5ms, for: 1m}
       |                                              ^

    error[bad-duration]: `1.5ms` is not a duration
      --> experiment.yaml:10:56
       |
    10 |   - slicer: {link: api-signer, average_size: 0, delay: 1.5ms, for: 1m}
       |                                                        ^^^^^
       |
       = help: write it like `50us`, `1ms` or `2s`

    error[unknown-word]: `down` is not one of the words allowed here
      --> experiment.yaml:11:57
       |
    11 |   - latency: {link: api-signer, latency: 1s, direction: down, toxicity: .nan, for: 1m}
       |                                                         ^^^^
       |
       = help: it is `downstream`, `upstream` or `both`

    error[out-of-range]: NaN is out of range: it must be above 0 and at most 1
      --> experiment.yaml:11:73
       |
    11 |   - latency: {link: api-signer, latency: 1s, direction: down, toxicity: .nan, for: 1m}
       |                                                                         ^^^^

    error[duplicate-key]: the key `steady_state` stands here a second time
      --> experiment.yaml:12:1
       |
    12 | steady_state: []
       | ^^^^^^^^^^^^
    ");
}

#[test]
fn what_must_hold_while_faults_are_on_can_be_refuted_in_the_time_they_are_on() {
    assert_snapshot!(experiment(r"
during:
  - {probe: error-rate}
  - {probe: node-lag, fail_after: 12}
  - {probe: signer-port}
  - {probe: nonce-gap, fail_after: 30}
method:
  - down: {link: api-node-a, for: 11s}
  - down: {id: again, link: api-node-a, at: 20s, for: 4s}
"), @r"
    error[unrefutable]: `error-rate` fails after 3 samples in a row, which take 15s, and faults are on for 11s at a stretch
     --> experiment.yaml:8:13
      |
    8 |   - {probe: error-rate}
      |             ^^^^^^^^^^
      |
      = help: let a step last longer, lower `fail_after`, or ask the probe more often: `every`

    error[unrefutable]: `node-lag` fails after 12 samples in a row, which take 12s, and faults are on for 11s at a stretch
     --> experiment.yaml:9:35
      |
    9 |   - {probe: node-lag, fail_after: 12}
      |                                   ^^
      |
      = help: let a step last longer, lower `fail_after`, or ask the probe more often: `every`
    ");
}

#[test]
fn steps_that_overlap_or_follow_each_other_count_together_and_so_does_what_may_last() {
    let refused = |rest: &str| experiment(rest).contains("error[unrefutable]");
    let method = |steps: &str| format!("during: [{{probe: error-rate}}]\nmethod:\n{steps}");
    assert!(refused(&method("  - down: {link: api-node-a, for: 14s}\n")));
    for enough in [
        "  - down: {link: api-node-a, for: 15s}\n",
        "  - down: {link: api-node-a, for: 10s}\n  - pause: {service: signer, at: 8s, for: 7s}\n",
        "  - down: {link: api-node-a, for: 10s}\n  - pause: {service: signer, after: down, for: 5s}\n",
        "  - down: {link: api-node-a, until: remedied, at_most: 15s}\n",
        "  - restart: {service: signer, at: 20s}\n  - down: {link: api-node-a, for: 15s}\n",
    ] {
        assert!(!refused(&method(enough)), "{}", experiment(&method(enough)));
    }
    let gap =
        "  - down: {link: api-node-a, for: 10s}\n  - pause: {service: signer, at: 11s, for: 10s}\n";
    assert!(refused(&method(gap)));
    assert!(refused(&method("  - restart: {service: signer}\n")));
    assert!(
        !refused("during: [{probe: error-rate}]\nmethod: []\n"),
        "a decoy breaks nothing"
    );
}

#[test]
fn an_experiment_is_explained_in_words() {
    let text = head(
        r"
during: [{probe: nonce-gap}, {probe: node-lag}]
method:
  - latency:   {id: slow-signer, link: wallet-api -> signer, latency: 2s, jitter: 200ms, for: 3m, toxicity: 0.5}
  - partition: {from: [wallet-api], to: [node-a], mode: refuse, at: 30s, for: 60s}
  - kill:      {service: signer, after: slow-signer, wait: 30s, for: 45s}
  - slicer:    {link: api-signer, average_size: 10, delay: 50us, direction: upstream, after: kill, for: 45s}
  - restart:   {service: signer, at: 6m}
stop_when: [{probe: nonce-gap, fails_for: 30s}]
limits: {services: 3, duration: 10m}
",
    );
    let plan = plan(&[("stack.yaml", STACK), ("experiment.yaml", &text)], &[]).expect("a plan");
    let text = crate::spec::explain(&plan);
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    assert_snapshot!(text, @r#"
    Experiment e on wallet-staging (staging)
      It holds.

    Proof that the stack is staging, read before the run and before each fault
      answer      POST http://127.0.0.1:7002/: $.result is "0x7a69", within 1s
      containers  every container carries the label env=staging
      upstreams   every link leads into 127.0.0.0/8, 172.16.0.0/12

    Steady state, before and after
      nonce-gap  GET http://127.0.0.1:7000/v1/invariants, every 1s: $.nonce_gap is 0, within 1s; fails
                 after 3, passes after 3 in a row
      The run ends once all of it, and every probe that shows users hurt, has passed for 10s without a
      break, counted at the earliest from when the last fault took effect, and has passed again since
      the stack was last touched. It does not end before the last step is undone.
      Where that has not come about 1m and 10s after the last undo, it fails.

    While faults are on
      nonce-gap  GET http://127.0.0.1:7000/v1/invariants, every 1s: $.nonce_gap is 0, within 1s; fails
                 after 3, passes after 3 in a row
      node-lag   the difference of $.height at http://127.0.0.1:1/a and $.height at
                 http://127.0.0.1:1/b, every 1s: below 3, within 1s; fails after 3, passes after 3 in a
                 row

    Users are hurt when one of these fails
      send-transaction  POST http://127.0.0.1:7000/v1/transfers/canary, every 2s: status 201, $.state is
                        "broadcast", within 1s500ms

    Timeline
      slow-signer at 0s, for 3m
        does    data arrives 2s later, ± 200ms, from signer to wallet-api, on 50% of connections
        link    wallet-api -> signer, proxy api-signer: 127.0.0.1:7101 -> 127.0.0.1:7001
        undo    the latency toxic is deleted from the downstream of api-signer
      partition at 30s, for 1m
        does    closes connections and refuses new ones
        link    wallet-api -> node-a, proxy api-node-a: 127.0.0.1:7102 -> 127.0.0.1:7002
        undo    the proxy api-node-a is enabled
      kill 30s after slow-signer, for 45s
        does    signer: kills its container; no restart policy acts until the step ends
        target  the container named wallet-signer
        undo    the container is started
      slicer after kill, for 45s
        does    data arrives in pieces of 10 ± 0 bytes, 50 µs apart, from wallet-api to signer, on every
                connection
        link    wallet-api -> signer, proxy api-signer: 127.0.0.1:7101 -> 127.0.0.1:7001
        undo    the slicer toxic is deleted from the upstream of api-signer
      restart at 6m, once
        does    signer: restarts its container once
        target  the container named wallet-signer
        undo    nothing, once the container is seen to run

    What ends it early
      nonce-gap failing for 30s
      10m after the first step
      more than 3 services hit at once
      a halt, or a responder who says that this is real

    Files
      stack.yaml
      experiment.yaml
    "#);
}

#[test]
fn an_experiment_may_break_nothing_where_it_says_so() {
    let files = |text: &str| {
        let text = head(text);
        plan(&[("stack.yaml", STACK), ("experiment.yaml", &text)], &[])
    };
    let decoy = files("method: []\n").expect("a plan");
    assert!(decoy.injections.is_empty() && decoy.experiment.method.is_empty());
    let text = crate::spec::explain(&decoy);
    assert!(
        text.contains("\nTimeline\n  Nothing is broken: only steady state is watched.\n"),
        "{text}"
    );
    assert!(
        text.contains("has passed for 10s without a\n  break.\n  Where that has not come about 1m and 10s after the start, it fails.\n"),
        "{text}"
    );
    let forgotten = files("").expect_err("a method must be written");
    assert!(
        forgotten.contains("error[missing-key]: an experiment needs `method`"),
        "{forgotten}"
    );
}

/// What a hook with these keys gives on the stack of the tests, or on the one given.
fn hooked(stack: &str, keys: &str) -> String {
    let text = head(&format!("method:\n  - hook: {{id: h, for: 1m, {keys}}}\n"));
    check(&[("stack.yaml", stack), ("experiment.yaml", &text)])
}

#[test]
fn what_is_captured_stands_only_in_what_undoes_it() {
    let read = r#"capture: {http: "http://127.0.0.1/x", read: "$.v"}"#;
    let undo = |body: &str| {
        format!(
            r#"do: {{run: [a]}}, undo: {{http: {{method: POST, url: "http://127.0.0.1/x", body: '{body}'}}}}"#
        )
    };
    let good = hooked(STACK, &format!("{read}, {}", undo(r#"{"v":${captured}}"#)));
    assert_eq!(good, "");
    let without = hooked(STACK, &undo(r#"{"v":${captured}}"#));
    assert!(
        without.contains(
            "error[misplaced-captured]: nothing is captured that `${captured}` could stand for"
        ),
        "{without}"
    );
    assert!(
        without.contains("help: say what is to be read before: add `capture: {http: …, read: …}`"),
        "{without}"
    );
    let unused = hooked(STACK, &format!("{read}, {}", undo(r#"{"v":41}"#)));
    assert!(
        unused.contains("warning[unused-capture]: what is captured is put back by nothing"),
        "{unused}"
    );
    let early = hooked(
        STACK,
        &format!(
            r#"{read}, do: {{run: [a, "${{captured}}"]}}, undo: {{run: [a, "${{captured}}"]}}"#
        ),
    );
    assert!(
        early.contains(
            "error[misplaced-captured]: `${captured}` stands only in what undoes something"
        ),
        "{early}"
    );
    let program = hooked(
        STACK,
        &format!(r#"{read}, do: {{run: [a]}}, undo: {{run: ["${{captured}}"]}}"#),
    );
    assert!(
        program.contains("error[misplaced-captured]: `${captured}` can't stand here"),
        "{program}"
    );
    let place = hooked(
        STACK,
        &format!(r#"{read}, do: {{run: [a]}}, undo: {{http: "http://${{captured}}/"}}"#),
    );
    assert!(place.contains("error[bad-url]"), "{place}");
    let half = hooked(
        STACK,
        &format!(
            r#"capture: {{http: "http://127.0.0.1/x"}}, {}"#,
            undo("${captured}")
        ),
    );
    assert!(
        half.contains("error[missing-key]: `http` needs `read` beside it"),
        "{half}"
    );
    let expected = hooked(
        STACK,
        &format!(
            r#"{read}, do: {{run: [a]}}, undo: {{run: [a]}}, verify_undone: {{http: "http://127.0.0.1/x", expect: {{json: {{"$.v": "${{captured}}"}}, headers: {{x-v: "v${{captured}}"}}}}}}"#
        ),
    );
    assert_eq!(expected, "");
    let literal = hooked(STACK, &undo("$${captured}"));
    assert_eq!(literal, "");
}

#[test]
fn an_address_that_is_acted_on_and_that_no_check_proves_is_refused_at_its_token() {
    let proven = STACK.replacen(
        "identity:\n",
        "identity:\n  - {http: \"http://192.0.2.1:7000/\", expect: {headers: {x-environment: staging}}}\n  - {upstreams: {within: [\"10.20.0.0/16\", \"127.0.0.0/8\"]}}\n",
        1,
    );
    assert_ne!(proven, STACK);
    let hook = |url: &str| {
        hooked(
            &proven,
            &format!(r#"do: {{http: "{url}"}}, undo: {{run: [a]}}"#),
        )
    };
    for good in [
        "http://127.0.0.1/x",
        "http://10.20.3.4/x",
        "http://192.0.2.1:7000/x",
        "http://by.name/x",
        "http://localhost:1/",
    ] {
        assert_eq!(hook(good), "", "{good}");
    }
    for bad in [
        "http://10.21.0.1/x",
        "http://192.0.2.1:7001/x",
        "http://[2001:db8::1]/x",
    ] {
        let found = hook(bad);
        assert!(
            found.starts_with("error[unproven-place]: nothing proves that "),
            "{bad}: {found}"
        );
        assert!(
            found.contains(&format!("{} acted on", "^".repeat(bad.len() + 2))),
            "{bad}: {found}"
        );
        assert!(
            found.contains("help: act on loopback, on addresses in the networks"),
            "{bad}: {found}"
        );
    }
}

#[test]
fn links_containers_and_tiers_are_limited_and_protected_services_refused_where_they_are_named() {
    let stack = STACK.replace("{tier: chain}", "{tier: chain, protected: true}");
    assert_ne!(stack, STACK);
    let text = head(
        "method:
  - down: {link: wallet-api -> signer, for: 1m}
  - down: {id: chain, link: wallet-api -> node-a, for: 1m}
  - partition: {from: [wallet-api], to: [signer, node-a], for: 1m, at: 5m}
limits: {links: 1, tiers: {chian: 50}}
",
    );
    let found = plan(&[("stack.yaml", &stack), ("experiment.yaml", &text)], &[]);
    let found = found.expect_err("there are findings");
    for line in [
        "error[protected]: this would touch `node-a`, which is protected",
        "error[unknown-tier]: there is no tier `chian`",
    ] {
        assert!(found.contains(line), "{found}");
    }
    assert_eq!(found.matches("error[protected]").count(), 2, "{found}");

    let found = experiment(
        "method:
  - down: {link: wallet-api -> signer, for: 1m}
  - down: {id: chain, link: wallet-api -> node-a, at: 30s, for: 1m}
limits: {links: 1, tiers: {chain: 50}}
",
    );
    for line in [
        "error[too-many-targets]: 2 links are hit at once at 30s, and 1 may be",
        "error[too-many-targets]: 1 of the 1 services of tier `chain` are hit at once at 30s, and 50% may be",
    ] {
        assert!(found.contains(line), "{found}");
    }
}

#[test]
fn a_step_on_several_containers_says_how_many_and_the_seed_says_which() {
    let stack = STACK.replace(
        "container: {name: wallet-signer}",
        "container: {compose: wallet/signer}",
    );
    let text = head(
        "method:\n  - pause: {service: signer, percent: 50, for: 45s, repeat: 2, every: 50s}\n",
    );
    let files = [
        ("stack.yaml", stack.as_str()),
        ("experiment.yaml", text.as_str()),
    ];
    let plan = plan(&files, &[]).expect("a plan");
    let told = crate::spec::explain::explain(&plan);
    assert!(
        told.contains("50% of the running containers of Compose service signer of project wallet"),
        "{told}"
    );
    let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let found = [("signer".parse().expect("a name"), names)].into();
    let drawn = plan.clone().draw(7, &found);
    assert_eq!(drawn, plan.clone().draw(7, &found));
    let ids: Vec<&str> = drawn.injections.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["pause:1", "pause#2:1", "pause:2", "pause#2:2"]);
    assert!(drawn.to_draw().is_empty());
    let told = crate::spec::explain::explain(&drawn);
    assert!(
        told.contains("drawn from those of Compose service signer"),
        "{told}"
    );
}
