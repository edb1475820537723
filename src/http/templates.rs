//! Templates, compiled once. A page is a type that names its template, so that what a template may ask for is written
//! down in one place; what it asks for in vain is an error, not an empty text.

use std::sync::LazyLock;

use axum::response::Html;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;

use super::problem::Problem;

/// What a template is given.
pub(super) trait Page: Serialize {
    /// The template's file.
    const TEMPLATE: &'static str;
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    minijinja_embed::load_templates!(environment);
    environment
});

/// The page as HTML.
pub(super) fn render<P: Page>(page: &P) -> Result<Html<String>, Problem> {
    text(page)
        .map(Html)
        .map_err(|error| Problem::internal(&format!("{error:#}")))
}

fn text<P: Page>(page: &P) -> Result<String, minijinja::Error> {
    ENVIRONMENT
        .get_template(P::TEMPLATE)?
        .render(Value::from(Serde(page)))
}

/// The page as text, for tests: a mistake in a template fails them with its place.
#[cfg(test)]
pub(super) fn sample<P: Page>(page: &P) -> String {
    let page = text(page).unwrap_or_else(|error| panic!("{}: {error:#}", P::TEMPLATE));
    super::tests::html::check(&page);
    page
}
