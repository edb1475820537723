//! Names in messages: lists of them, and the known one that is nearest to a slip.

/// How many names a message lists.
const LISTED: usize = 30;

/// Names beyond these are not compared, so that a huge file's slips cost no more than a small one's.
const COMPARED: usize = 500;

/// The known name that is most like this one, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    // What is longer than any name is not a slip of one, and comparing it would cost its length squared.
    if name.len() > 100 {
        return None;
    }
    let wanted = plain(name);
    known
        .take(COMPARED)
        .map(|other| (strsim::osa_distance(&wanted, &plain(other)), other))
        .filter(|(distance, other)| {
            let length = other.len().min(name.len());
            *distance < length && *distance <= 1 + length / 4
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// `a`, `b` or `c`.
pub(crate) fn listed<'a>(mut names: impl Iterator<Item = &'a str>, word: &str) -> String {
    let mut first: Vec<String> = names
        .by_ref()
        .take(LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.count();
    if more > 0 {
        return format!("{} {word} {more} more", first.join(", "));
    }
    match first.pop() {
        None => "none".to_owned(),
        Some(last) if first.is_empty() => last,
        Some(last) => format!("{} {word} {last}", first.join(", ")),
    }
}

/// The nearest name as a question, then what there is.
pub(crate) fn did_you_mean(near: Option<&str>, all: &str) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all.to_owned(),
    }
}
