//! Encrypted: with a certificate of the tests' own, whose key is worth nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::world::Server;
use crate::http::{Gate, Tls, router, serve};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/http/tests/tls")
        .join(name)
}

#[tokio::test]
async fn whoever_connects_is_answered_encrypted_or_not_at_all() {
    let server = Server::start().await;
    let mut services = server.services.clone();
    services.gate = Gate::loopback().reached_through(true, Vec::new());
    let tls = Tls::read(&file("certificate.pem"), &file("key.pem")).expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let serving = serve(listener, router(services), shutdown.clone(), Some(tls));
    let asking = async {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(file("certificate.pem")).expect("PEM");
        roots.add(certificate).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = TcpStream::connect(address).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = connector.connect(name, stream).await.expect("encrypted");
        let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        let mut answer = Vec::new();
        // Whether the end is announced is not asked here.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
        assert!(
            answer.contains("strict-transport-security: max-age="),
            "{answer}"
        );

        let mut plain = TcpStream::connect(address).await.expect("connected");
        plain.write_all(request).await.expect("sent");
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("HTTP/1.1"), "{answer}");
        shutdown.cancel();
    };
    let (served, ()) = tokio::join!(serving, asking);
    served.expect("served");
}

#[test]
fn a_certificate_that_can_not_be_used_is_named() {
    let (certificate, key) = (file("certificate.pem"), file("key.pem"));
    for (certificate, key, what) in [
        (&file("none.pem"), &key, "none.pem"),
        (&key, &key, "holds no certificate"),
        (&certificate, &certificate, "certificate.pem"),
    ] {
        let error = Tls::read(certificate, key).expect_err("refused");
        assert!(error.contains(what), "{error}");
    }
}
