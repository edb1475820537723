//! Prometheus probes: one instant query, every sample of which must satisfy the expectation.
//!
//! The server only reports on the target. Its silence, its refusal and an empty or unreadable result therefore say
//! nothing about the stack: they are `Unknown`, never a pass and never a failure.
//! Format: <https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>.

use serde::Deserialize;
use serde_json::Value;

use super::difference::bounded;
use crate::address::{encoded, shown};
use crate::engine::watch::SampleResult;
use crate::model::probe::{Expect, HttpRequest};
use crate::outbound::Outbound;

#[derive(Deserialize)]
struct Body {
    status: String,
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: std::collections::BTreeMap<String, String>,
    /// Absent for native histograms, which are not numbers.
    value: Option<(f64, String)>,
}

pub(super) async fn ask(
    outbound: &Outbound,
    url: &str,
    query: &str,
    expect: &Expect,
) -> SampleResult {
    if let Err(why) = bounded(expect) {
        return SampleResult::Unknown(why);
    }
    let request = HttpRequest {
        method: "GET".to_owned(),
        url: format!(
            "{}/api/v1/query?query={}",
            url.trim_end_matches('/'),
            encoded(query)
        ),
        headers: std::collections::BTreeMap::new(),
        body: None,
    };
    let silent = |why: &dyn std::fmt::Display| {
        SampleResult::Unknown(format!("Prometheus at {}: {why}", shown(url)))
    };
    let reply = match outbound
        .send_with_secrets(&request, expect.within.duration())
        .await
    {
        Ok(reply) => reply,
        Err(error) => return silent(&error),
    };
    // Errors come with a status of their own and with this body, proxies in between with any.
    let Ok(body) = serde_json::from_slice::<Body>(&reply.body) else {
        return silent(&format!(
            "status {} and no Prometheus answer",
            reply.status.as_u16()
        ));
    };
    match (body.status.as_str(), body.data) {
        ("success", Some(data)) => samples(data).map_or_else(
            |why| silent(&why),
            |samples| judge(&samples, expect).unwrap_or_else(|why| silent(&why)),
        ),
        _ => silent(&body.error.unwrap_or_else(|| "no data".to_owned())),
    }
}

/// Names and values of all samples.
fn samples(data: Data) -> Result<Vec<(String, f64)>, String> {
    let unreadable = |_| format!("a {} that can't be read", data.kind);
    let series: Vec<Series> = match data.kind.as_str() {
        "vector" => serde_json::from_value(data.result).map_err(unreadable)?,
        "scalar" => vec![Series {
            metric: std::collections::BTreeMap::new(),
            value: Some(serde_json::from_value(data.result).map_err(unreadable)?),
        }],
        other => {
            return Err(format!(
                "the query gives a {other}, not a vector or a scalar"
            ));
        }
    };
    series
        .into_iter()
        .map(|series| {
            let name = named(&series.metric);
            let (_, text) = series
                .value
                .ok_or_else(|| format!("{name} is a histogram, not a number"))?;
            let value = text
                .parse()
                .map_err(|_| format!("{name} has the value `{text}`"))?;
            Ok((name, value))
        })
        .collect()
}

/// A sample that fails is a failure even where another is no number; only then does NaN, which is what a rate without
/// traffic divides into, make the answer unknown.
fn judge(samples: &[(String, f64)], expect: &Expect) -> Result<SampleResult, String> {
    if samples.is_empty() {
        return Err("the query matches no series".to_owned());
    }
    let (nan, numbers): (Vec<_>, Vec<_>) = samples.iter().partition(|(_, value)| value.is_nan());
    for (name, value) in numbers {
        if let Err(why) = expect.judge_number(*value) {
            return Ok(SampleResult::Failed(format!("{name} is {why}")));
        }
    }
    match nan.first() {
        Some((name, _)) => Err(format!("{name} is NaN")),
        None => Ok(SampleResult::Passed),
    }
}

/// A series as people write it; `the value` where it has no labels, as the result of a sum.
fn named(metric: &std::collections::BTreeMap<String, String>) -> String {
    let labels: Vec<String> = metric
        .iter()
        .filter(|(key, _)| *key != "__name__")
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    let name = metric.get("__name__").map_or("", String::as_str);
    match (name, labels.is_empty()) {
        ("", true) => "the value".to_owned(),
        (name, true) => name.to_owned(),
        (name, false) => format!("{name}{{{}}}", labels.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::Ask;
    use crate::probes::fixture::{Does, Server, line, nobody, sample, within};

    async fn asked(does: Does, expect: Expect) -> String {
        let server = Server::start(does).await;
        let ask = Ask::Prometheus {
            url: server.url("/"),
            query: "a b".into(),
        };
        line(&sample(ask, expect).await, &[&server])
    }

    fn below() -> Expect {
        Expect {
            below: Some(0.5),
            ..within(5000)
        }
    }

    /// A successful answer to exactly the query `a b`.
    fn answer(kind: &str, result: &str) -> Does {
        let body =
            format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
        Does::Answer(vec![("/api/v1/query?query=a%20b", 200, body)])
    }

    fn vector(values: &[&str]) -> Does {
        let series: Vec<String> = (0..)
            .zip(values)
            .map(|(i, v)| {
                format!(r#"{{"metric":{{"__name__":"errors","node":"{i}"}},"value":[1.5,"{v}"]}}"#)
            })
            .collect();
        answer("vector", &format!("[{}]", series.join(",")))
    }

    #[tokio::test]
    async fn every_sample_must_satisfy() {
        assert_eq!(asked(vector(&["0", "0.49"]), below()).await, "passed");
        assert_eq!(
            asked(answer("scalar", r#"[1, "0.1"]"#), below()).await,
            "passed"
        );
        let texts = [
            asked(vector(&["0.1", "0.7"]), below()).await,
            asked(vector(&["+Inf"]), below()).await,
            asked(vector(&["NaN", "0.7"]), below()).await,
            asked(answer("scalar", r#"[1, "0.5"]"#), below()).await,
        ];
        insta::assert_snapshot!(texts.join("\n"), @r#"
failed: errors{node="1"} is 0.7, expected below 0.5
failed: errors{node="0"} is inf, expected below 0.5
failed: errors{node="1"} is 0.7, expected below 0.5
failed: the value is 0.5, expected below 0.5
"#);
    }

    #[tokio::test]
    async fn what_says_nothing_about_the_target_is_unknown() {
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error at 3"}"#;
        let texts = [
            asked(vector(&["0.1", "NaN"]), below()).await,
            asked(vector(&[]), below()).await,
            asked(vector(&["many"]), below()).await,
            asked(answer("matrix", "[]"), below()).await,
            asked(answer("vector", "7"), below()).await,
            asked(
                answer("vector", r#"[{"metric":{},"histogram":[1,{}]}]"#),
                below(),
            )
            .await,
            asked(Does::Answer(vec![("/", 400, error.into())]), below()).await,
            asked(Does::Answer(vec![("/", 502, "<html>".into())]), below()).await,
            asked(
                Does::Answer(vec![("/", 200, r#"{"status":"success"}"#.into())]),
                below(),
            )
            .await,
            asked(vector(&["0.1"]), within(5000)).await,
        ];
        insta::assert_snapshot!(texts.join("\n"), @r#"
unknown: Prometheus at http://server-0/: errors{node="1"} is NaN
unknown: Prometheus at http://server-0/: the query matches no series
unknown: Prometheus at http://server-0/: errors{node="0"} has the value `many`
unknown: Prometheus at http://server-0/: the query gives a matrix, not a vector or a scalar
unknown: Prometheus at http://server-0/: a vector that can't be read
unknown: Prometheus at http://server-0/: the value is a histogram, not a number
unknown: Prometheus at http://server-0/: parse error at 3
unknown: Prometheus at http://server-0/: status 502 and no Prometheus answer
unknown: Prometheus at http://server-0/: no data
unknown: the expectation has neither `below` nor `above`
"#);
    }

    #[tokio::test]
    async fn a_silent_server_is_unknown() {
        let late = Expect {
            below: Some(0.5),
            ..within(150)
        };
        insta::assert_snapshot!(asked(Does::Stall(b""), late).await, @"unknown: Prometheus at http://server-0/: no answer within 150 ms");
        let ask = Ask::Prometheus {
            url: format!("http://{}", nobody().await),
            query: "up".into(),
        };
        let refused = sample(ask, below()).await;
        assert!(
            matches!(&refused.result, SampleResult::Unknown(why) if why.contains("refused")),
            "{refused:?}"
        );
    }

    #[test]
    fn a_query_survives_its_way_through_the_url() {
        assert_eq!(
            encoded(r#"rate(errors{job="ü"}[1m]) + 1"#),
            "rate%28errors%7Bjob%3D%22%C3%BC%22%7D%5B1m%5D%29%20%2B%201"
        );
    }

    #[test]
    fn series_are_named_as_people_write_them() {
        let metric = |pairs: &[(&str, &str)]| {
            named(
                &pairs
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
            )
        };
        assert_eq!(metric(&[]), "the value");
        assert_eq!(metric(&[("__name__", "up")]), "up");
        assert_eq!(
            metric(&[("__name__", "up"), ("job", "api"), ("zone", "a")]),
            r#"up{job="api",zone="a"}"#
        );
    }
}
