# What is done often, each in one word. ARGS are handed on: make bench ARGS="run journal", make demo ARGS=--manual.

.PHONY: demo test test-crash fuzz bench layout ci

# A whole drill on a demo wallet stack.
demo:
	cargo run --release -- demo $(ARGS)

# Every test, after a look at what they need beyond Rust; then the API by generated requests.
test:
	@tests/needs.sh
	cargo test $(ARGS)
	@tests/schemathesis.sh

# Processes killed at every point, for every kind of fault, and the bars of undoing: minutes. Says what was covered.
test-crash:
	@tests/needs.sh
	FIREDRILL_BARS=1 cargo test --test suite residue::an_undo_keeps_its_bar -- --nocapture
	FIREDRILL_CRASH=all cargo test --test suite residue:: -- --nocapture $(ARGS)

# The proxy server's API and its files, fed what a fuzzer makes up: make fuzz, or make fuzz ARGS="600 api".
fuzz:
	tests/fuzz/run.sh $(ARGS)

# One table a topic: run, serve, journal, proxy, reads, signals, followers, pages, timing, halt, recover.
bench:
	cargo bench --bench measure -- $(ARGS)

# Which functions a short run needs, measured anew, so that the linker puts them side by side. Needs valgrind.
layout:
	cargo build --release
	linking/measure.sh

# What must hold before a change is taken.
ci:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	$(MAKE) test
	cargo run -- validate stacks experiments drills gamedays runbooks teams channels messages
