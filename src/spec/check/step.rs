//! The forms of a method's steps: one key each, the fault's name.

use crate::spec::check::call::{CALL, CAPTURE, VERIFY};
use crate::spec::check::container::{CRASH, EXEC, OF_SERVICE, SQUEEZE};
use crate::spec::check::cut::{ADDRESS, DISCONNECTED, OTHERS, PARTED};
use crate::spec::form::{
    DURATION, Field, Form, Object, Rule, SHARE, SOME_DURATION, SOME_SHARE, defaulted, optional,
    required, variant,
};

/// One step of a method.
pub(crate) const STEP: Form = Form::Choice(
    "a step",
    &[
        variant("latency", Form::Object(&LATENCY), "Data arrives later."),
        variant(
            "bandwidth",
            Form::Object(&BANDWIDTH),
            "Data arrives at a limited rate.",
        ),
        variant(
            "slow_close",
            Form::Object(&SLOW_CLOSE),
            "The end of a connection arrives later.",
        ),
        variant("timeout", Form::Object(&TIMEOUT), "No data passes."),
        variant(
            "reset_peer",
            Form::Object(&RESET_PEER),
            "Connections are reset.",
        ),
        variant(
            "slicer",
            Form::Object(&SLICER),
            "Data arrives in small pieces.",
        ),
        variant(
            "limit_data",
            Form::Object(&LIMIT_DATA),
            "A connection closes after so many bytes.",
        ),
        variant(
            "packet_loss",
            Form::Object(&PACKET_LOSS),
            "Pieces of data vanish; only newer servers have it.",
        ),
        variant(
            "down",
            Form::Object(&DOWN),
            "A link's connections are closed and refused.",
        ),
        variant(
            "partition",
            Form::Object(&PARTITION),
            "Some services are cut off from others: their links, or their containers.",
        ),
        variant(
            "kill",
            Form::Object(&CONTAINER),
            "A container dies at once and stays dead until the step ends.",
        ),
        variant(
            "stop",
            Form::Object(&CONTAINER),
            "A container ends in good order until the step ends.",
        ),
        variant(
            "pause",
            Form::Object(&CONTAINER),
            "A container freezes until the step ends.",
        ),
        variant(
            "restart",
            Form::Object(&RESTART),
            "A container restarts once.",
        ),
        variant(
            "crash",
            Form::Object(&CRASH),
            "A container's process dies as by itself, so that its restart policy acts.",
        ),
        variant(
            "squeeze",
            Form::Object(&SQUEEZE),
            "A container gets less memory or processor time.",
        ),
        variant(
            "exec",
            Form::Object(&EXEC),
            "A command of your own inside a container.",
        ),
        variant(
            "disconnect",
            Form::Object(&DISCONNECT),
            "A container leaves its networks until the step ends.",
        ),
        variant(
            "confirm",
            Form::Object(&CONFIRM),
            "The method waits for a person; nothing is disturbed.",
        ),
        variant(
            "hook",
            Form::Object(&HOOK),
            "Calls or programs of your own.",
        ),
    ],
);

const ID: Field = optional(
    "id",
    Form::Name,
    "Unique in this experiment; the fault's name when absent.",
);
const AT: Field = optional(
    "at",
    DURATION,
    "When it begins, counted from the start of the method; 0s when absent.",
);
const AFTER: Field = optional("after", Form::Name, "The step whose end it waits for.");
const WAIT: Field = optional(
    "wait",
    DURATION,
    "How long after that step's end it begins; 0s when absent.",
);

/// When a step begins and ends.
pub(crate) static TIMING: &[Field] = &[
    ID,
    AT,
    AFTER,
    WAIT,
    optional("for", DURATION, "How long it lasts."),
    optional(
        "until",
        Form::Word(&[("remedied", "Until a responder's remedy ends it.")]),
        "`remedied`: until a responder ends it, at the latest after `at_most`.",
    ),
    optional(
        "at_most",
        SOME_DURATION,
        "With `until: remedied`: the deadline.",
    ),
    optional(
        "repeat",
        Form::Integer(2, 1_000),
        "How often it happens; once when absent.",
    ),
    optional(
        "every",
        SOME_DURATION,
        "With `repeat`: from one beginning to the next, at least as long as `for`.",
    ),
];

/// What of a link a step hits.
pub(crate) static LINKED: &[Field] = &[
    required(
        "link",
        Form::Text,
        "The link: `from -> to`, or its proxy's name.",
    ),
    defaulted(
        "toxicity",
        SOME_SHARE,
        "1",
        "The share of connections it hits.",
    ),
    defaulted(
        "direction",
        Form::Word(&[
            (
                "downstream",
                "Bytes from the service called back to the caller.",
            ),
            ("upstream", "Bytes from the caller to the service called."),
            ("both", "Each way."),
        ]),
        "downstream",
        "Towards whom the disturbed bytes flow.",
    ),
];

/// What must hold between the times of a step that lasts.
pub(crate) const LASTING: &[Rule] = &[
    Rule::AtMostOne(&["at", "after"]),
    Rule::Needs("wait", "after"),
    Rule::ExactlyOne(&["for", "until"]),
    Rule::Needs("until", "at_most"),
    Rule::Needs("at_most", "until"),
    Rule::AtMostOne(&["repeat", "until"]),
    Rule::Needs("repeat", "every"),
    Rule::Needs("every", "repeat"),
];

/// What must hold between the beginnings of a step.
const BEGINNING: &[Rule] = &[
    Rule::AtMostOne(&["at", "after"]),
    Rule::Needs("wait", "after"),
];

const MOMENTARY: &[Rule] = &[
    Rule::AtMostOne(&["at", "after"]),
    Rule::Needs("wait", "after"),
    Rule::AtMostOne(&["for", "until"]),
    Rule::Needs("until", "at_most"),
    Rule::Needs("at_most", "until"),
    Rule::AtMostOne(&["repeat", "until"]),
    Rule::Needs("repeat", "every"),
    Rule::Needs("every", "repeat"),
];

const RAMP: &str = "How it grows to this, in equal steps; at once when absent.";
const RATE: Form = Form::Integer(1, 1_000_000_000);

/// When a ramp arrives.
static RAMPING: &[Field] = &[
    required(
        "over",
        SOME_DURATION,
        "From its taking effect to its full strength; shorter than the step lasts.",
    ),
    required(
        "steps",
        Form::Integer(1, 1_000),
        "In how many steps, the last of which is the full strength; each at least 100 ms long.",
    ),
];

/// The share of connections that a ramp begins with.
const FROM_TOXICITY: Field = optional(
    "toxicity",
    SOME_SHARE,
    "The share of connections it hits at first; the step's when absent.",
);

static LATENCY_RAMP: Object = Object {
    what: "a ramp of a latency",
    about: "The delay grows in its place: the toxic is changed and read back, and never removed in between.",
    groups: &[
        &[required(
            "from",
            Form::Either(&[DURATION, Form::Object(&LATENCY_FROM)]),
            "What it begins with: the delay, or a map of what grows.",
        )],
        RAMPING,
    ],
    rules: &[],
};

static LATENCY_FROM: Object = Object {
    what: "the beginning of a latency's ramp",
    about: "What grows, and what it begins with; the rest is as the step says.",
    groups: &[&[
        optional("latency", DURATION, "The delay at first."),
        optional("jitter", DURATION, "How far it varies at first."),
        FROM_TOXICITY,
    ]],
    rules: &[Rule::AtLeastOne(&["latency", "jitter", "toxicity"])],
};

static BANDWIDTH_RAMP: Object = Object {
    what: "a ramp of a bandwidth",
    about: "The rate changes in its place: the toxic is changed and read back, and never removed in between.",
    groups: &[
        &[required(
            "from",
            Form::Either(&[RATE, Form::Object(&BANDWIDTH_FROM)]),
            "What it begins with: the rate in KB/s, or a map of what grows.",
        )],
        RAMPING,
    ],
    rules: &[],
};

static BANDWIDTH_FROM: Object = Object {
    what: "the beginning of a bandwidth's ramp",
    about: "What changes, and what it begins with; the rest is as the step says.",
    groups: &[&[
        optional("rate", RATE, "The rate at first, in KB/s."),
        FROM_TOXICITY,
    ]],
    rules: &[Rule::AtLeastOne(&["rate", "toxicity"])],
};

static PACKET_LOSS_RAMP: Object = Object {
    what: "a ramp of a packet loss",
    about: "The share grows in its place: the toxic is changed and read back, and never removed in between.",
    groups: &[
        &[required(
            "from",
            Form::Either(&[SHARE, Form::Object(&PACKET_LOSS_FROM)]),
            "What it begins with: the share lost, or a map of what grows.",
        )],
        RAMPING,
    ],
    rules: &[],
};

static PACKET_LOSS_FROM: Object = Object {
    what: "the beginning of a packet loss's ramp",
    about: "What grows, and what it begins with; the rest is as the step says.",
    groups: &[&[
        optional("loss_rate", SHARE, "The share lost at first."),
        optional(
            "correlation",
            SHARE,
            "How much a loss makes the next more likely at first.",
        ),
        FROM_TOXICITY,
    ]],
    rules: &[Rule::AtLeastOne(&["loss_rate", "correlation", "toxicity"])],
};

static CONFIRM: Object = Object {
    what: "a confirm step",
    about: "The method waits for a person: steps that say `after` it begin once somebody has continued, in the run room, \
            through the API, or with Enter where `firedrill run` has a terminal.",
    groups: &[&[
        ID,
        AT,
        AFTER,
        WAIT,
        required("text", Form::Text, "What the person is asked to do."),
        required("at_most", SOME_DURATION, "How long it waits."),
        defaulted(
            "then",
            Form::Word(&[
                ("abort", "The run is aborted."),
                ("continue", "The method goes on."),
            ]),
            "abort",
            "What happens where nobody has continued by then.",
        ),
    ]],
    rules: BEGINNING,
};

static LATENCY: Object = Object {
    what: "a latency step",
    about: "Data arrives later: `latency`, more or less `jitter`.",
    groups: &[
        TIMING,
        LINKED,
        &[
            required("latency", DURATION, "The delay."),
            defaulted("jitter", DURATION, "0s", "How far it varies either way."),
            optional("ramp", Form::Object(&LATENCY_RAMP), RAMP),
        ],
    ],
    rules: LASTING,
};

static BANDWIDTH: Object = Object {
    what: "a bandwidth step",
    about: "At most `rate` kilobytes (1,000 bytes) a second.",
    groups: &[
        TIMING,
        LINKED,
        &[
            required("rate", RATE, "KB/s."),
            optional("ramp", Form::Object(&BANDWIDTH_RAMP), RAMP),
        ],
    ],
    rules: LASTING,
};

static SLOW_CLOSE: Object = Object {
    what: "a slow_close step",
    about: "The end of the stream arrives later.",
    groups: &[TIMING, LINKED, &[required("delay", DURATION, "The delay.")]],
    rules: LASTING,
};

static TIMEOUT: Object = Object {
    what: "a timeout step",
    about: "No data passes.",
    groups: &[
        TIMING,
        LINKED,
        &[defaulted(
            "timeout",
            DURATION,
            "0s",
            "The connection closes after this long without data; never when 0s.",
        )],
    ],
    rules: LASTING,
};

static RESET_PEER: Object = Object {
    what: "a reset_peer step",
    about: "The connection is reset.",
    groups: &[
        TIMING,
        LINKED,
        &[defaulted(
            "timeout",
            DURATION,
            "0s",
            "Time until the reset.",
        )],
    ],
    rules: LASTING,
};

static SLICER: Object = Object {
    what: "a slicer step",
    about: "Data arrives in small pieces.",
    groups: &[
        TIMING,
        LINKED,
        &[
            required(
                "average_size",
                Form::Integer(1, 1_000_000_000),
                "Bytes in a piece on average.",
            ),
            defaulted(
                "size_variation",
                Form::Integer(0, 1_000_000_000),
                "0",
                "How far a piece's size varies; below `average_size`.",
            ),
            defaulted(
                "delay",
                Form::FineDuration,
                "0s",
                "The pause after each piece, such as `50us` or `1ms`.",
            ),
        ],
    ],
    rules: LASTING,
};

static LIMIT_DATA: Object = Object {
    what: "a limit_data step",
    about: "The connection closes after this many bytes.",
    groups: &[
        TIMING,
        LINKED,
        &[required(
            "bytes",
            Form::Integer(0, i64::MAX),
            "How many bytes pass.",
        )],
    ],
    rules: LASTING,
};

static PACKET_LOSS: Object = Object {
    what: "a packet_loss step",
    about: "Pieces of the stream vanish.",
    groups: &[
        TIMING,
        LINKED,
        &[
            required("loss_rate", SOME_SHARE, "The share of pieces lost."),
            defaulted(
                "correlation",
                SHARE,
                "0",
                "How much a loss makes the next more likely.",
            ),
            optional("ramp", Form::Object(&PACKET_LOSS_RAMP), RAMP),
        ],
    ],
    rules: LASTING,
};

static DOWN: Object = Object {
    what: "a down step",
    about: "The link's connections are closed and new ones refused.",
    groups: &[
        TIMING,
        &[required(
            "link",
            Form::Text,
            "The link: `from -> to`, or its proxy's name.",
        )],
    ],
    rules: LASTING,
};

static PARTITION: Object = Object {
    what: "a partition step",
    about: PARTED,
    groups: &[
        TIMING,
        &[
            required(
                "from",
                Form::List(&Form::Name, 1, 1_000),
                "The services that call; with `via: docker`, those that stay.",
            ),
            required(
                "to",
                Form::List(&Form::Name, 1, 1_000),
                "The services called; with `via: docker`, those whose containers move.",
            ),
            defaulted(
                "mode",
                Form::Word(&[
                    ("drop", "Data vanishes either way."),
                    ("refuse", "Connections are closed and refused."),
                    ("reset", "Connections are reset."),
                ]),
                "drop",
                "How connections over links fare.",
            ),
            defaulted(
                "via",
                Form::Word(&[
                    ("links", "The links' proxies."),
                    (
                        "docker",
                        "The containers' networks, links or not: everything that they say to each other.",
                    ),
                ]),
                "links",
                "What is cut.",
            ),
            OTHERS,
            ADDRESS,
        ],
    ],
    rules: LASTING,
};

static CONTAINER: Object = Object {
    what: "a container step",
    about: "Something done to a service's container, undone when the step ends.",
    groups: &[TIMING, OF_SERVICE],
    rules: LASTING,
};

static DISCONNECT: Object = Object {
    what: "a disconnect step",
    about: "A service's container leaves its networks, and comes back when the step ends as it was there: with its fixed \
            address, its aliases, its links and its options.",
    groups: &[TIMING, DISCONNECTED],
    rules: LASTING,
};

static RESTART: Object = Object {
    what: "a restart step",
    about: "A service's container restarted once; nothing to undo but to see that it runs.",
    groups: &[TIMING, OF_SERVICE],
    rules: MOMENTARY,
};

static HOOK: Object = Object {
    what: "a hook step",
    about: "A disturbance of your own making, with what undoes it.",
    groups: &[
        TIMING,
        &[
            optional(
                "capture",
                Form::Object(&CAPTURE),
                "What is read before, for the undo to put back as `${captured}`.",
            ),
            required("do", Form::Object(&CALL), "What is done."),
            optional(
                "verify",
                Form::Object(&VERIFY),
                "What shows that it was done; without it the call's own status does.",
            ),
            required(
                "undo",
                Form::Object(&CALL),
                "What undoes it. It may be called more than once.",
            ),
            optional(
                "verify_undone",
                Form::Object(&VERIFY),
                "What shows that it was undone; without it the undo's own status does.",
            ),
        ],
    ],
    rules: LASTING,
};
