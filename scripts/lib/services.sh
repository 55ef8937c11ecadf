# Our own services as processes of this machine, beside the servers of scripts/stack.
#
# ports = the stack's base + offset; for a consumer it is that of its /readyz and /metrics.

services() { printf '%s\n' {producer-api,query-api,inventory,confirmation-email,analytics}-{1,2}; }

service_port() {
  case $1 in
    producer-api-*) echo $((stack_base + 80 + ${1##*-})) ;;       # 81 82
    query-api-*) echo $((stack_base + 83 + ${1##*-})) ;;          # 84 85
    inventory-*) echo $((stack_base + 86 + ${1##*-})) ;;          # 87 88
    confirmation-email-*) echo $((stack_base + 89 + ${1##*-})) ;; # 90 91
    analytics-*) echo $((stack_base + 92 + ${1##*-})) ;;          # 93 94
  esac
}

url() { echo "http://127.0.0.1:$(service_port "$1")"; }

# environment_of SERVICE: the variables that only it gets.
environment_of() {
  local address
  address=127.0.0.1:$(service_port "$1")
  case $1 in
    *-api-*) echo "HTTP_ADDR=$address" ;;
    *) echo "HEALTH_ADDR=$address" ;;
  esac
  case $1 in
    producer-api-*) echo "QUERY_API_URL=${QUERY_API_URL:-$(url query-api-1)}" ;;
    confirmation-email-*) echo "MAIL_FROM=${MAIL_FROM:-orders@orderflow.example}" ;;
  esac
  case $1 in
    producer-api-*) ;;
    *) echo "DATABASE_URL=$("$orderctl" database url "${1%-*}")" ;;
  esac
}

# fingerprint VARIABLES...: of all that its program reads from the environment. No text: it has passwords.
fingerprint() {
  {
    printf '%s\n' "$@"
    env | grep --extended-regexp '^(KAFKA|SCHEMA|SMTP|MAIL|BATCH|DATABASE_CONNECTIONS|LOG|RUST|WORKER|REDIS)[A-Z_]*=' | sort
  } | sha256sum
}

# outdated SERVICE FINGERPRINT: it runs another build or was told other things, or its servers are new.
outdated() {
  [[ ! /proc/$(pid_of "$1")/exe -ef $binaries/${1%-*} || $demo_dir/settings -nt $(pid_file_of "$1") ]] ||
    [[ $2 != "$(cat "$stack_dir/$1/fingerprint" 2>/dev/null)" ]]
}

start_service() {
  local service=$1 variables told
  mapfile -t variables < <(environment_of "$service")
  told=$(fingerprint "${variables[@]}")
  if [[ -n $(pid_of "$service") ]]; then
    outdated "$service" "$told" || return 0
    stop "$service" TERM 30
  fi
  ! port_answers "$(service_port "$service")" ||
    die "port $(service_port "$service"), which $service needs, is in use: stop what holds it, or set ORDERFLOW_PORT_BASE to move the stack and the demo."
  mkdir -p "$stack_dir/$service"
  echo "$told" >"$stack_dir/$service/fingerprint"
  # The demo's own DATABASE_URL is the administrator's, and nothing for a service.
  spawn "$service" env --unset=DATABASE_URL "${variables[@]}" "$binaries/${service%-*}"
}

service_ready() { http_answers "$(url "$1")/readyz"; }

wait_service() {
  local service=$1 deadline=$((SECONDS + ${ORDERFLOW_START_TIMEOUT:-90}))
  until service_ready "$service"; do
    [[ -n $(pid_of "$service") ]] || die "$service died while starting ($(last_words "$service")): see $(log_of "$service")."
    ((SECONDS < deadline)) ||
      die "$service runs but is not ready: $(curl --silent --max-time 2 --noproxy '*' "$(url "$service")/readyz" | head --bytes=300) (log: $(log_of "$service"))."
    sleep 0.1
  done
}

start_services() {
  local service
  for service in $(services); do start_service "$service"; done
  for service in $(services); do wait_service "$service"; done
}

# All at once; each finishes what it has begun.
stop_services() {
  local service failed=0 jobs=()
  for service in $(recorded); do
    stop "$service" TERM 30 &
    jobs+=($!)
  done
  wait_all "${jobs[@]}" || failed=1
  ((${#jobs[@]} == 0 || failed)) || say "stopped ${#jobs[@]} services"
  return $failed
}

show_services() {
  local service pid
  for service in $(services); do
    pid=$(pid_of "$service")
    if [[ -z $pid ]]; then
      printf '%-20s stopped\n' "$service"
    elif service_ready "$service"; then
      printf '%-20s ready, pid %s, %s\n' "$service" "$pid" "$(url "$service")"
    else
      printf '%-20s pid %s runs but is not ready: see %s\n' "$service" "$pid" "$(log_of "$service")"
    fi
  done
}

show_urls() {
  cat >&2 <<TEXT
  place orders   $(url producer-api-1)/docs  and  $(url producer-api-2)/docs
  read them      $(url query-api-1)/docs
  mails          ${MAIL_API_URL:-(those of your own SMTP server)}
  metrics        $(url producer-api-1)/metrics  $(url inventory-1)/metrics  $(url confirmation-email-1)/metrics  $(url analytics-1)/metrics
  logs           $stack_dir/*/server.log
Try: kill -9 $(pid_of inventory-1) (an inventory worker), then scripts/demo --orders 2000. Stop everything: scripts/demo down
TEXT
}
