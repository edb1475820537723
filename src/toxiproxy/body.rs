//! Reading JSON bodies as Go's decoder does, since that is what every Toxiproxy client was written against: keys match
//! whatever their case, unknown fields and anything after the first value are ignored, `null` leaves a field as it was,
//! and integers written with a fraction are refused.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::Value;

use super::error::Error;

/// One JSON object, its keys in the order sent. `path` is the name Go gives the object in its messages.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    entries: Vec<(String, Value)>,
}

/// The body as one object. `path` names it in messages, as `Proxy` in `Proxy.listen`.
pub(crate) fn object(body: &[u8], path: &str) -> Result<Fields, Error> {
    match first_value(body)? {
        Document::Object(entries) => Ok(Fields {
            path: path.to_owned(),
            entries,
        }),
        Document::Other(Value::Null) => Ok(Fields {
            path: path.to_owned(),
            entries: Vec::new(),
        }),
        Document::Other(other) => Err(mismatch(&other, "Go value", &format!("toxiproxy.{path}"))),
    }
}

/// The body as a list of objects; `null` is an empty one.
pub(crate) fn objects(body: &[u8], path: &str) -> Result<Vec<Fields>, Error> {
    let list = format!("[]toxiproxy.{path}");
    match first_value(body)? {
        Document::Other(Value::Null) => Ok(Vec::new()),
        Document::Other(Value::Array(items)) => items
            .into_iter()
            .map(|item| nested(item, path, &list))
            .collect(),
        Document::Other(other) => Err(mismatch(&other, "Go value", &list)),
        Document::Object(_) => Err(mismatch(
            &Value::Object(serde_json::Map::new()),
            "Go value",
            &list,
        )),
    }
}

impl Fields {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether something other than `null` is under `key`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    pub(crate) fn string(&self, key: &str) -> Result<Option<String>, Error> {
        self.read(key, "string", |value| value.as_str().map(ToOwned::to_owned))
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, Error> {
        self.read(key, "bool", Value::as_bool)
    }

    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, Error> {
        self.read(key, "int64", Value::as_i64)
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, Error> {
        self.read(key, "float64", Value::as_f64)
    }

    /// The object under `key`, empty where there is none.
    pub(crate) fn object(&self, key: &str) -> Result<Self, Error> {
        let path = format!("{}.{key}", self.path);
        match self.find(key) {
            None => Ok(Self {
                path,
                entries: Vec::new(),
            }),
            Some(value) => nested(value.clone(), &path, "map[string]interface {}"),
        }
    }

    /// The objects in the list under `key`; none where there is no list.
    pub(crate) fn objects(&self, key: &str) -> Result<Vec<Self>, Error> {
        let path = format!("{}.{key}", self.path);
        let place = format!("Go struct field {path}");
        match self.find(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| nested(item.clone(), &path, "map[string]interface {}"))
                .collect(),
            Some(other) => Err(mismatch(other, &place, "[]interface {}")),
        }
    }

    /// The last entry that is not null wins, as in Go, where `null` does nothing.
    fn find(&self, key: &str) -> Option<&Value> {
        let matching = self
            .entries
            .iter()
            .rev()
            .filter(|(name, _)| name.eq_ignore_ascii_case(key));
        matching
            .map(|(_, value)| value)
            .find(|value| !value.is_null())
    }

    fn read<T>(
        &self,
        key: &str,
        kind: &str,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.find(key) else {
            return Ok(None);
        };
        let wrong = || mismatch(value, &format!("Go struct field {}.{key}", self.path), kind);
        convert(value).map(Some).ok_or_else(wrong)
    }
}

fn nested(value: Value, path: &str, kind: &str) -> Result<Fields, Error> {
    match value {
        Value::Null => Ok(Fields {
            path: path.to_owned(),
            entries: Vec::new(),
        }),
        Value::Object(map) => Ok(Fields {
            path: path.to_owned(),
            entries: map.into_iter().collect(),
        }),
        other => Err(mismatch(&other, &format!("Go struct field {path}"), kind)),
    }
}

fn mismatch(value: &Value, place: &str, kind: &str) -> Error {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        // Go shows the digits only where a number was expected, just not this one.
        Value::Number(number) if matches!(kind, "int64" | "float64") => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    };
    Error::BadBody(format!(
        "json: cannot unmarshal {found} into {place} of type {kind}"
    ))
}

enum Document {
    Object(Vec<(String, Value)>),
    Other(Value),
}

fn first_value(body: &[u8]) -> Result<Document, Error> {
    let mut stream = serde_json::Deserializer::from_slice(body);
    let document = if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        Entries::deserialize(&mut stream).map(|entries| Document::Object(entries.0))
    } else {
        Value::deserialize(&mut stream).map(Document::Other)
    };
    document.map_err(|error| {
        Error::BadBody(if body.iter().all(u8::is_ascii_whitespace) {
            "EOF".to_owned()
        } else if error.is_eof() {
            "unexpected EOF".to_owned()
        } else {
            error.to_string()
        })
    })
}

/// An object's entries in order, repeated keys kept: a map would lose which came last when only their case differs.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: fmt::Debug>(result: Result<T, Error>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn keys_match_in_any_case_and_the_last_one_sent_wins() {
        let fields = object(
            br#"{"LISTEN":"a","listen":"b","Listen":"c","listen":null,"x":1} trailing"#,
            "Proxy",
        )
        .unwrap();
        assert_eq!(fields.string("listen").unwrap().as_deref(), Some("c"));
        assert_eq!(fields.string("upstream").unwrap(), None);
    }

    #[test]
    fn broken_bodies_are_told_apart_in_go_s_words() {
        assert_eq!(message(object(b"", "Proxy")), "bad request body: EOF");
        assert_eq!(message(object(b" \n", "Proxy")), "bad request body: EOF");
        assert_eq!(
            message(object(b"{\"name\":", "Proxy")),
            "bad request body: unexpected EOF"
        );
        assert!(message(object(b"{nope}", "Proxy")).starts_with("bad request body: "));
        assert_eq!(
            message(object(b"[]", "Proxy")),
            "bad request body: json: cannot unmarshal array into Go value of type toxiproxy.Proxy"
        );
        assert_eq!(
            message(objects(b"{}", "Proxy")),
            "bad request body: json: cannot unmarshal object into Go value of type []toxiproxy.Proxy"
        );
    }

    #[test]
    fn values_of_another_kind_are_refused_and_integers_need_no_fraction() {
        let fields = object(
            br#"{"attributes":{"Latency":1.5,"jitter":"x"},"name":3,"ok":12}"#,
            "",
        )
        .unwrap();
        let attributes = fields.object("attributes").unwrap();
        assert_eq!(
            message(attributes.integer("latency")),
            "bad request body: json: cannot unmarshal number 1.5 into Go struct field .attributes.latency of type int64"
        );
        assert_eq!(
            message(attributes.integer("jitter")),
            "bad request body: json: cannot unmarshal string into Go struct field .attributes.jitter of type int64"
        );
        assert_eq!(
            message(fields.string("name")),
            "bad request body: json: cannot unmarshal number into Go struct field .name of type string"
        );
        assert_eq!(fields.integer("ok").unwrap(), Some(12));
        assert!(fields.object("name").is_err());
    }
}
