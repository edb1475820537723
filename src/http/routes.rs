//! The table of addresses: a route is an address, what it takes to be answered there, and who answers. There is no other
//! way to add one, so none can be without what it takes; the guard, `docs/access.md` and the tests read the same rows.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post, put};

use super::Services;
use super::keeper::{Gatekeeper, authorise};
use super::page::explain;
use crate::model::access::Permission;

/// What it takes to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing, ever: what is said is no secret, and whoever has no account yet needs it.
    Nothing,
    /// Nothing, once there is an account: where one logs in.
    Door,
    /// A token that the server's configuration lists under `tokens`.
    HookToken,
    /// Nothing, where the server's configuration publishes status pages; else to see the run of the address.
    Published,
    /// To be somebody: an account, or the local operator.
    Somebody,
    /// A permission, for what the address is about.
    To(Permission, About),
}

/// What an address is about: where a role must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// No one thing: a role that holds anywhere is enough, and lists show what it reaches.
    Anywhere,
    /// All stacks and teams.
    Everywhere,
    /// The run of the address.
    Run,
    /// The run of the address, also one that its responders are not told of: whoever knows of it may end it.
    AnyRun,
    /// The stack of the address.
    Stack,
    /// The experiment of the address.
    Experiment,
    /// The drill of the address.
    Drill,
    /// The experiment or drill that the body names; the handler asks once it knows.
    Named,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) needs: Needs,
    /// Whether it is a page or a form: told in HTML.
    pub(crate) page: bool,
}

impl Row {
    /// Whether a browser's form is sent here, which must carry its token.
    pub(crate) fn takes_a_form(&self) -> bool {
        self.page && !self.method.is_safe()
    }
}

struct Entry {
    row: Row,
    handler: MethodRouter<Services>,
}

/// Addresses, and who answers.
#[derive(Default)]
pub(super) struct Routes(Vec<Entry>);

impl Routes {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// What is asked for.
    pub(super) fn get<H, T>(self, path: &str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Services>,
        T: 'static,
    {
        self.add(Method::GET, path, needs, get(handler))
    }

    /// What is sent.
    pub(super) fn post<H, T>(self, path: &str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Services>,
        T: 'static,
    {
        self.add(Method::POST, path, needs, post(handler))
    }

    /// What is put there.
    pub(super) fn put<H, T>(self, path: &str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Services>,
        T: 'static,
    {
        self.add(Method::PUT, path, needs, put(handler))
    }

    /// What is taken away.
    pub(super) fn delete<H, T>(self, path: &str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Services>,
        T: 'static,
    {
        self.add(Method::DELETE, path, needs, delete(handler))
    }

    fn add(
        mut self,
        method: Method,
        path: &str,
        needs: Needs,
        handler: MethodRouter<Services>,
    ) -> Self {
        let row = Row {
            method,
            path: path.to_owned(),
            needs,
            page: false,
        };
        self.0.push(Entry { row, handler });
        self
    }

    /// These addresses below `prefix`.
    pub(super) fn below(mut self, prefix: &str) -> Self {
        for entry in &mut self.0 {
            entry.row.path.insert_str(0, prefix);
        }
        self
    }

    /// These addresses as pages and forms.
    pub(super) fn pages(mut self) -> Self {
        for entry in &mut self.0 {
            entry.row.page = true;
        }
        self
    }

    /// With those of `other`.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The table alone.
    pub(super) fn rows(self) -> Vec<Row> {
        self.0.into_iter().map(|entry| entry.row).collect()
    }

    /// The pages, and the rest, each address behind its guard.
    pub(super) fn build(self, services: &Services) -> Router<Services> {
        let (mut pages, mut others) = (Router::new(), Router::new());
        for Entry { row, handler } in self.0 {
            let (path, page) = (row.path.clone(), row.page);
            let keeper = Gatekeeper::new(services.clone(), row);
            let handler = handler.route_layer(from_fn_with_state(keeper, authorise));
            if page {
                pages = pages.route(&path, handler);
            } else {
                others = others.route(&path, handler);
            }
        }
        pages = pages
            .fallback(super::page::missing)
            .layer(from_fn_with_state(services.clone(), explain));
        pages.merge(others)
    }
}
