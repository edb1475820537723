//! The pages of whoever is nobody yet: logging in, and setting up.

use serde::Serialize;

use super::layout::Layout;
use crate::http::templates::Page;

/// Where one logs in.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Login {
    pub(in crate::http) layout: Layout,
    /// Where it leads.
    pub(in crate::http) back: String,
    pub(in crate::http) name: String,
    /// Why it was not done.
    pub(in crate::http) trouble: Option<String>,
}

impl Page for Login {
    const TEMPLATE: &'static str = "login.html";
}

/// Where the first administrator is made.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Setup {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) code: String,
    /// The fewest characters of a password.
    pub(in crate::http) shortest: usize,
}

impl Page for Setup {
    const TEMPLATE: &'static str = "setup.html";
}
