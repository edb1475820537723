//! Pages without a mouse: every control has a name to be read aloud, is reached with the tab key, shows that it has the
//! focus, and lets it go.

use serde_json::{Value, json};

use super::chromium::Chromium;

/// Controls that one can see and use; of the choices of one question, the one that has the focus.
const CONTROLS: &str = "const all = [...document.querySelectorAll(
        'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]')]
    .filter(e => e.checkVisibility() && !e.disabled);
    const stop = e => {
        if (e.type !== 'radio') return e;
        const choices = all.filter(o => o.type === 'radio' && o.name === e.name && o.form === e.form);
        return choices.find(o => o.checked) ?? choices[0];
    };";

/// Names come from text, from a label, or from an attribute.
const UNNAMED: &str = "return all.filter(e => {
        const labels = e.labels ? [...e.labels].map(l => l.textContent).join('') : '';
        const by = (e.getAttribute('aria-labelledby') ?? '').split(/\\s+/)
            .map(id => document.getElementById(id)?.textContent ?? '').join('');
        const own = ['INPUT', 'SELECT', 'TEXTAREA'].includes(e.tagName) ? '' : e.textContent;
        return !(own + labels + by + (e.getAttribute('aria-label') ?? '')).trim();
    }).map(e => e.outerHTML.slice(0, 120))";

const BEGIN: &str = "document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
    window.reached = new Set();
    window.scrollTo(0, 0);
    return new Set(all.map(stop)).size";

/// Whether the focus came to something new, how it shows, and where it is.
const NEXT: &str = "const e = document.activeElement;
    if (!e || e === document.body) return null;
    const stays = e === window.last;
    const fresh = !window.reached.has(stop(e));
    window.reached.add(stop(e));
    window.last = e;
    return [fresh, stays, getComputedStyle(e).outlineStyle, e.outerHTML.slice(0, 120), e.className]";

const MISSED: &str = "return [...new Set(all.map(stop))].filter(e => !window.reached.has(e)).map(e => e.outerHTML.slice(0, 120))";

fn asked(browser: &Chromium, what: &str) -> Value {
    browser.evaluate(&format!("{CONTROLS}{what}"))
}

/// Holds the page that is open to every control's having a name.
#[track_caller]
pub(super) fn is_named(browser: &Chromium, page: &str) {
    assert_eq!(
        asked(browser, UNNAMED),
        json!([]),
        "controls without a name on {page}"
    );
}

/// Goes through the page that is open with the tab key. It must not change meanwhile.
#[track_caller]
pub(super) fn is_gone_through(browser: &Chromium, page: &str) {
    let wanted = asked(browser, BEGIN).as_u64().expect("a number");
    browser.press("Tab", 9);
    let first = asked(browser, NEXT);
    assert_eq!(
        first[4], "skip",
        "{page}: the first leads past the navigation: {first}"
    );
    // A field for a date has several stops of its own.
    for _ in 0..4 * wanted + 8 {
        browser.press("Tab", 9);
        let next = asked(browser, NEXT);
        if next.is_null() || (next[0] == false && next[1] == false) {
            break;
        }
        assert_ne!(
            next[2], "none",
            "{page}: the focus is not seen: {}",
            next[3]
        );
    }
    assert_eq!(
        asked(browser, MISSED),
        json!([]),
        "{page}: not everything is reached"
    );
}
