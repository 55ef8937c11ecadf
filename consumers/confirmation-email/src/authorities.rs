//! Whose certificates a mail server may show, beside the system's. Checks none.

use std::fmt;
use std::fs::File;
use std::io::Read;

use chassis::settings::{self, SettingsError};
use native_tls::{Certificate, TlsConnector};

/// Certificates that are trusted beside the system's.
#[derive(Clone, Default)]
pub struct Authorities(Vec<Certificate>);

/// A bundle with all the authorities of the world has a quarter of it.
const BYTES_MAX: u64 = 1024 * 1024;

impl Authorities {
    /// `SMTP_CA_FILE`, or none.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no certificate.
    pub fn from_env() -> Result<Self, SettingsError> {
        let expected = SettingsError::Invalid(
            "SMTP_CA_FILE",
            "a readable file of at most 1 MiB with certificates in PEM",
        );
        match settings::optional("SMTP_CA_FILE") {
            None => Ok(Self::default()),
            Some(path) => read(&path).and_then(|pem| Self::from_pem(&pem)).ok_or(expected),
        }
    }

    /// Those of a file in PEM; `None` where it holds none, or something else.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let certificates = Certificate::stack_from_pem(pem).ok()?;
        (!certificates.is_empty()).then_some(Self(certificates))
    }

    /// What checks a server's certificate: its name, its time and who vouches for it.
    pub(crate) fn connector(&self) -> Result<TlsConnector, native_tls::Error> {
        let mut builder = TlsConnector::builder();
        for certificate in &self.0 {
            builder.add_root_certificate(certificate.clone());
        }
        builder.build()
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} certificates", self.0.len())
    }
}

fn read(path: &str) -> Option<Vec<u8>> {
    let mut pem = Vec::new();
    let read = File::open(path).ok()?.take(BYTES_MAX + 1).read_to_end(&mut pem).ok()?;
    (read as u64 <= BYTES_MAX).then_some(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_no_file_of_authorities() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "hello", broken] {
            assert!(Authorities::from_pem(pem.as_bytes()).is_none(), "{pem:?}");
        }
    }
}
