# Apicurio Registry, used through Confluent's API at /apis/ccompat/v7.

# The version that made the data stays, even where a newer JDK turns up later: schema ids in Kafka
# must keep meaning what they meant.
registry_version() {
  local made_by=$stack_dir/registry/version
  if [[ -s $made_by ]]; then
    cat "$made_by"
  elif ((java_version >= 21)); then
    echo "$REGISTRY_VERSION"
  else
    echo "$REGISTRY_VERSION_JDK17"
  fi
}

registry_fetch() {
  local version
  choose_java
  version=$(registry_version)
  [[ $version == "$REGISTRY_VERSION_JDK17" ]] || ((java_version >= 21)) ||
    die "the registry's data was made by version $version, which needs JDK 21: set JAVA_HOME to one, or remove the data with 'scripts/stack clean'."
  fetch "registry-$version" registry_download "$version"
}

registry_download() {
  local archive=$1/apicurio-registry-app-$2-all.tar.gz
  maven_artifact "$1" "io.apicurio:apicurio-registry-app:$2:tar.gz:all"
  tar --extract --file "$archive" --directory "$1" || die "the registry's archive is damaged: run 'scripts/stack up' again."
  rm -f "$archive"
}

registry_settings() {
  cat <<SETTINGS
APICURIO_STORAGE_KIND=sql
APICURIO_STORAGE_SQL_KIND=h2
APICURIO_DATASOURCE_URL=jdbc:h2:file:$stack_dir/registry/data/registry
APICURIO_DATASOURCE_USERNAME=sa
APICURIO_DATASOURCE_PASSWORD=sa
APICURIO_DATASOURCE_JDBC_INITIAL_SIZE=2
APICURIO_DATASOURCE_JDBC_MIN_SIZE=2
APICURIO_RULES_GLOBAL_COMPATIBILITY=FULL_TRANSITIVE
APICURIO_CCOMPAT_USE_CANONICAL_HASH=true
QUARKUS_HTTP_HOST=127.0.0.1
QUARKUS_HTTP_PORT=$(port registry)
QUARKUS_MANAGEMENT_HOST=127.0.0.1
QUARKUS_MANAGEMENT_PORT=$((stack_base + 31))
SETTINGS
}

registry_start() {
  local version options settings jar
  version=$(registry_version)
  echo "$version" >"$stack_dir/registry/version"
  mapfile -t settings < <(registry_settings)
  mapfile -t options < <(class_archive "registry-$version" registry)
  jar=$(compgen -G "$cache_dir/registry-$version/*-runner.jar" || echo "$cache_dir/registry-$version/quarkus-run.jar")
  spawn registry env "${settings[@]}" "$java" -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "${options[@]}" -jar "$jar"
}

registry_ready() { http_answers "$(default_value SCHEMA_REGISTRY_URL)/subjects"; }

registry_stop() { stop registry TERM 20 && keep_class_archive registry; }
