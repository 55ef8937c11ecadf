# Part of stack_test.sh: an interruption while something is downloaded. Maven is one that takes for ever.

interrupt_a_download() {
  local up code=0
  mkdir -p "$scratch/slow/bin"
  printf '#!/bin/sh\necho "$$" >"%s/slow/mvn"\nsleep 600\n' "$scratch" >"$scratch/slow/bin/mvn"
  chmod +x "$scratch/slow/bin/mvn"
  PATH=$scratch/slow/bin:$PATH ORDERFLOW_STACK_DIR=$scratch/slow/stack REDIS_URL=redis://x SMTP_URL=smtp://x \
    "$repository/scripts/stack" up --name slow --mode local 2>"$scratch/slow/said" &
  up=$!
  until [[ -s $scratch/slow/mvn ]]; do
    lives "$up" || { cat "$scratch/slow/said" && return 1; }
    sleep 0.1
  done
  kill -TERM "$up"
  wait "$up" || code=$?
  cat "$scratch/slow/said"
  ((code == 130))
}

claim "an interrupted up ends" interrupt_a_download
claim "and the download ends with it" not lives "$(cat "$scratch/slow/mvn")"
claim "so that nobody holds the lock of the downloads" flock --nonblock "$scratch/slow/stack/cache/lock" true
