//! Named sets of phrases that updates to users can be required to hold, in English, German, French, Spanish, Portuguese
//! and Japanese.
//!
//! A pattern is a run of word groups that must appear in this order, close together; a group lists words any of which
//! will do, and a word ending in `*` stands for all words that begin so. Matching ignores case and punctuation. Japanese,
//! which writes no spaces, is searched for pieces of text that must all stand in one sentence. This
//! is a check that advice was given at all, not that it was given well: that is for staff to judge.

use crate::model::runbook::PhraseSet;

/// Words that may stand between two groups of a pattern.
const GAP: usize = 4;

type Pattern = &'static [&'static [&'static str]];

/// One set's name and what counts as saying it.
struct Entry {
    set: PhraseSet,
    patterns: &'static [Pattern],
    /// Pieces that must all stand in one sentence of a language without spaces.
    fragments: &'static [&'static [&'static str]],
}

const NOT: &[&str] = &[
    "not", "don't", "dont", "never", "avoid", "nicht", "niemals", "kein", "keine",
];
const AGAIN: &[&str] = &[
    "again",
    "twice",
    "repeatedly",
    "erneut",
    "nochmals",
    "nochmal",
    "zweimal",
    "wiederholt",
];
const FRENCH_AGAIN: &[&str] = &[
    "renvoyez",
    "réessayez",
    "relancez",
    "répétez",
    "retentez",
    "recommencez",
];
const SEND: &[&str] = &[
    "send*",
    "submit*",
    "transfer*",
    "try",
    "tap",
    "sende*",
    "überweise*",
    "versuch*",
];
const SECRET: &[&str] = &[
    "key*",
    "seed",
    "phrase",
    "passphrase",
    "password*",
    "mnemonic",
    "recovery",
    "secret*",
    "pin",
    "schlüssel",
    "schlüsselwörter",
    "seedphrase",
    "passwort",
    "passwörter",
    "wiederherstellungsphrase",
    "wiederherstellungswörter",
];
const SHARE: &[&str] = &[
    "share",
    "give",
    "tell",
    "reveal",
    "enter",
    "send",
    "teilen",
    "teile",
    "weitergeben",
    "preisgeben",
    "verraten",
    "nennen",
    "gib",
    "geben",
    "eingeben",
];
const ASK: &[&str] = &["ask", "request", "fragen", "bitten", "verlangen"];
const MONEY: &[&str] = &[
    "fund",
    "funds",
    "money",
    "balance*",
    "asset*",
    "coins",
    "guthaben",
    "geld",
    "gelder",
    "vermögen",
    "vermögenswerte",
    "einlagen",
];
const SAFE: &[&str] = &[
    "safe",
    "secure",
    "unaffected",
    "protected",
    "sicher",
    "geschützt",
    "unberührt",
];
const NEGATED_SAFETY: &[&str] = &[
    "not", "aren't", "isn't", "unsafe", "nicht", "whether", "ob", "if", "pas", "no", "não", "nao",
    "si",
];

/// Every set and its patterns.
const TABLE: &[Entry] = &[
    Entry {
        set: PhraseSet::DoNotRetry,
        patterns: &[
            &[
                NOT,
                &["retry*", "resend*", "resubmit*", "repeat*", "wiederhole*"],
            ],
            &[NOT, SEND, AGAIN],
            &[NOT, AGAIN, SEND],
            &[
                &["no"],
                &["need"],
                &["retry", "resend", "resubmit", "repeat"],
            ],
            &[
                &["please", "bitte"],
                &["wait", "warten", "warte"],
                &["before", "bevor"],
                SEND,
            ],
            &[SEND, &["nicht", "niemals"], AGAIN],
            &[&["ne"], FRENCH_AGAIN],
            &[
                &["ne", "n'envoyez"],
                &["envoyez", "soumettez", "pas"],
                &["nouveau", "encore", "fois"],
            ],
            &[
                &["no", "nunca"],
                &["reintente*", "reenvíe*", "repita*", "repitan"],
            ],
            &[
                &["no", "nunca"],
                &["vuelva*", "envíe*", "intente*"],
                &["enviar*", "intentar*", "nuevo", "otra"],
            ],
            &[
                &["não", "nao", "nunca"],
                &["reenvie*", "repita*", "repitam"],
            ],
            &[
                &["não", "nao", "nunca"],
                &["envie*", "tente*", "submeta*"],
                &["novamente", "novo", "outra"],
            ],
        ],
        fragments: &[
            &["再送", "しないで"],
            &["再送", "お控え"],
            &["再試行", "しないで"],
            &["再度", "送金", "しないで"],
            &["再度", "お控え"],
        ],
    },
    Entry {
        set: PhraseSet::NeverShareKeys,
        patterns: &[
            &[
                &[
                    "never",
                    "not",
                    "don't",
                    "dont",
                    "niemals",
                    "nie",
                    "nicht",
                    "keine",
                    "keinem",
                    "niemandem",
                ],
                SHARE,
                SECRET,
            ],
            &[
                &["never", "not", "won't", "niemals", "nie", "nicht"],
                ASK,
                SECRET,
            ],
            &[
                SECRET,
                &[
                    "never",
                    "not",
                    "niemals",
                    "nie",
                    "nicht",
                    "niemandem",
                    "keinem",
                ],
                SHARE,
            ],
            &[&["never", "niemals", "nie", "niemandem"], SECRET, SHARE],
            &[&["nicht", "niemals", "nie"], SECRET, ASK],
            &[SHARE, &["nicht", "niemals", "nie"], SECRET],
            &[
                &["ne", "jamais"],
                &[
                    "partagez",
                    "communiquez",
                    "donnez",
                    "révélez",
                    "saisissez",
                    "divulguez",
                    "demanderons",
                ],
                &["clé*", "phrase", "mot*", "seed"],
            ],
            &[
                &["nunca", "no"],
                &[
                    "comparta*",
                    "comparte",
                    "revele*",
                    "introduzca*",
                    "facilite*",
                    "pediremos",
                ],
                &["clave*", "frase", "semilla", "contraseña*", "llave*"],
            ],
            &[
                &["nunca", "não", "nao"],
                &[
                    "partilhe*",
                    "compartilhe*",
                    "revele*",
                    "forneça*",
                    "divulgue*",
                    "pediremos",
                ],
                &["chave*", "frase", "semente", "senha*", "palavra*"],
            ],
        ],
        fragments: &[
            &["秘密鍵", "ないで"],
            &["フレーズ", "ないで"],
            &["秘密鍵", "お尋ねすることはありません"],
            &["フレーズ", "お尋ねすることはありません"],
        ],
    },
    Entry {
        set: PhraseSet::FundsAreSafe,
        patterns: &[
            &[MONEY, SAFE],
            &[
                MONEY,
                &["not", "nicht"],
                &["risk", "affected", "gefahr", "betroffen", "gefährdet"],
            ],
            &[
                &["no", "kein", "keine"],
                MONEY,
                &[
                    "risk",
                    "lost",
                    "affected",
                    "gefahr",
                    "verloren",
                    "betroffen",
                ],
            ],
            &[
                &["fonds", "argent", "avoirs"],
                &["sécurité", "sûrs", "protégés", "sécurisés"],
            ],
            &[
                &["fondos", "dinero", "saldo*"],
                &["seguro*", "salvo", "protegidos", "segura"],
            ],
            &[
                &["fundos", "dinheiro", "saldo*"],
                &["seguro*", "protegidos", "segurança", "segura"],
            ],
        ],
        fragments: &[
            &["資産", "安全です"],
            &["資金", "安全です"],
            &["資産", "保護されています"],
        ],
    },
];

/// Whether a text says what the set stands for.
pub fn says(text: &str, set: PhraseSet) -> bool {
    let words = words(text);
    let mut entries = TABLE.iter().filter(|entry| entry.set == set);
    entries.any(|entry| {
        let mut patterns = entry.patterns.iter();
        let mut fragments = entry.fragments.iter();
        patterns.any(|pattern| appears(&words, pattern, set))
            || fragments.any(|pieces| stand_together(text, pieces))
    })
}

/// Whether one sentence holds all of these pieces.
fn stand_together(text: &str, pieces: &[&str]) -> bool {
    let mut sentences = text.split(['。', '！', '？', '\n']);
    sentences.any(|sentence| pieces.iter().all(|piece| sentence.contains(piece)))
}

/// Lower-case words; apostrophes are made alike so that `don’t` is `don't`. An empty word ends a sentence.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.to_lowercase().replace('’', "'").chars().chain([' ']) {
        if character.is_alphanumeric() || character == '\'' {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if matches!(character, '.' | '!' | '?' | ';' | '\n' | '。' | '！' | '？') {
            words.push(String::new());
        }
    }
    words
}

fn appears(words: &[String], pattern: Pattern, set: PhraseSet) -> bool {
    (0..words.len()).any(|start| {
        let Some(end) = from(words, start, pattern) else {
            return false;
        };
        // "Not safe" and "asks whether funds are safe" say the opposite, or nothing.
        let negated = set == PhraseSet::FundsAreSafe
            && pattern.len() == 2
            && words[start.saturating_sub(GAP)..=end]
                .iter()
                .rev()
                .take_while(|word| !word.is_empty())
                .any(|word| NEGATED_SAFETY.contains(&word.as_str()));
        !negated
    })
}

/// Where a pattern that begins exactly at `start` ends.
fn from(words: &[String], start: usize, pattern: Pattern) -> Option<usize> {
    let (first, rest) = pattern.split_first()?;
    if !fits(&words[start], first) {
        return None;
    }
    let Some(_) = rest.first() else {
        return Some(start);
    };
    words[start + 1..]
        .iter()
        .take_while(|word| !word.is_empty())
        .take(GAP + 1)
        .enumerate()
        .find_map(|(offset, _)| from(words, start + 1 + offset, rest))
}

fn fits(word: &str, group: &[&str]) -> bool {
    group.iter().any(|choice| match choice.strip_suffix('*') {
        Some(stem) => word.starts_with(stem),
        None => word == *choice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_found_in_common_wordings_of_every_language() {
        for (set, text) in [
            (PhraseSet::DoNotRetry, "Ne renvoyez pas votre transfert."),
            (
                PhraseSet::DoNotRetry,
                "Veuillez ne pas envoyer deux fois : n'envoyez pas à nouveau.",
            ),
            (
                PhraseSet::DoNotRetry,
                "Por favor, no vuelva a enviar su transferencia.",
            ),
            (
                PhraseSet::DoNotRetry,
                "Não envie a transferência novamente.",
            ),
            (PhraseSet::DoNotRetry, "送金を再送しないでください。"),
            (
                PhraseSet::NeverShareKeys,
                "Ne partagez jamais votre phrase de récupération.",
            ),
            (
                PhraseSet::NeverShareKeys,
                "Nunca comparta su frase de recuperación.",
            ),
            (
                PhraseSet::NeverShareKeys,
                "Nunca partilhe as suas chaves privadas.",
            ),
            (
                PhraseSet::NeverShareKeys,
                "秘密鍵を誰にも教えないでください。",
            ),
            (PhraseSet::FundsAreSafe, "Vos fonds sont en sécurité."),
            (PhraseSet::FundsAreSafe, "Sus fondos están seguros."),
            (PhraseSet::FundsAreSafe, "Os seus fundos estão seguros."),
            (PhraseSet::FundsAreSafe, "お客様の資産は安全です。"),
            (PhraseSet::DoNotRetry, "Please do not retry your transfer."),
            (PhraseSet::DoNotRetry, "Don’t send it again until we say so"),
            (
                PhraseSet::DoNotRetry,
                "Bitte senden Sie nicht erneut. Nicht wiederholen!",
            ),
            (
                PhraseSet::DoNotRetry,
                "Bitte die Überweisung NICHT nochmals versuchen",
            ),
            (
                PhraseSet::NeverShareKeys,
                "Never share your seed phrase with anyone.",
            ),
            (
                PhraseSet::NeverShareKeys,
                "We will never ask you for your private keys.",
            ),
            (
                PhraseSet::NeverShareKeys,
                "Geben Sie niemals Ihre Wiederherstellungsphrase weiter: niemals teilen Sie Ihre Schlüssel.",
            ),
            (
                PhraseSet::NeverShareKeys,
                "Wir werden Sie nie nach Ihrem Passwort fragen",
            ),
            (PhraseSet::FundsAreSafe, "Your funds are safe."),
            (PhraseSet::FundsAreSafe, "Ihre Guthaben sind sicher."),
            (PhraseSet::FundsAreSafe, "No funds are at risk"),
        ] {
            assert!(says(text, set), "{text:?} does not say {set:?}");
        }
    }

    #[test]
    fn what_only_sounds_alike_does_not_count() {
        for (set, text) in [
            (
                PhraseSet::DoNotRetry,
                "Transfers fail. Please retry in an hour.",
            ),
            (PhraseSet::DoNotRetry, "It is not over. Retry later."),
            (
                PhraseSet::NeverShareKeys,
                "Share your seed phrase with our support.",
            ),
            (
                PhraseSet::FundsAreSafe,
                "We do not know whether funds are safe.",
            ),
            (PhraseSet::FundsAreSafe, "Funds are not safe."),
            (
                PhraseSet::FundsAreSafe,
                "Vos fonds ne sont pas en sécurité.",
            ),
            (
                PhraseSet::FundsAreSafe,
                "No sabemos si sus fondos están seguros.",
            ),
            (PhraseSet::DoNotRetry, "Não há problema. Tente novamente."),
            (
                PhraseSet::DoNotRetry,
                "再送してください。心配しないでください。",
            ),
            (PhraseSet::FundsAreSafe, ""),
        ] {
            assert!(!says(text, set), "{text:?} was taken to say {set:?}");
        }
    }
}
