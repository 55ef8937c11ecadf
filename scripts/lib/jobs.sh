# Work that an interruption must end with everything it has started.
#
# Bash hears of a signal only while it waits, and background jobs of a script do not hear Ctrl-C: so
# what takes long runs in the background, in a session of its own, and is waited for. Job control
# (set -m) would stop a script that somebody runs in the background of a terminal.

jobs_running=()

# begin COMMAND...: in the background; its pid, which is also its group, is then in $!. It is a
# program, no function, and gets none of the locks of this script.
begin() {
  setsid "$@" </dev/null 7>&- 8>&- 9>&- &
  jobs_running+=($!)
}

# run COMMAND...: as in the foreground.
run() {
  begin "$@"
  wait_for $!
}

# wait_for PID: a job that was begun; returns what it returned.
wait_for() {
  local status=0 job left=()
  wait "$1" || status=$?
  for job in "${jobs_running[@]}"; do
    [[ $job == "$1" ]] || left+=("$job")
  done
  jobs_running=("${left[@]}")
  return "$status"
}

# wait_all PID...: for every one of them; fails if one failed.
wait_all() {
  local failed=0 job
  for job in "$@"; do wait "$job" || failed=1; done
  return $failed
}

# end_jobs: every job that was begun and not waited for, by force after 10 s.
end_jobs() {
  local job deadline=$((SECONDS + 10))
  for job in "${jobs_running[@]}"; do kill -TERM -- "-$job" 2>/dev/null || true; done
  for job in "${jobs_running[@]}"; do
    while kill -0 -- "-$job" 2>/dev/null; do
      ((SECONDS < deadline)) || kill -KILL -- "-$job" 2>/dev/null || true
      sleep 0.05
    done
    wait "$job" 2>/dev/null || true
  done
  jobs_running=()
}
