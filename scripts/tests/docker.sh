# Part of stack_test.sh: what scripts/stack asks of Docker, of a docker that only keeps account. It shows
# that the right things are asked for, not that the containers of docker-compose.kafka.yml work.

export ACCOUNT=$scratch/docker
mkdir -p "$ACCOUNT" "$scratch/fake"
cat >"$scratch/fake/docker" <<'DOCKER'
#!/usr/bin/env bash
[[ ! -e $ACCOUNT.off ]] || exit 1
case $* in info | 'compose version') exit ;; esac
echo "$* PORT_KAFKA_1=$PORT_KAFKA_1 PORT_MAIL_API=$PORT_MAIL_API" >>"$ACCOUNT.calls"
shift # compose
while [[ $1 == --* ]]; do shift 2; done
case $1 in
  ps) if [[ $* == *--services* ]]; then ls "$ACCOUNT"; elif [[ -e $ACCOUNT/${*: -1} ]]; then echo 'running healthy'; fi ;;
  up) for server in "${@:5}"; do touch "$ACCOUNT/$server"; done ;;
  down) rm -f "$ACCOUNT"/* ;;
  logs) echo "the log of ${*: -1}" ;;
esac
DOCKER
chmod +x "$scratch/fake/docker"
contained() { PATH=$scratch/fake:$PATH "$repository/scripts/stack" "$@" --name docker-test; }
asked() { grep --quiet --extended-regexp -- "$1" "$ACCOUNT.calls" || { cat "$ACCOUNT.calls" && return 1; }; }
end_of_docker() { rm -rf "$home/docker-test"; end; }
trap end_of_docker EXIT

contained clean >/dev/null 2>&1
claim "where Docker works it is used, and starts every server" says "up: kafka-1 postgres registry redis mail" contained up
base=$(sed --quiet 's/^stack_base=//p' "$home/docker-test/settings")
claim "as a project of its own, on the ports of the stack" \
  asked "--project-name orderflow-docker-test .* up --detach --wait .*PORT_KAFKA_1=$((base + 1)) PORT_MAIL_API=$((base + 51))"
claim "the Python of the scripts is there as well" "$python" -c ''
claim "status asks Docker" says "running healthy" contained status
claim "a second up does nothing and says so" says "already up" contained up
rm "$ACCOUNT/redis"
claim "status fails when a container is gone" not contained status
claim "up starts again only what is gone" says "up: redis" contained up
claim "another place for its ports is refused while it runs" refuses "before you move it" env ORDERFLOW_PORT_BASE=21000 PATH="$scratch/fake:$PATH" "$repository/scripts/stack" up --name docker-test
claim "another mode is refused" refuses "was made with --mode docker" contained up --mode local
claim "logs are Docker's" says "the log of registry" contained logs registry
claim "down ends the containers of every shape" contained down
claim "three brokers among them" asked "--profile three-brokers down"
claim "a server named by the user is not started" says "up: kafka-1 postgres registry mail" env REDIS_URL=redis://x PATH="$scratch/fake:$PATH" "$repository/scripts/stack" up --name docker-test
claim "clean removes the volumes" contained clean
claim "by asking for it" asked "down --volumes"
touch "$ACCOUNT.off"
claim "without an engine it says so" refuses "no Docker engine" contained up --mode docker
