# What still runs, by the folder it works in and by the program it is: command lines can be rewritten.

# working_below FOLDER: the pids of processes that stand in it or run a program from it.
working_below() {
  local process place
  for process in /proc/[0-9]*; do
    for place in "$process/cwd" "$process/exe"; do
      if [[ $(readlink "$place" 2>/dev/null) == "$1"* ]]; then echo "${process##*/}" && break; fi
    done
  done
}

# found COMMAND..., none COMMAND...: it prints something, nothing.
found() { [[ -n $("$@") ]]; }
none() {
  local output
  output=$("$@")
  [[ -z $output ]] || { echo "$output" && return 1; }
}
