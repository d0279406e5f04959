//! The HTTPS listener of the API servers, with a certificate authority that lives as long as the process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::kube::KubeEndpoint;

/// A port of the loopback interface that speaks TLS.
pub struct SecureListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    address: SocketAddr,
    /// PEM, in base64.
    authority: String,
}

/// What the server shows, and what clients are to believe it by.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// PEM.
    authority: String,
}

impl Identity {
    /// A new authority, and a certificate of it for the loopback interface.
    fn new() -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name.push(DnType::CommonName, "kubernetes");
        let certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let mut server =
            CertificateParams::new(vec![Ipv4Addr::LOCALHOST.to_string(), "localhost".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = server.signed_by(&key, &issuer)?;
        Ok(Self {
            chain: vec![leaf.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            authority: certificate.pem(),
        })
    }
}

impl SecureListener {
    /// Listens on that port of 127.0.0.1; 0 takes a free one.
    pub async fn bind(port: u16) -> anyhow::Result<Self> {
        let identity = Identity::new().context("no certificate could be made")?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("port {port} of 127.0.0.1 is not free"))?;
        let address = listener.local_addr()?;
        let authority = STANDARD.encode(identity.authority);
        Ok(Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), address, authority })
    }

    /// Where it is, and whom to believe.
    #[must_use]
    pub fn endpoint(&self) -> KubeEndpoint {
        KubeEndpoint { url: format!("https://{}", self.address), authority: self.authority.clone() }
    }

    /// The next connection; its handshake is still to come.
    pub(crate) async fn accept(&self) -> std::io::Result<Handshake> {
        let (stream, _) = self.listener.accept().await?;
        Ok(Handshake { stream, acceptor: self.acceptor.clone() })
    }
}

/// A connection that has yet to become secure.
pub(crate) struct Handshake {
    stream: TcpStream,
    acceptor: TlsAcceptor,
}

impl Handshake {
    pub(crate) async fn finish(self) -> std::io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(self.stream).await
    }
}
