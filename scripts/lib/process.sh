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

# living PID_FILE: the pid in it if that process lives, else nothing.
living() {
  local pid born
  { read -r pid born <"$1"; } 2>/dev/null || return 0
  [[ -n ${born:-} && $(birth "$pid") == "$born" ]] && echo "$pid"
  return 0
}

pid_of() { living "$(pid_file_of "$1")"; }

# recorded: every server that was started here and not stopped, whatever the settings say now.
recorded() {
  local file
  for file in "$stack_dir"/*/pid; do
    [[ ! -e $file ]] || basename "$(dirname "$file")"
  done
}

# alive: those of them that live.
alive() {
  local server
  for server in $(recorded); do
    [[ -z $(pid_of "$server") ]] || echo "$server"
  done
}

# spawn SERVER COMMAND...: in a session of its own, so that Ctrl-C in a terminal does not reach it.
# It records itself before it becomes the server, so that no moment of an interruption loses it.
# Closing 8 and 9 keeps it from holding the locks of the scripts for as long as it lives.
spawn() {
  local server=$1 log file child
  shift
  log=$(log_of "$server") file=$(pid_file_of "$server")
  [[ ! -e $log ]] || mv "$log" "$log.old"
  rm -f "$file"
  (
    child=$BASHPID # in $(...) it would be another
    echo "$child $(birth "$child")" >"$file.new" && mv "$file.new" "$file" &&
      cd "$stack_dir/$server" && exec setsid "$@" </dev/null >>"$log" 2>&1 8>&- 9>&-
  ) &
  child=$!
  while [[ ! -e $file && -n $(birth "$child") ]]; do sleep 0.01; done
}

# stop SERVER SIGNAL SECONDS: politely, and by force when the time is up.
stop() {
  local server=$1 signal=$2 deadline=$((SECONDS + $3)) pid
  pid=$(pid_of "$server")
  if [[ -n $pid ]]; then
    kill "-$signal" "$pid" 2>/dev/null || [[ -z $(pid_of "$server") ]] || # it may have just ended
      die "$server (pid $pid) belongs to another user: run 'scripts/stack down' as that user."
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

# http_answers URL: with a success, and not by way of a proxy.
http_answers() { curl --silent --fail --max-time 2 --noproxy '*' --output /dev/null "$1"; }

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
