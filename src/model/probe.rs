//! Probes: measured health questions about a stack.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::ProbeName;
use super::time::Millis;

/// One question, asked on an interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// As the stack names it.
    pub name: ProbeName,
    /// What is asked.
    pub ask: Ask,
    /// What a passing answer looks like.
    pub expect: Expect,
    /// From one question to the next.
    pub every: Millis,
    /// Whether its failure means that users are hurt. Such probes always run.
    pub impact: bool,
}

/// What is asked, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// One HTTP request on a fresh connection, without proxies from the environment.
    Http(HttpRequest),
    /// Whether a TCP connection to `host:port` opens.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// A program run to its end.
    Process(Program),
    /// The absolute difference of two numbers read over HTTP.
    Difference {
        /// The two readings.
        sides: Box<[Reading; 2]>,
    },
    /// An instant query to a Prometheus server; every sample it returns must satisfy the expectation.
    Prometheus {
        /// The server's base URL.
        url: String,
        /// The query, in PromQL.
        query: String,
    },
}

/// One HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// The method, upper case.
    pub method: String,
    /// `http://` or `https://`.
    pub url: String,
    /// Header names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, sent as `application/json` when it parses as JSON and no content type is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// A program and its arguments; never a shell line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The program, then its arguments. Never empty.
    pub command: Vec<String>,
    /// The folder it runs in and relative programs are found in: that of the file which names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// A number read out of a JSON answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Where it is asked.
    pub http: HttpRequest,
    /// The JSONPath (RFC 9535) of the number.
    pub read: String,
}

/// What a passing answer looks like; everything given must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expect {
    /// The HTTP status; when absent, any of 200 to 299.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// JSONPaths (RFC 9535) of the answer's body and the value each must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, serde_json::Value>,
    /// A text the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Header names, in any case, and the value each must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The exit status of a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The number must be below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// The number must be above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// A later answer is a failing one.
    pub within: Millis,
}

/// A probe's place in a steady state, and how many samples in a row change its standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tolerance {
    /// Which probe.
    pub probe: ProbeName,
    /// Failing samples in a row until it counts as failing. At least 1.
    pub fail_after: u32,
    /// Passing samples in a row until it counts as passing. At least 1.
    pub pass_after: u32,
}
