use insta::assert_snapshot;

use super::*;

#[test]
fn the_stack_of_the_design_is_accepted() {
    assert_eq!(check(&[("stack.yaml", STACK)]), "");
}

#[test]
fn a_stack_beyond_loopback_must_prove_what_it_is() {
    assert_snapshot!(check(&[("s.yaml", r#"
kind: Stack
name: s
environment: staging
toxiproxy: {url: "http://proxy.example.com:8474"}
docker: {host: "tcp://10.0.0.1:2376"}
services: {a: {}, b: {}}
links: [{from: a, to: b, proxy: p, listen: "0.0.0.0:1", upstream: "10.0.0.1:2"}]
probes:
  far: {http: "https://example.com/"}
  near: {tcp: {address: "localhost:1"}}
"#)]), @r#"
    error[no-identity]: this lies beyond loopback, and the stack has no `identity` checks
     --> s.yaml:5:18
      |
    5 | toxiproxy: {url: "http://proxy.example.com:8474"}
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ not on this machine
      |
      = help: prove that the stack is staging: add `identity:` with a chain id, a container label or upstream networks

    error[no-identity]: this lies beyond loopback, and the stack has no `identity` checks
     --> s.yaml:6:16
      |
    6 | docker: {host: "tcp://10.0.0.1:2376"}
      |                ^^^^^^^^^^^^^^^^^^^^^ not on this machine
      |
      = help: prove that the stack is staging: add `identity:` with a chain id, a container label or upstream networks

    error[no-identity]: this lies beyond loopback, and the stack has no `identity` checks
     --> s.yaml:8:44
      |
    8 | links: [{from: a, to: b, proxy: p, listen: "0.0.0.0:1", upstream: "10.0.0.1:2"}]
      |                                            ^^^^^^^^^^^ not on this machine
      |
      = help: prove that the stack is staging: add `identity:` with a chain id, a container label or upstream networks

    error[no-identity]: this lies beyond loopback, and the stack has no `identity` checks
     --> s.yaml:8:67
      |
    8 | links: [{from: a, to: b, proxy: p, listen: "0.0.0.0:1", upstream: "10.0.0.1:2"}]
      |                                                                   ^^^^^^^^^^^^ not on this machine
      |
      = help: prove that the stack is staging: add `identity:` with a chain id, a container label or upstream networks

    error[no-identity]: this lies beyond loopback, and the stack has no `identity` checks
      --> s.yaml:10:15
       |
    10 |   far: {http: "https://example.com/"}
       |               ^^^^^^^^^^^^^^^^^^^^^^ not on this machine
       |
       = help: prove that the stack is staging: add `identity:` with a chain id, a container label or upstream networks
    "#);
}

#[test]
fn a_mainnet_is_refused_however_it_is_written() {
    for id in ["\"0x1\"", "1", "\"0x01\"", "0x1", "\"1\"", "\"0X1\"", "1.0"] {
        let text = format!(
            "kind: Stack\nname: s\nenvironment: staging\nidentity:\n  - {{http: {{url: \"http://127.0.0.1/\", method: POST, body: '{{\"method\":\"eth_chainId\"}}'}}, expect: {{json: {{\"$.result\": {id}}}}}}}\n"
        );
        assert!(
            check(&[("s.yaml", &text)]).contains("error[mainnet]"),
            "{id}"
        );
    }
}

#[test]
fn probes_ask_one_thing_and_are_judged_by_what_fits() {
    assert_snapshot!(check(&[("s.yaml", r#"
kind: Stack
name: s
environment: staging
probes:
  both: {http: "http://127.0.0.1/", tcp: {address: "127.0.0.1:1"}}
  none: {every: 1s}
  fast: {http: "http://127.0.0.1/", every: 1ms}
  tcp: {tcp: {address: "127.0.0.1"}, expect: {status: 200}}
  path: {http: "http://127.0.0.1/", expect: {json: {"state": 1, "$.id": 0x7a69}}}
  query: {prometheus: {url: "http://127.0.0.1/", query: up}}
  sides: {difference: [{http: "http://127.0.0.1/", read: "$.a"}], expect: {below: 1, above: 2}}
  "bad name": {process: {command: []}}
  header: {http: {url: "http://127.0.0.1/", headers: {"x y": "1", z: "a\nb"}}}
"#)]), @r#"
    error[conflicting-keys]: `tcp` and `http` exclude each other
     --> s.yaml:6:37
      |
    6 |   both: {http: "http://127.0.0.1/", tcp: {address: "127.0.0.1:1"}}
      |                                     ^^^
      |
      = help: keep one of `http`, `tcp`, `process`, `difference` or `prometheus`

    error[missing-key]: a probe needs one of `http`, `tcp`, `process`, `difference` or `prometheus`
     --> s.yaml:7:3
      |
    7 |   none: {every: 1s}
      |   ^^^^

    error[out-of-range]: `1ms` is too short: it must be at least 10ms
     --> s.yaml:8:44
      |
    8 |   fast: {http: "http://127.0.0.1/", every: 1ms}
      |                                            ^^^

    error[bad-address]: `127.0.0.1` is not a usable address
     --> s.yaml:9:24
      |
    9 |   tcp: {tcp: {address: "127.0.0.1"}, expect: {status: 200}}
      |                        ^^^^^^^^^^^
      |
      = help: it has no port: write `host:port`

    error[expect-mismatch]: a TCP connection can't be judged by `status`
     --> s.yaml:9:47
      |
    9 |   tcp: {tcp: {address: "127.0.0.1"}, expect: {status: 200}}
      |                                               ^^^^^^
      |
      = help: it can by `within`

    error[bad-json-path]: `state` is not a JSONPath: at position 0, parser error
      --> s.yaml:10:53
       |
    10 |   path: {http: "http://127.0.0.1/", expect: {json: {"state": 1, "$.id": 0x7a69}}}
       |                                                     ^^^^^^^
       |
       = help: a JSONPath begins with `$`, such as `$.result` or `$.items[0].id` (RFC 9535)

    warning[unquoted-hex]: `0x7a69` without quotes is the number 31337
      --> s.yaml:10:73
       |
    10 |   path: {http: "http://127.0.0.1/", expect: {json: {"state": 1, "$.id": 0x7a69}}}
       |                                                                         ^^^^^^
       |
       = help: where the answer holds a text, write "0x7a69"

    error[expect-mismatch]: a Prometheus answer is a number: it needs `below` or `above`
      --> s.yaml:11:3
       |
    11 |   query: {prometheus: {url: "http://127.0.0.1/", query: up}}
       |   ^^^^^

    error[wrong-length]: expected exactly 2 here, found 1
      --> s.yaml:12:11
       |
    12 |   sides: {difference: [{http: "http://127.0.0.1/", read: "$.a"}], expect: {below: 1, above: 2}}
       |           ^^^^^^^^^^

    error[bad-name]: `bad name` is not a name: use 1 to 80 letters, digits, `.`, `_`, `-`, `:` or `#`, beginning with a letter or digit
      --> s.yaml:13:3
       |
    13 |   "bad name": {process: {command: []}}
       |   ^^^^^^^^^^

    error[wrong-length]: expected at least 1 here, found 0
      --> s.yaml:13:26
       |
    13 |   "bad name": {process: {command: []}}
       |                          ^^^^^^^

    error[bad-header]: `x y` is not a header name
      --> s.yaml:14:55
       |
    14 |   header: {http: {url: "http://127.0.0.1/", headers: {"x y": "1", z: "a\nb"}}}
       |                                                       ^^^^^

    error[bad-header]: the value of the header `z` holds a line break or another control character
      --> s.yaml:14:70
       |
    14 |   header: {http: {url: "http://127.0.0.1/", headers: {"x y": "1", z: "a\nb"}}}
       |                                                                      ^^^^^^
    "#);
}

#[test]
fn links_name_services_and_share_nothing() {
    assert_snapshot!(check(&[("s.yaml", r#"
kind: Stack
name: s
environment: staging
identity:
  - {containers: {label: env}}
  - {upstreams: {within: ["127.0.0.1/8"]}}
  - {http: "http://127.0.0.1/"}
docker: {host: /var/run/docker.sock}
services: {wallet-api: {container: {name: a, label: b}}, signer: {}}
links:
  - {from: walet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:1"}
  - {from: wallet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:99999"}
  - {from: wallet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:2"}
"#)]), @r#"
    error[bad-label]: `env` is not a usable label
     --> s.yaml:6:26
      |
    6 |   - {containers: {label: env}}
      |                          ^^^
      |
      = help: write it as `key=value`

    error[bad-network]: `127.0.0.1/8` is not a usable network
     --> s.yaml:7:27
      |
    7 |   - {upstreams: {within: ["127.0.0.1/8"]}}
      |                           ^^^^^^^^^^^^^
      |
      = help: it has address bits beyond its network bits

    error[missing-key]: `http` needs `expect` beside it
     --> s.yaml:8:6
      |
    8 |   - {http: "http://127.0.0.1/"}
      |      ^^^^

    error[bad-docker-host]: `/var/run/docker.sock` is not a usable Docker host
     --> s.yaml:9:16
      |
    9 | docker: {host: /var/run/docker.sock}
      |                ^^^^^^^^^^^^^^^^^^^^
      |
      = help: it must begin with `unix://`, `tcp://` or `ssh://`

    error[conflicting-keys]: `label` and `name` exclude each other
      --> s.yaml:10:46
       |
    10 | services: {wallet-api: {container: {name: a, label: b}}, signer: {}}
       |                                              ^^^^^
       |
       = help: keep one of `name`, `label` or `compose`

    error[no-toxiproxy]: links are carried by proxies, and this stack has no `toxiproxy`
      --> s.yaml:11:1
       |
    11 | links:
       | ^^^^^
       |
       = help: add `toxiproxy: {embedded: true}`, or the `url` of a server

    error[unknown-service]: there is no service `walet-api`
      --> s.yaml:12:12
       |
    12 |   - {from: walet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:1"}
       |            ^^^^^^^^^
       |
       = help: did you mean `wallet-api`? there is `wallet-api` and `signer`

    error[bad-address]: the proxy would forward to itself
      --> s.yaml:12:78
       |
    12 |   - {from: walet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:1"}
       |                                                                              ^^^^^^^^^^^^^
       |
       = help: `upstream` is where the service listens, `listen` is where its callers connect

    error[duplicate-id]: the proxy `p` stands here a second time
      --> s.yaml:13:43
       |
    13 |   - {from: wallet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:99999"}
       |                                           ^

    error[duplicate-id]: the address `127.0.0.1:1` stands here a second time
      --> s.yaml:13:54
       |
    13 |   - {from: wallet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:99999"}
       |                                                      ^^^^^^^^^^^^^

    error[bad-address]: `127.0.0.1:99999` is not a usable address
      --> s.yaml:13:79
       |
    13 |   - {from: wallet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:99999"}
       |                                                                               ^^^^^^^^^^^^^^^^^
       |
       = help: its port is not a number from 1 to 65535

    error[duplicate-id]: the proxy `p` stands here a second time
      --> s.yaml:14:43
       |
    14 |   - {from: wallet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:2"}
       |                                           ^

    error[duplicate-id]: the address `127.0.0.1:1` stands here a second time
      --> s.yaml:14:54
       |
    14 |   - {from: wallet-api, to: signer, proxy: p, listen: "127.0.0.1:1", upstream: "127.0.0.1:2"}
       |                                                      ^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_header_is_proof_and_an_expectation_of_one_is_checked() {
    assert_snapshot!(check(&[("s.yaml", r#"
kind: Stack
name: s
environment: staging
identity:
  - {http: "https://wallet.example/", expect: {headers: {X-Environment: staging}}}
probes:
  port: {tcp: {address: "127.0.0.1:1"}, expect: {headers: {x: y}}}
  odd: {http: "http://127.0.0.1/", expect: {headers: {"a b": c, x-version: 2, x-line: "a\nb"}}}
"#)]), @r#"
    error[expect-mismatch]: a TCP connection can't be judged by `headers`
     --> s.yaml:8:50
      |
    8 |   port: {tcp: {address: "127.0.0.1:1"}, expect: {headers: {x: y}}}
      |                                                  ^^^^^^^
      |
      = help: it can by `within`

    error[bad-header]: `a b` is not a header name
     --> s.yaml:9:55
      |
    9 |   odd: {http: "http://127.0.0.1/", expect: {headers: {"a b": c, x-version: 2, x-line: "a\nb"}}}
      |                                                       ^^^^^

    error[wrong-type]: expected a text, found a number
     --> s.yaml:9:76
      |
    9 |   odd: {http: "http://127.0.0.1/", expect: {headers: {"a b": c, x-version: 2, x-line: "a\nb"}}}
      |                                                                            ^
      |
      = help: quote it to make it a text: "2"

    error[bad-header]: the value of the header `x-line` holds a line break or another control character
     --> s.yaml:9:87
      |
    9 |   odd: {http: "http://127.0.0.1/", expect: {headers: {"a b": c, x-version: 2, x-line: "a\nb"}}}
      |                                                                                       ^^^^^^
    "#);
}

#[test]
fn an_identity_check_that_proves_nothing_is_refused() {
    assert_snapshot!(check(&[("s.yaml", r#"
kind: Stack
name: s
environment: staging
identity:
  - {http: "http://127.0.0.1/", expect: {status: 200}}
  - {containers: {label: env=staging}}
  - {upstreams: {within: ["10.0.0.0/8", "0.0.0.0/0", "128.0.0.0/1"]}}
"#)]), @r#"
    error[no-identity]: this check proves nothing: it expects no `json`, `body` or `headers` of the answer
     --> s.yaml:6:33
      |
    6 |   - {http: "http://127.0.0.1/", expect: {status: 200}}
      |                                 ^^^^^^

    error[no-identity]: this check proves nothing: no service of the stack has a container
     --> s.yaml:7:6
      |
    7 |   - {containers: {label: env=staging}}
      |      ^^^^^^^^^^

    error[no-identity]: this check proves nothing: the stack has no links
     --> s.yaml:8:6
      |
    8 |   - {upstreams: {within: ["10.0.0.0/8", "0.0.0.0/0", "128.0.0.0/1"]}}
      |      ^^^^^^^^^

    error[out-of-range]: this network is so wide that being in it proves nothing
     --> s.yaml:8:41
      |
    8 |   - {upstreams: {within: ["10.0.0.0/8", "0.0.0.0/0", "128.0.0.0/1"]}}
      |                                         ^^^^^^^^^^^
      |
      = help: name the networks of the staging environment, such as `10.20.0.0/16`

    error[out-of-range]: this network is so wide that being in it proves nothing
     --> s.yaml:8:54
      |
    8 |   - {upstreams: {within: ["10.0.0.0/8", "0.0.0.0/0", "128.0.0.0/1"]}}
      |                                                      ^^^^^^^^^^^^^
      |
      = help: name the networks of the staging environment, such as `10.20.0.0/16`
    "#);
}

#[test]
fn a_mainnet_is_found_inside_whole_answers_too() {
    for expect in [
        r#"json: {"$": {id: 1, result: "0x1"}}"#,
        r#"body: '"result":"0x1"'"#,
    ] {
        let text = format!(
            "kind: Stack\nname: s\nenvironment: staging\nidentity:\n  - {{http: {{url: \"http://127.0.0.1/\", method: POST, body: eth_chainId}}, expect: {{{expect}}}}}\n"
        );
        assert!(
            check(&[("s.yaml", &text)]).contains("error[mainnet]"),
            "{expect}"
        );
        let staging = text.replace("0x1", "0x11");
        assert_eq!(check(&[("s.yaml", &staging)]), "", "{expect}");
    }
}
