//! Who is behind a pseudonym: kept outside the log, so that a person can be forgotten while every log stays whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Result;
use super::database::Database;

impl Database {
    /// The pseudonym of `name`, such as `p-7f3a9c01b2d4`: the same until the name is forgotten. `draw` gives the random
    /// bytes of a new one.
    pub async fn pseudonym_of(
        &self,
        name: &str,
        mut draw: impl FnMut() -> [u8; 6] + Send,
    ) -> Result<String> {
        const KNOWN: &str = "SELECT pseudonym FROM people WHERE name = ?1";
        let known: Option<String> = sqlx::query_scalar(KNOWN)
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        if let Some(known) = known {
            return Ok(known);
        }
        loop {
            let pseudonym = draw().iter().fold(String::from("p-"), |mut text, byte| {
                // Writing to a string can't fail.
                let _ = write!(text, "{byte:02x}");
                text
            });
            // Nothing is inserted where somebody else was quicker, or where the pseudonym is another name's.
            sqlx::query(
                "INSERT INTO people (pseudonym, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )
            .bind(&pseudonym)
            .bind(name)
            .execute(self.writer())
            .await?;
            let known: Option<String> = sqlx::query_scalar(KNOWN)
                .bind(name)
                .fetch_optional(self.writer())
                .await?;
            if let Some(known) = known {
                return Ok(known);
            }
        }
    }

    /// Whether somebody of this name has a pseudonym.
    pub async fn is_known(&self, name: &str) -> Result<bool> {
        Ok(
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM people WHERE name = ?1)")
                .bind(name)
                .fetch_one(self.readers())
                .await?,
        )
    }

    /// The names behind those of `pseudonyms` that are known and not forgotten.
    pub async fn names(&self, pseudonyms: &[&str]) -> Result<BTreeMap<String, String>> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT pseudonym, name FROM people WHERE pseudonym IN (SELECT value FROM json_each(?1))",
        )
        .bind(serde_json::json!(pseudonyms).to_string())
        .fetch_all(self.readers())
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// Forgets who `name` was: their pseudonym stays in logs and means nobody any more, and what the audit and kept
    /// signals had of them beyond that is erased. `false` where nobody of that name was known.
    pub async fn forget(&self, name: &str) -> Result<bool> {
        let known: Option<String> =
            sqlx::query_scalar("SELECT pseudonym FROM people WHERE name = ?1")
                .bind(name)
                .fetch_optional(self.readers())
                .await?;
        // Before the pseudonym goes, by which they are found there: what is cut off here is done when it is asked again.
        self.forget_in_signals(name, known.as_deref()).await?;
        self.forget_in_reviews(name, known.as_deref()).await?;
        let gone: Option<String> =
            sqlx::query_scalar("DELETE FROM people WHERE name = ?1 RETURNING pseudonym")
                .bind(name)
                .fetch_optional(self.writer())
                .await?;
        match &gone {
            Some(pseudonym) => {
                self.erase_audit_of(pseudonym, "the person was forgotten")
                    .await?;
            }
            None => self.flush_erased().await?,
        }
        Ok(gone.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    fn draws() -> impl FnMut() -> [u8; 6] {
        let mut last = 0;
        move || {
            last += 1;
            [0x7f, 0x3a, 0x9c, 0, 0, last]
        }
    }

    #[tokio::test]
    async fn a_name_has_one_pseudonym_until_it_is_forgotten() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let mut draw = draws();
        let ada = database.pseudonym_of("Ada", &mut draw).await.expect("made");
        assert_eq!(ada, "p-7f3a9c000001");
        let again = database
            .pseudonym_of("Ada", &mut draw)
            .await
            .expect("known");
        assert_eq!(again, ada);
        // The first draw is Ada's already.
        let bob = database.pseudonym_of("Bob", draws()).await.expect("made");
        assert_eq!(bob, "p-7f3a9c000002");

        let names = database
            .names(&[&ada, &bob, "p-unknown"])
            .await
            .expect("asked");
        let expected = [(ada.clone(), "Ada".to_owned()), (bob, "Bob".to_owned())];
        assert_eq!(names, BTreeMap::from(expected));

        assert!(database.forget("Ada").await.expect("forgotten"));
        assert!(!database.forget("Ada").await.expect("asked"));
        assert!(database.names(&[&ada]).await.expect("asked").is_empty());
        let mut later = || [1; 6];
        let anew = database
            .pseudonym_of("Ada", &mut later)
            .await
            .expect("made");
        assert_ne!(anew, ada, "a forgotten person is not recognised");
    }

    #[tokio::test]
    async fn a_forgotten_name_is_in_no_file_any_more() {
        let folder = sample::Folder::new();
        let database = Database::open(&folder.path).await.expect("opened");
        let name = "Theophrastus Bombastus";
        database.pseudonym_of(name, draws()).await.expect("made");
        database.pseudonym_of("Bob", || [9; 6]).await.expect("made");
        assert!(
            folder.holds(name.as_bytes()),
            "the search finds what is there"
        );
        database.forget(name).await.expect("forgotten");
        assert!(!folder.holds(name.as_bytes()), "a copy of the name is left");
    }
}
