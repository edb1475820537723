//! Who asks: each request is somebody's before any handler sees it.
//!
//! A session or a token counts anew with every request, so that what is revoked is over at once. Only halts are let in
//! where the database can't be asked, on the strength of what was known of this session last: what stops everything
//! must not depend on a disk.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::Services;
use super::actor::{self, Means, Visitor};
use super::limit::{Limit, network};
use super::problem::Problem;
use crate::clock;
use crate::model::access::Principal;
use crate::model::network::Network;
use crate::store::sessions::Holder;

/// The cookie of a session's token.
pub(super) const SESSION: &str = "session";

/// The cookie that a log-in form is bound to.
pub(super) const VISIT: &str = "visit";

/// Sessions remembered for halts while the database can't be asked.
const REMEMBERED: usize = 256;

/// How the server is reached, and how whoever reaches it is known. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether others than whoever sits at this machine can reach it.
    beyond: bool,
    /// Whether every connection is encrypted here.
    encrypted: bool,
    /// Proxies whose word is taken.
    proxies: Vec<Network>,
    /// The SHA-256 of the one-time code with which the first administrator is made.
    setup: Option<String>,
    /// Whether the database ever said whether there is an account.
    asked: AtomicBool,
    /// Whether there is one.
    peopled: AtomicBool,
    secret: OnceCell<String>,
    known: Mutex<HashMap<String, Holder>>,
    by_address: Limit<IpAddr>,
    by_name: Limit<String>,
    hooks: Limit<IpAddr>,
}

impl Gate {
    /// Of a server that only this machine reaches.
    pub fn loopback() -> Self {
        Self(Arc::new(Inner::new(false, None)))
    }

    /// Of a server that others reach: without an account, `code` makes the first.
    pub fn beyond(code: &str) -> Self {
        Self(Arc::new(Inner::new(true, Some(digest(code)))))
    }

    /// The same where connections are encrypted, or come through these proxies. Before anybody is let in.
    #[must_use]
    pub fn reached_through(self, encrypted: bool, proxies: Vec<Network>) -> Self {
        Self(Arc::new(Inner {
            encrypted,
            proxies,
            ..Inner::new(self.0.beyond, self.0.setup.clone())
        }))
    }

    /// From where a request comes, and whether it was encrypted all the way to here or to a proxy that says so. Nobody
    /// else's word is taken for either.
    pub(super) fn origin(&self, parts: &Parts) -> (IpAddr, bool) {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| {
            peer.0.ip().to_canonical()
        });
        let trusted = |address: IpAddr| self.0.proxies.iter().any(|proxy| proxy.contains(address));
        if !trusted(peer) {
            return (peer, self.0.encrypted);
        }
        let texts = |name: &str| {
            let values = parts.headers.get_all(name).iter();
            let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
            values.join(",")
        };
        // Each proxy adds whom it heard at the end: the last that is no proxy of ours is the client. What stands before
        // is the client's own invention.
        let forwarded = texts("x-forwarded-for");
        let mut client = peer;
        for part in forwarded.rsplit(',') {
            let Ok(address) = part.trim().parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
            if !trusted(client) {
                break;
            }
        }
        let scheme = texts("x-forwarded-proto");
        let secure = scheme
            .rsplit(',')
            .next()
            .is_some_and(|last| last.trim() == "https");
        (client, secure || self.0.encrypted)
    }

    /// Whether others than whoever sits at this machine can reach it.
    pub(super) fn is_beyond(&self) -> bool {
        self.0.beyond
    }

    /// Whether this is the code that was printed at the start.
    pub(super) fn is_setup_code(&self, code: &str) -> bool {
        self.0.setup.as_deref() == Some(digest(code).as_str())
    }

    /// Whether there is an account. There is never none again, so the database is asked only until there is one; where
    /// it can't be asked, what it said last counts, and before it said anything that there may be one.
    pub(super) async fn has_people(&self, services: &Services) -> bool {
        if self.0.peopled.load(Ordering::Acquire) {
            return true;
        }
        let now = match services.database.has_users().await {
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(%error, "whether there are accounts can't be read");
                // Before the first answer there may be some: nobody is let in for want of a database.
                return !self.0.asked.load(Ordering::Acquire);
            }
        };
        self.0.asked.store(true, Ordering::Release);
        if now {
            self.0.peopled.store(true, Ordering::Release);
        }
        now
    }

    async fn secret(&self, services: &Services) -> &str {
        let secret = self.0.secret.get_or_init(|| async {
            let kept = services.database.server_secret(|| hex(&clock::secret()));
            match kept.await {
                Ok(secret) => secret,
                Err(error) => {
                    tracing::warn!(%error, "the forms' secret can't be kept: open forms won't outlive this process");
                    hex(&clock::secret())
                }
            }
        });
        secret.await
    }

    /// Whether somebody at `address` may try to log in as `name` now.
    pub(super) fn may_try(
        &self,
        services: &Services,
        address: IpAddr,
        name: &str,
    ) -> Result<(), Problem> {
        let (now, name) = (services.now(), name.to_lowercase());
        let (address, name) = (
            self.0.by_address.ask(&network(address), &now),
            self.0.by_name.ask(&name, &now),
        );
        address.and(name).map_err(|after| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-tries",
                "too many log-ins failed; hint: wait a little and try again",
            )
            .after(after)
        })
    }

    /// Whether a hook's caller may be told why it is refused, after calls that proved nothing.
    pub(super) fn may_call(&self, services: &Services, address: IpAddr) -> Result<(), Problem> {
        let asked = self.0.hooks.ask(&network(address), &services.now());
        asked.map_err(|after| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-tries",
                "too many calls that prove nothing came from there; hint: correct the token or the secret, and wait a little",
            )
            .after(after)
        })
    }

    /// Counts a hook's call that proved nothing.
    pub(super) fn count_call(&self, services: &Services, address: IpAddr) {
        self.0.hooks.count(&network(address), &services.now());
    }

    /// Counts a log-in that failed.
    pub(super) fn count_failure(&self, services: &Services, address: IpAddr, name: &str) {
        let now = services.now();
        self.0.by_address.count(&network(address), &now);
        self.0.by_name.count(&name.to_lowercase(), &now);
    }

    /// Takes back the one failure that was counted ahead. Earlier ones stay: an account of one's own is no way to go on
    /// guessing another's password.
    pub(super) fn forgive(&self, services: &Services, address: IpAddr, name: &str) {
        let now = services.now();
        self.0.by_address.give_back(&network(address), &now);
        self.0.by_name.give_back(&name.to_lowercase(), &now);
    }

    fn remember(&self, token_sha256: &str, holder: Option<&Holder>) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        match holder {
            Some(holder) => {
                if known.len() >= REMEMBERED && !known.contains_key(token_sha256) {
                    known.clear();
                }
                known.insert(token_sha256.to_owned(), holder.clone());
            }
            None => {
                known.remove(token_sha256);
            }
        }
    }

    fn remembered(&self, token_sha256: &str) -> Option<Holder> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(token_sha256).cloned()
    }
}

impl Inner {
    fn new(beyond: bool, setup: Option<String>) -> Self {
        Self {
            beyond,
            encrypted: false,
            proxies: Vec::new(),
            setup,
            asked: AtomicBool::new(false),
            peopled: AtomicBool::new(false),
            secret: OnceCell::new(),
            known: Mutex::default(),
            by_address: Limit::new(10, Duration::from_secs(6)),
            by_name: Limit::new(30, Duration::from_secs(10)),
            hooks: Limit::new(20, Duration::from_secs(3)),
        }
    }
}

/// SHA-256 in hex: how secrets are kept and compared.
pub fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What a request that must not be named in an address would be named by.
const TOKEN_KEYS: [&str; 6] = [
    "token",
    "access_token",
    "api_token",
    "api_key",
    "apikey",
    "authorization",
];

/// What every API token begins with, so that one that got away is known for what it is.
const TOKEN_PREFIX: &str = "firedrill_";

/// A new API token, as it is shown once.
pub fn new_token() -> String {
    format!("{TOKEN_PREFIX}{}", hex(&clock::secret()))
}

/// The hook whose sender can't set a header, so that it brings a hook's token, which opens nothing else, in its address.
const HEADERLESS: &str = "/hooks/statuspage";

/// Whether an address carries a token: addresses are kept in histories and logs.
pub(super) fn carries_a_token(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    let named = uri.path() != HEADERLESS
        && query.split('&').any(|pair| {
            let key = pair.split('=').next().unwrap_or_default();
            TOKEN_KEYS.contains(&actor::decoded(key).to_ascii_lowercase().as_str())
        });
    let whole = actor::decoded(&uri.to_string());
    named || whole.split(TOKEN_PREFIX).skip(1).any(begins_as_one)
}

/// Whether what stands after the prefix could be a token's rest.
fn begins_as_one(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    digits >= 16
}

/// Who shows a token; nothing where none is shown.
async fn bearer(
    services: &Services,
    headers: &HeaderMap,
    (address, secure): (IpAddr, bool),
) -> Option<Visitor> {
    let given = headers.get(header::AUTHORIZATION)?;
    let token = given
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "));
    let found = match token {
        Some(token) => {
            let now = services.now().wall;
            services.database.token(&digest(token.trim()), now).await
        }
        None => Ok(None),
    };
    let unread = found.is_err();
    let known = found.unwrap_or_else(|error| {
        tracing::warn!(%error, "a token can't be looked up");
        None
    });
    let (name, principal, means) = match known {
        Some(token) => (
            token.name,
            Principal::Holder(vec![token.grant]),
            Means::Token { id: token.id },
        ),
        None => (String::new(), Principal::Nobody, Means::BadToken { unread }),
    };
    Some(Visitor {
        name,
        principal,
        means,
        form_token: String::new(),
        fresh_visit: None,
        address,
        secure,
    })
}

/// Finds out who asks.
pub(super) async fn recognise(services: &Services, parts: &Parts) -> Visitor {
    let headers = &parts.headers;
    let gate = &services.gate;
    let (address, secure) = gate.origin(parts);
    // Hooks have tokens of their own, and before there is an account nobody is anybody to a server that others reach.
    let hook = parts.uri.path().starts_with("/hooks/");
    if !hook
        && (!gate.0.beyond || gate.has_people(services).await)
        && let Some(visitor) = bearer(services, headers, (address, secure)).await
    {
        return visitor;
    }
    if let Some(token) = cookie(headers, SESSION) {
        let token_sha256 = digest(token);
        let found = services
            .database
            .session(&token_sha256, services.now().wall)
            .await;
        let (holder, unsure) = match found {
            Ok(holder) => {
                gate.remember(&token_sha256, holder.as_ref());
                (holder, false)
            }
            Err(error) => {
                tracing::warn!(%error, "a session can't be looked up");
                (gate.remembered(&token_sha256), true)
            }
        };
        if let Some(holder) = holder {
            return Visitor {
                name: holder.name,
                principal: Principal::Holder(holder.grants),
                means: Means::Session {
                    id: holder.session,
                    user: holder.user,
                    unsure,
                },
                form_token: digest(&format!("a form of session {token}")),
                fresh_visit: None,
                address,
                secure,
            };
        }
    }
    if !gate.0.beyond && !gate.has_people(services).await {
        return Visitor {
            name: actor::claimed(headers).unwrap_or_else(|| services.local_operator.to_string()),
            principal: Principal::LocalOperator,
            means: Means::Local,
            form_token: digest(&format!(
                "a form of the local operator {}",
                gate.secret(services).await
            )),
            fresh_visit: None,
            address,
            secure,
        };
    }
    let (visit, fresh_visit) = if let Some(visit) = cookie(headers, VISIT) {
        (visit.to_owned(), None)
    } else {
        let visit = hex(&clock::secret());
        (visit.clone(), Some(visit))
    };
    Visitor {
        name: String::new(),
        principal: Principal::Nobody,
        means: Means::Stranger,
        form_token: digest(&format!(
            "a form of visit {visit} {}",
            gate.secret(services).await
        )),
        fresh_visit,
        address,
        secure,
    }
}

/// A cookie for this server alone, out of scripts' reach, and of unencrypted connections' where this one is encrypted.
pub(super) fn set_cookie(visitor: &Visitor, name: &str, value: &str) -> String {
    let secure = if visitor.secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}")
}

/// A cookie's value.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
