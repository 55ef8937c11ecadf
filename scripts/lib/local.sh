# The stack as processes of this machine.

kind_of() { echo "${1%%-*}"; }
call() { "$(kind_of "$2")_$1" "$2"; }
answers() { call ready "$1" 2>/dev/null; }

local_alive() { alive; }

fetch_all() {
  local kind jobs=()
  lock_cache
  venv_fetch & # smtp-sink and the readiness check of Kafka are Python; so is scripts/real-data
  jobs+=($!)
  for kind in $(kinds); do
    "${kind}_fetch" "$kind" &
    jobs+=($!)
  done
  wait_all "${jobs[@]}" || return 1
  exec 8>&-
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
  mkdir -p "$stack_dir/$1"
  call start "$1" && wait_ready "$1"
}

local_up() {
  local server started=$SECONDS jobs=() missing=() brokers_wanted=$stack_brokers
  for server in $(own_servers); do
    [[ -n $(pid_of "$server") ]] || missing+=("$server")
  done
  if ((${#missing[@]})) || ! venv_ready; then
    require_disk_space
    # Before anything starts, so that a stranger on one port does not leave half a stack.
    for server in "${missing[@]}"; do require_free_ports "$server"; done
    fetch_all || return 1
  fi
  ((${#missing[@]} == 0)) || { choose_data_folder && save_settings; }
  [[ " ${missing[*]} " != *" kafka-"* && " ${missing[*]} " != *" registry "* ]] || choose_java
  # All are waited for together: brokers that run need the ones that are missing, to be a cluster.
  for server in "${missing[@]}"; do bring_up "$server" & jobs+=($!); done
  for server in $(own_servers); do
    [[ " ${missing[*]} " == *" $server "* ]] || { wait_ready "$server" & jobs+=($!); }
  done
  wait_all "${jobs[@]}" || return 1
  if ((${#missing[@]})); then say "up in $((SECONDS - started)) s: ${missing[*]}"; else say "already up"; fi
}

local_down() {
  local server jobs=()
  [[ -n $(alive) ]] || say "nothing runs"
  for server in $(recorded); do
    call stop "$server" &
    jobs+=($!)
  done
  wait_all "${jobs[@]}"
}

local_clean() {
  local_down && rm -rf "$stack_dir" "$(memory_of_stack)" "$(postgres_home_of_nobody)"
}
