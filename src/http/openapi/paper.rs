//! Writing the document: an operation at a time, schemas gathered as they are met.

use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::http::problem::{MEDIA_TYPE, Problem};

/// Where schemas are.
const SCHEMAS: &str = "/components/schemas";

/// What the API is, for who meets it first.
const ABOUT: &str = "Everything that the pages of firedrill can do. Errors are problem details (RFC 9457) with a `code` \
    that never changes. Lists come in parts: hand `next` back as `cursor` until it is null. Reads of what does not change \
    while nobody changes it carry an `ETag`; sent back in `If-None-Match`, it is answered with 304. A start with an \
    `Idempotency-Key` happens once, however often it is asked for. docs/api.md tells more.";

/// The document as far as it is written.
pub(super) struct Paper {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
    paths: Map<String, Value>,
}

/// An operation that is being written.
pub(super) struct Operation<'a> {
    paper: &'a mut Paper,
    method: &'static str,
    path: &'static str,
    written: Map<String, Value>,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
    /// Whether its answers carry a tag.
    tagged: bool,
}

fn generator(contract: Contract) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = SCHEMAS.into();
    settings.meta_schema = None;
    settings.contract = contract;
    settings.into_generator()
}

impl Default for Paper {
    fn default() -> Self {
        Self {
            answers: generator(Contract::Serialize),
            bodies: generator(Contract::Deserialize),
            paths: Map::new(),
        }
    }
}

impl Paper {
    /// Begins an operation under `/api/v1`. Its problems that any request can meet are written at once.
    pub(super) fn operation(
        &mut self,
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Operation<'_> {
        let tag = path.split('/').nth(1).unwrap_or_default();
        let mut written = Map::new();
        written.insert("operationId".into(), json!(id));
        written.insert("tags".into(), json!([tag]));
        written.insert("summary".into(), json!(summary));
        let places = path.split('/').filter_map(|part| {
            let name = part.strip_prefix('{')?.strip_suffix('}')?;
            Some(
                json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}),
            )
        });
        let operation = Operation {
            parameters: places.collect(),
            paper: self,
            method,
            path,
            written,
            responses: Map::new(),
            tagged: false,
        };
        let operation = operation
            .refuses(400, "The request can't be read")
            .refuses(
                401,
                "A token or a session is needed, or the one given is not good",
            )
            .refuses(403, "This may not be done, or not from another site")
            .refuses(421, "The server does not answer to this host name")
            .refuses(429, "Too many requests")
            .refuses(500, "A mistake of firedrill's own")
            .refuses(503, "It may work later");
        if path.contains('{') {
            operation.refuses(404, "There is nothing of this name")
        } else {
            operation
        }
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> Value {
        let mut schemas = self.answers.take_definitions(true);
        for (name, schema) in self.bodies.take_definitions(true) {
            // What is both taken and given must read alike, or one name would stand for two things.
            let known = schemas.entry(name).or_insert_with(|| schema.clone());
            debug_assert_eq!(*known, schema, "two schemas of one name");
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "firedrill",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
            },
            "servers": [{"url": "/api/v1"}],
            // On loopback without accounts none is needed, and none is there to show.
            "security": [{"token": []}],
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "A token of firedrill's. On loopback without accounts nothing is needed.",
                    },
                },
            },
        })
    }
}

impl Operation<'_> {
    /// Whoever asks is answered.
    pub(super) fn open(mut self) -> Self {
        self.written.insert("security".into(), json!([]));
        self
    }

    /// More about it.
    pub(super) fn about(mut self, text: &'static str) -> Self {
        self.written.insert("description".into(), json!(text));
        self
    }

    /// Its query, from the type that reads it.
    pub(super) fn query<T: JsonSchema>(mut self) -> Self {
        let schema = T::json_schema(&mut self.paper.bodies);
        let required = schema.get("required").and_then(Value::as_array).cloned();
        let properties = schema.get("properties").and_then(Value::as_object).cloned();
        for (name, mut schema) in properties.unwrap_or_default() {
            let description = schema
                .as_object_mut()
                .and_then(|it| it.remove("description"));
            let required = required
                .as_ref()
                .is_some_and(|required| required.contains(&json!(name)));
            self.parameters.push(json!({
                "name": name,
                "in": "query",
                "required": required,
                "description": description,
                "schema": without_null(schema),
            }));
        }
        self
    }

    /// A header that it reads.
    pub(super) fn header(mut self, name: &str, schema: &Value, description: &str) -> Self {
        self.parameters.push(json!({
            "name": name,
            "in": "header",
            "required": false,
            "description": description,
            "schema": schema,
        }));
        self
    }

    /// Its body, from the type that reads it.
    pub(super) fn takes<T: JsonSchema>(self) -> Self {
        let schema = self.paper.bodies.subschema_for::<T>();
        self.takes_schema(&schema.into())
    }

    /// Its body, by a schema of its own.
    pub(super) fn takes_schema(mut self, schema: &Value) -> Self {
        let content =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
        self.written.insert("requestBody".into(), content);
        self.refuses(413, "The body is too large")
            .refuses(415, "The body is not said to be JSON")
            .refuses(422, "The body is understood and can't be taken")
    }

    /// A schema as bodies are read by.
    pub(super) fn body_schema<T: JsonSchema>(&mut self) -> Schema {
        T::json_schema(&mut self.paper.bodies)
    }

    /// A good answer, as JSON.
    pub(super) fn gives<T: JsonSchema>(self, status: u16, description: &str) -> Self {
        let schema = self.paper.answers.subschema_for::<T>();
        self.gives_as(
            status,
            description,
            &json!({"application/json": {"schema": schema}}),
        )
    }

    /// A good answer in other forms.
    pub(super) fn gives_as(mut self, status: u16, description: &str, content: &Value) -> Self {
        let mut answer = json!({"description": description, "content": content});
        if self.tagged {
            answer["headers"] = json!({"ETag": {
                "description": "What this answer is known by.",
                "schema": {"type": "string"},
            }});
        }
        self.responses.insert(status.to_string(), answer);
        self
    }

    /// A good answer without a body.
    pub(super) fn gives_nothing(mut self, status: u16, description: &str) -> Self {
        self.responses
            .insert(status.to_string(), json!({"description": description}));
        self
    }

    /// The good answer as a stream of events, too.
    pub(super) fn also_gives_stream(mut self) -> Self {
        self.responses["200"]["content"]["text/event-stream"] =
            json!({"schema": {"type": "string"}});
        self
    }

    /// The good answer as Markdown, too.
    pub(super) fn also_gives_markdown(mut self) -> Self {
        self.responses["200"]["content"]["text/markdown"] = json!({"schema": {"type": "string"}});
        self
    }

    /// The good answer as a report in each of its forms.
    pub(super) fn also_gives_report<T: JsonSchema>(mut self) -> Self {
        let schema = self.paper.answers.subschema_for::<T>();
        self.responses["200"]["content"] = json!({
            "application/json": {"schema": schema},
            "text/markdown": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
        });
        self
    }

    /// Its answers carry a tag, where what they tell is settled.
    pub(super) fn tagged(mut self) -> Self {
        self.tagged = true;
        self.responses.insert(
            "304".into(),
            json!({"description": "It is still what `If-None-Match` names"}),
        );
        self.header(
            "If-None-Match",
            &json!({"type": "string"}),
            "The `ETag` of an earlier answer.",
        )
    }

    /// Its good answer says what the thing is known by from now on.
    pub(super) fn tags(mut self) -> Self {
        self.tagged = true;
        self
    }

    /// It changes what may have changed since it was looked at: only what `If-Match` names.
    pub(super) fn guarded(mut self) -> Self {
        self.tagged = true;
        self.refuses(412, "It is not any more what `If-Match` names")
            .header(
                "If-Match",
                &json!({"type": "string"}),
                "The `ETag` of what was looked at.",
            )
    }

    /// A refusal.
    pub(super) fn refuses(mut self, status: u16, description: &str) -> Self {
        let schema = self.paper.answers.subschema_for::<Problem>();
        let mut content = Map::new();
        content.insert(MEDIA_TYPE.into(), json!({"schema": schema}));
        self.responses.insert(
            status.to_string(),
            json!({"description": description, "content": content}),
        );
        self
    }

    /// Puts it into the document.
    pub(super) fn done(mut self) {
        if !self.parameters.is_empty() {
            let parameters = Value::Array(std::mem::take(&mut self.parameters));
            self.written.insert("parameters".into(), parameters);
        }
        self.responses.sort_keys();
        self.written
            .insert("responses".into(), Value::Object(self.responses));
        let path = self
            .paper
            .paths
            .entry(self.path)
            .or_insert_with(|| json!({}));
        path[self.method] = Value::Object(self.written);
    }
}

/// A parameter that may be left out is not given as null.
fn without_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [one] = kinds.as_slice() {
            let one = one.clone();
            schema["type"] = one;
        }
    }
    schema
}
