# Redis, of the distribution.

redis_fetch() { command -v redis-server >/dev/null || command -v valkey-server >/dev/null || die "redis-server is missing: run scripts/install."; }

redis_start() {
  spawn redis "$(command -v redis-server || command -v valkey-server)" --port "$(port redis)" --bind 127.0.0.1 \
    --save 3600 1 --appendonly no --dir "$stack_dir/redis" --daemonize no
}

redis_ready() {
  local answer
  answer=$(
    exec 3<>"/dev/tcp/127.0.0.1/$(port redis)" && printf 'PING\r\n' >&3 && read -r -t 1 line <&3 && echo "$line"
  ) 2>/dev/null && [[ $answer == +PONG* ]]
}

redis_stop() { stop redis TERM 10; }
