//! The authority that the endpoint's certificate is of, made anew for each server.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Signs for what listens on this machine.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate for `127.0.0.1`, and its key.
pub(super) struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, "kubernetes");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(params, key()).expect("an authority signs itself"))
    }

    /// Its certificate, as PEM.
    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Its certificate, as DER.
    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for what listens on this machine.
    pub(super) fn issue(&self) -> Issued {
        let mut params = params(&["127.0.0.1", "localhost"]);
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("an authority signs");
        Issued { certificate, key }
    }
}

impl Issued {
    pub(super) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Both as rustls takes them.
    pub(super) fn into_der(self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        (self.certificate.der().clone(), PrivateKeyDer::Pkcs8(self.key.serialize_der().into()))
    }
}

/// A new pair of keys.
pub(super) fn key() -> KeyPair {
    KeyPair::generate().expect("there are random numbers")
}

/// A word that nobody guesses.
pub(super) fn secret() -> String {
    BASE64_STANDARD.encode(key().public_key_raw())
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names of this machine")
}
