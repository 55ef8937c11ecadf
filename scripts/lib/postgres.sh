# PostgreSQL: the binaries from Maven, or the distribution's (15 or newer) where there are none.
#
# Postgres refuses to run as root. As root it is therefore started as somebody else: inside a user
# namespace, where the data can stay in the checkout, or else as nobody, with binaries and data in a
# folder of /var/tmp, because nobody may not look into a checkout below /root.

# The major version that made the data; no other can read it.
postgres_made_by() { cat "$stack_dir/postgres/created" 2>/dev/null || true; }

postgres_from_maven() { [[ $(postgres_made_by) == '' || $(postgres_made_by) == "${POSTGRES_VERSION%%.*}" ]]; }

postgres_fetch() {
  if postgres_from_maven; then
    (fetch "postgres-$POSTGRES_VERSION" postgres_download) && return
    say "so the PostgreSQL of this machine is used"
  fi
  postgres_distribution >/dev/null
}

postgres_download() {
  local jar machine
  machine=$(uname --machine | sed 's/x86_64/amd64/; s/aarch64/arm64v8/')
  maven_artifact "$1" "io.zonky.test.postgres:embedded-postgres-binaries-linux-$machine:$POSTGRES_VERSION.0:jar"
  jar=$(compgen -G "$1/*.jar")
  if ! python3 -m zipfile --extract "$jar" "$1/unpacked" ||
    ! tar --extract --xz --file "$(compgen -G "$1/unpacked/*.txz")" --directory "$1"; then
    die "the binaries of Postgres could not be unpacked into $1: install xz-utils and tar, and look for free disk space."
  fi
  rm -rf "$jar" "$1/unpacked"
}

# The distribution's: the one that can read the data, else the newest.
postgres_distribution() {
  local folder major made_by
  made_by=$(postgres_made_by)
  for folder in $(compgen -G "/usr/lib/postgresql/*/bin" | sort --version-sort --reverse) /usr/bin; do
    [[ -x $folder/postgres ]] || continue
    major=$("$folder/postgres" --version | grep --only-matching '[0-9]*' | head --lines=1)
    ((major >= 15 && major == ${made_by:-major})) && echo "$folder" && return
  done
  die "PostgreSQL ${made_by:-15 or newer} is missing: install it (Debian: apt-get install postgresql)${made_by:+, or remove the data it made with 'scripts/stack clean'}."
}

# postgres_choose: sets postgres_bin, postgres_data and postgres_as, the prefix that leaves root behind.
postgres_choose() {
  postgres_bin=$cache_dir/postgres-$POSTGRES_VERSION/bin
  if [[ ! -x $postgres_bin/postgres ]] || ! postgres_from_maven; then postgres_bin=$(postgres_distribution); fi
  postgres_data=$stack_data/postgres/data
  postgres_as=()
  ((EUID == 0)) || return 0
  if unshare --user --map-user=1000 --map-group=1000 true 2>/dev/null; then
    postgres_as=(unshare --user --map-user=1000 --map-group=1000)
  else
    postgres_as_nobody
  fi
}

postgres_home_of_nobody() { echo "/var/tmp/orderflow-$(cksum <<<"$stack_dir" | cut --delimiter=' ' --fields=1)"; }

postgres_as_nobody() {
  local home
  home=$(postgres_home_of_nobody)
  install --directory --mode=700 --owner=nobody "$home"
  [[ $postgres_bin != "$cache_dir"/* || -d $home/bin ]] || cp --recursive "${postgres_bin%/bin}/." "$home"
  [[ ! -x $home/bin/postgres ]] || postgres_bin=$home/bin
  chown --recursive nobody "$home"
  postgres_data=$home/data
  # setpriv is runuser without a process of its own in between, so that the pid is Postgres'.
  postgres_as=(setpriv --reuid=nobody --regid="$(id --group nobody)" --clear-groups)
}

# The administrator of this machine needs no password; every other role has to know its own.
postgres_let_in() {
  cat >"$postgres_data/pg_hba.conf" <<'HBA'
local all,replication postgres trust
host  all,replication postgres 127.0.0.1/32 trust
host  all,replication postgres ::1/128 trust
local all all scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
host  all all ::1/128 scram-sha-256
HBA
}

# The database is made in single-user mode: the binaries from Maven come without psql.
postgres_create() {
  local log=$stack_dir/postgres/initdb.log
  rm -rf "$postgres_data" && mkdir -p "$(dirname "$postgres_data")"
  { "${postgres_as[@]}" "$postgres_bin/initdb" --pgdata="$postgres_data" --username=postgres --auth=trust \
    --locale=C.UTF-8 --encoding=UTF8 --no-sync --no-instructions &&
    postgres_let_in &&
    "${postgres_as[@]}" "$postgres_bin/postgres" --single -D "$postgres_data" postgres <<<'CREATE DATABASE orderflow' &&
    cp "$postgres_data/PG_VERSION" "$stack_dir/postgres/created"; } >"$log" 2>&1 8>&- 9>&- ||
    die "Postgres could not create its data folder: $(grep --ignore-case --extended-regexp 'error|fatal' "$log" | head --lines=1)"
}

# A killed server leaves its lock file, and Postgres believes it for as long as any process has that
# pid, be it a zombie or a stranger. Who really works on the data stands in its folder.
postgres_forget_the_dead() {
  local lock=$postgres_data/postmaster.pid deadline=$((SECONDS + 10))
  [[ -e $lock ]] || return 0
  while readlink /proc/[0-9]*/cwd 2>/dev/null | grep --quiet --line-regexp --fixed-strings "$postgres_data"; do
    ((SECONDS < deadline)) || die "a process still works in $postgres_data though the stack did not start it: end it, then run 'scripts/stack up' again."
    sleep 0.1
  done
  rm -f "$lock"
}

postgres_start() {
  local fsync=on
  postgres_choose
  cd / || return 1 # nobody may not stand in a folder below /root
  [[ -e $stack_dir/postgres/created && -e $postgres_data/PG_VERSION ]] || postgres_create
  postgres_forget_the_dead
  [[ $stack_name != test ]] || fsync=off # tests start from nothing; only the demo's data is worth a flush
  spawn postgres "${postgres_as[@]}" "$postgres_bin/postgres" -D "$postgres_data" -p "$(port postgres)" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=$fsync \
    -c track_commit_timestamp=on -c max_connections=300 -c jit=off \
    -c shared_buffers=512MB -c max_wal_size=4GB
}

# The line that pg_ctl --wait reads as well.
postgres_ready() {
  local file=${postgres_data:-$stack_data/postgres/data}/postmaster.pid
  [[ -r $file ]] || file=$(postgres_home_of_nobody)/data/postmaster.pid
  [[ $(sed --quiet 8p "$file" 2>/dev/null) == ready* ]] && port_answers "$(port postgres)"
}

postgres_stop() { stop postgres INT 20; }
