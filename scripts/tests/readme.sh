# Runs the blocks of README.md that use curl, as a reader would, against the demo of demo_test.sh.

# readme_commands: the commands, each ended by a NUL; they are told apart by empty lines.
readme_commands() {
  awk '/^```sh$/ { inside = 1; block = ""; next }
       /^```$/ { if (inside && block ~ /curl/) printf "%s\n", block; inside = 0; next }
       inside { block = block $0 "\n" }' "$repository/README.md" |
    awk 'BEGIN { RS = ""; ORS = "\0" } { print }'
}

# Each must end with a status of success. What the reader has to fill in comes from the first answer.
readme_works() {
  local base command count=0 answer=$scratch/answer order='' position=''
  base=$(sed --quiet 's/^stack_base=//p' "$home/demo-test/settings")
  while IFS= read -r -d '' command; do
    command=$(sed --regexp-extended "s/localhost:190([0-9]{2})/localhost:$((base / 100))\1/g; s/ORDER_ID/$order/g; s/orders:3@17/$position/" <<<"$command")
    echo "$command"
    # shellcheck disable=SC2317  # called by the command
    curl() { command curl --silent --show-error --noproxy '*' --include --fail-with-body "$@"; }
    eval "$command" >"$answer" || { cat "$answer" && return 1; }
    cat "$answer"
    count=$((count + 1))
    order=${order:-$(sed --quiet 's/.*"order_id":"\([^"]*\)".*/\1/p' "$answer")}
    position=${position:-$(sed --quiet 's/^order-position: \([^\r]*\).*/\1/Ip' "$answer")}
  done < <(readme_commands)
  echo "$count commands, order ${order:?}, position ${position:?}"
  ((count >= 2)) && grep --quiet '"status":"\(confirmed\|rejected\)"' "$answer"
}
