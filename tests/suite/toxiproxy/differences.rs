//! Where Toxiproxy 2.12.0 and firedrill's server differ on purpose: one table, which `docs/toxiproxy.md` shows and the
//! conformance tests refer to.

/// One difference.
pub(super) struct Difference {
    /// What cases refer to it by.
    pub(super) id: &'static str,
    pub(super) toxiproxy: &'static str,
    pub(super) firedrill: &'static str,
    pub(super) proof: Proof,
}

/// What shows that it is so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// A case of the conformance tests.
    Case,
    /// A test of that name, in the file below the project's folder.
    Test(&'static str, &'static str),
}

const LIFECYCLE: &str = "src/toxiproxy/tests/lifecycle.rs";
const TOXICS: &str = "src/toxiproxy/tests/toxics.rs";
const API: &str = "src/toxiproxy/api/tests.rs";

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "ranges",
        toxiproxy: "Any number is taken as an attribute or a toxicity. Some end the process at the first byte: a `slicer` with its defaults, a `bandwidth` below 0, a `jitter` near the largest integer.",
        firedrill: "What makes no sense is refused with 400, and the field is named.",
        proof: Proof::Case,
    },
    Difference {
        id: "variation",
        toxiproxy: "A `slicer` whose `size_variation` reaches its `average_size` may recurse without end.",
        firedrill: "It varies as far as leaves a byte to every piece.",
        proof: Proof::Test(
            "src/toxiproxy/toxic/tests.rs",
            "slices_are_near_their_average_and_lose_nothing",
        ),
    },
    Difference {
        id: "empty-upstream",
        toxiproxy: "`PATCH` takes an empty `upstream`; the proxy can then reach nothing.",
        firedrill: "Refused with 400, as on creation.",
        proof: Proof::Case,
    },
    Difference {
        id: "failed-move",
        toxiproxy: "A `PATCH` or `/populate` whose new `listen` can't be bound leaves the proxy disabled, at the new address, its connections closed.",
        firedrill: "The proxy and its connections stay as they were.",
        proof: Proof::Case,
    },
    Difference {
        id: "failed-update",
        toxiproxy: "An update of a toxic that fails in its last field has changed those before it.",
        firedrill: "It has changed nothing.",
        proof: Proof::Case,
    },
    Difference {
        id: "slashes",
        toxiproxy: "A proxy or toxic with `/` in its name can be created and never be addressed.",
        firedrill: "`%2F` addresses it.",
        proof: Proof::Case,
    },
    Difference {
        id: "toxics-in-bodies",
        toxiproxy: "`toxics` in the body of `POST /proxies`, of `/populate` and in the configuration is ignored.",
        firedrill: "A proxy that is created or replaced begins with them. An equal one keeps its own.",
        proof: Proof::Case,
    },
    Difference {
        id: "packet-loss",
        toxiproxy: "No `packet_loss` before the releases of 2026.",
        firedrill: "As newer servers have it.",
        proof: Proof::Case,
    },
    Difference {
        id: "logger",
        toxiproxy: "A proxy shows a field `Logger`, which is an accident.",
        firedrill: "It does not.",
        proof: Proof::Case,
    },
    Difference {
        id: "reset-goes-on",
        toxiproxy: "`/reset` stops at the first proxy that can't be enabled; those after it keep their toxics.",
        firedrill: "It goes on with the others, then answers with the first failure.",
        proof: Proof::Test(API, "a_reset_goes_on_past_a_proxy_that_cannot_be_enabled"),
    },
    Difference {
        id: "stuck-api",
        toxiproxy: "Removing a `latency` while a client does not read hangs for 25 s and answers 503, and so does everything that touches that proxy afterwards.",
        firedrill: "The API waits for no connection.",
        proof: Proof::Test(LIFECYCLE, "the_api_answers_while_a_client_never_reads"),
    },
    Difference {
        id: "dialling",
        toxiproxy: "An upstream that does not answer is dialled in the loop that accepts: other clients queue behind it, and disabling the proxy hangs.",
        firedrill: "Each connection dials for itself, and is given up at once when its proxy is disabled.",
        proof: Proof::Test(
            LIFECYCLE,
            "an_upstream_that_does_not_answer_holds_up_neither_the_api_nor_others",
        ),
    },
    Difference {
        id: "half-close",
        toxiproxy: "A client that ends its own direction ends both: the reply never comes.",
        firedrill: "Half-closed connections stay half-closed.",
        proof: Proof::Test(LIFECYCLE, "half_closed_connections_stay_half_closed"),
    },
    Difference {
        id: "reset-peer",
        toxiproxy: "`reset_peer` sends a reset only on connections that were opened after it, and even where its toxicity spared them.",
        firedrill: "A reset on every connection that it strikes, on no other.",
        proof: Proof::Test(
            TOXICS,
            "reset_peer_resets_a_connection_that_was_there_before_it",
        ),
    },
    Difference {
        id: "rerolled",
        toxiproxy: "Whether a toxic strikes a connection is drawn again whenever that toxic is updated or its neighbour changes.",
        firedrill: "Drawn once for each toxic and connection; an update keeps the draw.",
        proof: Proof::Test(
            "src/toxiproxy/chain/tests.rs",
            "raising_toxicity_never_spares_a_connection_that_was_struck",
        ),
    },
    Difference {
        id: "seed",
        toxiproxy: "`-seed` has no effect.",
        firedrill: "With one seed, the same connections in the same order have the same draws.",
        proof: Proof::Test(
            TOXICS,
            "a_seed_strikes_the_same_connections_again_and_about_the_right_share",
        ),
    },
    Difference {
        id: "memory",
        toxiproxy: "A `latency` holds up to 1024 chunks of 32 KiB for each connection.",
        firedrill: "It holds at most 8 MiB.",
        proof: Proof::Test(
            "src/toxiproxy/chain/tests.rs",
            "the_latency_queue_is_bounded_in_bytes_and_small_chunks_count_for_more",
        ),
    },
    Difference {
        id: "metrics",
        toxiproxy: "Bytes are counted when a connection ends.",
        firedrill: "They are counted while they flow.",
        proof: Proof::Test(
            "src/toxiproxy/metrics.rs",
            "bytes_count_while_their_connection_is_open",
        ),
    },
    Difference {
        id: "configuration",
        toxiproxy: "A configuration file that can't be read or is wrong is logged, and the server runs without it.",
        firedrill: "The command ends with status 2 and says which line and which proxy.",
        proof: Proof::Test(
            "tests/suite/toxiproxy/files.rs",
            "a_wrong_configuration_ends_the_command_with_its_line_and_proxy",
        ),
    },
];
