# Finding a JDK, and what Maven holds.

# From the file every JDK carries; asking each `java -version` would cost a JVM start.
java_release() {
  local release
  release=$(dirname "$(dirname "$(readlink --canonicalize "$1")")")/release
  if [[ -r $release ]]; then
    sed --quiet 's/^JAVA_VERSION="\(.*\)"/\1/p' "$release"
  else
    "$1" -version 2>&1 | sed --quiet '1s/.*version "\([^"]*\)".*/\1/p'
  fi
}

# find_java: JAVA_HOME if it will do, else the newest JDK found. Sets java, java_version (17, or 0 for
# none) and java_full (17.0.15).
find_java() {
  local candidate full major
  java='' java_version=0 java_full=''
  for candidate in "${JAVA_HOME:-/nowhere}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [[ -x $candidate ]] || continue
    full=$(java_release "$candidate")
    major=$(grep --only-matching '^[0-9]*' <<<"$full" || echo 0)
    if ((major > java_version)); then java=$candidate java_version=$major java_full=$full; fi
    if [[ $candidate == "${JAVA_HOME:-/nowhere}/"* ]] && ((java_version >= 17)); then break; fi
  done
}

choose_java() {
  find_java
  ((java_version >= 17)) || die "no JDK 17 or newer found: install one (Debian: apt-get install default-jdk-headless) or set JAVA_HOME."
}

# class_archive NAME SERVER: JVM options that map the classes from an archive, which halves the start;
# where there is none yet, the first orderly end writes one, and keep_class_archive shares it.
class_archive() {
  local archive=$cache_dir/$1-jdk$java_full.jsa
  if [[ -s $archive ]]; then
    printf '%s\n' "-XX:SharedArchiveFile=$archive"
  else
    rm -f "$stack_dir/$2"/*.jsa
    printf '%s\n' "-XX:ArchiveClassesAtExit=$stack_dir/$2/${archive##*/}"
  fi
  printf '%s\n' -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off
}

# keep_class_archive SERVER, once it has ended. Moved in one step: several servers may try at once.
keep_class_archive() {
  local archive
  for archive in "$stack_dir/$1"/*.jsa; do
    [[ ! -s $archive ]] || mv --force "$archive" "$cache_dir/"
  done
}

maven() {
  local log=$cache_dir/maven.$BASHPID.log
  if ! (cd "$cache_dir" && mvn --quiet --batch-mode -Dstyle.color=never "$@") >"$log" 2>&1 8>&- 9>&-; then
    die "Maven could not fetch ${what_maven_fetches:-a server}: $(sed --quiet 's/.*\[ERROR\] //p' "$log" | head --lines=1 | cut --characters=1-300)"
  fi
  rm -f "$log"
}

# fetch DIRECTORY FUNCTION ARGUMENTS...: fills a directory of the cache once, or not at all.
fetch() {
  local target=$cache_dir/$1 partial=$cache_dir/$1.partial.$BASHPID
  shift
  [[ ! -d $target ]] || return 0
  say "downloading ${target##*/}"
  rm -rf "$target".partial.* # of a run that was interrupted; fetch_all holds the lock of the cache
  mkdir -p "$partial"
  "$1" "$partial" "${@:2}"
  mv "$partial" "$target"
}

# maven_artifact DIRECTORY COORDINATES
maven_artifact() {
  what_maven_fetches=$2 maven dependency:copy "-Dartifact=$2" "-DoutputDirectory=$1" -Dmdep.useBaseVersion=true
}
