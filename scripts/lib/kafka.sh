# Apache Kafka in KRaft mode; every node is broker and controller.

kafka_jars() { echo "$cache_dir/kafka-$KAFKA_VERSION"; }

# Called once, however many brokers there are: they must agree on the id of their cluster.
kafka_fetch() {
  local id_file=$stack_dir/kafka-cluster-id
  [[ -s $id_file ]] || head --bytes=16 /dev/urandom | base64 | tr '+/' 'AB' | cut --characters=1-22 >"$id_file"
  fetch "kafka-$KAFKA_VERSION" kafka_download
}

kafka_download() {
  local pom=$1/pom.xml
  cat >"$pom" <<XML
<project><modelVersion>4.0.0</modelVersion>
  <groupId>orderflow</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_$KAFKA_SCALA_VERSION</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$LOG4J_VERSION</version></dependency>
  </dependencies>
</project>
XML
  what_maven_fetches=Kafka maven --file "$pom" dependency:copy-dependencies "-DoutputDirectory=$1" -DincludeScope=runtime
}

# kafka_config SERVER: its server.properties.
kafka_config() {
  local broker=${1#kafka-} voter voters='' replicas=1 in_sync=1
  for ((voter = 1; voter <= stack_brokers; voter++)); do
    voters+=",$voter@127.0.0.1:$((stack_base + 10 + voter))"
  done
  if ((stack_brokers == 3)); then replicas=3 in_sync=2; fi
  cat <<PROPERTIES
process.roles=broker,controller
node.id=$broker
controller.quorum.voters=${voters#,}
listeners=PLAINTEXT://127.0.0.1:$((stack_base + broker)),CONTROLLER://127.0.0.1:$((stack_base + 10 + broker))
advertised.listeners=PLAINTEXT://127.0.0.1:$((stack_base + broker))
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$stack_data/$1/data
auto.create.topics.enable=false
num.partitions=12
default.replication.factor=$replicas
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=12
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=12
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync
$(sed '/^#/d' "$library/kafka.properties")
PROPERTIES
}

kafka_java() {
  local options machine=(-Xmx512m -XX:+UseG1GC)
  # A machine that optimises itself takes a core of a small computer for its first minute: only what
  # works for minutes makes that good.
  [[ $stack_name =~ ^(test|bench)$ && $stack_brokers == 1 ]] || machine=("-Xmx$((stack_brokers == 1 ? 512 : 384))m" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)
  mapfile -t options < <(class_archive "kafka-$KAFKA_VERSION" "$1")
  # shellcheck disable=SC2054
  kafka_command=("$java" -Xms256m "${machine[@]}" "${options[@]}"
    "-Dlog4j2.configurationFile=$library/log4j2.xml" -cp "$(kafka_jars)/*")
}

# A broker refuses to start on a data folder that is not formatted.
kafka_format() {
  "$java" -XX:TieredStopAtLevel=1 -cp "$(kafka_jars)/*" kafka.tools.StorageTool format \
    --ignore-formatted --cluster-id "$(<"$stack_dir/kafka-cluster-id")" --config "$stack_dir/$1/server.properties" \
    >"$stack_dir/$1/format.log" 2>&1 8>&- 9>&- ||
    die "$1 could not format its data folder: $(tail --lines=1 "$stack_dir/$1/format.log")"
}

kafka_start() {
  kafka_config "$1" >"$stack_dir/$1/server.properties"
  [[ -e $stack_data/$1/data/meta.properties ]] || kafka_format "$1"
  kafka_java "$1"
  spawn "$1" "${kafka_command[@]}" kafka.Kafka "$stack_dir/$1/server.properties"
}

# The log line comes first because asking costs a Python start; asking shows that a client is served.
# `up` wants a broker that sees all others; for `status` one that answers is not to blame for a dead one.
kafka_ready() {
  grep --quiet 'Kafka Server started' "$(log_of "$1")" 2>/dev/null &&
    "$(venv_python)" "$library/kafka_ready.py" "127.0.0.1:$(port "$1")" "${brokers_wanted:-1}" 8>&- 9>&-
}

kafka_stop() { stop "$1" TERM 20 && keep_class_archive "$1"; }
