//! The style sheet: contrast of every pair of colours that text or a control's edge may have, in both schemes.

use std::collections::BTreeMap;

const SHEET: &str = include_str!("../../../web/static/app.css");

/// Text, and the grounds that it stands on.
const TEXT: [(&str, &[&str]); 11] = [
    (
        "text",
        &["ground", "panel", "sunken", "live-ground", "warn-ground"],
    ),
    ("quiet", &["ground", "panel", "sunken"]),
    ("accent", &["ground", "panel", "sunken"]),
    ("on-accent", &["accent"]),
    ("good", &["good-ground", "panel", "ground"]),
    ("bad", &["bad-ground", "panel", "ground"]),
    ("warn", &["warn-ground", "panel", "ground"]),
    ("live", &["live-ground", "panel"]),
    ("fault", &["panel", "sunken"]),
    // The banner of what is stuck, and the flags of drawings.
    ("panel", &["bad", "fault"]),
    ("text", &["good-ground", "bad-ground"]),
];

/// Edges of controls and marks of drawings, and what is beside them.
const EDGES: [(&str, &[&str]); 6] = [
    ("strong-line", &["panel", "ground", "sunken"]),
    ("accent", &["panel", "ground"]),
    ("fault", &["panel"]),
    ("good", &["panel"]),
    ("bad", &["panel"]),
    ("warn", &["panel"]),
];

/// The variables of the first `:root` after `from`.
fn colours(from: &str) -> BTreeMap<&'static str, [f64; 3]> {
    let start = SHEET.find(from).expect("the scheme is there");
    let block = &SHEET[start..];
    let block = &block[block.find(":root {").expect("a block") + 7..];
    let block = &block[..block.find('}').expect("an end")];
    block
        .split(';')
        .filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(": ")?;
            Some((name, colour(value.trim())?))
        })
        .collect()
}

fn colour(value: &str) -> Option<[f64; 3]> {
    let hex = value.strip_prefix('#')?;
    let full: String = match hex.len() {
        3 => hex.chars().flat_map(|digit| [digit, digit]).collect(),
        6 => hex.to_owned(),
        _ => return None,
    };
    let part = |at: usize| {
        u8::from_str_radix(&full[at..at + 2], 16)
            .ok()
            .map(|value| f64::from(value) / 255.0)
    };
    Some([part(0)?, part(2)?, part(4)?])
}

/// Relative luminance, as WCAG 2.2 defines it.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|value| {
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn contrast_is_reckoned_as_the_guidelines_say() {
    let of = |one: &str, other: &str| {
        contrast(
            colour(one).expect("a colour"),
            colour(other).expect("a colour"),
        )
    };
    assert!((of("#000", "#fff") - 21.0).abs() < 1e-9);
    // From the guidelines' own examples: #777 on white just fails.
    assert!((of("#777777", "#ffffff") - 4.478).abs() < 0.001);
}

#[test]
fn every_pair_of_colours_can_be_told_apart_in_both_schemes() {
    let light = colours("/* The design system");
    let dark = colours("@media (prefers-color-scheme: dark)");
    // The print sheet stands alone.
    let print = colours("@media print");
    for (scheme, own) in [("light", &light), ("dark", &dark), ("print", &print)] {
        let of = |name: &str| {
            *own.get(name)
                .or_else(|| light.get(name))
                .unwrap_or_else(|| panic!("no --{name} in {scheme}"))
        };
        for (pairs, least) in [(&TEXT[..], 4.5), (&EDGES[..], 3.0)] {
            for (name, grounds) in pairs {
                for ground in *grounds {
                    let found = contrast(of(name), of(ground));
                    assert!(
                        found >= least,
                        "--{name} on --{ground} in {scheme}: {found:.2}, needs {least}"
                    );
                }
            }
        }
    }
}

#[test]
fn colours_are_named_and_nothing_is_asked_of_other_hosts() {
    // The first block of each scheme names them; below, colours are asked for by name.
    let below = SHEET
        .split("/* Frame */")
        .nth(1)
        .and_then(|rest| rest.split("@page").next())
        .expect("the sheet has a frame and a page");
    let literal = below
        .match_indices('#')
        .filter(|(at, _)| {
            let rest = &below[at + 1..];
            let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
            // `#banners` and the like are ids: a colour's digits end with it.
            matches!(hex, 3 | 6)
                && !rest
                    .as_bytes()
                    .get(hex)
                    .is_some_and(u8::is_ascii_alphabetic)
        })
        .map(|(at, _)| &below[at..(at + 12).min(below.len())])
        .collect::<Vec<_>>();
    assert_eq!(literal, [""; 0], "colours that are not named");
    for elsewhere in ["http:", "https:", "//", "@import", "@font-face"] {
        assert!(!SHEET.contains(elsewhere), "the sheet holds `{elsewhere}`");
    }
}
