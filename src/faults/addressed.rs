//! What a user's own call is addressed to: whether it names a service of the stack, as far as that can be read from the
//! call and the stack.
//!
//! A request names a service by the address of a link to it, at either end, by the name of its container or Compose service
//! as its host, or by its proxy in a request to the stack's Toxiproxy. A program names it where an argument is that name,
//! or holds such an address. What a program does beyond its arguments, and what a server that is asked does in turn, nobody
//! can see from here.

use crate::address::{Place, agreement, split};
use crate::model::fault::Call;
use crate::model::ids::ServiceName;
use crate::model::probe::{HttpRequest, Program};
use crate::model::stack::{ContainerSelector, Link, Stack};

/// How a call names a service, if it does.
pub(super) async fn names(stack: &Stack, service: &ServiceName, call: &Call) -> Option<String> {
    match call {
        Call::Http(request) => request_names(stack, service, request).await,
        Call::Run(program) => program_names(stack, service, program),
    }
}

fn links<'a>(
    stack: &'a Stack,
    service: &'a ServiceName,
) -> impl Iterator<Item = &'a Link> + use<'a> {
    stack.links.iter().filter(move |link| link.to == *service)
}

fn container<'a>(stack: &'a Stack, service: &ServiceName) -> Option<&'a str> {
    match stack.services.get(service)?.container.as_ref()? {
        ContainerSelector::Name(name) | ContainerSelector::Drawn { name, .. } => Some(name),
        // By this name it is known on its networks, and to `docker compose`.
        ContainerSelector::Compose { service, .. } => Some(service),
        ContainerSelector::Label(_) | ContainerSelector::Several { .. } => None,
    }
}

async fn request_names(
    stack: &Stack,
    service: &ServiceName,
    request: &HttpRequest,
) -> Option<String> {
    // A URL that leads nowhere is refused by those who send it.
    let place = Place::of_url(&request.url).ok()?;
    if let Some(name) = container(stack, service).filter(|name| *name == place.host) {
        return Some(format!("it is sent to {place}, the container {name}"));
    }
    let asked = place.to_string();
    for link in links(stack, service) {
        for end in [&link.upstream, &link.listen] {
            if agreement::leads_to(&asked, end).await {
                return Some(format!("it is sent to {end}, of proxy {}", link.proxy));
            }
        }
    }
    let toxiproxy = Place::of_url(&stack.toxiproxy.as_ref()?.url).ok()?;
    if !agreement::leads_to(&asked, &toxiproxy.to_string()).await {
        return None;
    }
    let (_, path) = split(&request.url);
    let mut segments = path
        .split(['/', '?', '#'])
        .skip_while(|part| *part != "proxies");
    let proxy = segments.nth(1)?;
    links(stack, service)
        .find(|link| link.proxy.as_str() == proxy)
        .map(|link| format!("it is sent to Toxiproxy about proxy {}", link.proxy))
}

fn program_names(stack: &Stack, service: &ServiceName, program: &Program) -> Option<String> {
    let name = container(stack, service);
    let addresses: Vec<&str> = links(stack, service)
        .flat_map(|link| [link.upstream.as_str(), link.listen.as_str()])
        .collect();
    program.command.iter().skip(1).find_map(|argument| {
        if name == Some(argument.as_str()) {
            return Some(format!("its argument `{argument}` is the container"));
        }
        let address = addresses.iter().find(|address| holds(argument, address))?;
        Some(format!("an argument of it holds {address}"))
    })
}

/// Whether a text holds an address that is not a part of a longer one.
fn holds(text: &str, address: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.');
    text.match_indices(address).any(|(at, found)| {
        let (before, after) = (&text[..at], &text[at + found.len()..]);
        !goes_on(before.chars().next_back()) && !after.starts_with(|c: char| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::proving::{link, stack};
    use super::*;
    use crate::model::stack::Service;

    fn ledger() -> Stack {
        let mut link = link("127.0.0.1:7101", "127.0.0.1:7001");
        link.to = "ledger".parse().expect("a name");
        link.proxy = "api-ledger".parse().expect("a name");
        let mut stack = stack("http://127.0.0.1:8474", vec![link]);
        let service = Service {
            tier: None,
            container: Some(ContainerSelector::Name("wallet-ledger".to_owned())),
            protected: true,
        };
        stack
            .services
            .insert("ledger".parse().expect("a name"), service);
        stack
    }

    async fn how(call: &Call) -> Option<String> {
        names(&ledger(), &"ledger".parse().expect("a name"), call).await
    }

    fn post(url: &str) -> Call {
        Call::Http(HttpRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: BTreeMap::new(),
            body: None,
        })
    }

    fn run(command: &[&str]) -> Call {
        Call::Run(Program {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            folder: None,
        })
    }

    #[tokio::test]
    async fn a_request_names_a_service_by_its_links_its_container_and_its_proxy() {
        for url in [
            "http://127.0.0.1:7001/freeze",
            "http://localhost:7001/freeze?key=${env:KEY}",
            "http://127.0.0.1:7101/",
            "http://wallet-ledger/freeze",
            "http://wallet-ledger:9000/freeze",
            "http://localhost:8474/proxies/api-ledger/toxics",
            "http://127.0.0.1:8474/proxies/api-ledger",
        ] {
            assert!(how(&post(url)).await.is_some(), "{url}");
        }
        for url in [
            "http://127.0.0.1:7002/freeze",
            "http://127.0.0.2:7001/freeze",
            "http://127.0.0.1:8474/proxies/api-signer/toxics",
            "http://127.0.0.1:7002/proxies/api-ledger",
            "http://127.0.0.1:7002/wallet-ledger",
        ] {
            assert_eq!(how(&post(url)).await, None, "{url}");
        }
    }

    #[tokio::test]
    async fn a_program_names_a_service_by_an_argument() {
        for command in [
            &["docker", "kill", "wallet-ledger"][..],
            &["curl", "http://127.0.0.1:7001/freeze"],
            &["freeze", "--at=127.0.0.1:7101"],
        ] {
            assert!(how(&run(command)).await.is_some(), "{command:?}");
        }
        for command in [
            &["wallet-ledger"][..],
            &["seed", "wallet-ledger-copy"],
            &["curl", "http://127.0.0.1:70010/"],
            &["curl", "http://1.127.0.0.1:7001/"],
            &["./freeze-the-ledger"],
        ] {
            assert_eq!(how(&run(command)).await, None, "{command:?}");
        }
    }
}
