//! All runs, a part at a time.

use serde::Serialize;

use super::layout::Layout;
use super::run_line::RunLine;
use crate::http::templates::Page;

/// The page of all runs.
#[derive(Debug, Serialize)]
pub(in crate::http) struct RunList {
    pub(in crate::http) layout: Layout,
    pub(in crate::http) runs: Vec<RunLine>,
    /// Whether this is not the first part.
    pub(in crate::http) further: bool,
    /// Where the next part begins.
    pub(in crate::http) next: Option<String>,
}

impl Page for RunList {
    const TEMPLATE: &'static str = "runs.html";
}
