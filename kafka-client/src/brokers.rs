//! Whether a client has a connection to any broker, by what librdkafka tells each second. Asks nobody.

use std::collections::HashMap;

use serde::Deserialize;

/// Whether these statistics know a broker that is up. Only that is read of them: all of it is 14 KB of
/// JSON each second.
pub fn any_broker_up(statistics: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Statistics<'a> {
        #[serde(borrow)]
        brokers: HashMap<&'a str, Broker<'a>>,
    }
    #[derive(Deserialize)]
    struct Broker<'a> {
        state: &'a str,
    }
    let parsed = serde_json::from_slice::<Statistics<'_>>(statistics);
    parsed.is_ok_and(|parsed| parsed.brokers.values().any(|broker| broker.state == "UP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broker_that_is_up_is_enough() {
        let told = |states: &[&str]| {
            let brokers = states.iter().enumerate().map(|(number, state)| {
                format!(r#""b:{number}":{{"name":"b","state":"{state}","rtt":{{"avg":1}}}}"#)
            });
            let brokers: Vec<String> = brokers.collect();
            any_broker_up(format!(r#"{{"ts":1,"brokers":{{{}}}}}"#, brokers.join(",")).as_bytes())
        };
        assert!(told(&["DOWN", "UP"]));
        assert!(!told(&["DOWN", "CONNECT"]) && !told(&[]));
        assert!(!any_broker_up(b"no JSON"));
    }
}
