//! Reach: what is disturbed at once, and whether that is more than an experiment's limits allow. The checker of files and
//! the guard of runs count alike, here.

use std::collections::BTreeSet;

use super::experiment::Limits;
use super::fault::Act;
use super::ids::{ProxyName, ServiceName};
use super::stack::{ContainerSelector, Share, Stack};

/// What is disturbed at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach<'a> {
    services: BTreeSet<&'a ServiceName>,
    links: BTreeSet<&'a ProxyName>,
    /// By service, and by name or number where that has several.
    containers: BTreeSet<String>,
}

/// A limit that would be passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The keys below `limits`: one, or `tiers` and the tier.
    pub keys: Vec<String>,
    /// What would be hit at once, in words.
    pub hit: String,
    /// What may be, in words.
    pub allowed: String,
    /// The names that are hit, of what the limit counts.
    pub names: Vec<String>,
}

impl<'a> Reach<'a> {
    /// Counts one injection in. Hooks may touch anything and are not counted.
    pub fn add(&mut self, act: &'a Act) {
        self.services.extend(act.service());
        match act {
            Act::AddToxic { link, .. } | Act::DisableProxy { link } => {
                self.links.insert(&link.proxy);
            }
            // A cut is of a service's only container.
            Act::Cut { service, .. } => {
                self.containers.insert(service.to_string());
            }
            Act::Container {
                service, selector, ..
            } => match selector {
                ContainerSelector::Drawn { name, .. } => {
                    self.containers.insert(format!("{name} of {service}"));
                }
                ContainerSelector::Several {
                    share: Share::Count(count),
                    ..
                } => {
                    let numbered = (1..=*count).map(|nth| format!("{service} ({nth})"));
                    self.containers.extend(numbered);
                }
                // How many of a percentage is known once they are drawn; until then it is one at least.
                _ => {
                    self.containers.insert(service.to_string());
                }
            },
            Act::Hook(_) => {}
        }
    }

    /// Every limit that this is beyond.
    pub fn beyond(&self, limits: &Limits, stack: &Stack) -> Vec<Excess> {
        let counted = [
            ("services", limits.services, names(&self.services)),
            ("links", limits.links, names(&self.links)),
            ("containers", limits.containers, names(&self.containers)),
        ];
        let mut beyond: Vec<Excess> = counted
            .into_iter()
            .filter_map(|(key, limit, names)| {
                let limit = limit?;
                (names.len() > limit as usize).then(|| Excess {
                    keys: vec![key.to_owned()],
                    hit: match names.len() {
                        1 => format!("1 {}", key.trim_end_matches('s')),
                        count => format!("{count} {key}"),
                    },
                    allowed: limit.to_string(),
                    names,
                })
            })
            .collect();
        for (tier, percent) in &limits.tiers {
            let of_tier = |service: &ServiceName| {
                let known = stack.services.get(service);
                known.is_some_and(|known| known.tier.as_ref() == Some(tier))
            };
            let all = stack.services.keys().filter(|name| of_tier(name)).count();
            let hit = names(self.services.iter().filter(|name| of_tier(name)));
            if hit.len() * 100 > all * usize::from(*percent) {
                beyond.push(Excess {
                    keys: vec!["tiers".to_owned(), tier.clone()],
                    hit: format!("{} of the {all} services of tier `{tier}`", hit.len()),
                    allowed: format!("{percent}%"),
                    names: hit,
                });
            }
        }
        beyond
    }
}

fn names<T: ToString>(all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().map(|one| one.to_string()).collect()
}
