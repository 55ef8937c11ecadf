# How the scripts talk: everything for people goes to stderr, so that stdout stays fit for eval.

say() { printf '%s\n' "$*" >&2; }

# One sentence that says what is wrong and what to do, then out.
die() {
  say "error: $*"
  exit 1
}
