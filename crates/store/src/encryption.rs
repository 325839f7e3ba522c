//! How connections are encrypted: `sslmode` and `sslrootcert` of an address, with the meanings that libpq gives them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::StoreError;

/// The name by which a server with `sslnegotiation=direct` knows the protocol.
const PROTOCOL: &[u8] = b"postgresql";

/// What an address asks of the encryption of its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// None.
    Disable,
    /// Where the server offers it, whoever the server is.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, and the certificate is of an authority of this file.
    VerifyAuthority(PathBuf),
    /// Always, and the certificate is of a known authority and for the name of the host.
    VerifyHost(Authorities),
}

/// The authorities whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorities {
    /// Those of the system.
    System,
    /// Those of a file in PEM.
    File(PathBuf),
}

impl Encryption {
    /// Takes its words from an address: returns the address without them, because its parser knows other ones.
    ///
    /// # Errors
    ///
    /// The reason for which words are wrong or do not go together.
    pub(crate) fn split(address: &str) -> Result<(String, Self), String> {
        // A password may hold a question mark.
        let host = address.find('@').map_or(0, |at| at + 1);
        let Some(query) = address[host..].find('?') else {
            return Ok((address.to_owned(), Self::Prefer));
        };
        let (head, query) = address.split_at(host + query);
        let (mut mode, mut certificates) = (None, None);
        let mut others = Vec::new();
        for parameter in query[1..].split('&') {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => {
                    let value = percent_decode_str(value).decode_utf8();
                    let value = value.map_err(|_| "sslrootcert is not valid UTF-8".to_owned())?;
                    certificates = Some(value.into_owned());
                }
                _ => others.push(parameter),
            }
        }
        let encryption = Self::of(mode, certificates.as_deref())?;
        let mut rest = head.to_owned();
        if !others.is_empty() {
            rest.push('?');
            rest.push_str(&others.join("&"));
        }
        Ok((rest, encryption))
    }

    fn of(mode: Option<&str>, certificates: Option<&str>) -> Result<Self, String> {
        Ok(match (mode, certificates) {
            (Some("disable"), None) => Self::Disable,
            (None | Some("prefer"), None) => Self::Prefer,
            (Some("require"), None) => Self::Require,
            (Some("verify-full"), None | Some("system")) => Self::VerifyHost(Authorities::System),
            // As libpq: any site has a certificate of one of the system's authorities.
            (Some("verify-ca"), None) | (Some("verify-ca" | "require"), Some("system")) => {
                return Err("the system's authorities need sslmode=verify-full".to_owned());
            }
            // As libpq: who names a file wants it compared.
            (Some("verify-ca" | "require"), Some(file)) => Self::VerifyAuthority(file.into()),
            (Some("verify-full"), Some(file)) => Self::VerifyHost(Authorities::File(file.into())),
            (None | Some("disable" | "prefer"), Some(_)) => {
                return Err("sslrootcert needs sslmode=verify-full, or verify-ca".to_owned());
            }
            (Some(_), _) => {
                return Err(
                    "sslmode is disable, prefer, require, verify-ca or verify-full".to_owned(),
                );
            }
        })
    }

    /// Whether connections are encrypted, as tokio-postgres knows it.
    pub(crate) fn mode(&self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyAuthority(_) | Self::VerifyHost(_) => SslMode::Require,
        }
    }

    /// What encrypts connections.
    ///
    /// # Errors
    ///
    /// Fails where the certificates of the authorities cannot be read.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect, StoreError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Self::Disable | Self::Prefer | Self::Require => Arc::new(LooseVerifier {
                authorities: None,
                algorithms: provider.signature_verification_algorithms,
            }),
            Self::VerifyAuthority(file) => Arc::new(LooseVerifier {
                authorities: Some(verifier_of(file, &provider)?),
                algorithms: provider.signature_verification_algorithms,
            }),
            Self::VerifyHost(Authorities::File(file)) => verifier_of(file, &provider)?,
            Self::VerifyHost(Authorities::System) => {
                let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider));
                Arc::new(verifier.map_err(|source| StoreError::Encryption { source })?)
            }
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| StoreError::Encryption { source })?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(MakeRustlsConnect::new(config))
    }
}

/// Compares certificates with the authorities of a file, and then with the name of the host.
fn verifier_of(
    file: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, StoreError> {
    let read = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let text = std::fs::read(file)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            roots.add(certificate?)?;
        }
        let provider = Arc::clone(provider);
        // Fails where there is no certificate.
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Ok(verifier.build()?)
    };
    read().map_err(|source| StoreError::Authorities {
        path: file.to_owned(),
        source,
    })
}

/// Compares a certificate with nothing, or only with authorities and not with the name of the host. That the server has
/// the certificate's key is always proven.
#[derive(Debug)]
struct LooseVerifier {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for LooseVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        match authorities.verify_server_cert(certificate, intermediates, name, ocsp_response, now) {
            // The name is compared last: all else is right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(parameters: &str) -> Result<(String, Encryption), String> {
        Encryption::split(&format!("postgres://shop:a?b@host/shop{parameters}"))
    }

    #[test]
    fn the_words_of_libpq() {
        let system = Encryption::VerifyHost(Authorities::System);
        let file = || PathBuf::from("/a b.pem");
        for (parameters, rest, encryption) in [
            ("", "", Encryption::Prefer),
            ("?sslmode=prefer", "", Encryption::Prefer),
            ("?sslmode=disable", "", Encryption::Disable),
            ("?a=b&sslmode=require&c=d", "?a=b&c=d", Encryption::Require),
            ("?sslmode=verify-full", "", system.clone()),
            ("?sslmode=verify-full&sslrootcert=system", "", system),
            (
                "?sslrootcert=/a%20b.pem&sslmode=verify-full",
                "",
                Encryption::VerifyHost(Authorities::File(file())),
            ),
            (
                "?sslrootcert=/a%20b.pem&sslmode=verify-ca",
                "",
                Encryption::VerifyAuthority(file()),
            ),
            (
                "?sslrootcert=/a%20b.pem&sslmode=require",
                "",
                Encryption::VerifyAuthority(file()),
            ),
        ] {
            let rest = format!("postgres://shop:a?b@host/shop{rest}");
            assert_eq!(split(parameters), Ok((rest, encryption)), "{parameters}");
        }
    }

    #[test]
    fn words_that_would_promise_more_than_they_keep() {
        for (parameters, reason) in [
            (
                "?sslmode=allow",
                "sslmode is disable, prefer, require, verify-ca or verify-full",
            ),
            (
                "?sslmode=verify-ca",
                "the system's authorities need sslmode=verify-full",
            ),
            (
                "?sslmode=require&sslrootcert=system",
                "the system's authorities need sslmode=verify-full",
            ),
            (
                "?sslrootcert=a.pem",
                "sslrootcert needs sslmode=verify-full, or verify-ca",
            ),
            (
                "?sslrootcert=a.pem&sslmode=prefer",
                "sslrootcert needs sslmode=verify-full, or verify-ca",
            ),
        ] {
            assert_eq!(split(parameters), Err(reason.to_owned()), "{parameters}");
        }
    }
}
