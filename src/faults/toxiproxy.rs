//! Faults on links: toxics added and proxies disabled through Toxiproxy's API.
//!
//! A toxic is named by its owner tag, so that it is ours or nobody's. A proxy can't carry an owner on a stock server:
//! the token records that it was enabled, and undo enables it only where it is disabled and nobody else says that they
//! hold it. Toxics are deleted, never zeroed; `/reset` and what is not ours are never touched.

mod client;
pub(super) mod lock;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use self::client::{Client, Outcome};
use self::wire::{Proxy, Wanted, difference};
use super::attempts::Attempts;
use super::{deadline, misdirected, opened, owner, sealed};
use crate::address::{agreement, encoded, shown};
use crate::engine::event::{Token, UndoneBy};
use crate::engine::undo::Armed;
use crate::model::fault::{Act, Injection, Stream, Strength};
use crate::model::ids::RunId;
use crate::model::stack::{Link, Stack, Toxiproxy};
use crate::model::time::Stamp;
use crate::outbound::Outbound;
use crate::ports::{Answer, Applied, Clock, FaultDriver, FaultError, Presence, Removed};

/// How long after an injection's deadline a server that offers it removes the fault by itself: later than we would.
const GRACE: Duration = Duration::from_secs(5);

/// The longest time to live that firedrill's own server takes.
const LONGEST_TTL_MS: u64 = 31_536_000_000;

/// What the undo needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// The server.
    url: String,
    /// The proxy.
    proxy: String,
    /// The owner tag.
    owner: String,
    /// Whether the server takes PATCH.
    patch: bool,
    /// Whether the proxy was enabled before us.
    enabled: bool,
    /// Whether a firedrill process carried the server: its proxies and toxics live and die with that process.
    #[serde(default)]
    embedded: bool,
    /// The toxic, unless the proxy itself is disabled.
    toxic: Option<ToxicMark>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ToxicMark {
    name: String,
    stream: Stream,
}

/// A toxic as its injection asks for it.
struct Asked {
    stream: Stream,
    strength: Strength,
}

/// Drives toxics and proxies.
pub struct ToxiproxyDriver {
    clock: Arc<dyn Clock>,
    outbound: Arc<Outbound>,
    attempts: Attempts,
    /// Who of us disabled which proxy, by server and name: a stock server can't say it.
    disabled: Mutex<BTreeMap<(String, String), String>>,
}

impl ToxiproxyDriver {
    /// A driver without connections; the servers come from the stacks.
    pub fn new(clock: Arc<dyn Clock>, outbound: Arc<Outbound>) -> Self {
        Self {
            clock,
            outbound,
            attempts: Attempts::default(),
            disabled: Mutex::default(),
        }
    }

    /// Creates the proxies of a stack that are missing, where the stack asks for that: creating one is no fault, and
    /// probes that go through it must find it before the first fault does.
    pub async fn create_missing(&self, stack: &Stack) -> Result<(), FaultError> {
        let Some(server) = stack
            .toxiproxy
            .as_ref()
            .filter(|server| server.create_proxies)
        else {
            return Ok(());
        };
        let client = Client::new(&self.outbound, &server.url);
        for link in &stack.links {
            found(&client, server, link).await?;
        }
        Ok(())
    }

    async fn read(
        &self,
        run: &RunId,
        stack: &Stack,
        injection: &Injection,
    ) -> Result<Token, FaultError> {
        let (link, stream) = match &injection.act {
            Act::AddToxic { link, stream, .. } => (link, Some(*stream)),
            Act::DisableProxy { link } => (link, None),
            _ => return Err(misdirected("Toxiproxy", injection)),
        };
        let server = stack
            .toxiproxy
            .as_ref()
            .ok_or_else(|| FaultError::Missing {
                what: format!("the Toxiproxy of stack {}", stack.name),
                hint: Some("name it in the stack: `toxiproxy: {url: …}`".to_owned()),
            })?;
        if stack.link(&link.proxy).is_none() {
            return Err(FaultError::Foreign {
                what: format!("proxy {}", link.proxy),
                why: format!("stack {} does not name it", stack.name),
            });
        }
        let client = Client::new(&self.outbound, &server.url);
        let patch = client.takes_patch().await?;
        let proxy = found(&client, server, link).await?;
        agree(&proxy, link).await?;
        let owner = owner::tag_of(run, injection);
        if !proxy.enabled {
            let ours = owner::prefix_of(run, injection);
            self.judge_disabled(&ours, server, link, &proxy, stream.is_some())?;
        }
        sealed(&Mark {
            url: server.url.clone(),
            proxy: link.proxy.to_string(),
            patch,
            enabled: proxy.enabled,
            embedded: server.embedded,
            toxic: stream.map(|stream| ToxicMark {
                name: owner::toxic_name(&owner),
                stream,
            }),
            owner,
        })
    }

    /// A disabled proxy is in the way, unless a fault of this run disabled it and only a toxic is to be added.
    fn judge_disabled(
        &self,
        ours: &str,
        server: &Toxiproxy,
        link: &Link,
        proxy: &Proxy,
        only_toxic: bool,
    ) -> Result<(), FaultError> {
        let what = format!("proxy {}, which is disabled,", link.proxy);
        let known = self.disabled().get(&key(&server.url, link)).cloned();
        match proxy.owner.clone().or(known) {
            Some(holder) if !holder.starts_with(ours) => Err(FaultError::Foreign {
                what,
                why: format!("{holder} disabled it"),
            }),
            Some(_) if only_toxic => Ok(()),
            Some(holder) => Err(FaultError::Refused {
                what: format!("proxy {}", link.proxy),
                why: format!("{holder} has disabled it already"),
            }),
            None => Err(FaultError::Foreign {
                what,
                why: "nobody knows who disabled it; enable it first".to_owned(),
            }),
        }
    }

    async fn add(&self, armed: &Armed, mark: &Mark) -> Result<Applied, FaultError> {
        let (asked, toxic) = asked(armed, mark, 0)?;
        let client = Client::new(&self.outbound, &mark.url);
        let now = self.clock.now();
        let wanted = Wanted {
            name: &toxic.name,
            owner: &mark.owner,
            ttl: time_to_live(armed, &now)?,
            stream: asked.stream,
            strength: &asked.strength,
        };
        let sent = self.attempts.applying(&mark.owner, now);
        match client
            .add_toxic(&mark.proxy, asked.stream, &wanted.body())
            .await?
        {
            // One of this name can only be ours: an earlier request whose answer got lost. Reading it back decides.
            Outcome::Done(()) | Outcome::Taken(_) => {}
            Outcome::NoToxic | Outcome::NoProxy => return Err(vanished(mark)),
        }
        let Outcome::Done(seen) = client.toxic(&mark.proxy, &toxic.name).await? else {
            return Err(wrong(mark, "it is not there after it was added"));
        };
        if let Some(why) = difference(&seen, asked.stream, &asked.strength) {
            return Err(wrong(mark, &why));
        }
        Ok(Applied {
            sent,
            effective: self.clock.now(),
            evidence: format!(
                "{} reads back as sent: {}, {}, toxicity {}; {}",
                described(mark),
                seen.kind,
                seen.stream,
                seen.toxicity,
                expiry(seen.ttl)
            ),
        })
    }

    /// Changes a toxic in its place. Bytes under way stay where they are, and the time to live begins anew.
    async fn change(&self, armed: &Armed, mark: &Mark) -> Result<Applied, FaultError> {
        let (asked, toxic) = asked(armed, mark, armed.asked())?;
        let client = Client::new(&self.outbound, &mark.url);
        let sent = self.clock.now();
        let body = wire::change(&asked.strength, time_to_live(armed, &sent)?);
        match client
            .change_toxic(&mark.proxy, &toxic.name, mark.patch, &body)
            .await?
        {
            Outcome::Done(()) => {}
            Outcome::NoToxic => return Err(wrong(mark, "it is not there any more")),
            Outcome::NoProxy => return Err(vanished(mark)),
            Outcome::Taken(why) => {
                return Err(FaultError::Refused {
                    what: described(mark),
                    why,
                });
            }
        }
        let Outcome::Done(seen) = client.toxic(&mark.proxy, &toxic.name).await? else {
            return Err(wrong(mark, "it is not there after it was changed"));
        };
        if let Some(why) = difference(&seen, asked.stream, &asked.strength) {
            return Err(wrong(mark, &why));
        }
        Ok(Applied {
            sent,
            effective: self.clock.now(),
            evidence: format!(
                "{} reads back as changed: {}, toxicity {}; {}",
                described(mark),
                wire::attributes_read(&seen),
                seen.toxicity,
                expiry(seen.ttl)
            ),
        })
    }

    async fn disable(&self, armed: &Armed, mark: &Mark) -> Result<Applied, FaultError> {
        let client = Client::new(&self.outbound, &mark.url);
        let now = self.clock.now();
        let ttl = time_to_live(armed, &now)?;
        let sent = self.attempts.applying(&mark.owner, now);
        self.disabled()
            .insert((mark.url.clone(), mark.proxy.clone()), mark.owner.clone());
        let fields = json!({"enabled": false, "owner": mark.owner, "ttl": ttl});
        match client.change(&mark.proxy, mark.patch, &fields).await? {
            Outcome::Done(()) => {}
            Outcome::Taken(why) => {
                return Err(FaultError::Foreign {
                    what: described(mark),
                    why,
                });
            }
            Outcome::NoToxic | Outcome::NoProxy => return Err(vanished(mark)),
        }
        let seen = client
            .proxy(&mark.proxy)
            .await?
            .ok_or_else(|| vanished(mark))?;
        if seen.enabled {
            return Err(wrong(mark, "it is enabled, expected disabled"));
        }
        Ok(Applied {
            sent,
            effective: self.clock.now(),
            evidence: format!(
                "{} reads back disabled; {}",
                described(mark),
                expiry(seen.ttl)
            ),
        })
    }

    async fn delete(&self, mark: &Mark, toxic: &ToxicMark) -> Result<Removed, FaultError> {
        let client = Client::new(&self.outbound, &mark.url);
        let deleted = client.delete_toxic(&mark.proxy, &toxic.name).await;
        let by = match self.unsure(mark, deleted)? {
            Outcome::Done(()) => UndoneBy::Us,
            // An earlier request of ours whose answer got lost has done it.
            Outcome::NoToxic if self.attempts.undo_sent(&mark.owner) => UndoneBy::Us,
            Outcome::NoToxic | Outcome::NoProxy => UndoneBy::Other,
            Outcome::Taken(why) => {
                return Err(FaultError::Refused {
                    what: described(mark),
                    why,
                });
            }
        };
        let evidence = match client.toxic(&mark.proxy, &toxic.name).await? {
            Outcome::NoToxic => format!("{} reads back as not found", described(mark)),
            Outcome::NoProxy => format!("proxy {} reads back as not found", mark.proxy),
            Outcome::Done(_) | Outcome::Taken(_) => {
                return Err(wrong(mark, "it is still there after it was deleted"));
            }
        };
        Ok(self.removed(mark, by, evidence))
    }

    async fn enable(&self, mark: &Mark) -> Result<Removed, FaultError> {
        let client = Client::new(&self.outbound, &mark.url);
        let other = |evidence: String| Ok(self.removed(mark, UndoneBy::Other, evidence));
        let gone = || format!("{} reads back as not found", described(mark));
        let Some(proxy) = client.proxy(&mark.proxy).await? else {
            return other(gone());
        };
        if proxy.enabled {
            let by = if self.attempts.undo_sent(&mark.owner) {
                UndoneBy::Us
            } else {
                UndoneBy::Other
            };
            let evidence = format!("{} reads back enabled", described(mark));
            return Ok(self.removed(mark, by, evidence));
        }
        if let Some(holder) = proxy.owner.filter(|holder| *holder != mark.owner) {
            return other(format!(
                "{} is now held disabled by {holder}",
                described(mark)
            ));
        }
        let fields = json!({"enabled": true});
        let enabled = client.change(&mark.proxy, mark.patch, &fields).await;
        match self.unsure(mark, enabled)? {
            Outcome::Done(()) => {}
            Outcome::NoProxy | Outcome::NoToxic => return other(gone()),
            Outcome::Taken(why) => {
                return Err(FaultError::Refused {
                    what: described(mark),
                    why,
                });
            }
        }
        match client.proxy(&mark.proxy).await? {
            Some(proxy) if proxy.enabled => {
                let evidence = format!("{} reads back enabled", described(mark));
                Ok(self.removed(mark, UndoneBy::Us, evidence))
            }
            Some(_) => Err(wrong(mark, "it is disabled after it was enabled")),
            None => other(gone()),
        }
    }

    async fn see(&self, armed: &Armed, mark: &Mark) -> Result<Presence, FaultError> {
        let client = Client::new(&self.outbound, &mark.url);
        if mark.toxic.is_none() {
            return Ok(match client.proxy(&mark.proxy).await? {
                Some(proxy) if !proxy.enabled => Presence::Present,
                Some(_) => Presence::Gone(format!("{} is enabled", described(mark))),
                None => Presence::Gone(format!("{} is not found", described(mark))),
            });
        }
        let (asked, toxic) = asked(armed, mark, armed.level())?;
        // A change that is under way may have been made, or not yet.
        let also = self::asked(armed, mark, armed.asked())?.0;
        Ok(match client.toxic(&mark.proxy, &toxic.name).await? {
            Outcome::Done(seen) => {
                let differs = |asked: &Asked| difference(&seen, asked.stream, &asked.strength);
                match differs(&asked) {
                    Some(why) if differs(&also).is_some() => {
                        Presence::Gone(format!("{} was changed: {why}", described(mark)))
                    }
                    _ => Presence::Present,
                }
            }
            Outcome::NoProxy => Presence::Gone(format!("proxy {} is not found", mark.proxy)),
            Outcome::NoToxic | Outcome::Taken(_) => {
                Presence::Gone(format!("{} is not found", described(mark)))
            }
        })
    }

    /// Remembers a request to undo whose outcome is not known.
    fn unsure<T>(&self, mark: &Mark, outcome: Result<T, client::Failure>) -> Result<T, FaultError> {
        outcome.map_err(|failure| {
            if failure.unsure {
                self.attempts.undoing(&mark.owner);
            }
            failure.error
        })
    }

    fn removed(&self, mark: &Mark, by: UndoneBy, evidence: String) -> Removed {
        self.attempts.settled(&mark.owner);
        self.disabled().retain(|_, holder| *holder != mark.owner);
        Removed {
            at: self.clock.now(),
            by,
            evidence,
        }
    }

    /// A panic elsewhere can't leave this map half-changed.
    fn disabled(&self) -> MutexGuard<'_, BTreeMap<(String, String), String>> {
        self.disabled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultDriver for ToxiproxyDriver {
    fn capture<'a>(
        &'a self,
        run: &'a RunId,
        stack: &'a Stack,
        injection: &'a Injection,
    ) -> Answer<'a, Result<Token, FaultError>> {
        Box::pin(deadline::bounded(
            "Toxiproxy",
            self.read(run, stack, injection),
        ))
    }

    fn apply<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(deadline::bounded("Toxiproxy", async move {
            let mark: Mark = opened(armed)?;
            if mark.toxic.is_some() {
                self.add(armed, &mark).await
            } else {
                self.disable(armed, &mark).await
            }
        }))
    }

    fn adjust<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Applied, FaultError>> {
        Box::pin(deadline::bounded("Toxiproxy", async move {
            let mark: Mark = opened(armed)?;
            self.change(armed, &mark).await
        }))
    }

    fn undo<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Removed, FaultError>> {
        Box::pin(deadline::bounded("Toxiproxy", async move {
            let mark: Mark = opened(armed)?;
            if mark.embedded && refuses(&mark.url).await {
                let evidence = format!(
                    "nothing serves {} any more: {} went with it",
                    shown(&mark.url),
                    described(&mark)
                );
                return Ok(self.removed(&mark, UndoneBy::Other, evidence));
            }
            match &mark.toxic {
                Some(toxic) => self.delete(&mark, toxic).await,
                None => self.enable(&mark).await,
            }
        }))
    }

    fn look<'a>(&'a self, armed: &'a Armed) -> Answer<'a, Result<Presence, FaultError>> {
        Box::pin(deadline::bounded("Toxiproxy", async move {
            let mark: Mark = opened(armed)?;
            self.see(armed, &mark).await
        }))
    }

    fn by_hand(&self, armed: &Armed) -> Option<String> {
        let mark: Mark = opened(armed).ok()?;
        let proxy = format!(
            "{}/proxies/{}",
            shown(mark.url.trim_end_matches('/')),
            encoded(&mark.proxy)
        );
        Some(match mark.toxic {
            Some(toxic) => format!("curl -X DELETE {proxy}/toxics/{}", encoded(&toxic.name)),
            None => format!("curl -X POST -d '{{\"enabled\": true}}' {proxy}"),
        })
    }
}

/// Whether the kernel says that nobody listens there: the server's process is gone. Any other failure says nothing.
async fn refuses(url: &str) -> bool {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let connected = tokio::net::TcpStream::connect(address).await;
    connected.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// The link's proxy, created where it is missing and the stack allows that: creating one is no fault.
async fn found(client: &Client<'_>, server: &Toxiproxy, link: &Link) -> Result<Proxy, FaultError> {
    let name = link.proxy.as_str();
    if let Some(proxy) = client.proxy(name).await? {
        return Ok(proxy);
    }
    let missing = |hint: String| FaultError::Missing {
        what: format!("proxy {name} at {}", shown(&server.url)),
        hint: Some(hint),
    };
    if !server.create_proxies {
        let names = client.proxy_names().await?;
        return Err(missing(if names.is_empty() {
            "there are no proxies; `create_proxies: true` makes them from the links".to_owned()
        } else {
            format!("the proxies there are {}", names.join(", "))
        }));
    }
    client.create(link).await?;
    client
        .proxy(name)
        .await?
        .ok_or_else(|| missing("it was created and is not there".to_owned()))
}

/// A proxy of the right name that carries something else would disturb the wrong thing.
async fn agree(proxy: &Proxy, link: &Link) -> Result<(), FaultError> {
    let differs = |what: &str, seen: &str, written: &str| FaultError::ReadBack {
        what: format!("proxy {}", link.proxy),
        why: format!("its {what} is {seen}, the stack says {written}"),
    };
    if !agreement::listens_at(&proxy.listen, &link.listen).await {
        return Err(differs("listen", &proxy.listen, &link.listen));
    }
    if !agreement::leads_to(&proxy.upstream, &link.upstream).await {
        return Err(differs("upstream", &proxy.upstream, &link.upstream));
    }
    Ok(())
}

fn asked<'a>(
    armed: &Armed,
    mark: &'a Mark,
    level: u32,
) -> Result<(Asked, &'a ToxicMark), FaultError> {
    let act = &armed.injection().act;
    match (act, act.strength(level), &mark.toxic) {
        (Act::AddToxic { stream, .. }, Some(strength), Some(recorded)) => Ok((
            Asked {
                stream: *stream,
                strength,
            },
            recorded,
        )),
        _ => Err(misdirected("Toxiproxy", armed.injection())),
    }
}

fn time_to_live(armed: &Armed, now: &Stamp) -> Result<u64, FaultError> {
    let length = deadline::left(armed, now)?.saturating_add(GRACE);
    Ok(u64::try_from(length.as_millis()).map_or(LONGEST_TTL_MS, |ms| ms.min(LONGEST_TTL_MS)))
}

/// Whether the server would end it without us: it does only if it says so.
fn expiry(ttl: Option<u64>) -> String {
    match ttl {
        Some(ttl) => format!("the server ends it by itself after {ttl} ms"),
        None => "the server does not end it by itself".to_owned(),
    }
}

fn key(url: &str, link: &Link) -> (String, String) {
    (url.to_owned(), link.proxy.to_string())
}

fn described(mark: &Mark) -> String {
    match &mark.toxic {
        Some(toxic) => format!("toxic {} on proxy {}", toxic.name, mark.proxy),
        None => format!("proxy {}", mark.proxy),
    }
}

fn vanished(mark: &Mark) -> FaultError {
    FaultError::Missing {
        what: format!("proxy {} at {}", mark.proxy, shown(&mark.url)),
        hint: Some("it was there when the run looked".to_owned()),
    }
}

fn wrong(mark: &Mark, why: &str) -> FaultError {
    FaultError::ReadBack {
        what: described(mark),
        why: why.to_owned(),
    }
}
