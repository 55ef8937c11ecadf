# From a clean clone to servers, programs, topics and tables.

# quietly NAME COMMAND...: its output goes to a log; a failure shows the end of it.
quietly() {
  local log=$demo_dir/$1.log
  shift
  "$@" >"$log" 2>&1 || die "'$*' failed: $(tail --lines=3 "$log") (all of it in $log)"
}

# The servers and the real year need no compiler, and the build needs no server.
prepare() {
  local servers building ended=''
  "$scripts/install" build
  # A session of its own, so that an early end of the demo can end all of it.
  # shellcheck disable=SC2016 # the inner shell expands it
  setsid "$BASH" -c '"$1/stack" up && "$1/real-data" --out "$2" "${@:3}"' stack "$scripts" "$data" "${slices[@]}" >"$demo_dir/stack.log" 2>&1 &
  servers=$!
  (cd "$repository" && exec cargo build --locked --workspace --bins) &
  building=$!
  preparing=("$servers" "$building")
  while [[ $ended != *servers* || $ended != *building* ]]; do
    if [[ $ended != *servers* ]] && ! kill -0 $servers 2>/dev/null; then
      wait $servers || die "the servers did not start: $(tail --lines=2 "$demo_dir/stack.log") (all of it in $demo_dir/stack.log)"
      step "the servers are up and the real year is ready" && ended+=servers
    elif [[ $ended != *building* ]] && ! kill -0 $building 2>/dev/null; then
      wait $building || die "the build failed: see above."
      step "everything is built" && ended+=building
    fi
    sleep 0.1
  done
  preparing=()
}

set_up() {
  local consumer
  quietly database "$orderctl" database apply
  for consumer in inventory confirmation-email analytics; do
    quietly "migrate-$consumer" env DATABASE_URL="$("$orderctl" database url "$consumer")" "$binaries/$consumer" migrate
  done
  quietly topics "$orderctl" topics apply
  quietly schemas "$orderctl" schemas register
}
