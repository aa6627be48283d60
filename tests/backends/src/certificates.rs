//! Certificates made for one test: an authority and whom it vouches for.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// An authority, with its files in a folder of its own.
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
pub struct Certified {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, which nobody trusts yet. Two of one name would be taken for the same.
    ///
    /// # Errors
    /// When there is no place for its files.
    pub fn new(name: &str) -> anyhow::Result<Authority> {
        let folder = tempfile::Builder::new().prefix("wasm-tracer-authority").tempdir()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        std::fs::write(folder.path().join("authority.pem"), params.self_signed(&key)?.pem())?;
        Ok(Authority { folder, issuer: Issuer::new(params, key) })
    }

    /// Its own certificate, PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A certificate for a host's name or address.
    ///
    /// # Errors
    /// When the name is none, or the files cannot be written.
    pub fn vouch_for(&self, name: &str) -> anyhow::Result<Certified> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &self.issuer)?;
        let file = |end: &str, text: String| write(self.folder.path(), name, end, &text);
        Ok(Certified {
            certificate: file("pem", certificate.pem())?,
            key: file("key", key.serialize_pem())?,
        })
    }
}

fn write(folder: &Path, name: &str, end: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{name}.{end}"));
    std::fs::write(&path, text)?;
    Ok(path)
}
