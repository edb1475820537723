//! API tokens.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::account::{Held, Wheres, held};
use super::layout::Layout;
use super::time::Moment;
use crate::http::templates::Page;
use crate::store::tokens::Token;

/// All tokens, and, once, a new one.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Tokens {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) all: Vec<TokenLine>,
    /// The one that was just made: it is shown here and never again.
    pub(in crate::http) made: Option<String>,
    pub(in crate::http) wheres: Wheres,
    /// How many days one lasts where nobody says.
    pub(in crate::http) lasts: u16,
}

impl Page for Tokens {
    const TEMPLATE: &'static str = "tokens.html";
}

/// A token.
#[derive(Debug, Serialize)]
pub(in crate::http) struct TokenLine {
    pub(in crate::http) name: String,
    pub(in crate::http) held: Held,
    pub(in crate::http) maker: String,
    pub(in crate::http) created: Moment,
    pub(in crate::http) expires: Moment,
    pub(in crate::http) over: bool,
    pub(in crate::http) used: Option<Moment>,
}

impl TokenLine {
    /// A token as it is listed.
    pub(in crate::http) fn new(
        token: &Token,
        names: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        Self {
            name: token.name.clone(),
            held: held(&token.grant),
            maker: names
                .get(&token.created_by)
                .unwrap_or(&token.created_by)
                .clone(),
            created: token.created.into(),
            expires: token.expires.into(),
            over: token.expires <= now,
            used: token.used.map(Into::into),
        }
    }
}
