//! How hosts differ in what they make of a returned number (host-semantics §1.3).

use crate::AbiVersion;

/// The program that runs the plugin, as far as it changes the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Stock Envoy, and Istio's.
    Envoy,
    /// Higress's Envoy.
    Higress,
}

impl Host {
    /// Its name in options and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Host::Envoy => "envoy",
            Host::Higress => "higress",
        }
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Host> {
        [Host::Envoy, Host::Higress].into_iter().find(|h| h.name() == name)
    }
}

/// What number 1, returned from a headers phase, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadersStop {
    /// Real StopIteration: the headers are held, the body phase is called, and a Continue there
    /// releases the headers.
    Iteration,
    /// Turned into StopAllIterationAndWatermark: no body phase until a resume.
    All,
    /// Not known: stock Envoy with an unseen `allow_on_headers_stop_iteration`.
    Unknown,
}

impl HeadersStop {
    /// Its name in scripts and JSON.
    pub fn name(self) -> &'static str {
        match self {
            HeadersStop::Iteration => "iteration",
            HeadersStop::All => "all",
            HeadersStop::Unknown => "unknown",
        }
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<HeadersStop> {
        let all = [HeadersStop::Iteration, HeadersStop::All, HeadersStop::Unknown];
        all.into_iter().find(|stop| stop.name() == name)
    }
}

/// The rules under which one VM runs: from tables until what the VM is seen to do says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// The host, if known.
    pub host: Option<Host>,
    /// The module's ABI version, if known.
    pub abi: Option<AbiVersion>,
    /// What number 1 from a headers phase does.
    pub headers_stop: HeadersStop,
    /// Seen, not looked up.
    pub calibrated: bool,
}

impl Dialect {
    /// What the tables say about a host and an ABI version.
    ///
    /// Higress binds a 0.2.100 module's headers callback to its own signature and lets 1 through
    /// (`higress-group/proxy-wasm-cpp-host src/context.cc`); older modules are treated as on stock
    /// Envoy without the knob, which Higress's 1.27-based Envoy lacks. On stock Envoy the knob decides.
    pub fn from_tables(host: Option<Host>, abi: Option<AbiVersion>) -> Dialect {
        let headers_stop = match (host, abi) {
            (Some(Host::Higress), Some(AbiVersion::V0_2_100)) => HeadersStop::Iteration,
            (Some(Host::Higress), Some(_)) => HeadersStop::All,
            _ => HeadersStop::Unknown,
        };
        Dialect { host, abi, headers_stop, calibrated: false }
    }

    /// The same with what was seen of number 1: seen wins over any table.
    pub fn calibrate(self, headers_stop: HeadersStop) -> Dialect {
        Dialect { headers_stop, calibrated: true, ..self }
    }
}
