# Starting, finding and ending one server process.
#
# A pid file holds the pid and the moment that process was born; a pid that was handed to another
# process since is thereby never taken for the server, and never killed.

log_of() { echo "$stack_dir/$1/server.log"; }
pid_file_of() { echo "$stack_dir/$1/pid"; }

# birth PID: boot id and start time, empty if there is no such living process.
birth() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  read -r -a stat <<<"${stat##*) }" # what follows the command's name, which may hold anything
  [[ ${stat[0]} == [ZX] ]] || echo "$(</proc/sys/kernel/random/boot_id)/${stat[19]}"
}

# pid_of SERVER: the pid if that server lives, else nothing.
pid_of() {
  local pid born file
  file=$(pid_file_of "$1")
  [[ -r $file ]] && read -r pid born <"$file" || return 0
  [[ -n ${born:-} && $(birth "$pid") == "$born" ]] && echo "$pid"
  return 0
}

# spawn SERVER COMMAND...: in a session of its own, so that Ctrl-C in a terminal does not reach it.
# Closing 9 keeps the server from holding the lock of scripts/stack for as long as it lives.
spawn() {
  local server=$1 log pid
  shift
  log=$(log_of "$server")
  [[ ! -e $log ]] || mv "$log" "$log.old"
  (cd "$stack_dir/$server" && exec setsid "$@" </dev/null >>"$log" 2>&1 9>&-) &
  pid=$!
  echo "$pid $(birth "$pid")" >"$(pid_file_of "$server")"
}

# stop SERVER SIGNAL SECONDS: politely, and by force when the time is up.
stop() {
  local server=$1 signal=$2 deadline=$((SECONDS + $3)) pid
  pid=$(pid_of "$server")
  if [[ -n $pid ]]; then
    kill "-$signal" "$pid" 2>/dev/null || die "$server (pid $pid) belongs to another user: run 'scripts/stack down' as that user."
    kill -CONT "$pid" 2>/dev/null || true # a suspended process does not hear the other signal
    while [[ -n $(pid_of "$server") ]]; do
      if ((SECONDS >= deadline)); then
        say "$server did not stop within $3 s and was killed"
        kill -KILL "$pid" 2>/dev/null || true
        deadline=$((SECONDS + 5))
      fi
      sleep 0.05
    done
  fi
  rm -f "$(pid_file_of "$server")"
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# require_free_ports SERVER: says who is in the way.
require_free_ports() {
  local number holder
  for number in $(ports "$1"); do
    port_answers "$number" || continue
    holder=$(ss --listening --tcp --numeric --processes "sport = :$number" 2>/dev/null |
      sed --quiet 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (pid \2)/p' | head --lines=1) || true
    die "port $number, which $1 needs, is in use by ${holder:-another process}: stop that, or set ORDERFLOW_PORT_BASE to move this stack."
  done
}

# last_words SERVER: the line of its log most likely to say why it died.
last_words() {
  grep --extended-regexp --ignore-case 'error|fatal|exception|no space|denied|in use' "$(log_of "$1")" 2>/dev/null |
    tail --lines=1 | cut --characters=1-240 | grep . || echo 'its log does not say why'
}
