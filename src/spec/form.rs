//! The forms of users' files, declared once: what keys there are, what each holds, what it defaults to.
//!
//! The checker ([`super::check::shape`]) walks a tree along these tables, the readers take their defaults from them,
//! and the published JSON Schemas are made from them: so none of the three can drift from the others.

/// A map with known keys.
#[derive(Debug)]
pub(crate) struct Object {
    /// What it is, for messages: "a link", "a stack".
    pub(crate) what: &'static str,
    /// What it is for, for editors.
    pub(crate) about: &'static str,
    /// Its keys, in groups so that objects can share some.
    pub(crate) groups: &'static [&'static [Field]],
    /// What must hold between its keys.
    pub(crate) rules: &'static [Rule],
}

/// One key of an object.
#[derive(Debug)]
pub(crate) struct Field {
    /// The key.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) about: &'static str,
    /// Whether it must be there.
    pub(crate) need: Need,
    /// What it holds.
    pub(crate) form: Form,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Required,
    /// It may be absent.
    Optional,
    /// It may be absent and then counts as this text.
    Default(&'static str),
}

/// What must hold between the keys of an object.
#[derive(Debug)]
pub(crate) enum Rule {
    /// One of these and no other.
    ExactlyOne(&'static [&'static str]),
    /// One of these or none.
    AtMostOne(&'static [&'static str]),
    /// At least one of these.
    AtLeastOne(&'static [&'static str]),
    /// The first is there only together with the second.
    Needs(&'static str, &'static str),
    /// The first is a key of something alike and never of this, for a reason that is said.
    Never(&'static str, &'static str),
}

/// What a value can be.
#[derive(Debug)]
pub(crate) enum Form {
    /// Any text that isn't empty.
    Text,
    /// Any text.
    Free,
    /// Any text, on its way to somebody: it may hold secrets, which are looked up when it leaves.
    Sent,
    /// A name or id (see `model::ids`).
    Name,
    /// A length of time in milliseconds, at least the first and at most the second many.
    Duration(u64, u64),
    /// A length of time that may be as short as a microsecond.
    FineDuration,
    /// A number of bytes with its unit.
    Size,
    /// A whole number in this range.
    Integer(i64, i64),
    /// A number in this range.
    Number(Range),
    /// `true` or `false`.
    Flag,
    /// One of these words, each with what it means.
    Word(&'static [(&'static str, &'static str)]),
    /// `http://` or `https://` with a host.
    Url,
    /// `host:port`.
    Address,
    /// A network in CIDR form.
    Network,
    /// `unix:///…`, `tcp://…` or `ssh://…`.
    DockerHost,
    /// `key=value`.
    Label,
    /// A label or only its key.
    LabelSelector,
    /// A `JSONPath`.
    JsonPath,
    /// A cron pattern of five fields.
    Cron,
    /// An IANA time zone.
    Timezone,
    /// Any text, number or flag.
    Scalar,
    /// Anything.
    Any,
    /// A list of this form with at least and at most so many items.
    List(&'static Form, usize, usize),
    /// A map from names of the user's own to this form.
    Map(Keys, &'static Form),
    /// A map with known keys.
    Object(&'static Object),
    /// A map with exactly one of these keys.
    Choice(&'static str, &'static [Variant]),
    /// One or the other, told apart by whether it is a text, a list or a map.
    Either(&'static [Form]),
}

/// What the user's own keys of a map must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Names.
    Name,
    /// `JSONPaths`.
    JsonPath,
    /// Names of HTTP headers.
    Header,
    /// Any text.
    Text,
}

/// One key of a choice.
#[derive(Debug)]
pub(crate) struct Variant {
    /// The key.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) about: &'static str,
    /// What it holds; absent where it is planned, and refused until it is there.
    pub(crate) form: Option<Form>,
}

/// A range of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    /// The lower end.
    pub(crate) low: f64,
    /// Whether the lower end itself is allowed.
    pub(crate) closed: bool,
    /// The upper end, which is allowed.
    pub(crate) high: f64,
}

/// The longest duration a file may name: a year.
pub(crate) const LONGEST: u64 = 366 * 86_400_000;

/// Any length of time, none included.
pub(crate) const DURATION: Form = Form::Duration(0, LONGEST);
/// A length of time of at least a millisecond.
pub(crate) const SOME_DURATION: Form = Form::Duration(1, LONGEST);
/// Any number that is one.
pub(crate) const NUMBER: Form = Form::Number(Range {
    low: f64::MIN,
    closed: true,
    high: f64::MAX,
});
/// From 0 to 100.
pub(crate) const PERCENT: Form = Form::Number(Range {
    low: 0.0,
    closed: true,
    high: 100.0,
});
/// From 0 to 1.
pub(crate) const SHARE: Form = Form::Number(Range {
    low: 0.0,
    closed: true,
    high: 1.0,
});
/// Above 0 and up to 1.
pub(crate) const SOME_SHARE: Form = Form::Number(Range {
    low: 0.0,
    closed: false,
    high: 1.0,
});
/// How many samples in a row.
pub(crate) const STREAK: Form = Form::Integer(1, 1_000_000);

impl Form {
    /// Whether secrets may be in it. All else is read before a run, or shown.
    pub(crate) fn may_hold_secrets(&self) -> bool {
        // A variable's value goes to places of either kind, and is checked there.
        matches!(self, Self::Sent | Self::Url | Self::Scalar)
    }
}

impl Object {
    /// Every key.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// The key of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }
}

/// A key that must be there.
pub(crate) const fn required(name: &'static str, form: Form, about: &'static str) -> Field {
    Field {
        name,
        about,
        need: Need::Required,
        form,
    }
}

/// A key that may be absent.
pub(crate) const fn optional(name: &'static str, form: Form, about: &'static str) -> Field {
    Field {
        name,
        about,
        need: Need::Optional,
        form,
    }
}

/// A key that may be absent and then counts as `default`.
pub(crate) const fn defaulted(
    name: &'static str,
    form: Form,
    default: &'static str,
    about: &'static str,
) -> Field {
    Field {
        name,
        about,
        need: Need::Default(default),
        form,
    }
}

/// One key of a choice.
pub(crate) const fn variant(name: &'static str, form: Form, about: &'static str) -> Variant {
    Variant {
        name,
        about,
        form: Some(form),
    }
}
