#!/bin/sh
# Schemathesis against a served instance: every operation of the API's description with generated requests, right and
# wrong ones. No 5xx, and no answer that is not described. About a minute; SCHEMATHESIS_SECONDS bounds it, and
# SCHEMATHESIS names the program where it is not on the path. With CI set, a missing one is a failure.
set -u
cd "$(dirname "$0")/.."

tool=${SCHEMATHESIS:-schemathesis}
if ! command -v "$tool" >/dev/null; then
    echo "NOT RUN: schemathesis is not here, so the API was not held to its description by generated requests" >&2
    echo "         hint: python3 -m venv DIR && DIR/bin/pip install schemathesis, and SCHEMATHESIS=DIR/bin/schemathesis" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi

program=${FIREDRILL_BIN:-target/debug/firedrill}
scratch=$(mktemp -d) || exit 1
server=
end() {
    [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null && wait "$server"; }
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 1' INT TERM

# The shipped library: its targets are not there, so that what is started ends at its preflight.
"$program" --data "$scratch/data" serve --listen 127.0.0.1:0 >"$scratch/log" 2>&1 &
server=$!
address=
tries=0
while [ -z "$address" ] && [ "$tries" -lt 300 ]; do
    address=$(sed -n 's/.*firedrill serves \(http:[^;]*\);.*/\1/p' "$scratch/log")
    tries=$((tries + 1))
    sleep 0.1
done
if [ -z "$address" ]; then
    cat "$scratch/log" >&2
    echo "the server did not begin to serve" >&2
    exit 1
fi

# Something to find under each kind of name, beside what is made up.
run=$(python3 - "$address" <<'PYTHON'
import json, sys, urllib.request
body = json.dumps({"drill": "signer-outage"}).encode()
ask = urllib.request.Request(sys.argv[1] + "/api/v1/runs", body, {"Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(ask))["id"])
PYTHON
) || exit 1
cat >"$scratch/schemathesis.toml" <<TOML
[parameters]
"path.run" = "$run"
[[operations]]
include-path-regex = "^/stacks/"
parameters = { "path.name" = "wallet-demo" }
[[operations]]
include-path-regex = "^/experiments/"
parameters = { "path.name" = "slow-signer" }
[[operations]]
include-path-regex = "^/drills/"
parameters = { "path.name" = "signer-outage" }
TOML

# Left out: what needs a server with accounts, and that whatever fits a schema is taken: cursors are opaque, a start
# names one of two things, and a name is one line.
"$tool" --config-file "$scratch/schemathesis.toml" run "$address/api/v1/openapi.json" \
    --checks all --exclude-checks ignored_auth,object_level_authorization,positive_data_acceptance \
    --phases examples,coverage,fuzzing --max-examples "${SCHEMATHESIS_EXAMPLES:-25}" \
    --max-time "${SCHEMATHESIS_SECONDS:-45}" --request-timeout 20 --suppress-health-check all \
    --seed "${SCHEMATHESIS_SEED:-1}" --continue-on-failure --no-color
status=$?
if grep -E '(ERROR|panicked)' "$scratch/log" >&2; then
    echo "the server's log holds errors" >&2
    status=1
fi
exit "$status"
