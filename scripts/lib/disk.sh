# A full disk is told before anything begins, not by whatever it breaks.

free_megabytes() { df --portability --block-size=1M "$1" | awk 'NR == 2 { print $4 }'; }
has_space() { [[ -w $1 ]] && (($(free_megabytes "$1") >= $2)); }

# require_space FOLDER MEGABYTES WHO: the folder need not be there yet.
require_space() {
  local folder=$1 free
  while [[ ! -d $folder ]]; do folder=$(dirname "$folder"); done
  free=$(free_megabytes "$folder")
  ((free >= $2)) || die "only $free MB are free on the disk of $folder and $3 needs $2: free some, or move it to another disk ($4)."
}

require_disk_space() {
  require_space "$stack_home" "${ORDERFLOW_MIN_FREE_MB:-1500}" "the stack" 'set ORDERFLOW_STACK_DIR'
}
