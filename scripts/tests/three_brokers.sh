# Part of stack_test.sh: a cluster of three, of which one dies.

replicated_topic() {
  (eval "$(stack env)" && "$python" - "$1") <<'PYTHON'
import os, sys
from confluent_kafka.admin import AdminClient, NewTopic
admin = AdminClient({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]})
admin.create_topics([NewTopic(sys.argv[1], 3, replication_factor=3)])[sys.argv[1]].result(20)
PYTHON
}

claim "three brokers come up as one cluster" stack up --brokers 3
claim "a topic is replicated to all three" replicated_topic before
kill -KILL "$(pid_of kafka-2)" && sleep 0.2
claim "a dead broker is named, and the living are not blamed" \
  diff <(printf '%s\n' 'kafka-1 ready,' 'kafka-2 died' 'kafka-3 ready,') <(stack status | awk '/^kafka/ { print $1, $2 }')
claim "up starts the dead broker again" says ": kafka-2" stack up
claim "and the cluster is whole" replicated_topic after
claim "down refuses to be told how many brokers there are" refuses "belongs to 'up'" stack down --brokers 1
claim "down stops all three" stack down
claim "no broker outlives it" none processes_left
stack clean 2>/dev/null
