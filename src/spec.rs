//! Users' files: YAML to the typed values of `model`, with every finding at its exact token.
//!
//! Pure but for one file: `source` reads from disk, the rest works on text.

pub(crate) mod address;
pub(crate) mod check;
pub mod code;
pub mod config;
pub mod diagnostic;
pub mod document;
pub mod edit;
pub mod explain;
pub mod findings;
pub(crate) mod form;
pub mod library;
pub mod load;
pub mod reference;
pub(crate) mod resolve;
pub mod schema;
pub(crate) mod source;
pub(crate) mod tree;
pub(crate) mod vars;

pub use code::Code;
pub use config::{Config, read_config};
pub use diagnostic::{Diagnostic, Severity, Source, Span};
pub use document::Kind;
pub use edit::{Edit, consider};
pub use explain::explain;
pub use findings::Findings;
pub use library::{Item, Library, Options};
pub use load::{Loaded, Report, load, load_plan, validate};
pub use reference::reference;
pub use schema::schema;

#[cfg(test)]
mod tests;
