//! TLS towards a trace backend: whose word is taken for who it is, and who we are to it.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use super::{BadSettings, Settings};

/// A setting and OpenTelemetry's variables in its place.
type Names = [&'static str; 3];

const AUTHORITIES: Names = [
    "--otlp-certificate",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
const CLIENT: Names = [
    "--otlp-client-certificate",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
];
const KEY: Names =
    ["--otlp-client-key", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];

/// A file, and the name of what named it.
type Named = (&'static str, PathBuf);

/// For an endpoint that speaks no TLS: nobody is trusted.
pub fn unused() -> Result<Arc<ClientConfig>, BadSettings> {
    Ok(Arc::new(trusting(RootCertStore::empty())?.with_no_client_auth()))
}

/// From settings and environment.
pub fn of(
    settings: &Settings,
    given: impl Fn(&str) -> Option<String>,
) -> Result<Arc<ClientConfig>, BadSettings> {
    let file = |set: &Option<PathBuf>, names: Names| -> Option<Named> {
        let of_variable = |name: &'static str| Some((name, given(name)?.into()));
        let set = set.clone().map(|path| (names[0], path));
        set.or_else(|| names[1..].iter().find_map(|name| of_variable(name)))
    };
    let roots = match file(&settings.otlp_certificate, AUTHORITIES) {
        Some(named) => authorities(&named)?,
        None => usual_authorities(),
    };
    let certificate = file(&settings.otlp_client_certificate, CLIENT);
    let config = match (certificate, file(&settings.otlp_client_key, KEY)) {
        (None, None) => trusting(roots)?.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(&certificate)?;
            let secret = PrivateKeyDer::from_pem_file(&key.1).map_err(|e| unreadable(&key, &e))?;
            trusting(roots)?.with_client_auth_cert(chain, secret).map_err(|error| {
                wrong(&certificate, &format!("does not go with {}: {error}", key.1.display()))
            })?
        }
        (Some((name, _)), None) => {
            return Err(BadSettings::Tls { name, what: format!("set {} too", KEY[0]) });
        }
        (None, Some((name, _))) => {
            return Err(BadSettings::Tls { name, what: format!("set {} too", CLIENT[0]) });
        }
    };
    Ok(Arc::new(config))
}

fn trusting(
    roots: RootCertStore,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, BadSettings> {
    // Named, so that another crate's choice of a provider is no matter.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|error| BadSettings::Tls { name: "TLS", what: error.to_string() })?;
    Ok(builder.with_root_certificates(roots))
}

fn authorities(named: &Named) -> Result<RootCertStore, BadSettings> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(named)? {
        roots
            .add(certificate)
            .map_err(|error| wrong(named, &format!("cannot be an authority: {error}")))?;
    }
    Ok(roots)
}

/// Those that the machine trusts; in an image that holds nothing else, Mozilla's.
fn usual_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn certificates(named: &Named) -> Result<Vec<CertificateDer<'static>>, BadSettings> {
    let read = CertificateDer::pem_file_iter(&named.1).and_then(Iterator::collect);
    let list: Vec<_> = read.map_err(|error| unreadable(named, &error))?;
    if list.is_empty() {
        return Err(wrong(named, "holds no certificate in PEM form"));
    }
    Ok(list)
}

fn unreadable(named: &Named, error: &rustls::pki_types::pem::Error) -> BadSettings {
    use rustls::pki_types::pem::Error;
    match error {
        Error::NoItemsFound => wrong(named, "holds no key in PEM form"),
        Error::Io(error) => wrong(named, &format!("cannot be read: {error}")),
        error => wrong(named, &format!("is no PEM file: {error}")),
    }
}

fn wrong((name, path): &Named, what: &str) -> BadSettings {
    BadSettings::Tls { name, what: format!("{} {what}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate that vouches for itself, and its key, as files in `folder`.
    fn made(folder: &std::path::Path, name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["otel".to_owned()]).expect("a certificate");
        let write = |end: &str, text: String| {
            let path = folder.join(format!("{name}.{end}"));
            std::fs::write(&path, text).expect("a file");
            path.display().to_string()
        };
        (write("pem", made.cert.pem()), write("key", made.signing_key.serialize_pem()))
    }

    fn of(environment: &[(&str, &str)]) -> Result<Arc<ClientConfig>, String> {
        let read = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned())
        };
        super::of(&Settings::default(), read).map_err(|error| error.to_string())
    }

    #[test]
    fn without_files_what_the_machine_trusts_is_trusted() {
        let config = of(&[]).expect("it holds");
        assert!(!config.client_auth_cert_resolver.has_certs());
        assert!(!usual_authorities().is_empty());
    }

    #[test]
    fn opentelemetrys_variables_name_the_files_those_of_traces_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let ((certificate, key), (_, others)) =
            (made(folder.path(), "a"), made(folder.path(), "b"));
        for (names, client, of_key) in
            [(AUTHORITIES[1], CLIENT[1], KEY[1]), (AUTHORITIES[2], CLIENT[2], KEY[2])]
        {
            let all = [(names, &*certificate), (client, &certificate), (of_key, &key)];
            assert!(of(&all).expect("it holds").client_auth_cert_resolver.has_certs());
        }
        let both = [(AUTHORITIES[2], "/nowhere"), (AUTHORITIES[1], &certificate)];
        assert!(of(&both).is_ok());
        let mixed = [(CLIENT[2], &*certificate), (KEY[2], &others)];
        let error = of(&mixed).expect_err("not its key");
        assert!(error.starts_with(CLIENT[2]) && error.contains("does not go with"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_the_name_of_its_setting() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = made(folder.path(), "a");
        for (environment, part) in [
            (&[(AUTHORITIES[2], "/nowhere.pem")][..], "/nowhere.pem cannot be read"),
            (&[(AUTHORITIES[1], &*key)], "holds no certificate in PEM form"),
            (&[(CLIENT[2], &*certificate), (KEY[2], &*certificate)], "holds no key in PEM form"),
            (&[(CLIENT[2], &*certificate)], "set --otlp-client-key too"),
            (&[(KEY[1], &*key)], "set --otlp-client-certificate too"),
        ] {
            let error = of(environment).expect_err("refused");
            let named = environment.last().expect("a variable").0;
            assert!(error.starts_with(named) && error.contains(part), "{error}");
        }
    }
}
