# The stack as processes of this machine.

kind_of() { echo "${1%%-*}"; }
call() { "$(kind_of "$2")_$1" "$2"; }
answers() { call ready "$1" 2>/dev/null; }

any_running() {
  local server
  for server in $(servers); do
    [[ -z $(pid_of "$server") ]] || return 0
  done
  return 1
}

# Waits for every process id given; fails if one failed.
wait_all() {
  local failed=0 job
  for job in "$@"; do wait "$job" || failed=1; done
  return $failed
}

require_disk_space() {
  local free
  free=$(df --portability --block-size=1M "$stack_home" | awk 'NR == 2 { print $4 }')
  ((free >= ${ORDERFLOW_MIN_FREE_MB:-1500})) ||
    die "only $free MB are free on the disk of $stack_home and the stack needs ${ORDERFLOW_MIN_FREE_MB:-1500}: free some, or set ORDERFLOW_STACK_DIR to another disk."
}

fetch_all() {
  local kind jobs=()
  lock_cache
  venv_fetch & # smtp-sink and the readiness check of Kafka are Python
  jobs+=($!)
  for kind in $(own_servers | sed 's/-[0-9]*$//' | sort --unique); do
    "${kind}_fetch" "$kind" &
    jobs+=($!)
  done
  wait_all "${jobs[@]}" || return 1
  exec 8>&-
}

start_one() {
  local server=$1
  mkdir -p "$stack_dir/$server"
  require_free_ports "$server"
  call start "$server"
}

# wait_ready SERVER: a condition, never a sleep of fixed length; a process that ends is noticed at once.
wait_ready() {
  local server=$1 limit=${ORDERFLOW_START_TIMEOUT:-90} deadline
  deadline=$((SECONDS + limit))
  until answers "$server"; do
    [[ -n $(pid_of "$server") ]] ||
      die "$server died while starting ($(last_words "$server")): see 'scripts/stack logs $server'."
    ((SECONDS < deadline)) ||
      die "$server (pid $(pid_of "$server")) runs but does not answer after $limit s: run 'scripts/stack down' and 'up' again, or see 'scripts/stack logs $server'."
    sleep 0.1
  done
}

bring_up() {
  start_one "$1" && wait_ready "$1"
}

local_up() {
  local server started=$SECONDS jobs=() missing=()
  for server in $(own_servers); do
    if [[ -z $(pid_of "$server") ]]; then missing+=("$server"); else
      wait_ready "$server" & # a server that was started a moment ago, or one that hangs
      jobs+=($!)
    fi
  done
  wait_all "${jobs[@]}" || return 1
  ((${#missing[@]})) || { say "already up"; return 0; }
  require_disk_space
  fetch_all || return 1
  save_settings
  jobs=()
  for server in "${missing[@]}"; do
    bring_up "$server" &
    jobs+=($!)
  done
  wait_all "${jobs[@]}" || return 1
  say "up in $((SECONDS - started)) s: ${missing[*]}"
}

local_down() {
  local server jobs=()
  any_running || say "nothing runs"
  for server in $(servers); do
    [[ ! -d $stack_dir/$server ]] || { call stop "$server" & jobs+=($!); }
  done
  wait_all "${jobs[@]}"
}

local_clean() {
  local_down && rm -rf "$stack_dir" "$(postgres_home_of_nobody)"
}
