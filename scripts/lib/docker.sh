# The stack as containers of docker-compose.kafka.yml.

docker_works() { docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; }

# What the stack was made with, else what was asked for, else Docker where it works.
choose_mode() {
  [[ $wanted_mode == '' || $wanted_mode == local || $wanted_mode == docker ]] ||
    die "--mode takes local or docker, not '$wanted_mode'."
  if [[ -n $stack_mode && -n $wanted_mode && $stack_mode != "$wanted_mode" ]]; then
    die "the stack '$stack_name' was made with --mode $stack_mode: run 'scripts/stack clean --name $stack_name' first."
  fi
  stack_mode=${stack_mode:-$wanted_mode}
  if [[ -z $stack_mode ]]; then
    if docker_works; then stack_mode=docker; else stack_mode=local; fi
  elif [[ $stack_mode == docker ]] && ! docker_works; then
    die "the stack '$stack_name' runs in Docker and no Docker engine with compose answers: start Docker, or use --mode local with another --name."
  fi
}

compose() {
  local variables=(--env-file "$repository/scripts/versions.env")
  ((stack_brokers == 1)) || variables+=(--env-file "$library/three-brokers.env")
  PORT_KAFKA_1=$(port kafka-1) PORT_KAFKA_2=$(port kafka-2) PORT_KAFKA_3=$(port kafka-3) \
    PORT_POSTGRES=$(port postgres) PORT_REGISTRY=$(port registry) PORT_REDIS=$(port redis) \
    PORT_SMTP=$(port mail) PORT_MAIL_API=$((stack_base + 51)) \
    POSTGRES_FSYNC=$([[ $stack_name == test ]] && echo off || echo on) \
    docker compose --project-name "orderflow-$stack_name" --file "$repository/docker-compose.kafka.yml" \
    "${variables[@]}" "$@" 8>&- 9>&-
}

docker_state() { compose ps --all --format '{{.State}} {{.Health}}' "$1" 2>/dev/null; }
docker_alive() { compose ps --services --status running 2>/dev/null; }

docker_up() {
  local server venv missing=()
  for server in $(own_servers); do
    case $(docker_state "$server") in
      'running healthy') ;;
      running*) missing+=("$server") ;; # its port is taken by itself
      *) require_free_ports "$server" && missing+=("$server") ;;
    esac
  done
  if ((${#missing[@]})) || ! venv_ready; then require_disk_space; fi
  (lock_cache && venv_fetch) & # for scripts/real-data and the tests
  venv=$!
  if ((${#missing[@]})); then
    save_settings
    compose up --detach --wait --wait-timeout "${ORDERFLOW_START_TIMEOUT:-90}" "${missing[@]}" ||
      die "Docker could not bring every server up: see 'scripts/stack status' and 'scripts/stack logs'."
    say "up: ${missing[*]}"
  else
    say "already up"
  fi
  wait "$venv"
}

# Of every shape that the stack may have had.
docker_down() { compose --profile three-brokers down; }
docker_clean() { compose --profile three-brokers down --volumes && rm -rf "$stack_dir"; }

docker_status() {
  local server state failed=0
  for server in $(servers); do
    if is_external "$server"; then
      state="not ours: $(variable_of "$server") is set by you"
    else
      state=$(docker_state "$server")
      [[ $state == 'running healthy' ]] || failed=1
    fi
    printf '%-9s %s\n' "$server" "${state:-stopped}"
  done
  return $failed
}

docker_logs() {
  local options=(--tail 100)
  [[ -z $follow ]] || options+=(--follow)
  # shellcheck disable=SC2086
  compose logs "${options[@]}" $1
}
