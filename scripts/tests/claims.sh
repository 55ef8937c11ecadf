# How a test script states what it proves: claim "in plain words" command...; the command's output is
# shown only where the claim does not hold, and then its end.

claims_failed=0

claim() {
  local words=$1 output began=$SECONDS
  shift
  if output=$("$@" 2>&1); then
    printf 'ok %4d s  %s\n' "$((SECONDS - began))" "$words"
  else
    printf 'FAILED %4d s  %s\n' "$((SECONDS - began))" "$words"
    tail --lines=20 <<<"$output" | sed 's/^/        /'
    claims_failed=$((claims_failed + 1))
  fi
}

# says "part of a sentence" COMMAND...: it succeeds and says so.
says() {
  local output
  output=$("${@:2}" 2>&1) || { echo "$output" && return 1; }
  grep --quiet --fixed-strings -- "$1" <<<"$output" || { echo "$output" && return 1; }
}

# refuses "part of a sentence" COMMAND...: it fails and says why, in one line.
refuses() {
  local output
  if output=$("${@:2}" 2>&1); then echo "it succeeded: $output" && return 1; fi
  grep --fixed-strings -- "$1" <<<"$output" | grep --quiet '^error: ' || { echo "$output" && return 1; }
}

not() { if "$@"; then return 1; fi; }

end_of_claims() {
  ((claims_failed == 0)) || { printf '%s claims do not hold\n' "$claims_failed" && exit 1; }
  echo "every claim holds"
}
