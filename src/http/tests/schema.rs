//! JSON Schema 2020-12, as much of it as the API's description uses. A word that it does not know is a failure, so that
//! nothing described goes unchecked.

use serde_json::Value;

/// Words that say nothing about what is valid, or what is checked where it is read.
const SILENT: [&str; 8] = [
    "title",
    "description",
    "default",
    "format",
    "pattern",
    "examples",
    "deprecated",
    "$schema",
];

/// Whether a value is as a schema says; if not, where and why.
pub(super) fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Bool(false) => return Err("nothing is valid here".to_owned()),
        Value::Object(schema) => schema,
        other => panic!("{other} is no schema"),
    };
    let valid = |schema: &Value| check(root, schema, value);
    for (word, says) in schema {
        match word.as_str() {
            "$ref" => {
                let place = says.as_str().expect("a reference").trim_start_matches('#');
                valid(root.pointer(place).expect("it is there"))?;
            }
            "type" => {
                let kinds = says
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![says.clone()]);
                if !kinds
                    .iter()
                    .any(|kind| is(kind.as_str().expect("a kind"), value))
                {
                    return Err(format!("{value} is not of type {says}"));
                }
            }
            "const" if says != value => return Err(format!("{value} is not {says}")),
            "enum" if !says.as_array().expect("a list").contains(value) => {
                return Err(format!("{value} is none of {says}"));
            }
            "const" | "enum" => {}
            "allOf" => says
                .as_array()
                .expect("a list")
                .iter()
                .try_for_each(valid)?,
            "anyOf" => {
                let all = says.as_array().expect("a list");
                if !all.iter().any(|one| valid(one).is_ok()) {
                    return Err(format!("{value} fits none of anyOf"));
                }
            }
            "oneOf" => {
                let tried: Vec<_> = says.as_array().expect("a list").iter().map(valid).collect();
                match tried.iter().filter(|one| one.is_ok()).count() {
                    1 => {}
                    0 => return Err(format!("{value} fits none of oneOf: {tried:?}")),
                    _ => return Err(format!("{value} fits several of oneOf")),
                }
            }
            "required" => {
                let names = says.as_array().expect("a list");
                let lacks = names.iter().find(|name| {
                    value.is_object() && value.get(name.as_str().expect("a name")).is_none()
                });
                if let Some(name) = lacks {
                    return Err(format!("{name} is missing"));
                }
            }
            "properties" => {
                for (name, schema) in says.as_object().expect("properties") {
                    if let Some(value) = value.get(name) {
                        check(root, schema, value).map_err(|why| format!("{name}: {why}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let unknown = value.as_object().into_iter().flatten();
                for (name, value) in unknown
                    .filter(|(name, _)| !known.is_some_and(|known| known.contains_key(*name)))
                {
                    check(root, says, value).map_err(|why| format!("{name}: {why}"))?;
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, says, value).map_err(|why| format!("[{index}]: {why}"))?;
                }
            }
            "prefixItems" => {
                let pairs = says.as_array().expect("a list").iter();
                for (schema, value) in pairs.zip(value.as_array().into_iter().flatten()) {
                    check(root, schema, value)?;
                }
            }
            "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" => {
                let size = match value {
                    Value::String(text) => Some(count(text.chars().count())),
                    Value::Array(list) => Some(count(list.len())),
                    other => other.as_f64(),
                };
                let bound = says.as_f64().expect("a number");
                let fits = |size: f64| {
                    if word.starts_with("min") {
                        size >= bound
                    } else {
                        size <= bound
                    }
                };
                if !size.is_none_or(fits) {
                    return Err(format!("{value} breaks {word} {bound}"));
                }
            }
            // Only bodies that are sent are strict; answers never are.
            "unevaluatedProperties" if *says == Value::Bool(true) => {}
            silent if SILENT.contains(&silent) => {}
            unknown => panic!("the schema says `{unknown}`, which is not checked here"),
        }
    }
    Ok(())
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a size of a test"))
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

#[test]
fn what_is_not_as_described_is_found() {
    use serde_json::json;
    let root = json!({"s": {"n": {"type": "integer", "minimum": 1}}});
    let schema = json!({
        "type": "object",
        "properties": {"a": {"$ref": "#/s/n"}, "b": {"type": ["string", "null"]}},
        "required": ["a"],
        "additionalProperties": false,
    });
    assert_eq!(check(&root, &schema, &json!({"a": 1, "b": null})), Ok(()));
    for bad in [
        json!({}),
        json!({"a": 0}),
        json!({"a": "1"}),
        json!({"a": 1, "b": 2}),
        json!({"a": 1, "c": 2}),
        json!([]),
    ] {
        assert!(check(&root, &schema, &bad).is_err(), "{bad}");
    }
}
