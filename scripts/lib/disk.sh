# A full disk is told before anything begins, not by whatever it breaks.

# require_space FOLDER MEGABYTES WHO: the folder need not be there yet.
require_space() {
  local folder=$1 free
  while [[ ! -d $folder ]]; do folder=$(dirname "$folder"); done
  free=$(df --portability --block-size=1M "$folder" | awk 'NR == 2 { print $4 }')
  ((free >= $2)) || die "only $free MB are free on the disk of $folder and $3 needs $2: free some, or move it to another disk ($4)."
}

require_disk_space() {
  require_space "$stack_home" "${ORDERFLOW_MIN_FREE_MB:-1500}" "the stack" 'set ORDERFLOW_STACK_DIR'
}
