#!/bin/sh
# Builds the fuzz targets and runs them: run.sh [SECONDS [TARGET…]]. Stable Rust and a C++ compiler suffice: the flags
# are those that `cargo fuzz` sets, without a sanitizer, as no code here is unsafe.
# Where it is allowed, a target gets a network of its own, so that no port it makes up is one of this machine's.
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ "$#" -eq 0 ] || shift
[ "$#" -gt 0 ] || set -- api files
host=$(rustc -vV | sed -n 's/^host: //p')
coverage="-sanitizer-coverage-level=4 -sanitizer-coverage-inline-8bit-counters"
coverage="$coverage -sanitizer-coverage-pc-table -sanitizer-coverage-trace-compares"
# `--target` keeps the flags from build scripts, which libFuzzer isn't linked to.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module$(printf ' -Cllvm-args=%s' $coverage)" \
    cargo build --release --locked --target "$host"
alone=""
if unshare --map-root-user --net true 2>/dev/null && command -v ip >/dev/null; then
    alone="unshare --map-root-user --net"
fi
for target in "$@"; do
    mkdir -p "corpus/$target" artifacts
    program="target/$host/release/$target -max_total_time=$seconds -timeout=20 -max_len=2048 -dict=words.dict
        -print_final_stats=1 -artifact_prefix=artifacts/$target- corpus/$target seeds/$target"
    echo "fuzzing $target for $seconds s"
    if [ -n "$alone" ]; then
        $alone sh -c "ip link set lo up && exec $(echo $program)"
    else
        $program
    fi
done
