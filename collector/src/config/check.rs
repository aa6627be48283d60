//! From settings to a configuration that holds: defaults filled in, exposure judged.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{Links, Otlp, Settings, Token, file};
use crate::export::Naming;

/// Settings that were checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Serves everything.
    pub listen: SocketAddr,
    /// Serves everything but ingest.
    pub public_listen: Option<SocketAddr>,
    /// Folder of the store.
    pub data: PathBuf,
    /// Demanded for ingest.
    pub ingest_token: Option<Token>,
    /// Demanded for reading.
    pub read_token: Option<Token>,
    /// Bounds of what is taken.
    pub limits: Limits,
    /// Bounds of what is kept.
    pub retention: Retention,
    /// What trace backends are told of all timelines.
    pub naming: Naming,
    /// Where else people look.
    pub links: Links,
    /// Which trace backend timelines are sent to.
    pub otlp: Option<Otlp>,
}

/// Bounds of what is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one body.
    pub body_bytes: usize,
    /// Bytes of bodies being worked on.
    pub in_flight_bytes: usize,
    /// Age of a batch by the host's clock.
    pub batch_age: Duration,
    /// Bytes of one string in a batch.
    pub string_bytes: usize,
    /// Events, streams and roots in one batch, each.
    pub items: usize,
    /// Open timelines in memory.
    pub open_timelines: usize,
}

/// Bounds of what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// How long timelines are kept.
    pub age: Duration,
    /// Bytes of all slices.
    pub bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes after which a new slice is begun.
    pub slice_bytes: u64,
    /// Time after which a new slice is begun.
    pub slice_age: Duration,
    /// How long sequence numbers are remembered after an instance's last batch.
    pub marks: Duration,
}

/// Why the collector does not start.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The file cannot be read.
    #[error("cannot read the settings file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something that is no setting.
    #[error("the settings file {} is wrong: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        what: String,
    },
    /// An environment variable that is no setting.
    #[error("{0} is not a setting; see --help for the names, or unset it")]
    Variable(String),
    /// Ingest without a token beyond this machine.
    #[error(
        "{0} is reachable from beyond this machine: set --ingest-token (WASM_TRACER_COLLECTOR_INGEST_TOKEN), or listen on 127.0.0.1 and use --public-listen for reading"
    )]
    IngestExposed(SocketAddr),
    /// Reading without a token beyond this machine.
    #[error(
        "{0} is reachable from beyond this machine: set --read-token (WASM_TRACER_COLLECTOR_READ_TOKEN), or say --public-read"
    )]
    ReadExposed(SocketAddr),
    /// Both at once say opposite things.
    #[error("--public-read and --read-token contradict each other; keep one")]
    PublicAndToken,
    /// A number out of its range.
    #[error("{name} must be at least {least}")]
    TooSmall {
        /// The setting.
        name: &'static str,
        /// Its least value.
        least: u32,
    },
    /// A token nobody could send.
    #[error("{0} must not be empty, and consist of visible ASCII characters")]
    BadToken(&'static str),
    /// An endpoint that nothing can be sent to.
    #[error("{name} must be a URL like http://localhost:4318, not {value:?}")]
    BadEndpoint {
        /// The setting.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// A base URL of links that is none.
    #[error("{name} must be a URL like http://localhost:3000, not {value:?}")]
    BadBase {
        /// The setting.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// What TLS needs.
    #[error("{name}: {what}")]
    Tls {
        /// The setting.
        name: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A time that is none.
    #[error("{name} must be a number of milliseconds, not {value:?}")]
    BadTimeout {
        /// The setting.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// A protocol that is not spoken.
    #[error("{name} must be http/protobuf or grpc, not {value:?}")]
    BadProtocol {
        /// The setting.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// Something is to be sent, and nowhere to.
    #[error(
        "--otlp-sample and --otlp-own-spans need --otlp-endpoint, or OTEL_EXPORTER_OTLP_ENDPOINT"
    )]
    NoEndpoint,
    /// There is no place for the store.
    #[error("no folder for the store: set --data, XDG_DATA_HOME or HOME")]
    NoFolder,
}

impl Settings {
    /// Reads the file, fills in defaults, judges exposure.
    pub fn check(self) -> Result<Config, BadSettings> {
        let from_file = self.config.as_deref().map(file::read).transpose()?;
        let settings = self.or(from_file.unwrap_or_default());
        let kept = (at_least("--retention-mib", settings.retention_mib, 2048, 1)? as u64) << 20;
        let config = Config {
            listen: settings.listen.unwrap_or((Ipv4Addr::LOCALHOST, 4000).into()),
            public_listen: settings.public_listen,
            ingest_token: token("--ingest-token", settings.ingest_token.as_deref())?,
            read_token: token("--read-token", settings.read_token.as_deref())?,
            limits: Limits {
                body_bytes: at_least("--max-body-kib", settings.max_body_kib, 1024, 1)? << 10,
                in_flight_bytes: at_least(
                    "--max-in-flight-mib",
                    settings.max_in_flight_mib,
                    32,
                    1,
                )? << 20,
                batch_age: hours("--max-batch-age-hours", settings.max_batch_age_hours)?,
                string_bytes: 4096,
                items: 1 << 16,
                open_timelines: at_least(
                    "--max-open-timelines",
                    settings.max_open_timelines,
                    200_000,
                    1,
                )?,
            },
            retention: Retention {
                age: hours("--retention-hours", settings.retention_hours)?,
                bytes: kept,
                journal_bytes: (at_least("--journal-mib", settings.journal_mib, 1024, 1)? as u64)
                    << 20,
                // Space is freed by the slice: each is a small part of all.
                slice_bytes: (256 << 20).min(kept / 8),
                slice_age: Duration::from_secs(3600),
                marks: Duration::from_secs(24 * 3600),
            },
            links: Links::of(&settings)?,
            naming: Naming::from_environment(environment),
            otlp: Otlp::of(&settings, environment)?,
            data: settings.data.or_else(default_folder).ok_or(BadSettings::NoFolder)?,
        };
        exposure(&config, settings.public_read == Some(true))?;
        Ok(config)
    }
}

fn exposure(config: &Config, public_read: bool) -> Result<(), BadSettings> {
    if public_read && config.read_token.is_some() {
        return Err(BadSettings::PublicAndToken);
    }
    if !config.listen.ip().is_loopback() && config.ingest_token.is_none() {
        return Err(BadSettings::IngestExposed(config.listen));
    }
    let exposed = [Some(config.listen), config.public_listen]
        .into_iter()
        .flatten()
        .find(|address| !address.ip().is_loopback());
    match exposed {
        Some(address) if config.read_token.is_none() && !public_read => {
            Err(BadSettings::ReadExposed(address))
        }
        _ => Ok(()),
    }
}

fn token(name: &'static str, secret: Option<&str>) -> Result<Option<Token>, BadSettings> {
    match secret {
        Some(s) if s.is_empty() || !s.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(BadSettings::BadToken(name))
        }
        other => Ok(other.map(Token::new)),
    }
}

fn at_least(
    name: &'static str,
    value: Option<u32>,
    default: u32,
    least: u32,
) -> Result<usize, BadSettings> {
    let value = value.unwrap_or(default);
    if value < least { Err(BadSettings::TooSmall { name, least }) } else { Ok(value as usize) }
}

fn hours(name: &'static str, value: Option<u32>) -> Result<Duration, BadSettings> {
    Ok(Duration::from_secs(at_least(name, value, 24, 1)? as u64 * 3600))
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn default_folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base =
        absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|h| h.join(".local/share")))?;
    Some(base.join("wasm-tracer"))
}
