//! Accounts, tokens, the audit and the doors in a real browser, from the first administrator on.

use super::chromium::{Chromium, Scripts};
use super::keys::is_gone_through;
use super::looks::look_at;
use super::office::Office;

const PASSWORD: &str = "correct horse battery";

/// Looks at the page that is open, and goes through it by keyboard.
fn look(browser: &Chromium, page: &str) {
    look_at(browser, page);
    is_gone_through(browser, page);
}

#[test]
fn accounts_are_made_and_used() {
    let office = Office::open();
    let Some(browser) = Chromium::open(&office.base(), Scripts::On) else {
        return;
    };
    browser.go("/settings");
    browser.shows("main", "There are no accounts.");
    browser.click("//summary[.='Make the first administrator']");
    look(&browser, "settings-local");
    let first = "//form[@action='/settings/first']";
    browser.fill(&format!("{first}//input[@name='name']"), "Ada Lovelace");
    for field in ["password", "again"] {
        browser.fill(&format!("{first}//input[@name='{field}']"), PASSWORD);
    }
    browser.click(&format!("{first}//button"));
    browser.shows("header", "Ada Lovelace");

    browser.go("/settings/people");
    let new = "//form[@action='/settings/people']";
    browser.fill(&format!("{new}//input[@name='name']"), "Grace Hopper");
    browser.fill(&format!("{new}//input[@name='password']"), PASSWORD);
    browser.click(&format!("{new}//option[.='responder']"));
    browser.click(&format!("{new}//button"));
    browser.shows("main", "Grace Hopper");
    look(&browser, "people");

    browser.go("/settings/tokens");
    let token = "//form[@action='/settings/tokens']";
    browser.fill(&format!("{token}//input[@name='name']"), "ci");
    browser.click(&format!("{token}//button"));
    browser.shows("[role=status]", "never shown again");
    look_at(&browser, "token-made");
    browser.go("/settings/tokens");
    browser.shows("main", "ci");
    look(&browser, "tokens");

    browser.go("/settings/audit");
    browser.shows("main", "Ada Lovelace");
    look(&browser, "audit");
    browser.go("/settings");
    browser.shows("main", "Where you are logged in");
    look(&browser, "settings");

    office.alert_between_drills("SomethingElse");
    browser.go("/signals");
    browser.shows("main", "SomethingElse");
    look(&browser, "signals");

    browser.click("//form[@action='/logout']//button");
    browser.go("/");
    browser.shows("h1", "Log in");
    look(&browser, "login");
    browser.fill("//input[@name='name']", "Grace Hopper");
    browser.fill("//input[@name='password']", "not that");
    browser.click("//main//button");
    browser.shows("[role=alert]", "");
    browser.fill("//input[@name='password']", PASSWORD);
    browser.click("//main//button");
    browser.shows("header", "Grace Hopper");
    // What a responder may not open is not offered, and refused.
    assert_eq!(browser.count("a[href='/settings/people']"), 0);
    browser.go("/settings/people");
    browser.shows("h1", "Forbidden");
    look(&browser, "refused");
}

#[test]
fn a_server_that_others_reach_serves_nothing_but_its_link_until_there_is_an_account() {
    let mut office = Office::prepared(|wallet| {
        let server = wallet.folder.read("server.yaml");
        let proxied = format!("{server}trusted_proxies: [127.0.0.0/8]\n");
        wallet.folder.write("server.yaml", &proxied);
    });
    let Some(browser) = Chromium::open(&office.base(), Scripts::On) else {
        return;
    };
    browser.go("/");
    browser.shows("main", "no account yet");
    look(&browser, "not-set-up");
    browser.go(&office.link());
    browser.shows("h1", "The first administrator");
    look(&browser, "setup");
    let form = "//form[contains(@action, '/setup/')]";
    browser.fill(&format!("{form}//input[@name='name']"), "Ada Lovelace");
    for (field, typed) in [("password", PASSWORD), ("again", "something else")] {
        browser.fill(&format!("{form}//input[@name='{field}']"), typed);
    }
    browser.click(&format!("{form}//button"));
    browser.shows("main", "not typed the same twice");
    browser.go(&office.link());
    browser.fill(&format!("{form}//input[@name='name']"), "Ada Lovelace");
    for field in ["password", "again"] {
        browser.fill(&format!("{form}//input[@name='{field}']"), PASSWORD);
    }
    browser.click(&format!("{form}//button"));
    browser.shows("header", "Ada Lovelace");
    browser.go(&office.link());
    browser.shows("main", "used already");
}
