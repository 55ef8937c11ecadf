# From a clean clone to servers, programs, topics and tables.

# quietly NAME COMMAND...: its output goes to a log; a failure shows the end of it.
quietly() {
  local log=$demo_dir/$1.log
  shift
  run "$@" >"$log" 2>&1 || die "'$*' failed: $(tail --lines=3 "$log") (all of it in $log)"
}

# The servers and the real year need no compiler, and the build needs no server.
prepare() {
  local fetching servers building parts log=$demo_dir/stack.log ended=''
  mapfile -t parts < <(parts_to_install)
  # What cargo downloads needs nothing that is installed here.
  # shellcheck disable=SC2016 # the inner shell expands it
  begin "$BASH" -c 'cd "$1" && exec cargo fetch --quiet --locked --target "$(rustc -vV | sed -n "s/host: //p")"' fetch "$repository" 2>/dev/null
  fetching=$!
  # What the documents show about a running demo is typed next.
  run "$scripts/install" build tools "${parts[@]}"
  # shellcheck disable=SC2016 # the inner shell expands it
  begin "$BASH" -o pipefail -c '{ "$1/stack" up && "$1/real-data" --out "$2" "${@:4}"; } 2>&1 | tee "$3" | sed --unbuffered "s/^/         servers: /" >&2' \
    stack "$scripts" "$data" "$log" "${slices[@]}"
  servers=$!
  begin "$scripts/build" "$binaries" --bins
  building=$!
  while [[ $ended != *servers* || $ended != *building* ]]; do
    if [[ $ended != *servers* ]] && ! kill -0 "$servers" 2>/dev/null; then
      wait_for "$servers" || die "the servers did not start: $(tail --lines=2 "$log") (all of it in $log)"
      step "the servers are up and the real year is ready" && ended+=servers
    elif [[ $ended != *building* ]] && ! kill -0 "$building" 2>/dev/null; then
      wait_for "$building" || die "the build failed: see above."
      step "everything is built" && ended+=building
    fi
    sleep 0.1
  done
  wait_for "$fetching" || true # the build would have said why
}

set_up() {
  local consumer
  quietly database "$orderctl" database apply
  for consumer in inventory confirmation-email analytics; do
    quietly "migrate-$consumer" env DATABASE_URL="$("$orderctl" database url "$consumer" --owner)" "$binaries/$consumer" migrate
  done
  quietly topics "$orderctl" topics apply
  quietly schemas "$orderctl" schemas register
  # What comes into a new topic before a consumer is up is no past to it. A topic that was there has
  # one, and an empty table then waits for the operator's word, as it should.
  ! grep --quiet '^orders  created' "$demo_dir/topics.log" || quietly positions "$orderctl" positions start --at beginning --yes
}
