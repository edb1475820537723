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
