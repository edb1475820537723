//! A run on a real pseudo-terminal: the live line comes, is cut, and never stays.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::shop::{Experiment, Shop};

const ROWS: u16 = 24;

/// The near end of a pseudo-terminal, which keeps all that was written to its far end.
struct Window {
    written: JoinHandle<String>,
}

impl Window {
    /// Opens one, and answers with its far end too.
    fn open(columns: u16) -> (Self, Stdio) {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&near).expect("it is ours");
        unlockpt(&near).expect("it opens");
        let name = ptsname(&near, Vec::new()).expect("it has a name");
        let path = name.to_str().expect("a path").to_owned();
        let far = File::options()
            .read(true)
            .write(true)
            .open(path)
            .expect("its far end opens");
        let size = Winsize {
            ws_row: ROWS,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&far, size).expect("it takes a size");
        let mut near = File::from(near);
        let written = thread::spawn(move || {
            let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
            // Reading fails when the last far end is closed.
            while let Ok(count @ 1..) = near.read(&mut part) {
                bytes.extend_from_slice(&part[..count]);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        });
        (Self { written }, Stdio::from(far))
    }

    fn written(self) -> String {
        self.written.join().expect("the reader ends")
    }
}

/// What is left on the screen: carriage returns, erased line ends and colours are all that may be used.
fn screen(written: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let mut column = 0;
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        let line = lines.last_mut().expect("there is a line");
        match character {
            '\r' => column = 0,
            '\n' => {
                lines.push(Vec::new());
                column = 0;
            }
            '\x1b' => {
                let code = characters.find(char::is_ascii_alphabetic);
                if code == Some('K') {
                    line.truncate(column);
                }
            }
            other => {
                line.resize(line.len().max(column + 1), ' ');
                line[column] = other;
                column += 1;
            }
        }
    }
    lines
        .into_iter()
        .map(|line| line.into_iter().collect::<String>().trim_end().to_owned())
        .collect()
}

fn slow() -> Experiment {
    Experiment {
        name: "slow",
        ..Experiment::slow("2s")
    }
}

/// Runs on a terminal that nothing else dresses up; answers with what was written.
fn shown(columns: u16, variables: &[(&str, &str)]) -> String {
    let shop = Shop::open();
    let mut firedrill = shop.firedrill.with("CI", "").with("TERM", "xterm");
    for (name, value) in variables {
        firedrill = firedrill.with(name, value);
    }
    let (window, far) = Window::open(columns);
    let file = shop.experiment(&slow());
    firedrill.start_on(far, ["run", &file]).finish().exits(0);
    window.written()
}

#[test]
fn a_live_line_shows_what_is_on_fits_the_window_and_is_gone_at_the_end() {
    let written = shown(60, &[]);
    assert!(
        written.contains("s left") && written.contains('▓') && written.contains("\x1b[33m"),
        "{written:?}"
    );
    let drawn = written.matches("… running").count();
    assert!((2..=60).contains(&drawn), "drawn {drawn} times");
    let left = screen(&written);
    assert!(
        left.iter().all(|line| line.chars().count() <= 60),
        "{left:#?}"
    );
    assert!(!left.iter().any(|line| line.contains('…')), "{left:#?}");
    assert!(
        left.iter().any(|line| line.contains("is off (read back)")),
        "{left:#?}"
    );
    assert_eq!(left.last().map(String::as_str), Some(""), "{left:#?}");
}

#[test]
fn without_colours_it_is_still_live_and_a_dumb_terminal_or_ci_gets_plain_lines() {
    let plain = shown(60, &[("NO_COLOR", "1")]);
    assert!(
        plain.contains("s left") && !plain.contains("\x1b[3"),
        "{plain:?}"
    );
    for variable in [("TERM", "dumb"), ("CI", "true")] {
        let written = shown(60, &[variable, ("NO_COLOR", "1")]);
        assert!(written.contains("is off (read back)"), "{written:?}");
        assert!(
            !written.contains("s left") && !written.contains('\x1b'),
            "{variable:?}: {written:?}"
        );
    }
}

#[test]
fn a_signal_leaves_no_live_line_behind() {
    let shop = Shop::open();
    let firedrill = shop.firedrill.with("CI", "").with("TERM", "xterm");
    let (window, far) = Window::open(80);
    let file = shop.experiment(&Experiment {
        name: "slow",
        ..Experiment::slow("30s")
    });
    let started = firedrill.start_on(far, ["run", &file]);
    crate::ground::until("the fault is on", Duration::from_secs(20), || {
        let toxics = shop.proxies.snapshot().to_string();
        toxics.contains("latency").then_some(())
    });
    thread::sleep(Duration::from_millis(600));
    started.signal(Signal::TERM);
    started.finish().exits(3);
    let written = window.written();
    assert!(written.contains("s left"), "{written:?}");
    let left = screen(&written);
    assert!(!left.iter().any(|line| line.contains('…')), "{left:#?}");
    assert_eq!(left.last().map(String::as_str), Some(""), "{left:#?}");
}
