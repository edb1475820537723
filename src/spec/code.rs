//! The codes of findings, stable for ever: users search for them and filter by them.

macro_rules! codes {
    ($(#[doc = $about:literal] $name:ident = $text:literal,)+) => {
        /// What kind of finding it is; the text of a code never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $about] $name,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As users see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// What it means, in a sentence: Markdown, as the index of `docs/errors/` shows it.
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => $about.trim_start(),)+ }
            }
        }
    };
}

codes! {
    /// The file could not be read.
    UnreadableFile = "unreadable-file",
    /// The file is larger than a file of firedrill may be.
    TooLarge = "too-large",
    /// The file isn't UTF-8.
    NotUtf8 = "not-utf-8",
    /// The file isn't YAML.
    Syntax = "syntax",
    /// Lists and maps are nested too deeply.
    TooDeep = "too-deep",
    /// The document holds too much, aliases expanded.
    TooMuch = "too-much",
    /// An alias stands inside what it names.
    CyclicAlias = "cyclic-alias",
    /// A key stands twice in one map.
    DuplicateKey = "duplicate-key",
    /// A key isn't a plain text.
    BadKey = "bad-key",
    /// A YAML tag that has no meaning here.
    BadTag = "bad-tag",
    /// A Markdown file without front matter that begins and ends with `---`.
    BadFrontMatter = "bad-front-matter",
    /// A file without `kind`.
    MissingKind = "missing-kind",
    /// A `kind` that there isn't.
    UnknownKind = "unknown-kind",
    /// A kind that doesn't belong here.
    WrongKind = "wrong-kind",
    /// A key that there isn't.
    UnknownKey = "unknown-key",
    /// A key that must be there.
    MissingKey = "missing-key",
    /// Keys that exclude each other.
    ConflictingKeys = "conflicting-keys",
    /// A key that is planned and not there yet.
    Unsupported = "unsupported",
    /// A value of another type.
    WrongType = "wrong-type",
    /// A list with too few or too many items.
    WrongLength = "wrong-length",
    /// A word that isn't one of those allowed.
    UnknownWord = "unknown-word",
    /// A text that can't be a name.
    BadName = "bad-name",
    /// A text that isn't a duration.
    BadDuration = "bad-duration",
    /// A value outside its range.
    OutOfRange = "out-of-range",
    /// A text that isn't a usable URL.
    BadUrl = "bad-url",
    /// A text that isn't `host:port`.
    BadAddress = "bad-address",
    /// A text that isn't a network in CIDR form.
    BadNetwork = "bad-network",
    /// A text that isn't a Docker host.
    BadDockerHost = "bad-docker-host",
    /// A text that isn't a `JSONPath`.
    BadJsonPath = "bad-json-path",
    /// A text that isn't a header.
    BadHeader = "bad-header",
    /// A text that isn't a label.
    BadLabel = "bad-label",
    /// A text that isn't a cron pattern.
    BadCron = "bad-cron",
    /// A text that isn't an IANA time zone.
    BadTimezone = "bad-timezone",
    /// A text that isn't a window or a blackout.
    BadWindow = "bad-window",
    /// An unquoted hexadecimal number where a text is probably meant.
    UnquotedHex = "unquoted-hex",
    /// An id or name used twice.
    DuplicateId = "duplicate-id",
    /// An expectation that doesn't fit its question.
    ExpectMismatch = "expect-mismatch",
    /// A variable that isn't declared.
    UnknownVariable = "unknown-variable",
    /// A variable's declaration or value that makes no sense.
    BadVariable = "bad-variable",
    /// An override of a variable that no file declares.
    UnknownOverride = "unknown-override",
    /// An environment variable that isn't set.
    MissingSecret = "missing-secret",
    /// A secret in a place that is read before a run, or shown.
    MisplacedSecret = "misplaced-secret",
    /// A secret that stands in a file.
    PlainSecret = "plain-secret",
    /// A channel of customers or of a regulator that is no sandbox.
    RealChannel = "real-channel",
    /// A template of a message that can't be made.
    BadTemplate = "bad-template",
    /// A `${captured}` where nothing is captured, or where it can't stand.
    MisplacedCaptured = "misplaced-captured",
    /// A `capture` that nothing puts back.
    UnusedCapture = "unused-capture",
    /// A service that the stack hasn't.
    UnknownService = "unknown-service",
    /// A tier that no service of the stack has.
    UnknownTier = "unknown-tier",
    /// A link that the stack hasn't.
    UnknownLink = "unknown-link",
    /// A link given by its ends that several proxies carry.
    AmbiguousLink = "ambiguous-link",
    /// A probe that the stack hasn't.
    UnknownProbe = "unknown-probe",
    /// A step that the experiment hasn't.
    UnknownStep = "unknown-step",
    /// Somebody on call who is no member of the team.
    UnknownMember = "unknown-member",
    /// A remedy that the drill hasn't.
    UnknownRemedy = "unknown-remedy",
    /// A file of this name that can't be found.
    UnknownFile = "unknown-file",
    /// A name that several files have.
    AmbiguousName = "ambiguous-name",
    /// A surprise drill in a game day.
    SurpriseInGameDay = "surprise-in-game-day",
    /// A pause before the first drill of a game day.
    MisplacedPause = "misplaced-pause",
    /// A step that lasts until it is remedied and that no remedy can end.
    Unremedied = "unremedied",
    /// Steps that wait for each other.
    Cycle = "cycle",
    /// Steps that disturb one target in the same way at one time.
    Overlap = "overlap",
    /// A step that ends after the run has.
    LateStep = "late-step",
    /// A time limit that no run can reach.
    LateLimit = "late-limit",
    /// A probe of `during` that no fault is on long enough to refute.
    Unrefutable = "unrefutable",
    /// More services hit at once than allowed.
    TooManyServices = "too-many-services",
    /// More links, containers or services of a tier hit at once than allowed.
    TooManyTargets = "too-many-targets",
    /// A fault on a service that no fault may touch.
    Protected = "protected",
    /// A file that passed every check and still could not be read; a mistake of firedrill's own.
    Unread = "unread",
    /// Links or their faults without a Toxiproxy.
    NoToxiproxy = "no-toxiproxy",
    /// A container fault on a stack without Docker.
    NoDocker = "no-docker",
    /// A container fault on a service without a container.
    NoContainer = "no-container",
    /// A partition that cuts no link.
    EmptyPartition = "empty-partition",
    /// A stack beyond loopback without proof of its identity.
    NoIdentity = "no-identity",
    /// An address that is acted on and that no identity check proves.
    UnprovenPlace = "unproven-place",
    /// A mainnet.
    Mainnet = "mainnet",
}
