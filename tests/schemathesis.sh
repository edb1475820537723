#!/bin/sh
# Schemathesis against served instances: every operation of the API's description with generated requests, right and
# wrong ones. No 5xx, and no answer that is not described. First a server without accounts, then one with accounts, asked
# logged out and as each role. Two minutes; SCHEMATHESIS_SECONDS bounds the first part and SCHEMATHESIS_ROLE_SECONDS each
# of the others, and SCHEMATHESIS names the program where it is not on the path. With CI set, a missing one is a failure.
set -u
cd "$(dirname "$0")/.."

tool=${SCHEMATHESIS:-schemathesis}
if ! command -v "$tool" >/dev/null; then
    echo "NOT RUN: schemathesis is not here, so the API was not held to its description by generated requests" >&2
    echo "         hint: python3 -m venv DIR && DIR/bin/pip install schemathesis, and SCHEMATHESIS=DIR/bin/schemathesis" >&2
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi

program=$(realpath "${FIREDRILL_BIN:-target/debug/firedrill}")
scratch=$(mktemp -d) || exit 1
server=
stop() {
    [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null && wait "$server"; }
    server=
}
end() {
    stop
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 1' INT TERM

# The shipped library, a copy of it, since files are saved and made: its targets are not there, so that what is started
# ends at its preflight.
serve() {
    data=$scratch/$1 log=$scratch/$1.log shelf=$scratch/$1.library
    mkdir "$shelf" && cp -R stacks experiments drills runbooks teams channels messages "$shelf" || exit 1
    (cd "$shelf" && exec "$program" --data "$data" serve --listen 127.0.0.1:0) >"$log" 2>&1 &
    server=$!
    address=
    tries=0
    while [ -z "$address" ] && [ "$tries" -lt 300 ]; do
        address=$(sed -n 's/.*firedrill serves \(http:[^;]*\);.*/\1/p' "$log")
        tries=$((tries + 1))
        sleep 0.1
    done
    if [ -z "$address" ]; then
        cat "$log" >&2
        echo "the server did not begin to serve" >&2
        exit 1
    fi
}

# Posts JSON ($2) to an address of the API ($1), with a token where there is one ($3), and prints a field ($4).
post() {
    python3 - "$address" "$@" <<'PYTHON'
import json, sys, urllib.request
server, path, body, token, field = sys.argv[1:]
headers = {"Content-Type": "application/json"}
if token:
    headers["Authorization"] = "Bearer " + token
ask = urllib.request.Request(server + "/api/v1" + path, body.encode(), headers)
print(json.load(urllib.request.urlopen(ask))[field])
PYTHON
}

# Something to find under each kind of name, beside what is made up.
configure() {
    cat >"$scratch/schemathesis.toml" <<TOML
[parameters]
"path.run" = "$1"
[[operations]]
include-path-regex = "^/stacks/"
parameters = { "path.name" = "wallet-demo" }
[[operations]]
include-path-regex = "^/experiments/"
parameters = { "path.name" = "slow-signer" }
[[operations]]
include-path-regex = "^/drills/"
parameters = { "path.name" = "signer-outage" }
[[operations]]
include-path-regex = "^/trends/"
parameters = { "path.name" = "signer-outage" }
[[operations]]
include-path-regex = "^/files/(text|check)"
parameters = { "query.path" = "drills/signer-outage.yaml" }
[[operations]]
include-path-regex = "^/people/"
parameters = { "path.name" = "Somebody" }
[[operations]]
include-path-regex = "^/tokens/"
parameters = { "path.name" = "spare" }
TOML
}

# Asks everything that a description ($1) has for so many seconds ($2), with more of the tool's options. Left out: that
# each object is its maker's (objects here are everybody's who may), and that whatever fits a schema is taken: cursors are
# opaque, a start names one of two things, and a name is one line.
status=0
ask() {
    description=$1 seconds=$2
    shift 2
    "$tool" --config-file "$scratch/schemathesis.toml" run "$description" --url "$address/api/v1" \
        --checks all --exclude-checks object_level_authorization,positive_data_acceptance \
        --phases examples,coverage,fuzzing --max-examples "${SCHEMATHESIS_EXAMPLES:-25}" \
        --max-time "$seconds" --request-timeout 20 --suppress-health-check all \
        --seed "${SCHEMATHESIS_SEED:-1}" --continue-on-failure --no-color "$@" || status=1
}

# What the server's log says of a server that was only asked strange things.
quiet() {
    if grep -E '(ERROR|panicked)' "$log" >&2; then
        echo "the server's log holds errors" >&2
        status=1
    fi
}

echo "== without accounts =="
serve open
run=$(post /runs '{"drill": "signer-outage"}' "" id) || exit 1
configure "$run"
# Without accounts nothing needs a token, as the description says in words. The first account would lock everybody out,
# this tool too.
python3 - "$address" >"$scratch/open.json" <<'PYTHON' || exit 1
import json, sys, urllib.request
told = json.load(urllib.request.urlopen(sys.argv[1] + "/api/v1/openapi.json"))
told["security"] = [{}, *told["security"]]
json.dump(told, sys.stdout)
PYTHON
ask "$scratch/open.json" "${SCHEMATHESIS_SECONDS:-45}" --exclude-operation-id makeAccount
quiet
stop

serve closed
post /people '{"name": "Root", "password": "a long enough one", "roles": [{"role": "administrator"}]}' "" name >/dev/null || exit 1
for role in viewer responder operator administrator; do
    # Audited while the server serves: both write to the same database.
    "$program" --data "$data" token create "$role" --role "$role" >"$scratch/$role" || exit 1
done
root=$(cat "$scratch/administrator")
post /people '{"name": "Somebody", "password": "a long enough one"}' "$root" name >/dev/null || exit 1
post /tokens '{"name": "spare", "role": "viewer"}' "$root" name >/dev/null || exit 1
run=$(post /runs '{"drill": "signer-outage"}' "$root" id) || exit 1
configure "$run"
echo "== logged out =="
ask "$address/api/v1/openapi.json" "${SCHEMATHESIS_ROLE_SECONDS:-12}"
for role in viewer responder operator administrator; do
    echo "== as $role =="
    ask "$address/api/v1/openapi.json" "${SCHEMATHESIS_ROLE_SECONDS:-12}" \
        --header "Authorization: Bearer $(cat "$scratch/$role")"
done
quiet
exit "$status"
