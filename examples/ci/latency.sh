#!/bin/sh
# latency.sh TARGET OLD NEW: compare two model files; exits with 1 if the new one is slower than allowed.
# MAX_SLOWDOWN: the allowed slowdown. The whole 99 % interval must be above it to fail, so noise does not fail a job.
set -eu
if cmp -s "$2" "$3"; then
    echo "the model did not change"
    exit 0
fi
latkit profile "$1" "$2" "$3" --compare --fail-if-slower "${MAX_SLOWDOWN:-3%}" --wait 600 \
    --html latency.html --json > latency.json
