//! How pages look: pictures of each in light, dark and on a telephone, and what holds for every page however it looks.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::keys::is_named;
use crate::ground::project;

/// The most bytes that a page's first load may take.
const HEAVIEST: u64 = 100_000;

/// What a first load consists of. What a page asks for later, to follow a run, is not in it.
const FIRST_LOAD: &str = "return performance.getEntries()
    .filter(e => e.entryType === 'navigation' || ['link', 'script', 'img', 'css', 'other'].includes(e.initiatorType))
    .map(e => [e.name, Math.max(e.transferSize, e.encodedBodySize)])";

const STRANGERS: &str = "return performance.getEntriesByType('resource')
    .map(e => e.name).filter(n => new URL(n).origin !== location.origin)";

const OVERFLOWING: &str = "const page = document.scrollingElement;
    if (page.scrollWidth <= page.clientWidth) return [];
    return [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > page.clientWidth + 1)
        .map(e => e.tagName + '.' + e.className + ' ' + Math.round(e.getBoundingClientRect().right)).slice(0, 20)";

/// Days that are left out although their time is shown: a time of another day would read as one of today.
const DAYLESS: &str = "return [...document.querySelectorAll('time[data-day]')]
    .filter(e => e.checkVisibility() && !e.querySelector('.day').checkVisibility())
    .map(e => e.textContent)";

/// A way of looking at a page.
struct Look {
    name: &'static str,
    width: u32,
    height: u32,
    dark: bool,
    phone: bool,
}

const LOOKS: [Look; 3] = [
    Look {
        name: "light",
        width: 1280,
        height: 900,
        dark: false,
        phone: false,
    },
    Look {
        name: "dark",
        width: 1280,
        height: 900,
        dark: true,
        phone: false,
    },
    Look {
        name: "phone",
        width: 390,
        height: 844,
        dark: false,
        phone: true,
    },
];

/// The narrowest telephone.
const NARROWEST: u32 = 360;

/// Looks at the page that is open in every way, keeps the pictures, and holds it to what every page is held to.
#[track_caller]
pub(super) fn look_at(browser: &Chromium, page: &str) {
    assert_eq!(
        browser.evaluate(STRANGERS),
        json!([]),
        "{page} asks other hosts"
    );
    let load = browser.evaluate(FIRST_LOAD);
    let parts = load.as_array().expect("a list");
    let scripts = browser.count("script");
    assert!(
        parts.len() >= 2 + scripts,
        "a page and its sheet are there, and what script it has: {load}"
    );
    let bytes: u64 = parts.iter().filter_map(|part| part[1].as_u64()).sum();
    assert!(
        (1000..HEAVIEST).contains(&bytes),
        "{page} takes {bytes} bytes: {load}"
    );

    is_named(browser, page);
    for look in LOOKS {
        emulate(browser, &look, look.width, look.height);
        if look.phone {
            fits(browser, page, look.width);
            emulate(browser, &look, NARROWEST, look.height);
            fits(browser, page, NARROWEST);
            assert_eq!(
                browser.evaluate(DAYLESS),
                json!([]),
                "{page} leaves days out on a telephone"
            );
            emulate(browser, &look, look.width, look.height);
        }
        let height = browser
            .evaluate("return document.documentElement.scrollHeight")
            .as_u64();
        let height = u32::try_from(height.unwrap_or(0))
            .unwrap_or(look.height)
            .max(look.height);
        emulate(browser, &look, look.width, height);
        browser.photograph(&pictures().join(format!("{page}-{}.png", look.name)));
    }
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({}));
    browser.devtools("Emulation.setEmulatedMedia", json!({"features": []}));
}

/// Prints the page that is open, keeps the document, and says how many pages it has.
pub(super) fn print(browser: &Chromium, page: &str) -> usize {
    let document = browser.printed();
    fs::write(pictures().join(format!("{page}.pdf")), &document).expect("the folder takes a file");
    assert!(document.starts_with(b"%PDF-"), "it is no such document");
    let mark = b"/Type /Page";
    let marked = document
        .windows(mark.len() + 1)
        .filter(|part| part.starts_with(mark) && part[mark.len()] != b's');
    marked.count()
}

#[track_caller]
fn fits(browser: &Chromium, page: &str, width: u32) {
    let over = browser.evaluate(OVERFLOWING);
    assert_eq!(
        over,
        Value::Array(Vec::new()),
        "{page} is wider than {width} px"
    );
}

fn emulate(browser: &Chromium, look: &Look, width: u32, height: u32) {
    let metrics =
        json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": look.phone});
    browser.devtools("Emulation.setDeviceMetricsOverride", metrics);
    let scheme = if look.dark { "dark" } else { "light" };
    // Without motion: a picture must not catch colours on their way.
    let media = json!({"features": [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]});
    browser.devtools("Emulation.setEmulatedMedia", media);
}

/// Where the pictures are kept.
fn pictures() -> PathBuf {
    let folder = project().join("target/screenshots");
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}
