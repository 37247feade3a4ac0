//! TLS configuration of the HTTP client: the certificates that the system trusts.
//!
//! Invariant: the certificates are read and parsed once per process.
//! Not here: credentials and their token requests, which use a TLS configuration of their own (`auth`).
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::sync::{Arc, LazyLock};

/// The configuration of all clients of this process, or the reason why there is none. A clone shares the certificates.
static CONFIG: LazyLock<Result<ClientConfig, String>> = LazyLock::new(load);

/// Returns the TLS configuration.
///
/// # Errors
/// If the system has no usable certificate; the text is the reason.
pub fn client_config() -> Result<ClientConfig, String> {
    CONFIG.clone()
}

fn load() -> Result<ClientConfig, String> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system can have certificates that rustls does not accept, for example very old ones.
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let reasons: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
        return Err(format!("the system has no usable trusted certificate: {}", reasons.join("; ")));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificates_are_read_once_per_process() {
        let [first, second] = [client_config(), client_config()].map(Result::unwrap);
        assert!(Arc::ptr_eq(first.crypto_provider(), second.crypto_provider()));
        assert_eq!(first.alpn_protocols, [b"http/1.1"]);
    }
}
