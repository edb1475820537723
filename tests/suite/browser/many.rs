//! Pages over many runs, and the library, in a real browser: looked at in every way, and used without JavaScript.

use super::chromium::{Chromium, Scripts};
use super::keys::is_gone_through;
use super::looks::look_at;
use super::office::Office;
use crate::history;

/// An office with a year of drills behind it, one of which starts by itself.
fn office() -> Office {
    Office::prepared(|wallet| {
        let drill = wallet.folder.read("library/drills/signer-outage.yaml");
        let scheduled = format!(
            "{drill}schedule: {{cron: \"0 10 * * TUE\", timezone: Europe/Berlin, blackout: [\"2026-12-20/2027-01-03\"]}}\n"
        );
        wallet
            .folder
            .write("library/drills/signer-outage.yaml", &scheduled);
        let folder = wallet.folder.path();
        let host = wallet.host.to_string();
        history::write(&folder.join("library"), &folder.join("served"), &host);
    })
}

#[test]
fn pages_over_many_runs_tell_what_there_is_and_fit_everywhere() {
    let office = office();
    let Some(browser) = Chromium::open(&office.base(), Scripts::On) else {
        return;
    };
    browser.go("/trends");
    browser.shows("h1", "Trends");
    // Nine runs have a median and its band, four are dots.
    assert_eq!(browser.count(".plot .median"), 2, "of one scenario, twice");
    assert!(browser.count(".plot .run.censored") >= 2);
    browser.shows("main", "faster");
    browser.shows("main", "too few for a median: 2 more runs");
    look_at(&browser, "trends");
    is_gone_through(&browser, "trends");

    browser.click("//h2/a[.='signer-outage']");
    browser.shows("h1", "signer-outage");
    browser.shows("main", "detected 8 of 9");
    browser.shows("main", "advice");
    look_at(&browser, "trend");
    is_gone_through(&browser, "trend");

    browser.go("/forecast?counted=12&ahead=12&budget=1h&seed=1&s1=3");
    browser.shows("main", "What this takes for granted");
    look_at(&browser, "forecast");
    is_gone_through(&browser, "forecast");

    browser.go("/coverage");
    browser.shows("main", "never");
    assert!(browser.count(".cell.drilled") > 0 && browser.count(".cell.never") > 0);
    look_at(&browser, "coverage");
    is_gone_through(&browser, "coverage");

    browser.go("/calendar");
    browser.shows("main", "signer-outage");
    look_at(&browser, "calendar");
    is_gone_through(&browser, "calendar");
    browser.lives_in("Asia/Tokyo");
    browser.go("/calendar");
    browser.shows(".page-head", "Times in Europe/Berlin");
    browser.click("//a[.='Show Asia/Tokyo']");
    browser.shows(".page-head", "Times in Asia/Tokyo");
    browser.lives_in("");

    browser.go("/library");
    browser.shows("main", "wallet-demo");
    look_at(&browser, "library");
    is_gone_through(&browser, "library");
    browser.click("//a[.='signer-outage']");
    browser.shows("main", "Dry run: what it would hit");
    look_at(&browser, "library-file");
    is_gone_through(&browser, "library-file");

    browser.go("/transparency");
    browser.shows("h1", "Example Wallet: incident drills");
    assert!(
        !browser.text("main").contains("signer"),
        "a name is published"
    );
    look_at(&browser, "transparency");
    is_gone_through(&browser, "transparency");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn everything_is_halted_by_a_form_and_every_page_says_so_until_it_is_lifted() {
    let office = Office::open();
    let Some(browser) = Chromium::open(&office.base(), Scripts::On) else {
        return;
    };
    browser.go("/");
    browser.click("//summary[.='Halt everything']");
    browser.fill("//form[@action='/halt']//input[@name='reason']", "A storm");
    browser.click("//form[@action='/halt']//button");
    browser.shows("#banners", "Everything is halted by local operator");
    browser.shows("#lever", "A storm");
    look_at(&browser, "overview-halted");
    is_gone_through(&browser, "overview-halted");
    for page in ["/library", "/calendar", "/runs"] {
        browser.go(page);
        browser.shows("#banners", "A storm");
    }
    browser.click("//button[.='Lift the halt']");
    browser.go("/");
    browser.shows("#lever", "released");
    browser.click("//h3/a[.='slow-signer']");
    browser.shows("main", "Dry run: what it would hit");
}

#[test]
fn a_game_day_is_started_followed_and_its_rest_ended() {
    let office = Office::open();
    let Some(browser) = Chromium::open(&office.base(), Scripts::On) else {
        return;
    };
    browser.go("/gamedays");
    browser.shows("main", "No game day was held yet.");
    browser.go("/");
    browser.click("//form[input[@value='keys-and-tokens']]//button");
    browser.shows("h1", "keys-and-tokens");
    browser.shows("#drills", "live");
    look_at(&browser, "game-day");
    browser.click("//summary[.='End the rest of it']");
    browser.click("//button[.='End the rest']");
    browser.shows("#drills", "not begun");
    browser.go("/gamedays");
    browser.shows("#days", "keys-and-tokens");
    look_at(&browser, "game-days");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_file_is_edited_without_javascript_and_no_edit_is_lost() {
    let office = office();
    let Some(browser) = Chromium::open(&office.base(), Scripts::Off) else {
        return;
    };
    let file = "library/experiments/slow-signer.yaml";
    let before = office.wallet.folder.read(file);
    browser.go("/library");
    browser.shows("main", "wallet-demo");
    browser.click("//a[.='slow-signer']");
    browser.shows("main", "Nothing is wrong in it.");
    assert!(
        browser.count("svg.topology .on") > 0,
        "the blast radius is drawn"
    );
    look_at(&browser, "library-file");
    is_gone_through(&browser, "library-file");

    // Somebody else saves meanwhile, on disk.
    let theirs = format!("{before}# reviewed\n");
    office.wallet.folder.write(file, &theirs);
    browser.fill("//textarea", &before.replace("latency:", "latencie:"));
    browser.click("//button[.='Check without saving']");
    browser.shows("main", "unknown-key");
    browser.fill("//textarea", &before.replace("400ms", "300ms"));
    browser.click("//button[.='Save']");
    browser.shows(".note.bad", "somebody changed the file since you read it");
    assert_eq!(office.wallet.folder.read(file), theirs, "an edit was lost");
    // Whoever has seen that saves again.
    browser.click("//button[.='Save']");
    browser.shows(".note.good", "Saved.");
    assert!(office.wallet.folder.read(file).contains("300ms"));

    browser.click("//button[.='Dry run: look at every target']");
    browser.shows("main", "Every target was looked at");
}
