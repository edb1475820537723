//! A server's token, as commands are given it.

use std::path::Path;

use anyhow::{Context as _, bail};

/// The environment's name of the token.
pub(super) const TOKEN: &str = "FIREDRILL_TOKEN";

/// The token of a file, else `given`; none where there is nothing.
pub(super) fn token(file: Option<&Path>, given: Option<&str>) -> anyhow::Result<Option<String>> {
    let read = file.map(|path| {
        std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))
    });
    let token = read.transpose()?;
    let token = token.as_deref().or(given).unwrap_or_default().trim();
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("the token holds what no token does; hint: give it alone, in one line");
    }
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_that_of_a_file_counts_first() {
        let path = std::env::temp_dir().join(format!("firedrill-bearer-{}", std::process::id()));
        let of = |text: &str, given: Option<&str>| {
            std::fs::write(&path, text).expect("written");
            token(Some(&path), given)
        };
        assert_eq!(
            of("abc\n", Some("x")).expect("a token").as_deref(),
            Some("abc")
        );
        assert_eq!(of("\n", None).expect("none"), None);
        let two = of("abc\ndef\n", None).expect_err("refused").to_string();
        assert!(two.contains("in one line"), "{two}");
        std::fs::remove_file(&path).expect("removed");
        assert!(
            token(Some(&path), Some("x")).is_err(),
            "a file that is not there is no token"
        );
        assert_eq!(
            token(None, Some(" x ")).expect("given").as_deref(),
            Some("x")
        );
        assert_eq!(token(None, None).expect("none"), None);
    }
}
