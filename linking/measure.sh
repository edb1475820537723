#!/bin/sh
# What the shortest run of a release build needs of its code, by callgrind; then the order that follows from it, start.ld.
set -eu
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || {
    echo "valgrind is not here; hint: apt-get install valgrind" >&2
    exit 1
}
program=$PWD/target/release/firedrill
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/stacks"
cat >"$scratch/stacks/measured.yaml" <<'YAML'
kind: Stack
name: measured
environment: staging
probes:
  alive: {process: {command: ["true"]}, every: 1s}
  local: {tcp: {address: "127.0.0.1:9"}, every: 1s}
YAML
cat >"$scratch/shortest.yaml" <<'YAML'
kind: Experiment
name: shortest
stack: measured
hypothesis: It is there.
steady_state: [{probe: alive, pass_after: 1}]
method: []
recovery: {stable_for: 0s}
YAML
valgrind --quiet --tool=callgrind --callgrind-out-file="$scratch/profile" \
    --dump-instr=yes --compress-pos=no --compress-strings=no \
    "$program" run "$scratch/shortest.yaml" --data "$scratch/data" --stacks "$scratch/stacks" >"$scratch/said" 2>&1 ||
    { cat "$scratch/said" >&2; exit 1; }
python3 linking/order.py "$program" "$scratch/profile" >"$scratch/start.ld"
mv "$scratch/start.ld" linking/start.ld
