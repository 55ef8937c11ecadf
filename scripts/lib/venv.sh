# The Python environment of the scripts, made once per content of scripts/requirements.txt.

venv_python() { echo "$cache_dir/venv/bin/python"; }

venv_ready() {
  local stamp=$cache_dir/venv/requirements.sha256
  [[ -r $stamp ]] && sha256sum --check --status "$stamp" 2>/dev/null && "$(venv_python)" -c '' 2>/dev/null
}

# The downloads are shared by all stacks.
lock_cache() {
  if ! mkdir -p "$cache_dir" 2>/dev/null || ! { exec 8>"$cache_dir/lock"; } 2>/dev/null; then
    die "$cache_dir cannot be written: run as its owner, or set ORDERFLOW_STACK_DIR to a folder of yours."
  fi
  flock --timeout 600 8 || die "another script has been downloading into $cache_dir for 10 minutes: wait for it or end it."
}

venv_by_pip() { "$(venv_python)" -m pip install --quiet --no-compile --disable-pip-version-check "$@"; }

# A third of pip's work, and a sixth of its time. It reads no configuration of pip, so where that is what
# leads to an index, pip has to do it.
venv_by_uv() {
  venv_by_pip "$(grep '^uv==' requirements.txt)" &&
    "$(venv_python)" -m uv pip install --quiet --no-cache --python "$(venv_python)" --requirement requirements.txt
}

venv_fetch() {
  cd "$repository/scripts" || return 1
  ! venv_ready || return 0
  say "installing the Python packages of scripts/requirements.txt"
  local log=$cache_dir/venv.log
  rm -rf "$cache_dir/venv"
  { python3 -m venv "$cache_dir/venv" && { venv_by_uv || venv_by_pip --requirement requirements.txt; }; } >"$log" 2>&1 8>&- 9>&- ||
    die "the Python packages could not be installed: $(grep --ignore-case error "$log" | tail --lines=1) (all of it in $log)"
  sha256sum requirements.txt >"$cache_dir/venv/requirements.sha256"
}
