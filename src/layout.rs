//! Text in columns: paragraphs with a hanging indent, and lines cut at a width. Pure.
//!
//! Widths are columns of a terminal, so that wide characters count twice and combining ones not at all.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What becomes of a word that is wider than a whole line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongWords {
    /// It stays whole, so that it can be copied and searched for.
    Whole,
    /// It is split, so that no line is too wide.
    Split,
}

/// A paragraph: `first`, then `text` in lines of at most `width` columns; further lines begin after `indent` spaces. Each
/// line ends in a line feed. Lines break at spaces only, never at hyphens or no-break spaces.
pub fn paragraph(
    first: &str,
    indent: usize,
    text: &str,
    width: usize,
    long_words: LongWords,
) -> String {
    let rest = " ".repeat(indent);
    let text = text
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(&rest)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .break_words(long_words == LongWords::Split);
    let mut paragraph = String::new();
    for line in textwrap::wrap(&text, options) {
        paragraph.push_str(line.trim_end_matches(' '));
        paragraph.push('\n');
    }
    paragraph
}

/// A label in a column of `width`, always with a space after it.
pub fn column(label: &str, width: usize) -> String {
    let gap = width.saturating_sub(label.width()).max(1);
    format!("{label}{}", " ".repeat(gap))
}

/// As much of a line as fits into `width` columns; an ellipsis tells that there is more.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let mut kept: String = text
        .chars()
        .take_while(|character| {
            let needs = character.width().unwrap_or(0);
            let fits = needs <= room;
            room = room.saturating_sub(needs);
            fits
        })
        .collect();
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// How many columns a line takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Text without control characters, so that nothing that people typed can move the cursor.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_lines_hang_under_the_first_and_break_at_spaces_only() {
        let text = "send-transaction fails: no answer within 1500 ms (event\u{a0}17)";
        let told = paragraph("+00:12.3 ✗ ", 11, text, 40, LongWords::Whole);
        insta::assert_snapshot!(told.replace('\u{a0}', " "), @r"
        +00:12.3 ✗ send-transaction fails: no
                   answer within 1500 ms
                   (event 17)
        ");
    }

    #[test]
    fn a_coloured_beginning_takes_no_more_room_than_a_plain_one() {
        let text = "a hanging indent keeps the column of times free";
        let plain = paragraph("+00:12.3 ✗ ", 11, text, 30, LongWords::Whole);
        let coloured = paragraph(
            "\x1b[2m+00:12.3\x1b[0m \x1b[31m✗\x1b[0m ",
            11,
            text,
            30,
            LongWords::Whole,
        );
        let bare = coloured
            .replace("\x1b[2m", "")
            .replace("\x1b[31m", "")
            .replace("\x1b[0m", "");
        assert_eq!(bare, plain);
        assert!(plain.lines().count() > 1);
    }

    #[test]
    fn wide_characters_count_twice() {
        let told = paragraph("", 2, &"署名 🔥🔥 ".repeat(12), 20, LongWords::Split);
        assert!(told.lines().count() > 4);
        for line in told.lines() {
            assert!(width(line) <= 20, "{line:?}");
        }
        assert_eq!(cut("署名者が遅い", 7), "署名者…");
        assert_eq!(width(&cut("🔥🔥🔥🔥", 6)), 5);
    }

    #[test]
    fn a_word_wider_than_a_line_stays_whole_or_is_split_as_asked() {
        let text = format!("see http://{} there", "x".repeat(40));
        let whole = paragraph("", 2, &text, 20, LongWords::Whole);
        assert!(whole.contains(&"x".repeat(40)), "{whole}");
        let split = paragraph("", 2, &text, 20, LongWords::Split);
        assert!(split.lines().all(|line| width(line) <= 20), "{split}");
        assert_eq!(split.matches('x').count(), 40);
    }

    #[test]
    fn what_fits_is_not_cut() {
        assert_eq!(cut("running", 7), "running");
        assert_eq!(cut("running", 6), "runni…");
        assert_eq!(cut("running", 0), "");
    }
}
