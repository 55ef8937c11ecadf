//! What an operator says in librdkafka's words, said to the client that publishes. Connects to nothing.

use std::time::Duration;

use chassis::settings::SettingsError;
use kafka_client::KafkaSettings;
use krafka::Compression;
use krafka::auth::{AuthConfig, TlsConfig};

/// `KAFKA_OPTIONS`, which the client of the readers has checked.
pub(super) struct Options<'a>(pub(super) &'a KafkaSettings);

impl Options<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.option(name)
    }

    pub(super) fn milliseconds(
        &self,
        name: &'static str,
    ) -> Result<Option<Duration>, SettingsError> {
        let whole = |text: &str| text.parse().map(Duration::from_millis);
        self.get(name).map(whole).transpose().map_err(|_| refused(name, "no whole milliseconds"))
    }

    pub(super) fn compression(&self) -> Result<Compression, SettingsError> {
        let name = match self.get("compression.type") {
            Some(_) => "compression.type",
            None => "compression.codec",
        };
        match self.get(name) {
            None | Some("none") => Ok(Compression::None),
            Some("gzip") => Ok(Compression::Gzip),
            Some("snappy") => Ok(Compression::Snappy),
            Some("lz4") => Ok(Compression::Lz4),
            Some(_) => Err(refused(name, "only none, gzip, snappy and lz4 are for publishing")),
        }
    }

    pub(super) fn security(&self) -> Result<AuthConfig, SettingsError> {
        let unknown = |name: &&str| is_security(name) && !SECURITY.contains(name);
        if let Some(name) = self.0.option_names().find(unknown) {
            return Err(refused(name, "the client that publishes does not know it"));
        }
        let protocol = self.get("security.protocol").unwrap_or("plaintext").to_ascii_lowercase();
        match protocol.as_str() {
            "ssl" => Ok(AuthConfig::ssl(self.tls()?)),
            "sasl_plaintext" => self.sasl(),
            "sasl_ssl" => Ok(self.sasl()?.with_tls(self.tls()?)),
            _ => Ok(AuthConfig::plaintext()),
        }
    }

    fn sasl(&self) -> Result<AuthConfig, SettingsError> {
        let user = self.get("sasl.username").unwrap_or_default();
        let password = self.get("sasl.password").unwrap_or_default();
        let mechanism = self.get("sasl.mechanism").or(self.get("sasl.mechanisms"));
        match mechanism {
            Some("PLAIN") => Ok(AuthConfig::sasl_plain(user, password)),
            Some("SCRAM-SHA-256") => Ok(AuthConfig::sasl_scram_sha256(user, password)),
            Some("SCRAM-SHA-512") => Ok(AuthConfig::sasl_scram_sha512(user, password)),
            _ => Err(refused(
                "sasl.mechanism",
                "only PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are for publishing",
            )),
        }
    }

    fn tls(&self) -> Result<TlsConfig, SettingsError> {
        let tls = match self.get("enable.ssl.certificate.verification") {
            Some("false") => TlsConfig::insecure(),
            _ => TlsConfig::new(),
        };
        let tls = match (self.get("ssl.ca.location"), self.get("ssl.ca.pem")) {
            (Some(path), _) => tls.with_ca_cert(path),
            (None, Some(pem)) => tls.with_ca_cert_pem(pem),
            (None, None) => tls.with_native_roots(),
        };
        let files = self.get("ssl.certificate.location").zip(self.get("ssl.key.location"));
        let pems = self.get("ssl.certificate.pem").zip(self.get("ssl.key.pem"));
        Ok(match (files, pems) {
            (Some((certificate, key)), _) => tls.with_client_cert(certificate, key),
            (None, Some((certificate, key))) => {
                tls.with_client_cert_pem(certificate, key.as_bytes().to_vec())
            }
            (None, None) => tls,
        })
    }
}

/// What is understood of the options that a connection is made safe with.
const SECURITY: [&str; 12] = [
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "enable.ssl.certificate.verification",
];

fn is_security(name: &str) -> bool {
    name.contains("ssl") || name.contains("sasl") || name.contains("security")
}

fn refused(name: &str, why: &str) -> SettingsError {
    SettingsError::Refused(kafka_client::OPTIONS, name.to_owned(), why.to_owned())
}

#[cfg(test)]
mod tests {
    use krafka::auth::{SaslMechanism, SecurityProtocol};

    use super::*;

    fn with(options: &str) -> KafkaSettings {
        KafkaSettings::at("localhost:9092", "").with_options(options).unwrap()
    }

    #[track_caller]
    fn refuses(options: &str, name: &str) {
        let error = Options(&with(options)).security().unwrap_err().to_string();
        assert!(error.contains(name) && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_connection_is_as_safe_as_the_options_say() {
        let security = |options: &str| Options(&with(options)).security().unwrap();
        assert_eq!(security("").security_protocol(), &SecurityProtocol::Plaintext);
        let tls = "security.protocol=SSL,ssl.ca.location=/ca.pem,\
                   ssl.certificate.location=/me.pem,ssl.key.location=/me.key";
        let tls = security(tls);
        assert_eq!(tls.security_protocol(), &SecurityProtocol::Ssl);
        let config = tls.tls_config().unwrap();
        let files = [config.ca_cert_path(), config.client_cert_path(), config.client_key_path()];
        assert_eq!(files, [Some("/ca.pem"), Some("/me.pem"), Some("/me.key")]);
        assert!(config.verify_server_cert());
        let sasl = "security.protocol=sasl_ssl,sasl.mechanisms=SCRAM-SHA-512,sasl.username=u,\
                    sasl.password=hunter2,enable.ssl.certificate.verification=false";
        let sasl = security(sasl);
        assert_eq!(sasl.security_protocol(), &SecurityProtocol::SaslSsl);
        assert_eq!(sasl.sasl_mechanism(), Some(&SaslMechanism::ScramSha512));
        let config = sasl.tls_config().unwrap();
        assert!(config.use_native_roots() && !config.verify_server_cert());
    }

    #[test]
    fn what_the_client_does_not_know_of_safety_is_refused_by_name() {
        refuses("security.protocol=ssl,ssl.cipher.suites=hunter2", "ssl.cipher.suites");
        refuses("security.protocol=sasl_plaintext,sasl.mechanism=GSSAPI", "sasl.mechanism");
        let zstd = with("compression.codec=zstd");
        assert!(Options(&zstd).compression().is_err());
    }

    #[test]
    fn the_last_of_two_options_counts() {
        let settings = with("linger.ms=1,linger.ms=7,compression.codec=lz4");
        let options = Options(&settings);
        assert_eq!(options.milliseconds("linger.ms"), Ok(Some(Duration::from_millis(7))));
        assert_eq!(options.compression(), Ok(Compression::Lz4));
    }
}
