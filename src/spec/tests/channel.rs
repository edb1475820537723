//! Channels: one way each, secrets that stay out of files, and nobody who would take a drill for real.

use super::drill::{DRILL, EXPERIMENT, RUNBOOK, TEAM};
use super::*;
use crate::model::channel::{Encryption, Hidden, Way};

const CHAT: &str = "kind: Channel\nname: chat\naudience: internal\n";

fn of(rest: &str) -> String {
    check(&[("c.yaml", &format!("{CHAT}{rest}\n"))])
}

#[test]
fn every_way_is_read() {
    for good in [
        "firedrill: banner",
        "statuspage: {page: p1, key: {file: /run/key}}",
        "slack: {webhook: {file: hook}}",
        "discord: {webhook: {file: hook}}",
        "telegram: {token: {file: token}, chat: -100}",
        "telegram: {token: {file: token}, chat: \"@drills\"}",
        "email: {server: \"mail.example:587\", from: a@b.example, to: [\"Team <t@b.example>\"]}",
        "webhook: {url: \"https://in.example/x\", headers: {X-Team: wallet}}",
        "pagerduty: {routing_key: {file: key}}",
        "banner: {url: \"http://127.0.0.1:7000/banner\"}",
    ] {
        assert_eq!(of(good), "", "{good}");
    }
}

#[test]
fn a_channel_has_one_way_and_its_slips_are_found_at_their_tokens() {
    assert!(of("").contains("error[missing-key]"), "{}", of(""));
    let two = of("firedrill: banner\nslack: {webhook: {file: hook}}");
    assert!(two.contains("error[conflicting-keys]"), "{two}");
    let encryption = of(
        "email: {server: \"mail.example:25\", encryption: plain, user: u, password: {file: p}, from: a@b, to: [c@d]}",
    );
    assert!(
        encryption.contains("cross the network unencrypted"),
        "{encryption}"
    );
    let alone = of("email: {server: \"mail.example:25\", user: u, from: a@b, to: [c@d]}");
    assert!(alone.contains("password"), "{alone}");
    let nobody = of("email: {server: \"mail.example:25\", from: a@b, to: [nobody]}");
    assert!(
        nobody.contains("error[bad-address]") && nobody.contains("nobody"),
        "{nobody}"
    );
}

#[test]
fn a_secret_that_stands_in_a_file_is_none() {
    for (way, key) in [
        ("slack: {webhook: \"https://hooks.slack.com/x\"}", "webhook"),
        ("discord: {webhook: \"https://discord.com/x\"}", "webhook"),
        ("telegram: {token: \"1:a\", chat: 1}", "token"),
        ("statuspage: {page: p, key: abc}", "key"),
        ("pagerduty: {routing_key: abc}", "routing_key"),
        (
            "email: {server: \"m:25\", user: u, password: abc, from: a@b, to: [c@d]}",
            "password",
        ),
    ] {
        let found = of(way);
        assert!(found.contains("error[plain-secret]"), "{found}");
        assert!(found.contains(&format!("`{key}` is a secret")), "{found}");
    }
}

#[test]
fn customers_and_regulators_are_reached_only_in_a_sandbox() {
    for readers in ["customers", "regulator"] {
        let channel = |rest: &str| {
            let text = format!("kind: Channel\nname: c\naudience: {readers}\n{rest}");
            check(&[("c.yaml", &text)])
        };
        let hook = "slack: {webhook: {file: hook}}\n";
        assert!(
            channel(hook).contains("error[real-channel]"),
            "{}",
            channel(hook)
        );
        assert_eq!(channel(&format!("sandbox: true\n{hook}")), "");
        assert_eq!(channel("firedrill: status_page\n"), "");
    }
}

#[test]
fn a_plan_carries_the_channels_that_its_drill_names_and_no_secret() {
    let drill = format!("{DRILL}channels: [chat, page]\n");
    let chat = format!(
        "{CHAT}email: {{server: \"m:25\", encryption: tls, user: u, password: \"${{env:TOKEN}}\", from: a@b, to: [c@d]}}\n"
    );
    let files = [
        ("stacks/wallet.yaml", STACK),
        ("experiments/token.yaml", EXPERIMENT),
        ("runbooks/authentication.md", RUNBOOK),
        ("teams/oncall.yaml", TEAM),
        ("c.yaml", chat.as_str()),
        (
            "p.yaml",
            "kind: Channel\nname: page\naudience: customers\nfiredrill: status_page\n",
        ),
        ("drills/bad-token.yaml", drill.as_str()),
    ];
    let plan = plan(&files, &[]).expect("a plan");
    let channels = &plan.drill.as_ref().expect("a drill").channels;
    let names: Vec<_> = channels.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["chat", "page"]);
    assert!(channels[1].sandbox);
    let Way::Email(email) = &channels[0].way else {
        panic!("{channels:?}")
    };
    assert_eq!(email.encryption, Encryption::Tls);
    let account = email.account.as_ref().expect("an account");
    assert_eq!(account.password, Hidden::Environment("${env:TOKEN}".into()));
    assert!(plan.files.iter().any(|file| file.path == "c.yaml"));
    let without = [&files[..4], &files[6..]].concat();
    let found = super::plan(&without, &[]).expect_err("a channel is missing");
    assert!(found.contains("there is no channel `chat`"), "{found}");
    assert!(found.contains("there is no channel `page`"), "{found}");
}
