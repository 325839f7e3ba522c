//! Encrypted connections, through a proxy that encrypts: the PostgreSQL of the tests is built without it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use search::{Query, Similarity};
use store::{PostgresStore, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::cluster::{PASSWORD, Server, three};
use crate::data::{loaded, options, settings, shop, vectors_of};

/// What a client sends first to ask for encryption: eight bytes, and the number of the request.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// An authority, with its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new([]).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let number = std::fs::read_dir(folder).expect("the folder").count();
        // A blank, which an address has to escape.
        let file = folder.join(format!("{name} {number}.pem"));
        std::fs::write(&file, certificate.pem()).expect("its file");
        let issuer = Issuer::new(parameters, key);
        Self { issuer, file }
    }

    /// How a server encrypts whose certificate is for `hosts`.
    fn server(&self, hosts: &[&str], last_year: i32) -> ServerConfig {
        let key = KeyPair::generate().expect("a key");
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts).expect("parameters");
        parameters.not_after = rcgen::date_time_ymd(last_year, 12, 31);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the key");
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate")
    }
}

/// A server that encrypts, in front of one that does not.
struct Proxy {
    port: u16,
    /// Connections that were encrypted.
    encrypted: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Proxy {
    fn start(server: &Server, config: ServerConfig) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let encrypted = Arc::new(AtomicUsize::new(0));
        let (counter, server) = (Arc::clone(&encrypted), server.port);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
                // A client that refuses the certificate ends its connection.
                tokio::spawn(async move { forward(client, server, &acceptor, &counter).await });
            }
        });
        Self {
            port,
            encrypted,
            _runtime: runtime,
        }
    }

    /// An address of it, with `parameters` after the `?`.
    fn address(&self, host: &str, parameters: &str) -> String {
        let password = PASSWORD.replace('@', "%40").replace(' ', "%20");
        format!(
            "postgres://shop:{password}@{host}:{}/postgres?{parameters}",
            self.port
        )
    }
}

async fn forward(
    mut client: TcpStream,
    server: u16,
    acceptor: &TlsAcceptor,
    encrypted: &AtomicUsize,
) -> std::io::Result<()> {
    let mut request = [0; REQUEST.len()];
    client.read_exact(&mut request).await?;
    if request != REQUEST {
        return Err(std::io::Error::other("a connection without encryption"));
    }
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    encrypted.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// The words of an address that name a file.
fn verified(mode: &str, file: &Path) -> String {
    let file = file.display().to_string().replace(' ', "%20");
    format!("sslmode={mode}&sslrootcert={file}")
}

/// What becomes of opening a store that is not there: an error of its connection, or that it is not there.
fn opened(address: &str) -> String {
    let error = PostgresStore::open(&[address], options("none")).expect_err("an error");
    if matches!(error, StoreError::NoStore { .. }) {
        return "connected".to_owned();
    }
    let message = error.to_string();
    assert!(
        !message.contains('\n') && !message.contains("ss%20word"),
        "{message}"
    );
    message
}

#[test]
fn a_store_over_encrypted_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path(), "authority");
    let config = authority.server(&["localhost", "127.0.0.1"], 4000);
    let proxy = Proxy::start(&three()[0], config);
    let documents = shop(200);
    let vectors = vectors_of(&documents, 8);
    let address = proxy.address("localhost", &verified("verify-full", &authority.file));
    let store = loaded(
        &[address],
        options("encrypted"),
        &settings(8, Similarity::Cosine),
        &documents,
        &vectors,
    );
    let query = Query {
        vector: vectors[0].clone(),
        text: documents[0].texts[0].clone(),
        k: 5,
        ..Query::default()
    };
    assert_eq!(store.answer(&query).expect("an answer").hits.len(), 5);
    assert!(proxy.encrypted.load(Ordering::Relaxed) > 0);
    // The proxy takes no other connections.
    let plain = opened(&proxy.address("localhost", "sslmode=disable"));
    assert!(plain.contains("cannot be reached"), "{plain}");
}

#[test]
fn certificates_are_compared_as_the_address_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path(), "authority");
    let other = Authority::new(folder.path(), "other");
    let same_name = Authority::new(folder.path(), "authority");
    let proxy = Proxy::start(&three()[0], authority.server(&["db.example"], 4000));
    let server = format!("127.0.0.1:{}/postgres", proxy.port);
    let open = |parameters: &str| opened(&proxy.address("127.0.0.1", parameters));
    for parameters in [
        String::new(),
        "sslmode=prefer".to_owned(),
        "sslmode=require".to_owned(),
        verified("require", &authority.file),
        verified("verify-ca", &authority.file),
    ] {
        assert_eq!(open(&parameters), "connected", "{parameters}");
    }
    assert_eq!(
        open(&verified("verify-full", &authority.file)),
        format!("{server} has a certificate for db.example, not for its own name")
    );
    for other in [&other, &same_name] {
        for mode in ["require", "verify-ca", "verify-full"] {
            assert_eq!(
                open(&verified(mode, &other.file)),
                format!(
                    "{server} has a certificate of an unknown authority: write sslrootcert=FILE with the authority's \
                     certificate"
                )
            );
        }
    }
    let expired = Proxy::start(&three()[0], authority.server(&["127.0.0.1"], 2020));
    let message = opened(&expired.address("127.0.0.1", &verified("verify-ca", &authority.file)));
    assert!(
        message.starts_with(&format!(
            "127.0.0.1:{}/postgres cannot be reached with encryption: invalid peer certificate: certificate expired",
            expired.port
        )),
        "{message}"
    );
}

#[test]
fn a_server_without_encryption_and_files_without_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = &three()[0];
    let open = |parameters: &str| opened(&format!("{}?{parameters}", server.address()));
    for parameters in ["", "sslmode=disable", "sslmode=prefer"] {
        assert_eq!(open(parameters), "connected", "{parameters}");
    }
    assert_eq!(
        open("sslmode=require"),
        format!(
            "127.0.0.1:{}/postgres takes no encrypted connections: set ssl = on in its postgresql.conf, or write \
             sslmode=disable",
            server.port
        )
    );
    assert_eq!(
        open("sslmode=verify-ca"),
        "address 1 of the store cannot be read (the system's authorities need sslmode=verify-full); write \
         postgres://user:password@host:port/database"
    );
    let missing = folder.path().join("missing.pem");
    let unreadable = |path: &Path, reason: &str| {
        assert_eq!(
            open(&verified("verify-full", path)),
            format!(
                "{}: the certificates of sslrootcert cannot be read: {reason}; it must be a file in PEM",
                path.display()
            )
        );
    };
    unreadable(&missing, "No such file or directory (os error 2)");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").expect("a file");
    unreadable(&empty, "no root trust anchors were provided");
}
