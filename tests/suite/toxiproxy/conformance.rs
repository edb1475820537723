//! Firedrill's server is held to what Toxiproxy 2.12.0 answers; where `TOXIPROXY_URL` is set, so is the server there, so
//! that the table is true of the original too. Nothing is touched there but proxies of the tests' own.

use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use super::cases::{Answer, Case, Original, Step, cases};
use super::differences::{DIFFERENCES, Proof};
use super::server::{Server, other};
use crate::ground::project;
use crate::http::{self, Message};

/// A server under test.
struct Candidate {
    api: SocketAddr,
    is_original: bool,
}

/// What `$…` stands for in one case.
struct Names {
    api: String,
    p: String,
    q: String,
    port: String,
}

impl Names {
    fn new(api: SocketAddr, number: usize) -> Self {
        // Free a moment ago: nobody else asks for it by number.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let own = format!("conformance-{}-{number}", std::process::id());
        Self {
            api: api.to_string(),
            p: format!("{own}-p"),
            q: format!("{own}-q"),
            port: port.to_string(),
        }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("$api", &self.api)
            .replace("$port", &self.port)
            .replace("$p", &self.p)
            .replace("$q", &self.q)
    }
}

impl Candidate {
    /// What is wrong with its answers to a case, by step.
    fn judge(&self, number: usize, case: &Case) -> Vec<String> {
        let names = Names::new(self.api, number);
        let mut wrong = Vec::new();
        for step in &case.steps {
            let expected = match &step.original {
                Original::Otherwise(_, answer) if self.is_original => answer,
                Original::NotAsked(_) if self.is_original => break,
                _ => &step.answer,
            };
            if let Err(why) = self.ask(step, expected, &names) {
                wrong.push(format!(
                    "{}: {} {} {}\n    {why}",
                    case.what, step.method, step.path, step.body
                ));
            }
        }
        for name in [&names.p, &names.q] {
            http::send(self.api, "DELETE", &format!("/proxies/{name}"), "").expect("it answers");
        }
        wrong
    }

    fn ask(&self, step: &Step, expected: &Answer, names: &Names) -> Result<(), String> {
        let got = http::send_with(
            self.api,
            step.method,
            &names.fill(step.path),
            step.headers,
            &names.fill(&step.body),
        )
        .map_err(|error| error.to_string())?;
        let status = got.status();
        let body = |expected: &str| -> Result<(), String> {
            same("body", &got.body, &names.fill(expected))
        };
        let (wanted, kind) = match expected {
            Answer::Json(status, value) => {
                let value = serde_json::from_str(&names.fill(&value.to_string()))
                    .expect("names need no escapes");
                matches(&got.json(), &value, self.is_original)
                    .map_err(|why| format!("{why} in {}", got.body))?;
                (*status, "application/json")
            }
            Answer::Refusal(status, words) => {
                let refusal = json!({"error": names.fill(words), "status": status});
                matches(&got.json(), &refusal, false)?;
                same("its last byte", &got.body[got.body.len() - 1..], "\n")?;
                (*status, "text/plain; charset=utf-8")
            }
            Answer::RefusalThatBegins(status, words) => {
                let error = got.json()["error"].as_str().unwrap_or_default().to_owned();
                if !error.starts_with(words) {
                    return Err(format!("`{error}` does not begin with `{words}`"));
                }
                (*status, "text/plain; charset=utf-8")
            }
            Answer::Text(status, text) => {
                body(text)?;
                (*status, "text/plain; charset=utf-8")
            }
            Answer::Empty(status) => {
                body("")?;
                (*status, "")
            }
            Answer::Version => {
                version(&got)?;
                (200, "application/json;charset=utf-8")
            }
        };
        same("status", &status.to_string(), &wanted.to_string())?;
        same("content type", got.header("content-type"), kind)?;
        let is_route = !matches!(expected, Answer::Text(404, _) | Answer::Empty(405));
        if is_route && got.header("x-toxiproxy-request-id").is_empty() {
            return Err("it has no x-toxiproxy-request-id".to_owned());
        }
        Ok(())
    }
}

/// Three numbers, by which clients choose between PATCH and POST.
fn version(got: &Message) -> Result<(), String> {
    let version = got.json()["version"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let numbers: Vec<_> = version.split('.').map(str::parse::<u32>).collect();
    if numbers.len() == 3 && numbers.iter().all(Result::is_ok) {
        same(
            "body",
            &got.body,
            &format!("{{\"version\": \"{version}\"}}\n"),
        )
    } else {
        Err(format!("`{version}` is not x.y.z"))
    }
}

fn same(what: &str, got: &str, expected: &str) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("{what} is `{got}`, expected `{expected}`"))
    }
}

/// Whether `got` is `expected`, in which `*` stands for anything. The original's accidental `Logger` counts only where it
/// is expected.
fn matches(got: &Value, expected: &Value, is_original: bool) -> Result<(), String> {
    let differs = || Err(format!("{got} is not {expected}"));
    match (got, expected) {
        (_, Value::String(any)) if any == "*" => Ok(()),
        (Value::Object(fields), Value::Object(wanted)) => {
            let surplus = fields.keys().find(|key| {
                !(wanted.contains_key(*key) || is_original && key.as_str() == "Logger")
            });
            if let Some(key) = surplus {
                return Err(format!("`{key}` is not expected"));
            }
            wanted.iter().try_for_each(|(key, wanted)| {
                let got = fields
                    .get(key)
                    .ok_or_else(|| format!("`{key}` is missing"))?;
                matches(got, wanted, is_original)
            })
        }
        (Value::Array(items), Value::Array(wanted)) if items.len() == wanted.len() => items
            .iter()
            .zip(wanted)
            .try_for_each(|(got, wanted)| matches(got, wanted, is_original)),
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => Ok(()),
        _ if got == expected => Ok(()),
        _ => differs(),
    }
}

fn hold(candidate: &Candidate) {
    let wrong: Vec<String> = cases()
        .iter()
        .enumerate()
        .flat_map(|(number, case)| candidate.judge(number, case))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn firedrill_answers_as_toxiproxy_does() {
    let server = Server::start([]);
    hold(&Candidate {
        api: server.api,
        is_original: false,
    });
}

#[test]
fn toxiproxy_answers_as_the_table_says() {
    match other() {
        None => println!("NOT RUN: no other server, TOXIPROXY_URL is not set"),
        Some(api) => {
            let answer = http::send(api, "GET", "/version", "").expect("it answers");
            println!("against {api}, which says {}", answer.body);
            hold(&Candidate {
                api,
                is_original: true,
            });
        }
    }
}

#[test]
fn resetting_enables_every_proxy_and_deletes_all_toxics() {
    let server = Server::start([]);
    for name in ["a", "b"] {
        let body = json!({"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"});
        server.ok("POST", "/proxies", &body.to_string());
        let toxics = format!("/proxies/{name}/toxics");
        server.ok("POST", &toxics, r#"{"type":"noop","ttl":60000}"#);
    }
    server.ok("PATCH", "/proxies/b", r#"{"enabled":false,"owner":"me"}"#);
    let answer = server.call("POST", "/reset", "whatever");
    assert_eq!((answer.status(), answer.body.as_str()), (204, ""));
    for name in ["a", "b"] {
        let proxy = server.ok("GET", &format!("/proxies/{name}"), "").json();
        assert_eq!(
            (&proxy["enabled"], &proxy["toxics"]),
            (&json!(true), &json!([]))
        );
        assert!(proxy.get("owner").is_none(), "{proxy}");
    }
}

#[test]
fn every_difference_is_shown_by_a_case_or_a_test() {
    let cases = cases();
    let used: Vec<&str> = cases
        .iter()
        .flat_map(|case| &case.steps)
        .filter_map(|step| match step.original {
            Original::Alike => None,
            Original::Otherwise(id, _) | Original::NotAsked(id) => Some(id),
        })
        .collect();
    for id in &used {
        assert!(
            DIFFERENCES.iter().any(|difference| difference.id == *id),
            "no difference is called {id}"
        );
    }
    for difference in DIFFERENCES {
        match difference.proof {
            Proof::Case => assert!(used.contains(&difference.id), "{}", difference.id),
            Proof::Test(file, name) => {
                let text = std::fs::read_to_string(project().join(file)).expect("a file of tests");
                assert!(
                    text.contains(&format!("fn {name}(")),
                    "{file} has no {name}"
                );
            }
        }
    }
}
