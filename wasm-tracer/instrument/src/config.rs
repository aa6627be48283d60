//! The configuration that is baked into the recorder, in the layout of [`abi::graft::config`].

use abi::graft::config as tag;

use crate::Refusal;
use crate::options::Options;
use crate::plan::Plan;

/// What identifies the original, baked beside the options.
pub(crate) struct Origin<'a> {
    /// SHA-256 of the original module.
    pub sha256: [u8; 32],
    /// Guess of the SDK.
    pub sdk: &'a str,
    /// Pages that the memory may have in all, if the module declares it.
    pub memory_maximum: Option<u32>,
}

/// Writes the configuration's bytes, no longer than [`tag::SIZE`].
pub(crate) fn bake(
    options: &Options,
    plan: &Plan,
    origin: &Origin<'_>,
) -> Result<Vec<u8>, Refusal> {
    let headers = options.headers.join(",").to_lowercase();
    let mut entries = Entries::default();
    entries.text(tag::CLUSTER, Some(&options.cluster));
    entries.text(tag::AUTHORITY, options.authority.as_deref());
    entries.number(tag::RATE_MILLIONTHS, options.rate_millionths());
    entries.number(tag::BUFFER_BYTES, options.buffer_bytes);
    entries.number(tag::FLUSH_MILLIS, options.flush_millis);
    entries.number(tag::HEARTBEAT_SECONDS, options.heartbeat_seconds);
    entries.text(tag::HEADERS, Some(&headers));
    entries.number(tag::LOG_LEVEL, options.log_level);
    entries.flag(tag::ENABLED, options.enabled);
    entries.number(tag::WARN_SECONDS, options.warn_seconds);
    entries.flag(tag::ALL_HOSTCALLS, options.record_all_hostcalls.then_some(true));
    entries.flag(tag::NAME_EARLY, options.name_early.then_some(true));
    entries.text(tag::ABI, Some(plan.abi.name()));
    entries.text(tag::HOST, Some(plan.host.name()));
    entries.text(tag::SDK, Some(origin.sdk));
    entries.bytes(tag::ORIGINAL_SHA256, &origin.sha256);
    let callbacks = plan.exported_callbacks.iter().fold(0u64, |bits, c| bits | 1 << c.number());
    entries.bytes(tag::CALLBACKS, &callbacks.to_le_bytes());
    let mut hostcalls: Vec<u8> =
        plan.imports.iter().filter_map(|i| i.hostcall).map(|h| h.number() as u8).collect();
    hostcalls.sort_unstable();
    hostcalls.dedup();
    entries.bytes(tag::HOSTCALLS, &hostcalls);
    entries.text(tag::TRACER_VERSION, Some(crate::VERSION));
    entries.number(tag::MEMORY_MAXIMUM, origin.memory_maximum);
    entries.finish()
}

/// Entries under their tags.
#[derive(Default)]
struct Entries(Vec<u8>);

impl Entries {
    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        // An entry longer than its length field is longer than the whole, too: `finish` refuses it.
        self.0.push(tag);
        self.0.extend((bytes.len() as u16).to_le_bytes());
        self.0.extend(bytes);
    }

    fn text(&mut self, tag: u8, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.bytes(tag, text.as_bytes());
        }
    }

    fn number(&mut self, tag: u8, number: Option<u32>) {
        if let Some(number) = number {
            self.bytes(tag, &number.to_le_bytes());
        }
    }

    fn flag(&mut self, tag: u8, flag: Option<bool>) {
        if let Some(flag) = flag {
            self.bytes(tag, &[flag.into()]);
        }
    }

    fn finish(self) -> Result<Vec<u8>, Refusal> {
        let size = self.0.len() + 2;
        if size > tag::SIZE {
            return Err(Refusal::ConfigurationTooLarge { size, limit: tag::SIZE });
        }
        let mut bytes = (self.0.len() as u16).to_le_bytes().to_vec();
        bytes.extend(self.0);
        Ok(bytes)
    }
}
