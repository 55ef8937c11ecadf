//! How a client of Kafka is set up: the librdkafka options that clients share, with their reasons. What
//! one reader alone needs, such as how far it reads ahead, it sets itself. Sends and receives nothing.

mod options;

use std::str::FromStr;
use std::time::Duration;

use chassis::settings::{self, SettingsError};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use secrecy::{ExposeSecret, SecretString};

pub use options::OPTIONS;
use options::{is_promised, options};

/// Which cluster, and under which names.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `KAFKA_BOOTSTRAP_SERVERS`: `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// `KAFKA_PREFIX`: put before every topic and group, so that deployments can share a cluster;
    /// empty by default.
    pub prefix: String,
    /// `KAFKA_OPTIONS`: further librdkafka options as `name=value`, comma-separated: TLS, SASL. A
    /// comma or backslash of a value is written `\\,` or `\\\\`. Every value may be a password. They win
    /// over what stands here, and the ones that a promise hangs on are refused.
    options: Vec<(String, SecretString)>,
}

impl KafkaSettings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// When the servers are not named, an option is not `name=value`, or librdkafka refuses one.
    pub fn from_env() -> Result<Self, SettingsError> {
        let bootstrap_servers = settings::required("KAFKA_BOOTSTRAP_SERVERS")?;
        let prefix = settings::optional("KAFKA_PREFIX").unwrap_or_default();
        let options = settings::optional(OPTIONS).unwrap_or_default();
        Self::at(bootstrap_servers, prefix).with_options(&options)
    }

    /// Tries the options out here, because the client's own error repeats the value.
    fn check(&self) -> Result<(), SettingsError> {
        if let Some((name, _)) = self.options.iter().find(|(name, _)| is_promised(name)) {
            let why = "a promise of this system hangs on it".to_owned();
            return Err(SettingsError::Refused(OPTIONS, name.clone(), why));
        }
        match self.client("").create_native_config() {
            Ok(_) => Ok(()),
            Err(KafkaError::ClientConfig(_, why, name, value)) => {
                let why = if value.is_empty() { why } else { why.replace(&value, "…") };
                Err(SettingsError::Refused(OPTIONS, name, why))
            }
            Err(_) => Err(SettingsError::Invalid(OPTIONS, "options of librdkafka")),
        }
    }

    /// A cluster that is known without the environment, as in a test.
    pub fn at(bootstrap_servers: impl Into<String>, prefix: impl Into<String>) -> Self {
        let (bootstrap_servers, prefix) = (bootstrap_servers.into(), prefix.into());
        Self { bootstrap_servers, prefix, options: Vec::new() }
    }

    /// What an operator set under a name, for a client that is not librdkafka.
    pub fn option(&self, name: &str) -> Option<&str> {
        let last = self.options.iter().rfind(|(of, _)| of == name);
        last.map(|(_, value)| value.expose_secret())
    }

    /// The names of what an operator set.
    pub fn option_names(&self) -> impl Iterator<Item = &str> {
        self.options.iter().map(|(name, _)| name.as_str())
    }

    /// The same with the options of `text`, in the place of those there were.
    ///
    /// # Errors
    /// When an option is not `name=value`, or librdkafka refuses one.
    pub fn with_options(mut self, text: &str) -> Result<Self, SettingsError> {
        self.options = options(text)?;
        self.check()?;
        Ok(self)
    }

    /// A topic's or group's name in this deployment.
    pub fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What every client has.
    pub fn client(&self, client_id: &str) -> ClientConfig {
        self.opted(self.plain(client_id))
    }

    /// With the operator's options, which come last.
    fn opted(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.options {
            config.set(name, value.expose_secret());
        }
        config
    }

    fn plain(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", client_id)
            // A small request must not wait for the answer to the one before (Nagle).
            .set("socket.nagle.disable", "true")
            // A broker that takes requests and answers none (packets are dropped, or it hangs) is
            // given up after this long; the default of a minute is longer than anybody waits.
            .set("socket.timeout.ms", "10000")
            // The same of a broker that takes no connection, whose default is half a minute.
            .set("socket.connection.setup.timeout.ms", "5000")
            // A connection whose other end is gone without a word shows itself while it is idle.
            .set("socket.keepalive.enable", "true")
            // A broker that comes back should be noticed in well under a second.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000");
        config
    }

    /// A producer that loses and doubles nothing. `timeout` bounds how long a record may be
    /// without an answer; `None` waits for ever, for what is kept elsewhere until it is answered.
    pub fn producer(&self, client_id: &str, timeout: Option<Duration>) -> ClientConfig {
        let timeout_ms = timeout.map_or(0, |timeout| timeout.as_millis());
        let mut config = self.plain(client_id);
        config
            // 202 means replicated.
            .set("acks", "all")
            // A retry inside the client neither doubles nor reorders.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", timeout_ms.to_string())
            // How long a broker may wait for its replicas: it must say so before the socket's time
            // is up. The client then asks again.
            .set("request.timeout.ms", "8000")
            // The Java client's partitioner, so that clients of any language agree.
            .set("partitioner", "murmur2_random")
            // Nobody waits for company: a record goes at once where fewer requests are under way than
            // may be, and with all that came meanwhile where not (docs/decisions/0010).
            .set("linger.ms", "0")
            .set("statistics.interval.ms", "1000");
        self.opted(config)
    }

    /// A reader that belongs to no group: it is told its partitions, and commits nothing.
    pub fn reader(&self, client_id: &str) -> ClientConfig {
        let mut config = self.plain(client_id);
        config
            // To assign partitions, librdkafka wants a group even where none is joined.
            .set("group.id", format!("{client_id}-reader"))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A reader that is lost stops; it never skips.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            // The default of a second starves a reader whenever its queue was full.
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", "65536");
        self.opted(config)
    }

    /// A member of a consumer group. Positions are kept in Postgres: the group only shares out
    /// the partitions. A member with an instance's name that comes back within its session takes
    /// its partitions without a rebalance.
    pub fn group_member(
        &self,
        group: &str,
        protocol: GroupProtocol,
        instance: Option<&str>,
    ) -> ClientConfig {
        let mut config = self.plain(group);
        config
            .set("group.id", self.prefixed(group))
            // The poll thread always polls; a member that does not is stuck.
            .set("max.poll.interval.ms", "60000")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.queue.backoff.ms", "10")
            // Of each partition, which has a queue of its own; and what one answer may add to it.
            .set("queued.max.messages.kbytes", "256")
            .set("fetch.message.max.bytes", "262144")
            .set("statistics.interval.ms", "1000");
        protocol.apply(&mut config);
        if let Some(instance) = instance {
            config.set("group.instance.id", instance);
        }
        self.opted(config)
    }
}

/// Who shares out the partitions of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    /// One of the members, after the members have met.
    Classic,
    /// The broker, member by member (KIP-848). The brokers' settings say how fast.
    Consumer,
}

impl GroupProtocol {
    fn apply(self, config: &mut ClientConfig) {
        match self {
            Self::Classic => config
                .set("group.protocol", "classic")
                // Only the partitions that move are taken away.
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", "6000")
                // A member hears with its next heartbeat that the group shares out anew.
                .set("heartbeat.interval.ms", "200"),
            // A client that sets any of the above is refused.
            Self::Consumer => config.set("group.protocol", "consumer"),
        };
    }
}

impl FromStr for GroupProtocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "classic" => Ok(Self::Classic),
            "consumer" => Ok(Self::Consumer),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;

    use super::options::PROMISED;
    use super::*;

    fn with(text: &str) -> Result<KafkaSettings, SettingsError> {
        let options = options(text)?;
        Ok(KafkaSettings { options, ..KafkaSettings::at("localhost:9092", "") })
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let options = with(text).unwrap().options;
        let options: Vec<_> =
            options.iter().map(|(n, v)| (n.as_str(), v.expose_secret())).collect();
        assert_eq!(options, expected, "{text}");
    }

    #[test]
    fn a_value_may_hold_every_character() {
        check("", &[]);
        check("a=1, b = 2 ,", &[("a", "1"), ("b", "2")]);
        check(r"sasl.password=a\,b=c,x=y", &[("sasl.password", "a,b=c"), ("x", "y")]);
        check(r"sasl.password=a\\,x=y", &[("sasl.password", r"a\"), ("x", "y")]);
        assert!(with("no-value").is_err());
    }

    #[test]
    fn no_form_of_the_settings_shows_a_value() {
        let settings = with("sasl.password=hunter2,ssl.key.password=hunter2").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn a_refused_option_is_named_without_its_value() {
        for text in ["security.protocol=hunter2", "no.such.option=hunter2", "linger.ms=hunter2"] {
            let error = with(text).unwrap().check().unwrap_err().to_string();
            let name = text.split('=').next().unwrap();
            assert!(error.contains(name) && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(with("sasl.password=a").unwrap().check(), Ok(()));
    }

    #[test]
    fn an_operators_option_wins_over_every_default() {
        let settings = with("linger.ms=7,fetch.wait.max.ms=8,socket.timeout.ms=9000").unwrap();
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.producer("x", None).get("linger.ms"), Some("7"));
        let member = settings.group_member("x", GroupProtocol::Classic, None);
        for config in [member, settings.reader("x")] {
            assert_eq!(config.get("fetch.wait.max.ms"), Some("8"));
            assert_eq!(config.get("socket.timeout.ms"), Some("9000"));
        }
    }

    #[test]
    fn an_option_that_a_promise_hangs_on_is_refused_by_name() {
        for name in PROMISED {
            let error = with(&format!("{name}=1")).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("promise"), "{error}");
        }
    }

    /// What the code sets for a promise stays what it is.
    #[test]
    fn every_option_that_a_promise_hangs_on_is_on_the_list() {
        let settings = with("").unwrap();
        let producer = settings.producer("x", Some(Duration::from_secs(1)));
        let member = settings.group_member("x", GroupProtocol::Classic, Some("x-1"));
        let tunable = [
            "client.id",
            "socket.nagle.disable",
            "socket.timeout.ms",
            "socket.connection.setup.timeout.ms",
            "socket.keepalive.enable",
            "reconnect.backoff.ms",
            "reconnect.backoff.max.ms",
            "linger.ms",
            "fetch.wait.max.ms",
            "fetch.queue.backoff.ms",
            "queued.max.messages.kbytes",
            "fetch.message.max.bytes",
            "session.timeout.ms",
            "heartbeat.interval.ms",
        ];
        for (name, _) in producer.config_map().into_iter().chain(member.config_map()) {
            assert!(is_promised(name) != tunable.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_member_of_either_protocol_is_taken_by_the_client() {
        for protocol in ["classic", "consumer"] {
            let parsed = protocol.parse().unwrap();
            let member = with("").unwrap().group_member("x", parsed, Some("x-1"));
            let client: Result<BaseConsumer, _> = member.create();
            assert!(client.is_ok(), "{protocol}: {:?}", client.err());
            assert_eq!(member.get("group.protocol"), Some(protocol));
        }
        assert!("share".parse::<GroupProtocol>().is_err());
    }

    #[test]
    fn every_client_gives_a_silent_broker_up_within_half_a_minute() {
        let settings = with("").unwrap();
        for config in [settings.client("x"), settings.producer("x", None), settings.reader("x")] {
            let timeout: u32 = config.get("socket.timeout.ms").unwrap().parse().unwrap();
            assert!(timeout < 30_000, "{timeout}");
        }
    }
}
