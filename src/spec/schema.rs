//! JSON Schemas (draft 2020-12) of users' files, made from the forms that the checker walks.
//!
//! A schema is a little more lenient than the checker: what crosses files or fields, such as a link's name, it can't
//! say. Every scalar may also be a variable's reference, since variables are filled in before checking.

use serde_json::{Map, Value, json};

use super::document::Kind;
use super::form::{Field, Form, Keys, Need, Object, Range, Rule, Variant};

/// The JSON Schema of a kind.
pub fn schema(kind: Kind) -> Value {
    let mut schema = object(kind.object());
    schema["properties"]["kind"] =
        json!({"const": kind.as_str(), "description": "What the file is."});
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(format!("firedrill {}", kind.as_str()));
    schema["$defs"] = json!({
        "reference": {
            "type": "string",
            "pattern": r"\$\{[^}]+\}",
            "description": "A variable (`${name}`) or a secret (`${env:NAME}`).",
        },
    });
    schema
}

fn object(object: &Object) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    for field in object.fields() {
        properties.insert(field.name.to_owned(), property(field));
        if field.need == Need::Required {
            required.push(field.name);
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": object.about,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let rules: Vec<Value> = object.rules.iter().flat_map(rule).collect();
    if !rules.is_empty() {
        schema["allOf"] = Value::Array(rules);
    }
    schema
}

fn property(field: &Field) -> Value {
    let mut schema = form(&field.form);
    schema["description"] = json!(field.about);
    if let Need::Default(text) = field.need {
        schema["default"] = match field.form {
            Form::Integer(..) | Form::Number(_) | Form::Flag => {
                serde_json::from_str(text).unwrap_or_default()
            }
            _ => json!(text),
        };
    }
    schema
}

fn rule(rule: &Rule) -> Vec<Value> {
    let has = |name: &&str| json!({"required": [name]});
    let no_two = |names: &[&'static str]| -> Vec<Value> {
        let pairs = names
            .iter()
            .enumerate()
            .flat_map(|(at, one)| names[at + 1..].iter().map(move |two| (*one, *two)));
        pairs
            .map(|(one, two)| json!({"not": {"required": [one, two]}}))
            .collect()
    };
    match rule {
        Rule::ExactlyOne(names) => {
            vec![json!({"oneOf": names.iter().map(has).collect::<Vec<_>>()})]
        }
        Rule::AtLeastOne(names) => {
            vec![json!({"anyOf": names.iter().map(has).collect::<Vec<_>>()})]
        }
        Rule::AtMostOne(names) => no_two(names),
        Rule::Needs(name, other) => vec![json!({"dependentRequired": {*name: [other]}})],
        // Every key that isn't known is refused.
        Rule::Never(..) => Vec::new(),
    }
}

/// A scalar, or a reference to a variable that holds one.
fn scalar(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"$ref": "#/$defs/reference"}]})
}

fn text(pattern: &str, example: &str) -> Value {
    scalar(&json!({"type": "string", "pattern": pattern, "examples": [example]}))
}

const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._:#-]{0,79}$";

fn form(of: &Form) -> Value {
    match of {
        Form::Text => json!({"type": "string", "pattern": r"\S"}),
        Form::Free | Form::Sent => json!({"type": "string"}),
        Form::Name => text(NAME, "wallet-api"),
        Form::Duration(..) => text(r"^\s*([0-9]+(ms|s|m|h|d)\s*)+$", "30s"),
        Form::FineDuration => text(r"^\s*([0-9]+(us|µs)|([0-9]+(ms|s|m|h|d)\s*)+)\s*$", "50us"),
        Form::Size => text(r"^\s*[0-9]+\s*([KMG]i?)?B\s*$", "64MiB"),
        Form::Integer(low, high) => {
            let mut schema = json!({"type": "integer", "minimum": low});
            if *high < i64::MAX {
                schema["maximum"] = json!(high);
            }
            scalar(&schema)
        }
        Form::Number(range) => scalar(&number(*range)),
        Form::Flag => scalar(&json!({"type": "boolean"})),
        Form::Word(words) => scalar(&choice_of_words(words)),
        Form::Url => text("^[Hh][Tt][Tt][Pp][Ss]?://", "http://127.0.0.1:7000/health"),
        Form::Address => text(":[0-9]{1,5}$", "127.0.0.1:7000"),
        Form::Network => text("/[0-9]{1,3}$", "127.0.0.0/8"),
        Form::DockerHost => text(
            "^(unix|npipe|tcp|http|https|ssh)://",
            "unix:///var/run/docker.sock",
        ),
        Form::Label => text("^[^=]+=", "env=staging"),
        Form::LabelSelector => text("^[^=]+", "app=wallet"),
        Form::JsonPath => text(r"^\$", "$.result"),
        Form::Cron => text(r"^\S+(\s+\S+){4}$", "0 10 * * TUE"),
        Form::Timezone => text(r"^\S+$", "Europe/Berlin"),
        Form::Scalar => json!({"type": ["string", "number", "boolean"]}),
        Form::Any => json!({}),
        Form::List(of, least, most) => {
            json!({"type": "array", "items": form(of), "minItems": least, "maxItems": most})
        }
        Form::Map(keys, of) => {
            let mut schema = json!({"type": "object", "additionalProperties": form(of)});
            let names = match keys {
                Keys::Name => Some(NAME),
                Keys::JsonPath => Some(r"^\$"),
                Keys::Header => Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
                Keys::Text => None,
            };
            if let Some(pattern) = names {
                schema["propertyNames"] = json!({"pattern": pattern});
            }
            schema
        }
        Form::Object(of) => object(of),
        Form::Choice(_, variants) => choice(variants),
        Form::Either(forms) => json!({"anyOf": forms.iter().map(form).collect::<Vec<_>>()}),
    }
}

fn number(range: Range) -> Value {
    let mut schema = json!({"type": "number"});
    if range.low > f64::MIN {
        schema[if range.closed {
            "minimum"
        } else {
            "exclusiveMinimum"
        }] = json!(range.low);
    }
    if range.high < f64::MAX {
        schema["maximum"] = json!(range.high);
    }
    schema
}

/// Words with what each means, in the form that editors show beside each.
fn choice_of_words(words: &[(&str, &str)]) -> Value {
    let all: Vec<Value> = words
        .iter()
        .map(|(word, about)| json!({"const": word, "description": about}))
        .collect();
    json!({"oneOf": all})
}

fn choice(variants: &[Variant]) -> Value {
    let mut properties = Map::new();
    for variant in variants {
        if let Some(of) = &variant.form {
            let mut schema = form(of);
            schema["description"] = json!(variant.about);
            properties.insert(variant.name.to_owned(), schema);
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insta::assert_json_snapshot;

    use super::*;

    /// Every key below a form, by its path, as the checker knows it.
    fn known(path: &str, of: &Form, keys: &mut BTreeSet<String>) {
        match of {
            Form::Object(object) => {
                for field in object.fields() {
                    let path = format!("{path}/{}", field.name);
                    known(&path, &field.form, keys);
                    keys.insert(path);
                }
            }
            Form::Choice(_, variants) => {
                for variant in *variants {
                    if let Some(form) = &variant.form {
                        let path = format!("{path}/{}", variant.name);
                        known(&path, form, keys);
                        keys.insert(path);
                    }
                }
            }
            Form::List(of, ..) | Form::Map(_, of) => known(&format!("{path}/*"), of, keys),
            Form::Either(forms) => forms.iter().for_each(|form| known(path, form, keys)),
            _ => {}
        }
    }

    /// The same of a schema.
    fn written(path: &str, schema: &Value, keys: &mut BTreeSet<String>) {
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}/{name}");
            written(&path, of, keys);
            keys.insert(path);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                written(&format!("{path}/*"), &schema[inner], keys);
            }
        }
        for one in schema["anyOf"].as_array().into_iter().flatten() {
            written(path, one, keys);
        }
    }

    #[test]
    fn every_key_of_the_checker_is_in_the_schema_and_none_beside() {
        for kind in Kind::ALL {
            let (mut checker, mut published) = (BTreeSet::new(), BTreeSet::new());
            for field in kind.object().fields() {
                let path = format!("/{}", field.name);
                known(&path, &field.form, &mut checker);
                checker.insert(path);
            }
            written("", &schema(kind), &mut published);
            assert_eq!(checker, published, "{}", kind.as_str());
            assert!(published.len() > 3);
        }
    }

    #[test]
    fn defaults_are_values_of_their_forms() {
        fn each(object: &Object, seen: &mut usize) {
            for field in object.fields() {
                if let Need::Default(text) = field.need {
                    let schema = property(field);
                    let typed = match field.form {
                        Form::Integer(..) => schema["default"].is_i64(),
                        Form::Number(_) => schema["default"].is_number(),
                        Form::Flag => schema["default"].is_boolean(),
                        Form::Duration(..) => text.parse::<crate::model::time::Millis>().is_ok(),
                        Form::Word(words) => words.iter().any(|(word, _)| *word == text),
                        _ => schema["default"].is_string(),
                    };
                    assert!(typed, "{} of {}", field.name, object.what);
                    *seen += 1;
                }
                below(&field.form, seen);
            }
        }
        fn below(form: &Form, seen: &mut usize) {
            match form {
                Form::Object(object) => each(object, seen),
                Form::List(of, ..) | Form::Map(_, of) => below(of, seen),
                Form::Either(forms) => forms.iter().for_each(|form| below(form, seen)),
                Form::Choice(_, variants) => {
                    variants
                        .iter()
                        .filter_map(|one| one.form.as_ref())
                        .for_each(|form| below(form, seen));
                }
                _ => {}
            }
        }
        let mut seen = 0;
        for kind in Kind::ALL {
            each(kind.object(), &mut seen);
        }
        assert!(seen > 30, "{seen}");
    }

    /// Whether a value keeps to a schema, as far as the words of ours go; patterns are left out.
    fn accepts(schema: &Value, value: &Value) -> bool {
        let list = |key: &str| schema[key].as_array().map_or(&[][..], Vec::as_slice);
        let is = |name: &Value| match name.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            _ => false,
        };
        let typed = match &schema["type"] {
            Value::Null => true,
            Value::Array(names) => names.iter().any(is),
            name => is(name),
        };
        let entries = || value.as_object().into_iter().flatten();
        let count = list("oneOf")
            .iter()
            .filter(|one| accepts(one, value))
            .count();
        typed
            && (schema["$ref"].is_null() || value.as_str().is_some_and(|text| text.contains("${")))
            && (schema["const"].is_null() || schema["const"] == *value)
            && (schema["not"].is_null() || !accepts(&schema["not"], value))
            && (list("anyOf").is_empty() || list("anyOf").iter().any(|one| accepts(one, value)))
            && (list("oneOf").is_empty() || count == 1)
            && list("allOf").iter().all(|one| accepts(one, value))
            && list("required")
                .iter()
                .all(|key| value.get(key.as_str().unwrap_or("")).is_some())
            && schema["dependentRequired"]
                .as_object()
                .into_iter()
                .flatten()
                .all(|(key, others)| {
                    value.get(key).is_none()
                        || others
                            .as_array()
                            .into_iter()
                            .flatten()
                            .all(|other| value.get(other.as_str().unwrap_or("")).is_some())
                })
            && schema["minItems"]
                .as_u64()
                .is_none_or(|least| value.as_array().is_none_or(|all| all.len() as u64 >= least))
            && schema["maxItems"]
                .as_u64()
                .is_none_or(|most| value.as_array().is_none_or(|all| all.len() as u64 <= most))
            && schema["maxProperties"]
                .as_u64()
                .is_none_or(|most| entries().count() as u64 <= most)
            && schema["minimum"]
                .as_f64()
                .is_none_or(|low| value.as_f64().is_none_or(|number| number >= low))
            && schema["maximum"]
                .as_f64()
                .is_none_or(|high| value.as_f64().is_none_or(|number| number <= high))
            && schema["exclusiveMinimum"]
                .as_f64()
                .is_none_or(|low| value.as_f64().is_none_or(|number| number > low))
            && entries().all(|(key, value)| {
                match (&schema["properties"][key], &schema["additionalProperties"]) {
                    (Value::Null, Value::Bool(false)) => false,
                    (Value::Null, Value::Null | Value::Bool(_)) => true,
                    (Value::Null, rest) => accepts(rest, value),
                    (own, _) => accepts(own, value),
                }
            })
            && value
                .as_array()
                .into_iter()
                .flatten()
                .all(|item| accepts(&schema["items"], item))
    }

    fn json_of(text: &str) -> (Kind, Value) {
        let source = crate::spec::Source::new("f.yaml", text);
        let (nodes, found) =
            crate::spec::tree::parse(&source, crate::spec::Span::new(0, text.len()));
        assert_eq!(found, Vec::new());
        let value = nodes[0].to_json();
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| value["kind"] == kind.as_str())
            .expect("a kind");
        (kind, value)
    }

    #[test]
    fn schemas_take_good_files_and_refuse_the_shapes_that_the_checker_refuses() {
        for text in crate::spec::tests::good_files() {
            let (kind, value) = json_of(&text);
            assert!(accepts(&schema(kind), &value), "{text}");
            // A key that there isn't is refused wherever it is put.
            let mut more = value.clone();
            more["unheard"] = json!(1);
            assert!(!accepts(&schema(kind), &more));
            for key in value.as_object().expect("a map").keys() {
                let mut wrong = value.clone();
                wrong[key] = json!([[1]]);
                assert!(!accepts(&schema(kind), &wrong), "{key}");
            }
        }
        let (kind, mut value) = json_of(&crate::spec::tests::good_files()[1]);
        value["method"][0]["hook"]["at"] = json!("1s");
        assert!(accepts(&schema(kind), &value));
        value["method"][0]["hook"]["after"] = json!("x");
        assert!(!accepts(&schema(kind), &value));
        value["method"][0] =
            json!({"down": {"link": "a", "for": "1s"}, "kill": {"service": "a", "for": "1s"}});
        assert!(!accepts(&schema(kind), &value));
        value["method"][0] =
            json!({"latency": {"link": "a", "latency": "1s", "for": "1s", "toxicity": 0}});
        assert!(!accepts(&schema(kind), &value));
        value["method"][0] =
            json!({"latency": {"link": "a", "latency": "1s", "for": "1s", "toxicity": "${share}"}});
        assert!(accepts(&schema(kind), &value));
    }

    #[test]
    fn a_schema_reads_like_this() {
        assert_json_snapshot!(schema(Kind::Team), @r##"
    {
      "type": "object",
      "description": "A team that drills name. Handles only: a person's name never enters a run's log.",
      "properties": {
        "kind": {
          "const": "Team",
          "description": "What the file is."
        },
        "vars": {
          "type": "object",
          "additionalProperties": {
            "anyOf": [
              {
                "type": "object",
                "description": "A value that `--var name=value` can replace.",
                "properties": {
                  "type": {
                    "anyOf": [
                      {
                        "oneOf": [
                          {
                            "const": "text",
                            "description": "Any text."
                          },
                          {
                            "const": "integer",
                            "description": "A whole number."
                          },
                          {
                            "const": "number",
                            "description": "A number."
                          },
                          {
                            "const": "boolean",
                            "description": "`true` or `false`."
                          },
                          {
                            "const": "duration",
                            "description": "A length of time."
                          }
                        ]
                      },
                      {
                        "$ref": "#/$defs/reference"
                      }
                    ],
                    "description": "What it holds.",
                    "default": "text"
                  },
                  "default": {
                    "type": [
                      "string",
                      "number",
                      "boolean"
                    ],
                    "description": "Its value where none is given."
                  }
                },
                "additionalProperties": false
              },
              {
                "type": [
                  "string",
                  "number",
                  "boolean"
                ]
              }
            ]
          },
          "propertyNames": {
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._:#-]{0,79}$"
          },
          "description": "Variables: `${name}` in any value stands for theirs. Each is a value, or {type, default}."
        },
        "name": {
          "anyOf": [
            {
              "type": "string",
              "pattern": "^[A-Za-z0-9][A-Za-z0-9._:#-]{0,79}$",
              "examples": [
                "wallet-api"
              ]
            },
            {
              "$ref": "#/$defs/reference"
            }
          ],
          "description": "As drills name it."
        },
        "members": {
          "type": "array",
          "items": {
            "anyOf": [
              {
                "type": "string",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9._:#-]{0,79}$",
                "examples": [
                  "wallet-api"
                ]
              },
              {
                "$ref": "#/$defs/reference"
              }
            ]
          },
          "minItems": 1,
          "maxItems": 1000,
          "description": "Its members' handles."
        },
        "on_call": {
          "type": "array",
          "items": {
            "anyOf": [
              {
                "type": "string",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9._:#-]{0,79}$",
                "examples": [
                  "wallet-api"
                ]
              },
              {
                "$ref": "#/$defs/reference"
              }
            ]
          },
          "minItems": 1,
          "maxItems": 1000,
          "description": "The members who are on call, in the order in which they are asked. The room shows them."
        },
        "escalation": {
          "type": "array",
          "items": {
            "type": "object",
            "description": "Who is called next, and when.",
            "properties": {
              "after": {
                "anyOf": [
                  {
                    "type": "string",
                    "pattern": "^\\s*([0-9]+(ms|s|m|h|d)\\s*)+$",
                    "examples": [
                      "30s"
                    ]
                  },
                  {
                    "$ref": "#/$defs/reference"
                  }
                ],
                "description": "How long nobody has acknowledged since the page, or since the step before."
              },
              "to": {
                "type": "array",
                "items": {
                  "anyOf": [
                    {
                      "type": "string",
                      "pattern": "^[A-Za-z0-9][A-Za-z0-9._:#-]{0,79}$",
                      "examples": [
                        "wallet-api"
                      ]
                    },
                    {
                      "$ref": "#/$defs/reference"
                    }
                  ]
                },
                "minItems": 1,
                "maxItems": 100,
                "description": "Who is called: members, or whoever else the team calls."
              }
            },
            "additionalProperties": false,
            "required": [
              "after",
              "to"
            ]
          },
          "minItems": 1,
          "maxItems": 100,
          "description": "Who is called next while nobody acknowledges, step by step from the page on."
        }
      },
      "additionalProperties": false,
      "required": [
        "kind",
        "name",
        "members"
      ],
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "firedrill Team",
      "$defs": {
        "reference": {
          "type": "string",
          "pattern": "\\$\\{[^}]+\\}",
          "description": "A variable (`${name}`) or a secret (`${env:NAME}`)."
        }
      }
    }
    "##);
    }
}
