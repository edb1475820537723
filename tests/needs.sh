#!/bin/sh
# What the tests need beyond Rust: says what is there. With CI set, what is missing is a failure; without it, the tests
# that need it say that they did not run.
missing=0
found() { printf '  found    %s\n' "$1"; }
lacks() {
    printf '  missing  %s: %s\n' "$1" "$2"
    missing=1
}

echo "What the tests need beyond Rust:"
if docker version --format '{{.Server.Version}}' >/tmp/firedrill-needs.$$ 2>/dev/null; then
    found "a Docker daemon ($(cat /tmp/firedrill-needs.$$))"
else
    lacks "a Docker daemon" "tests of container faults will not run"
fi
rm -f /tmp/firedrill-needs.$$
if busybox=$(command -v busybox) && ! ldd "$busybox" >/dev/null 2>&1; then
    found "a static busybox ($busybox), for test containers"
else
    lacks "a static busybox" "on Debian: apt-get install busybox-static; tests of container faults will not run"
fi
for program in chromium chromedriver; do
    if path=$(command -v $program); then
        found "$program ($path)"
    else
        lacks "$program" "on Debian: apt-get install chromium chromium-driver; tests of the pages in a browser will not run"
    fi
done
for program in prometheus prometheus-alertmanager; do
    if path=$(command -v $program); then
        found "$program ($path)"
    else
        lacks "$program" "on Debian: apt-get install $program; the test of times against their logs will not run"
    fi
done
if path=$(command -v "${SCHEMATHESIS:-schemathesis}"); then
    found "schemathesis ($path)"
else
    lacks "schemathesis" "from PyPI, named by SCHEMATHESIS where it is not on the path; the API will not be held to its description by generated requests"
fi
if [ "$missing" -ne 0 ] && [ -n "${CI:-}" ]; then
    echo "CI is set, and something is missing." >&2
    exit 1
fi
exit 0
