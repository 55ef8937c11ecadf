# What a stack is called, where it lives, which ports it has.
#
# ports = base + offset. base: demo 19000, test 29000, any other name a number in 20000..28900
# derived from the name; ORDERFLOW_PORT_BASE overrides it.
#   +1 +2 +3     Kafka brokers          +30 +31  registry, its management
#   +11 +12 +13  Kafka controllers      +40      Redis
#   +20          Postgres               +50 +51  SMTP, mail API and page
# Up to +94: our own services, in scripts/lib/services.sh.

readonly default_brokers=1

# Where all stacks live, and what they share. Programs that we start find it by the same variable.
stack_home=${ORDERFLOW_STACK_DIR:-$repository/.stack}
[[ $stack_home == /* ]] || stack_home=$PWD/$stack_home
export ORDERFLOW_STACK_DIR=$stack_home
cache_dir=$stack_home/cache

default_port_base() {
  case $1 in
    demo) echo 19000 ;;
    test) echo 29000 ;;
    # Below 32768, where Linux starts to hand out ports for outgoing connections.
    *) echo $((20000 + $(cksum <<<"$1" | cut --delimiter=' ' --fields=1) % 90 * 100)) ;;
  esac
}

# load_settings NAME: sets stack_name, stack_dir, stack_data and reads what the last `up` recorded.
load_settings() {
  [[ $1 =~ ^[a-z][a-z0-9-]{0,30}$ && $1 != cache ]] ||
    die "'$1' cannot be a stack's name: use a lower-case word such as demo or test."
  if [[ -n ${ORDERFLOW_PORT_BASE:-} && ! $ORDERFLOW_PORT_BASE =~ ^([1-9][0-9]{3}|[1-5][0-9]{4})$ ]]; then
    die "ORDERFLOW_PORT_BASE is '$ORDERFLOW_PORT_BASE': set it to a number from 1000 to 59999."
  fi
  stack_name=$1
  stack_dir=$stack_home/$stack_name stack_data=$stack_home/$stack_name
  stack_base='' stack_brokers='' stack_mode='' created_brokers='' created_base=''
  if [[ -r $stack_dir/settings ]]; then
    # shellcheck disable=SC1091
    source "$stack_dir/settings"
    created_brokers=$stack_brokers created_base=$stack_base
  fi
  stack_base=${ORDERFLOW_PORT_BASE:-${stack_base:-$(default_port_base "$stack_name")}}
  stack_brokers=${wanted_brokers:-${stack_brokers:-$default_brokers}}
  [[ $stack_brokers == 1 || $stack_brokers == 3 ]] ||
    die "--brokers takes 1 or 3, not '$stack_brokers'."
}

# In one step: another command may be reading it.
save_settings() {
  printf 'stack_base=%s\nstack_brokers=%s\nstack_mode=%s\nstack_data=%q\n' \
    "$stack_base" "$stack_brokers" "$stack_mode" "$stack_data" >"$stack_dir/settings.new"
  mv "$stack_dir/settings.new" "$stack_dir/settings"
}

# Where the tests' brokers and database keep their data, if there is room: in memory. They make and drop
# hundreds of databases and topics of hundreds of files each; on a disk that is told of every freed block
# a database cost 0.3 s of processor time, in memory 0.05.
memory_of_stack() { echo "/dev/shm/orderflow-$(cksum <<<"$stack_dir" | cut --delimiter=' ' --fields=1)"; }

choose_data_folder() {
  [[ $stack_name == test && -z $created_base ]] || return 0
  if has_space /dev/shm 4000 && (($(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo) >= 8000)); then
    stack_data=$(memory_of_stack)
  fi
}

# servers: every server of this stack, one a line.
servers() {
  local broker
  for ((broker = 1; broker <= stack_brokers; broker++)); do echo "kafka-$broker"; done
  printf '%s\n' postgres registry redis mail
}

# ports SERVER: the ports it listens on; the first is the one clients use.
ports() {
  case $1 in
    kafka-*) echo $((stack_base + ${1#kafka-})) $((stack_base + 10 + ${1#kafka-})) ;;
    postgres) echo $((stack_base + 20)) ;;
    registry) echo $((stack_base + 30)) $((stack_base + 31)) ;;
    redis) echo $((stack_base + 40)) ;;
    mail) echo $((stack_base + 50)) $((stack_base + 51)) ;;
  esac
}

port() {
  local all
  read -r all _ <<<"$(ports "$1")"
  echo "$all"
}
