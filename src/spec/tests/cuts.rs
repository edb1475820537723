//! Containers taken off their networks, and partitions between groups of them.

use super::*;
use crate::model::cut::{Address, Cut, Others};
use crate::model::fault::{Act, Cause};

/// The usual stack, every service of it a container.
fn stack() -> String {
    STACK.replace(
        "node-a:     {tier: chain}",
        "node-a:     {tier: chain, container: {name: wallet-node-a}}\n  vault:      {tier: keys, protected: true, container: {name: wallet-vault}}",
    )
}

fn read(method: &str) -> Result<Plan, String> {
    let text = head(&format!("method:\n{method}"));
    plan(&[("stack.yaml", &stack()), ("experiment.yaml", &text)], &[])
}

fn found(method: &str) -> String {
    read(method).expect_err("it is wrong")
}

#[test]
fn a_disconnect_is_of_one_container_and_leaves_all_its_networks_unless_some_are_named() {
    let plan = read(
        "  - disconnect: {service: signer, for: 10s}\n  - disconnect: {id: one, service: node-a, networks: [chain], address: any, for: 10s}",
    )
    .expect("a plan");
    let cuts: Vec<&Cut> = plan
        .injections
        .iter()
        .filter_map(|one| match &one.act {
            Act::Cut { cut, .. } => Some(cut),
            _ => None,
        })
        .collect();
    let of = |networks: &[&str], address| Cut::Disconnect {
        networks: networks.iter().map(|name| (*name).to_owned()).collect(),
        address,
    };
    assert_eq!(
        cuts,
        [&of(&[], Address::Same), &of(&["chain"], Address::Any)]
    );
}

#[test]
fn a_partition_of_containers_moves_each_of_to_with_the_rest_of_its_group() {
    let plan = read(
        "  - partition: {id: split, via: docker, from: [wallet-api], to: [signer, node-a], others: cut, address: any, for: 10s}",
    )
    .expect("a plan");
    let told: Vec<String> = plan
        .injections
        .iter()
        .map(|one| {
            assert_eq!(one.cause, Cause::Step("split".parse().expect("a name")));
            let Act::Cut {
                service,
                cut:
                    Cut::Part {
                        from,
                        with,
                        others: Others::Cut,
                        address: Address::Any,
                    },
                ..
            } = &one.act
            else {
                panic!("{:?}", one.act);
            };
            let names = |all: &[crate::model::cut::Party]| {
                let names: Vec<&str> = all.iter().map(|one| one.service.as_str()).collect();
                names.join(" ")
            };
            format!(
                "{}: {service} with {} from {}",
                one.id,
                names(with),
                names(from)
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "split: signer with node-a from wallet-api",
            "split#2: node-a with signer from wallet-api"
        ]
    );
}

#[test]
fn a_partition_without_via_cuts_links_and_takes_no_keys_of_the_other_kind() {
    let plan = read("  - partition: {from: [wallet-api], to: [signer], for: 10s}").expect("a plan");
    assert!(matches!(plan.injections[0].act, Act::AddToxic { .. }));
    let said = found("  - partition: {from: [wallet-api], to: [signer], others: cut, for: 10s}");
    assert!(
        said.contains("error[conflicting-keys]: `others` is about containers"),
        "{said}"
    );
    let said = found(
        "  - partition: {via: docker, from: [wallet-api], to: [signer], mode: refuse, for: 10s}",
    );
    assert!(
        said.contains("error[conflicting-keys]: `mode` is how links fare"),
        "{said}"
    );
    let said = found("  - partition: {from: [signer], to: [node-a], for: 10s}");
    assert!(
        said.contains("error[empty-partition]")
            && said.contains("`via: docker` parts their containers"),
        "{said}"
    );
}

#[test]
fn what_can_not_be_cut_is_found_at_its_token() {
    for (method, wanted) in [
        (
            "  - partition: {via: docker, from: [wallet-api, signer], to: [signer], for: 10s}",
            "error[empty-partition]: `signer` is on both sides",
        ),
        (
            "  - partition: {via: docker, from: [wallet-api], to: [vault], for: 10s}",
            "error[protected]: this would touch `vault`",
        ),
        (
            "  - partition: {via: docker, from: [wallet-api], to: [singer], for: 10s}",
            "error[unknown-service]: there is no service `singer`",
        ),
        (
            "  - disconnect: {service: vault, for: 10s}",
            "error[protected]: this would touch `vault`",
        ),
        (
            "  - disconnect: {service: signer, networks: [host], for: 10s}",
            "error[unknown-word]: a container can't leave `host`",
        ),
        (
            "  - disconnect: {service: signer, networks: [a, a], for: 10s}",
            "error[duplicate-id]: the network `a` stands here a second time",
        ),
        (
            "  - disconnect: {service: signer, for: 10s}\n  - kill: {service: signer, at: 5s, for: 10s}",
            "error[overlap]",
        ),
    ] {
        let said = found(method);
        assert!(said.contains(wanted), "{method}\n{said}");
    }
    // The stack of the other tests has a service without a container.
    let said =
        experiment("method:\n  - partition: {via: docker, from: [node-a], to: [signer], for: 10s}");
    assert!(
        said.contains("error[no-container]: the service `node-a` has no container"),
        "{said}"
    );
}

#[test]
fn who_stays_in_a_partition_may_be_protected() {
    read("  - partition: {via: docker, from: [vault], to: [signer], for: 10s}").expect("a plan");
}
