//! TLS to a real OpenTelemetry Collector, with certificates made here: both sides prove who they are, and
//! whoever does not gets nothing, says why once, and harms nobody else.

#[path = "../../../collector/tests/support/mod.rs"]
mod support;

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use backends::{Authority, Certified, OpenTelemetryCollector};
use collector::{Protocol, Settings};
use e2e::soon;
use support::{Collector, Recorder, bytes};

/// What the collectors of this process log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
        log
    })
}

fn logged() -> String {
    let log = log().0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&log).into_owned()
}

/// Where collectors said that they cannot send.
fn warnings() -> Vec<String> {
    let is_it = |line: &&str| line.contains("the trace backend takes no timelines");
    logged().lines().filter(is_it).map(str::to_owned).collect()
}

fn counted(result: &str) -> String {
    format!("wasm_tracer_otlp_timelines_total{{result=\"{result}\"}}")
}

struct Backend {
    backend: OpenTelemetryCollector,
    authority: Authority,
    client: Certified,
}

impl Backend {
    fn start() -> Backend {
        log();
        let authority = Authority::new("ours").expect("an authority");
        let server = authority.vouch_for("127.0.0.1").expect("a certificate");
        let client = authority.vouch_for("wasm-tracer").expect("a certificate");
        let backend = OpenTelemetryCollector::start_with_tls(&server, &authority);
        Backend { backend: backend.unwrap_or_else(|e| panic!("{e:#}")), authority, client }
    }

    /// A collector that sends to it, trusting `authority`.
    fn sender(&self, protocol: Protocol, authority: &Authority, as_client: bool) -> Collector {
        Collector::with(|settings: &mut Settings| {
            settings.otlp_endpoint = Some(match protocol {
                Protocol::Http => self.backend.http(),
                Protocol::Grpc => self.backend.grpc(),
            });
            settings.otlp_protocol = Some(protocol);
            settings.otlp_certificate = Some(authority.certificate());
            if as_client {
                settings.otlp_client_certificate = Some(self.client.certificate.clone());
                settings.otlp_client_key = Some(self.client.key.clone());
            }
        })
    }

    /// Nothing arrives, the drops are counted, the reason is said once, and the line that says it is
    /// answered; all else goes on.
    fn refuses(&self, collector: &Collector) -> String {
        let before = warnings().len();
        for instance in 1..=2 {
            let recorder = &mut Recorder::named(instance, "auth");
            assert_eq!(collector.send(&bytes(&recorder.requests(2))).0, 200);
            collector.until_metric(&counted("failed"), |n| n == f64::from(instance) * 2.0);
        }
        assert_eq!(collector.closed(4).len(), 4, "the collector has them itself");
        assert_eq!(collector.get("/healthz", &[]).0, 200);
        assert!(self.backend.taken().is_empty());
        let said = warnings().split_off(before);
        assert_eq!(said.len(), 1, "said once: {said:?}");
        said.concat()
    }
}

#[test]
fn timelines_arrive_when_both_prove_who_they_are() {
    let backend = Backend::start();
    for (at, protocol) in [Protocol::Http, Protocol::Grpc].into_iter().enumerate() {
        let collector = backend.sender(protocol, &backend.authority, true);
        assert_eq!(collector.send(&bytes(&Recorder::named(1, "auth").requests(3))).0, 200);
        collector.until_metric(&counted("sent"), |n| n == 3.0);
        soon("the spans", || (backend.backend.taken().len() > at).then_some(()));
    }
}

/// One test: what is counted in the log must be of one collector at a time.
#[test]
fn whoever_does_not_prove_who_they_are_gets_nothing_or_gives_nothing() {
    let backend = Backend::start();
    let other = Authority::new("another").expect("an authority");
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let said = backend.refuses(&backend.sender(protocol, &other, true));
        assert!(said.contains("invalid peer certificate: UnknownIssuer"), "{said}");
        // Why the backend hung up is not always read before the connection is gone.
        let said = backend.refuses(&backend.sender(protocol, &backend.authority, false));
        assert!(!said.contains("invalid peer certificate"), "{said}");
    }
}
