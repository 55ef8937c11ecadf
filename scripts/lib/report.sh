# What the local stack tells about itself.

local_status() {
  local server pid state failed=0
  for server in $(servers); do
    pid=$(pid_of "$server")
    if is_external "$server"; then
      state="not ours: $(variable_of "$server") is set by you"
    elif [[ -z $pid && -e $(pid_file_of "$server") ]]; then
      state="died ($(last_words "$server")): 'scripts/stack up' starts it again" failed=1
    elif [[ -z $pid ]]; then
      state="stopped" failed=1
    elif answers "$server"; then
      state="ready, pid $pid, port $(port "$server")"
    else
      state="pid $pid runs but does not answer; see 'scripts/stack logs $server'" failed=1
    fi
    printf '%-9s %s\n' "$server" "$state"
  done
  return $failed
}

local_logs() {
  local server files=()
  for server in ${1:-$(own_servers)}; do
    [[ ! -r $(log_of "$server") ]] || files+=("$(log_of "$server")")
  done
  ((${#files[@]})) || die "no log of ${1:-any server} in the stack '$stack_name': the servers are $(servers | tr '\n' ' ')."
  if [[ -n $follow ]]; then exec tail --lines=100 --follow=name --retry "${files[@]}"; else tail --lines=100 "${files[@]}"; fi
}
