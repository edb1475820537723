//! Cursors: where a list goes on, opaque to whoever hands them back. They name the last row that was had, so that rows
//! which come meanwhile neither repeat nor hide any.

use std::fmt::Display;
use std::str::FromStr;

use super::problem::Problem;

/// The cursor behind a row, for lists of one kind.
pub(super) fn after(list: &str, row: &impl Display) -> String {
    format!("{list}.{row}")
}

/// The row that a cursor of a list of this kind names.
pub(super) fn read<T: FromStr>(list: &str, cursor: &str) -> Result<T, Problem> {
    cursor
        .strip_prefix(list)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|row| row.parse().ok())
        .ok_or_else(|| {
            Problem::bad(
                "bad-cursor",
                "this cursor is none of this list's; hint: hand `next` back as it came",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_to_the_list_it_is_of() {
        let cursor = after("e", &7);
        assert_eq!(read::<u64>("e", &cursor), Ok(7));
        for bad in ["", "7", "r.7", "e.x", "e"] {
            assert!(read::<u64>("e", bad).is_err(), "{bad}");
        }
    }
}
