#!/bin/sh
# Runs experiments and drills as a step of a pipeline: what the GitHub Action and the GitLab template both call.
#
#   FIREDRILL_FILES    what to run, a file, a pattern of files, or a name in the server's library a line
#   FIREDRILL_SERVER   the server to run them on; without one they run here
#   FIREDRILL_TOKEN    the server's token; read by firedrill itself, and never shown
#   FIREDRILL_VARS     values of variables, a NAME=VALUE a line
#   FIREDRILL_SEED     makes random draws repeatable
#   FIREDRILL_REPORTS  the folder for junit.xml, report.json and summary.md [firedrill-reports]
#   FIREDRILL_BIN      the program [firedrill]
#
# Ends with firedrill's own exit status. A signal is passed on, and what was done is undone before this ends.
set -eu

reports=${FIREDRILL_REPORTS:-firedrill-reports}
program=${FIREDRILL_BIN:-firedrill}

fail() {
    echo "firedrill: $1" >&2
    exit 2
}
command -v "$program" >/dev/null || fail "the program \`$program\` is not here; hint: install it, or name it in FIREDRILL_BIN"
mkdir -p "$reports" || fail "the folder $reports can't be made"

# Lines, not words: a name may hold spaces. Patterns become files; what matches nothing stays as it is, and is refused.
IFS='
'
set -- run
for line in ${FIREDRILL_FILES:-}; do
    set -- "$@" "$line"
done
[ "$#" -gt 1 ] || fail "nothing to run; hint: name files in FIREDRILL_FILES, one a line"
set -f
for pair in ${FIREDRILL_VARS:-}; do
    set -- "$@" --var "$pair"
done
unset IFS
[ -z "${FIREDRILL_SEED:-}" ] || set -- "$@" --seed "$FIREDRILL_SEED"
[ -z "${FIREDRILL_SERVER:-}" ] || set -- "$@" --server "$FIREDRILL_SERVER"
set -- "$@" --junit "$reports/junit.xml" --json "$reports/report.json" --markdown "$reports/summary.md"

"$program" "$@" </dev/null &
child=$!
trap 'kill -TERM "$child" 2>/dev/null || :' INT TERM HUP
status=0
wait "$child" || status=$?
# A signal ends the waiting, not what is waited for.
while kill -0 "$child" 2>/dev/null; do
    status=0
    wait "$child" || status=$?
done

case $status in
0) verdict=passed ;;
1) verdict=failed ;;
2) verdict=usage ;;
3) verdict=aborted ;;
5) verdict=stuck ;;
*) verdict=errored ;;
esac
if [ -n "${GITHUB_OUTPUT:-}" ]; then
    {
        echo "exit-code=$status"
        echo "verdict=$verdict"
        echo "junit=$reports/junit.xml"
        echo "json=$reports/report.json"
        echo "markdown=$reports/summary.md"
    } >>"$GITHUB_OUTPUT"
fi
if [ "$status" -ne 0 ] && [ -n "${GITHUB_ACTIONS:-}" ]; then
    echo "::error title=firedrill::$verdict (exit $status); the summary and $reports say why"
fi
exit "$status"
