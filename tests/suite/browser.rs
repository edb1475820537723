//! The pages in a real browser: a person is on call, with and without JavaScript, and says that it is real.

mod chromium;
mod keys;
mod looks;
mod many;
mod office;
mod settings;

use std::time::Duration;

use crate::ground::until;
use chromium::{Chromium, PATIENCE, Scripts};
use keys::is_gone_through;
use looks::{look_at, print};
use office::Office;

/// Looks at a page of another test's server.
pub(crate) fn see(address: std::net::SocketAddr, path: &str, page: &str) {
    if let Some(browser) = Chromium::open(&format!("http://{address}"), Scripts::On) {
        browser.go(path);
        look_at(&browser, page);
        is_gone_through(&browser, page);
    }
}

const DRILL: &str = "signer-outage";

/// Starts the drill with its button, and leads to its room.
fn start(browser: &Chromium) -> String {
    browser.go("/");
    browser.click(&format!(
        "//form[input[@value='{DRILL}']][input[@value='drill']]//button"
    ));
    browser.shows("h1", DRILL);
    let room = browser.path();
    assert!(room.starts_with("/runs/"), "{room}");
    room
}

/// The form of an act, with what hides it opened.
fn form(browser: &Chromium, act: &str) -> String {
    let form = format!("//form[input[@name='act'][@value='{act}']]");
    let closed = format!("details.act:not([open]):has(input[value={act}])");
    if browser.count(&closed) > 0 {
        browser.click(&format!("{form}/ancestor::details/summary"));
    }
    form
}

/// Fills a form in and sends it.
fn fill_in(browser: &Chromium, act: &str, filled: impl Fn(&str)) {
    let form = form(browser, act);
    filled(&form);
    browser.click(&format!("{form}//button[not(@data-check)]"));
}

/// Sends a form that is but a button.
fn press(browser: &Chromium, act: &str) {
    fill_in(browser, act, |_| {});
}

fn report_a_detection(browser: &Chromium) {
    fill_in(browser, "detected", |form| {
        browser.click(&format!("{form}//option[.='wallet-api']"));
        browser.fill(
            &format!("{form}//input[@name='symptom']"),
            "Transfers are refused",
        );
    });
}

fn choose(browser: &Chromium, remedy: &str) {
    browser.click(&format!(
        "//form[input[@name='remedy'][@value='{remedy}']]//button"
    ));
}

/// Each line of the runbook with its verdict, as the scorecard's table has them.
fn verdicts(browser: &Chromium) -> Vec<(String, String)> {
    let of = |selector: &str| {
        browser.texts(&format!(
            "section[aria-labelledby=lines-h] tbody {selector}"
        ))
    };
    of("th > code")
        .into_iter()
        .zip(of("td:nth-of-type(1) .badge"))
        .collect()
}

/// The cells of a time's row.
fn times(browser: &Chromium, short: &str) -> Vec<String> {
    let cells = browser.texts("section[aria-labelledby=times-h] tbody tr > *");
    let row = cells.chunks(5).find(|row| row[0].starts_with(short));
    row.unwrap_or_else(|| panic!("no {short} in {cells:?}"))
        .to_vec()
}

/// Leaves a mark in the page that is gone when it is loaded again.
fn mark(browser: &Chromium) {
    browser.evaluate("window.marked = true");
}

fn is_marked(browser: &Chromium) -> bool {
    browser.evaluate("return window.marked === true") == true
}

/// A responder's page holds nothing of the fault, not even where it can't be seen.
#[track_caller]
fn shows_no_fault(browser: &Chromium) {
    assert_eq!(browser.count("#chart svg .fault, .tone-fault"), 0);
    let page = browser.source();
    for telling in ["api-signer-a", "is on (", "active signer stops answering"] {
        assert!(!page.contains(telling), "`{telling}` is in the page");
    }
}

fn tick_off(browser: &Chromium, step: u32) {
    browser.click(&format!(
        "//form[input[@value='step_ticked']][input[@name='step'][@value='{step}']]//button"
    ));
}

/// From the scorecard: the after-action report, with what was learnt and what shall be done.
fn write_a_report(browser: &Chromium, scripts: Scripts) {
    browser.click("//nav[@aria-label='Run']//a[.='Report']");
    browser.shows("h1", DRILL);
    let report = browser.path();
    browser.fill(
        "//form[input[@value='well']]//textarea",
        "One person led, and did not fix.",
    );
    browser.click("//form[input[@value='well']]//button");
    browser.shows("main", "One person led, and did not fix.");
    browser.fill("//input[@name='text']", "Alert on refused transfers, too");
    browser.click("//form[contains(@action, '/actions')]//button[.='Add']");
    browser.shows(
        "section[aria-labelledby=actions-h]",
        "Alert on refused transfers, too",
    );
    for (statement, value) in [
        ("knew_what_to_do", 4),
        ("knew_who_does_what", 5),
        ("runbook_helped", 5),
        ("tools_showed_it", 3),
    ] {
        browser.click(&format!("//input[@name='{statement}'][@value='{value}']"));
    }
    browser.click("//button[.='Answer']");
    browser.shows("section[aria-labelledby=survey-h]", "1 answered");
    let look = |page| {
        if scripts == Scripts::On {
            look_at(browser, page);
        }
    };
    look("report");
    is_gone_through(browser, "report");
    browser.go("/actions");
    browser.shows("main", "Alert on refused transfers, too");
    look("actions");
    is_gone_through(browser, "actions");
    browser.go("/");
    browser.shows("#open-actions", "Alert on refused transfers, too");
    look("overview-after");
    browser.go(&report);
}

/// Times are shown in the reader's zone, with UTC in each title and behind a button.
fn times_are_the_readers(browser: &Chromium, room: &str) {
    const FIRST: &str = "const time = document.querySelector('#log time');
        return [time.dateTime, time.textContent, time.title]";
    browser.lives_in("Asia/Tokyo");
    browser.go(room);
    let first = || {
        let told = browser.evaluate(FIRST);
        let part = |at: usize| told[at].as_str().unwrap_or_default().to_owned();
        (part(0), part(1), part(2))
    };
    let (iso, shown, title) = first();
    let at: jiff::Timestamp = iso.parse().expect("an instant");
    let zone = jiff::tz::TimeZone::get("Asia/Tokyo").expect("a zone");
    assert_eq!(shown, at.to_zoned(zone).strftime("%H:%M:%S").to_string());
    let utc = at.strftime("%H:%M:%S").to_string();
    assert!(title.ends_with(&format!("{utc} UTC")), "{title}");
    browser.shows("#zone", "Asia/Tokyo");
    browser.click("//button[.='Show UTC']");
    assert_eq!(first().1, utc);
    browser.click("//button[.='Show Asia/Tokyo']");
    assert_eq!(first().1, shown);
    browser.lives_in("");
}

/// What the runbook of the drill expects, all of it.
const LINES: [&str; 11] = [
    "detect",
    "ack",
    "declare",
    "command",
    "cause",
    "failover",
    "first-notice",
    "advice",
    "cadence",
    "no-node-failover",
    "recover",
];

#[test]
fn a_person_on_call_takes_a_drill_from_start_to_scorecard() {
    let office = Office::open();
    let Some(browser) = Chromium::open(&office.base(), Scripts::On) else {
        return;
    };
    browser.go("/");
    look_at(&browser, "overview-idle");
    let room = start(&browser);
    let responder = browser.tab();
    let staff = browser.another_tab();
    mark(&browser);

    browser.turn_to(&staff);
    browser.go(&format!("{room}?staff=1"));
    mark(&browser);
    browser.shows("#log", "send-transaction fails");
    browser.shows("#chart", "signer-outage");
    assert!(is_marked(&browser), "the staff's page was loaded again");
    assert!(
        browser.count("#chart svg .fault") > 0,
        "staff see the fault"
    );
    assert!(browser.count("#log .tone-fault") > 0, "staff see the fault");

    browser.turn_to(&responder);
    shows_no_fault(&browser);
    assert!(!browser.source().contains("send-transaction fails"));
    office.alert("TransfersFailing");
    browser.shows("#log", "alert TransfersFailing fires");
    // The probes are shown from the first detection on.
    browser.shows("#log", "send-transaction fails");
    press(&browser, "acknowledged");
    browser.shows("#quick", "Acknowledged");
    report_a_detection(&browser);
    browser.shows("#log", "reports wallet-api: Transfers are refused");
    fill_in(&browser, "declared", |form| {
        browser.click(&format!("{form}//label[normalize-space()='SEV1']"));
    });
    browser.shows("#log", "declares SEV1");
    fill_in(&browser, "role_taken", |form| {
        browser.click(&format!("{form}//option[@value='incident_commander']"));
    });
    browser.shows("#roles", "local operator");
    fill_in(&browser, "cause_named", |form| {
        browser.click(&format!("{form}//option[.='signer-outage']"));
    });
    browser.shows("#log", "names the cause: signer-outage");
    tick_off(&browser, 1);
    browser.shows("#log", "ticks off “1. Confirm”");
    browser.shows("#steps", "1 of 4 steps done");
    browser.comes(
        "what is new is said",
        "return /ticks off/.test(document.getElementById('announcer').textContent)",
    );
    fill_in(&browser, "update_posted", |form| {
        browser.shows("[data-lacks] .lacking", "a text");
        browser.click(&format!("{form}//label[normalize-space()='status page']"));
        for advice in ["do_not_retry", "funds_are_safe"] {
            browser.click(&format!("{form}//input[@value='{advice}']"));
        }
        browser.fill(&format!("{form}//input[@name='next_in']"), "10");
        let text = format!("{form}//textarea[@name='text']");
        browser.fill(&text, "The app says so, too.");
        // The kind of failure is the runbook's, and what is said first a first notice.
        browser.click(&format!("{form}//button[.='Fill in']"));
        browser.comes(
            "the template is filled in, and one's own words stay",
            "const text = document.querySelector('#composer [name=text]').value;
                return text.startsWith(\"Transfers can't be signed\") && text.endsWith('too.')",
        );
        look_at(&browser, "composer");
        browser.comes(
            "the draft lacks nothing",
            "return document.querySelectorAll('[data-lacks] .has').length >= 5
                && document.querySelectorAll('[data-lacks] .lacking').length === 0",
        );
    });
    browser.shows(
        "#log",
        "tells customers on status_page: Transfers can't be signed",
    );
    shows_no_fault(&browser);
    look_at(&browser, "room-responder");
    browser.turn_to(&staff);
    look_at(&browser, "room-staff");
    browser.go("/");
    look_at(&browser, "overview-live");
    let id = room.trim_start_matches("/runs/");
    browser.go(&format!("/status/{id}"));
    browser.shows("main", "[DRILL] Transfers can't be signed");
    look_at(&browser, "status");

    browser.turn_to(&responder);
    choose(&browser, "failover-signer");
    browser.shows("#remedies", "done");
    press(&browser, "resolved");
    browser.shows("#log", "says that it is over");
    shows_no_fault(&browser);
    assert!(is_marked(&browser), "the responder's page was loaded again");

    browser.shows("#acts", "It is over");
    assert!(
        browser.count("#log .tone-fault") > 0,
        "the fault is disclosed at the end"
    );
    browser.click("//a[.='See the scorecard']");
    browser.shows("h1", DRILL);
    let verdicts = verdicts(&browser);
    assert_eq!(
        verdicts
            .iter()
            .map(|(id, _)| id.as_str())
            .collect::<Vec<_>>(),
        LINES
    );
    for (id, verdict) in &verdicts {
        assert!(
            verdict.ends_with("met"),
            "{id} is {verdict}:\n{}",
            browser.text("main")
        );
    }
    assert_eq!(browser.text(".rating"), "P");
    for short in ["TTD", "TTA", "TTM", "TTR"] {
        let row = times(&browser, short);
        assert!(
            row[1].starts_with(|first: char| first.is_ascii_digit()),
            "{short}: {row:?}"
        );
        assert!(
            row[2].contains("event ") && row[3].contains("event "),
            "{short}: {row:?}"
        );
    }
    look_at(&browser, "scorecard");
    is_gone_through(&browser, "scorecard");
    assert_eq!(
        print(&browser, "scorecard"),
        1,
        "the scorecard prints on one page"
    );
    write_a_report(&browser, Scripts::On);
    times_are_the_readers(&browser, &room);
    browser.go("/");
    is_gone_through(&browser, "overview");
    browser.go("/runs");
    assert_eq!(browser.text("tbody .rating"), "P");
    look_at(&browser, "runs");
    assert_eq!(browser.complaints(), [""; 0]);

    browser.go("/nowhere");
    browser.shows("h1", "Not Found");
    look_at(&browser, "missing");
    // The browser itself complains of the page that is not there, and of nothing else.
    let complaints = browser.complaints();
    assert!(
        complaints
            .iter()
            .all(|told| told.contains("/nowhere") && told.contains("404")),
        "{complaints:?}"
    );
    assert_eq!(office.wallet.proxies.toxics(), [""; 0]);
}

#[test]
fn a_drill_goes_from_start_to_scorecard_without_javascript() {
    let office = Office::open();
    let Some(browser) = Chromium::open(&office.base(), Scripts::Off) else {
        return;
    };
    let room = start(&browser);
    browser.shows("noscript", "look again");
    browser.go(&format!("{room}?staff=1"));
    browser.shows_after_reloads("#log", "send-transaction fails");
    browser.go(&room);
    assert!(!browser.source().contains("send-transaction fails"));
    office.alert("TransfersFailing");
    browser.shows_after_reloads("#log", "send-transaction fails");
    shows_no_fault(&browser);
    press(&browser, "acknowledged");
    browser.shows("#quick", "Acknowledged");
    report_a_detection(&browser);
    browser.shows("#log", "reports wallet-api: Transfers are refused");
    tick_off(&browser, 2);
    browser.shows("#log", "ticks off “2. Say so”");
    is_gone_through(&browser, "room");
    // A draft is looked at on a page of its own, and comes back as it was written.
    let update = form(&browser, "update_posted");
    browser.fill(&format!("{update}//textarea[@name='text']"), "So say we.");
    browser.click(&format!("{update}//button[.='Fill in']"));
    let filled = browser.text("#composer [name=text]");
    assert!(
        filled.starts_with("Transfers can't be signed") && filled.ends_with("So say we."),
        "{filled}"
    );
    browser.fill(
        &format!("{update}//textarea[@name='text']"),
        "Transfers fail.",
    );
    browser.click(&format!("{update}//button[.='Check the draft']"));
    browser.shows("[data-lacks] .has", "a text");
    browser.shows("[data-lacks] .lacking", "on status page");
    browser.click("//form[input[@value='update_posted']]//label[normalize-space()='status page']");
    browser.click("//form[input[@value='update_posted']]//button[.='Post']");
    browser.shows("#log", "tells customers on status_page: Transfers fail.");
    choose(&browser, "failover-signer");
    browser.shows_after_reloads("#remedies", "done");
    shows_no_fault(&browser);
    browser.shows_after_reloads("#acts", "It is over");
    browser.click("//a[.='See the scorecard']");
    write_a_report(&browser, Scripts::Off);
    browser.click("//nav[@aria-label='Run']//a[.='Scorecard']");
    browser.shows("h1", DRILL);
    let verdicts = verdicts(&browser);
    assert_eq!(verdicts.len(), LINES.len(), "{verdicts:?}");
    for (id, expected) in [
        ("detect", "met"),
        ("ack", "met"),
        ("failover", "met"),
        ("recover", "met"),
        ("declare", "censored"),
        ("cause", "missed"),
    ] {
        let found = verdicts.iter().find(|(known, _)| known == id);
        assert!(
            found.is_some_and(|(_, verdict)| verdict.ends_with(expected)),
            "{id} is {found:?}, not {expected}"
        );
    }
    assert_eq!(office.wallet.proxies.toxics(), [""; 0]);
}

#[test]
fn this_is_real_ends_a_drill_unscored_and_removes_the_fault() {
    let office = Office::open();
    let Some(browser) = Chromium::open(&office.base(), Scripts::On) else {
        return;
    };
    let room = start(&browser);
    let proxies = office.wallet.proxies;
    until("the fault is on", PATIENCE, || {
        (!proxies.toxics().is_empty()).then_some(())
    });
    browser.click("//details[contains(@class, 'danger')]/summary");
    let button = "//button[.='This is real']";
    browser.click(button);
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        !proxies.toxics().is_empty() && browser.count("#acts .danger") > 0,
        "a drill ended without the confirmation"
    );
    browser.click("//label[normalize-space()='It is a real incident']");
    browser.click(button);
    browser.shows("#acts", "It is over");
    assert_eq!(proxies.toxics(), [""; 0]);
    browser.shows("#head", "aborted");
    browser.go(&format!("{room}/scorecard"));
    browser.shows("main", "aborted");
    assert_eq!(browser.text(".score .rating"), "–");
    assert_eq!(browser.complaints(), [""; 0]);
}
