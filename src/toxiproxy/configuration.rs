//! The configuration file: the list of proxies that `POST /populate` takes, as JSON, and with their toxics.
//!
//! It is written by hand, so that what is wrong with it is told with its line and its proxy's name.

use std::fmt;

use super::{
    body::{self, Fields},
    proxy::ProxyConfig,
};

/// What is wrong with a configuration file, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigurationError {
    /// From 1 on.
    pub line: usize,
    /// The proxy, by number and, where it has one, by name.
    pub proxy: Option<String>,
    pub why: String,
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: ", self.line)?;
        if let Some(proxy) = &self.proxy {
            write!(formatter, "{proxy}: ")?;
        }
        formatter.write_str(&self.why)
    }
}

impl std::error::Error for ConfigurationError {}

/// Reads all of it; nothing counts unless everything is right.
pub fn read_configuration(json: &[u8]) -> Result<Vec<ProxyConfig>, ConfigurationError> {
    // As a whole first: what follows the list must be nothing.
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(json) {
        let why = error.to_string();
        let (why, _) = why.rsplit_once(" at line ").unwrap_or((&why, ""));
        return Err(ConfigurationError {
            line: error.line().max(1),
            proxy: None,
            why: format!("this is no JSON: {why}"),
        });
    }
    let whole = |why: String| ConfigurationError {
        line: 1,
        proxy: None,
        why,
    };
    if first_byte(json) != Some(b'[') {
        return Err(whole(
            "a list of proxies is expected: [{\"name\": …, \"listen\": …, \"upstream\": …}]"
                .to_owned(),
        ));
    }
    let bodies = body::objects(json, "Proxy").map_err(|error| whole(error.words()))?;
    let lines = lines_of_items(json);
    let mut proxies: Vec<ProxyConfig> = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        let wrong = |why: String| ConfigurationError {
            line: lines.get(index).copied().unwrap_or(1),
            proxy: Some(called(index, body)),
            why,
        };
        let proxy = ProxyConfig::read(body, "").map_err(|error| wrong(error.words()))?;
        if proxies.iter().any(|other| other.name == proxy.name) {
            return Err(wrong("another proxy before it has this name".to_owned()));
        }
        proxies.push(proxy);
    }
    Ok(proxies)
}

fn called(index: usize, body: &Fields) -> String {
    let number = index + 1;
    match body.string("name") {
        Ok(Some(name)) if !name.is_empty() => format!("proxy {number} ({name})"),
        _ => format!("proxy {number}"),
    }
}

fn first_byte(json: &[u8]) -> Option<u8> {
    json.iter()
        .copied()
        .find(|byte| !byte.is_ascii_whitespace())
}

/// The line on which each item of a list begins. The text is known to be a JSON list.
fn lines_of_items(json: &[u8]) -> Vec<usize> {
    let (mut lines, mut line, mut depth) = (Vec::new(), 1, 0_usize);
    let (mut in_string, mut escaped, mut expected) = (false, false, false);
    for byte in json {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        let begins = depth == 1 && expected && !byte.is_ascii_whitespace() && *byte != b']';
        if begins {
            lines.push(line);
            expected = false;
        }
        match byte {
            b'\n' => line += 1,
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                expected |= depth == 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => expected |= depth == 1,
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        read_configuration(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_its_proxy() {
        let redis = r#"{"name": "redis", "upstream": "127.0.0.1:6379", "x": ["},{", "\\\""]}"#;
        for (json, expected) in [
            (String::new(), "line 1: this is no JSON: EOF while parsing a value"),
            (
                format!("[\n  {redis},\n]"),
                "line 3: this is no JSON: expected value",
            ),
            (
                format!("[{redis}]\n[]"),
                "line 2: this is no JSON: trailing characters",
            ),
            (
                redis.to_owned(),
                "line 1: a list of proxies is expected: [{\"name\": …, \"listen\": …, \"upstream\": …}]",
            ),
            (
                format!("[\n  {redis},\n\n  {{\n    \"name\": \"db\"}}]"),
                "line 4: proxy 2 (db): missing required field: upstream",
            ),
            (
                format!("[{redis},\n{{\"upstream\": \"x:1\"}}]"),
                "line 2: proxy 2: missing required field: name",
            ),
            (
                format!("[{redis},\n{redis}]"),
                "line 2: proxy 2 (redis): another proxy before it has this name",
            ),
            (
                r#"[{"name": "a", "upstream": "x:1", "toxics": [{"type": "noop"}, {"type": "lag"}]}]"#.to_owned(),
                "line 1: proxy 1 (a): invalid toxic type at toxic 2",
            ),
            (
                r#"[{"name": "a", "upstream": "x:1", "toxics": [{"type": "latency", "attributes": {"latency": -1}}]}]"#
                    .to_owned(),
                "line 1: proxy 1 (a): invalid value: latency must be between 0 and 31536000000 at toxic 1",
            ),
        ] {
            assert_eq!(refusal(&json), expected, "{json}");
        }
    }

    #[test]
    fn a_right_list_is_read_with_its_toxics() {
        let read = |json: &str| read_configuration(json.as_bytes()).unwrap();
        assert_eq!(read(" [ ] "), []);
        let [proxy] = read(
            r#"[{"name": "a", "listen": "127.0.0.1:1", "upstream": "x:1", "enabled": false, "toxics": [{"type": "noop"}]}]"#,
        )
        .try_into()
        .unwrap();
        assert!(!proxy.enabled);
        assert_eq!(proxy.toxics.len(), 1);
    }
}
