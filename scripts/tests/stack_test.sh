#!/usr/bin/env bash
# Proves what scripts/stack promises, on stacks of its own; about two minutes once all is downloaded.
#
#   scripts/tests/stack_test.sh
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
for part in claims processes; do
  # shellcheck source=/dev/null
  source "$repository/scripts/tests/$part.sh"
done
unset KAFKA_BOOTSTRAP_SERVERS DATABASE_URL SCHEMA_REGISTRY_URL REDIS_URL SMTP_URL MAIL_API_URL
unset ORDERFLOW_STACK_ENV ORDERFLOW_STACK ORDERFLOW_PORT_BASE
home=${ORDERFLOW_STACK_DIR:-$repository/.stack}
python=$home/cache/venv/bin/python
scratch=$(mktemp --directory)
other_processes=()

stack() { "$repository/scripts/stack" "$@" --name stack-test --mode local; }
end() {
  kill "${other_processes[@]}" 2>/dev/null || true
  stack clean >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap end EXIT

pid_of() { cut --delimiter=' ' --fields=1 "$home/stack-test/$1/pid"; }
lives() { kill -0 "$1" 2>/dev/null; }
all_answer() { (eval "$(stack env)" && "$python" "$repository/scripts/tests/servers_answer.py"); }
# Every server works in a folder of the stack.
processes_left() { working_below "$home/stack-test/"; }
mails() { curl --silent "$(stack env | sed --quiet 's/^export MAIL_API_URL=//p')/api/v1/counts"; }
stack clean 2>/dev/null

claim "nothing runs at first, and status says so with exit code 1" not stack status
claim "up starts every server" stack up
claim "every server does its work under the variables of env" all_answer
claim "its processes can be seen while it runs" found processes_left
claim "a second up does nothing and says so" says "already up" stack up
claim "variables that came from env do not count as the user's" \
  bash -c "eval \"\$('$repository/scripts/stack' env --name stack-test)\" && '$repository/scripts/stack' status --name stack-test"

kill -KILL "$(pid_of postgres)" "$(pid_of mail)" && sleep 0.2
claim "status fails when a server was killed" not stack status
claim "status names the one that died" grep --quiet '^postgres  died' <(stack status)
claim "up starts again only what died" says "postgres mail" stack up
claim "the killed servers lost nothing that was acknowledged" all_answer
claim "the mail sink still has its first mail" says '"messages": 2' mails

kill -STOP "$(pid_of registry)"
claim "a server that hangs is reported" grep --quiet '^registry  pid .* does not answer' <(stack status)
claim "up does not wait for it for ever, and says what to do" \
  refuses "run 'scripts/stack down' and 'up' again" env ORDERFLOW_START_TIMEOUT=2 "$repository/scripts/stack" up --name stack-test
claim "three brokers are refused where the data is of one" refuses "scripts/stack clean" stack up --brokers 3

redis_port=$(stack env | sed --quiet 's/^export REDIS_URL=.*://p')
claim "down ends even the server that hangs" stack down
claim "no process outlives down" none processes_left
sleep 600 & other_processes+=($!)
echo "${other_processes[0]} born-another-day" >"$home/stack-test/redis/pid"
stack down 2>/dev/null
claim "a process that has got the pid of a dead server is left alone" lives "${other_processes[0]}"

redis-server --port "$redis_port" --bind 127.0.0.1 --save '' >/dev/null & other_processes+=($!)
claim "a port in use is named together with its user" refuses "port $redis_port, which redis needs, is in use by redis-server (pid ${other_processes[1]})" stack up
stack down 2>/dev/null
claim "down leaves the stranger on our port alone" lives "${other_processes[1]}"
export REDIS_URL=redis://127.0.0.1:$redis_port
claim "a server named by the user is used as it is" says "using the one in REDIS_URL" stack up
claim "status says that it is the user's" says "not ours: REDIS_URL is set by you" stack status
claim "data survives down and up" says '"messages": 2' mails
claim "clean removes the data of the stack" stack clean
claim "clean keeps the downloads" test -d "$home/cache/venv" -a ! -e "$home/stack-test"
claim "the user's server outlives clean" lives "${other_processes[1]}"
unset REDIS_URL
kill "${other_processes[1]}"

claim "the mail sink keeps its own promises" "$python" "$repository/scripts/tests/smtp_sink_test.py"
claim "a full disk is told before anything starts" refuses "free some" env ORDERFLOW_MIN_FREE_MB=999999999 "$repository/scripts/stack" up --name stack-test --mode local
claim "ports that cannot be are refused" refuses "from 1000 to 59999" env ORDERFLOW_PORT_BASE=70000 "$repository/scripts/stack" up --name stack-test --mode local
claim "down of one server is refused, instead of stopping all" refuses "only 'logs'" stack down redis
claim "a name that cannot be a folder is refused" refuses "cannot be a stack's name" "$repository/scripts/stack" up --name ../x

# shellcheck source=scripts/tests/three_brokers.sh
source "$repository/scripts/tests/three_brokers.sh"
# shellcheck source=scripts/tests/interrupted.sh
source "$repository/scripts/tests/interrupted.sh"
# shellcheck source=scripts/tests/docker.sh
source "$repository/scripts/tests/docker.sh"
if ((EUID == 0)); then
  # shellcheck source=scripts/tests/ordinary_user.sh
  source "$repository/scripts/tests/ordinary_user.sh"
fi
end_of_claims
