# The variables through which everything else finds the servers.
#
# A variable the user has set names a running server: it wins, and that server is not ours to start,
# stop or clean. A variable that came out of `scripts/stack env` is not the user's word; the list
# ORDERFLOW_STACK_ENV, printed along with it, tells the two apart.

variable_of() {
  case $1 in
    kafka-*) echo KAFKA_BOOTSTRAP_SERVERS ;;
    postgres) echo DATABASE_URL ;;
    registry) echo SCHEMA_REGISTRY_URL ;;
    redis) echo REDIS_URL ;;
    mail) echo SMTP_URL ;;
  esac
}

set_by_user() {
  local name=$1
  [[ -n ${!name:-} && " ${ORDERFLOW_STACK_ENV:-} " != *" $name=${!name} "* ]]
}

is_external() { set_by_user "$(variable_of "$1")"; }

own_servers() {
  local server
  for server in $(servers); do
    is_external "$server" || echo "$server"
  done
}

# kinds: what has to be there to start our own servers, one a line.
kinds() { own_servers | sed 's/-[0-9]*$//' | sort --unique; }

# parts_to_install: the arguments of scripts/install for this stack.
parts_to_install() {
  if [[ $stack_mode == docker ]]; then echo stack-docker; else echo python && kinds; fi
}

default_value() {
  local broker list=''
  case $1 in
    KAFKA_BOOTSTRAP_SERVERS)
      for ((broker = 1; broker <= stack_brokers; broker++)); do
        list+=",127.0.0.1:$(port "kafka-$broker")"
      done
      echo "${list#,}"
      ;;
    DATABASE_URL) echo "postgres://postgres@127.0.0.1:$(port postgres)/orderflow" ;;
    SCHEMA_REGISTRY_URL) echo "http://127.0.0.1:$(port registry)/apis/ccompat/v7" ;;
    REDIS_URL) echo "redis://127.0.0.1:$(port redis)" ;;
    SMTP_URL) echo "smtp://127.0.0.1:$(port mail)" ;;
    MAIL_API_URL) echo "http://127.0.0.1:$((stack_base + 51))" ;;
  esac
}

# Bare where it can be, so that a reader of KEY=value lines needs no shell either.
quoted() {
  if [[ $1 =~ ^[A-Za-z0-9_.,:/@=-]+$ ]]; then echo "$1"; else echo "'${1//\'/\'\\\'\'}'"; fi
}

print_environment() {
  local name value ours=''
  for name in KAFKA_BOOTSTRAP_SERVERS DATABASE_URL SCHEMA_REGISTRY_URL REDIS_URL SMTP_URL MAIL_API_URL; do
    if set_by_user "$name"; then
      value=${!name}
    elif [[ $name == MAIL_API_URL ]] && is_external mail; then
      continue # only the user knows where the mails of the user's server can be read
    else
      value=$(default_value "$name")
      ours+=" $name=$value"
    fi
    echo "export $name=$(quoted "$value")"
  done
  echo "export ORDERFLOW_STACK_ENV=$(quoted "${ours# }")"
}
