#!/usr/bin/env bash
# Proves what scripts/demo and the commands of README.md promise, on a stack and a demo of its own.
#
#   scripts/tests/demo_test.sh
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
for part in claims processes readme; do
  # shellcheck source=/dev/null
  source "$repository/scripts/tests/$part.sh"
done
unset KAFKA_BOOTSTRAP_SERVERS DATABASE_URL SCHEMA_REGISTRY_URL REDIS_URL SMTP_URL MAIL_API_URL
unset ORDERFLOW_STACK_ENV ORDERFLOW_PORT_BASE
export ORDERFLOW_STACK=demo-test
home=${ORDERFLOW_STACK_DIR:-$repository/.stack}
scratch=$(mktemp --directory)

demo() { "$repository/scripts/demo" "$@"; }
forget() {
  demo down && "$repository/scripts/stack" clean && rm -rf "$home/demo-test".{services,bin}
}
end() {
  forget >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap end EXIT
trap 'exit 130' INT TERM HUP
processes_left() { working_below "$home/demo-test"; }

# becomes SECONDS COMMAND...: it succeeds within the time.
becomes() {
  local deadline=$((SECONDS + $1))
  until "${@:2}"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# A demo that is ended while it posts orders; its output is in $scratch/ended.
ended_in_the_middle() {
  "$repository/scripts/demo" --orders 500 >"$scratch/ended" 2>&1 & # no function: $! is the script
  local demo=$! code=0 ended
  becomes 300 grep --quiet 'posting orders' "$scratch/ended" || { cat "$scratch/ended" && return 1; }
  ended=$SECONDS
  kill -TERM "$demo"
  wait "$demo" || code=$?
  cat "$scratch/ended"
  ((code == 143 && SECONDS - ended < 10))
}

down_during_a_demo() {
  "$repository/scripts/demo" --orders 1000 >"$scratch/stopped" 2>&1 &
  local demo=$!
  becomes 300 grep --quiet 'topics, schemas' "$scratch/stopped" || { cat "$scratch/stopped" && return 1; }
  demo down && ! wait "$demo"
}

forget >/dev/null 2>&1 || true
claim "the demo runs from nothing to a verified end" says "0 of them missing from the log" demo --orders 300
claim "status names every server and service as ready" not grep --invert-match ': ready\|  *ready' <(demo status)
claim "the commands of README.md answer as it says" readme_works
claim "a second run goes on where the first one ended" says "posting orders 301 to 400" demo --orders 100
claim "SIGTERM in the middle ends it soon" ended_in_the_middle
claim "and it says what still runs" grep --quiet 'still running: analytics-1 .* kafka-1 .*postgres' "$scratch/ended"
claim "the next run ends first what was begun" says "posting orders 401 to 900" demo --orders 50
other_database() {
  local url
  url=$("$repository/scripts/stack" env | sed --quiet 's/^export DATABASE_URL=//p')
  DATABASE_URL="$url?application_name=changed" demo --orders 50
}
before=$(cat "$home/demo-test.services/inventory-1/pid")
claim "a run with another DATABASE_URL works" other_database
claim "and its services are started anew" not grep --quiet --fixed-strings "$before" "$home/demo-test.services/inventory-1/pid"
claim "no service knows the administrator's address of the database" \
  not grep --quiet --null-data '^DATABASE_URL=' "/proc/$(cut --delimiter=' ' --fields=1 "$home/demo-test.services/producer-api-1/pid")/environ"
claim "its processes can be seen while they run" found processes_left
claim "down during a demo ends that, too" down_during_a_demo
claim "nothing is left of it" none processes_left
end_of_claims
