//! Certificates as servers show them, good and bad. Encrypts nothing.

use confirmation_email::authorities::Authorities;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};
use tokio_native_tls::TlsAcceptor;

const DAY: i64 = 24 * 3600;

/// Whoever vouches for servers.
pub(crate) struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) name: &'static str,
    /// In days from today.
    pub(crate) valid: (i64, i64),
}

/// As the tests connect to it.
pub(crate) const GOOD: Claim = Claim { name: "127.0.0.1", valid: (-1, 1) };

impl Authority {
    pub(crate) fn new() -> Self {
        Self::called("An authority of the tests")
    }

    pub(crate) fn called(name: &str) -> Self {
        let key = key();
        let mut builder = builder(&key, name, (-10, 10));
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// For whom it is trusted.
    pub(crate) fn trusted(&self) -> Authorities {
        Authorities::from_pem(&self.certificate.to_pem().unwrap()).unwrap()
    }

    /// A server for whose claim it vouches.
    pub(crate) fn vouch(&self, claim: Claim) -> TlsAcceptor {
        let key = key();
        let mut builder = of_server(&key, claim);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        acceptor(&builder.build(), &key)
    }
}

/// A server for which nobody vouches but itself.
pub(crate) fn self_signed(claim: Claim) -> TlsAcceptor {
    let key = key();
    let mut builder = of_server(&key, claim);
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    acceptor(&builder.build(), &key)
}

fn of_server(key: &PKey<Private>, claim: Claim) -> X509Builder {
    let mut builder = builder(key, "A server of the tests", claim.valid);
    let mut names = SubjectAlternativeName::new();
    match claim.name.starts_with(|c: char| c.is_ascii_digit()) {
        true => names.ip(claim.name),
        false => names.dns(claim.name),
    };
    let names = names.build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder
}

fn builder(key: &PKey<Private>, name: &str, (from, until): (i64, i64)) -> X509Builder {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&day(from)).unwrap();
    builder.set_not_after(&day(until)).unwrap();
    builder
}

fn day(from_today: i64) -> Asn1Time {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    Asn1Time::from_unix(now + from_today * DAY).unwrap()
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn acceptor(certificate: &X509, key: &PKey<Private>) -> TlsAcceptor {
    let (certificate, key) =
        (certificate.to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap());
    let identity = native_tls::Identity::from_pkcs8(&certificate, &key).unwrap();
    native_tls::TlsAcceptor::new(identity).unwrap().into()
}
