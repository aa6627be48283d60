//! VMs as JSON. Public API: fields are added, never changed.

use std::sync::Arc;

use serde::Serialize;
use timeline::black_box::Panic;
use timeline::delivery::{OpenInvocation, Root};
use utoipa::ToSchema;

use super::view::GapView;
use crate::decode::{Fuse, SourceTotals};
use crate::pipeline::Report;
use crate::ui::{self, Language};

/// An instance.
#[derive(Debug, Serialize, ToSchema)]
pub struct InstanceView {
    /// 32 hex digits.
    pub id: String,
    /// Envoy's node id.
    pub node: String,
    /// Version of its recorder.
    pub tracer_version: String,
    /// Guess.
    pub sdk: String,
    /// SHA-256 of the module that was instrumented, 64 hex digits; absent: its recorder does not say.
    pub original_sha256: Option<String>,
    /// ABI version.
    pub abi: Option<&'static str>,
    /// Host it was instrumented for.
    pub host: Option<&'static str>,
    /// Names of its plugins.
    pub plugins: Vec<String>,
    /// Its plugins as they come and go: one for each configuration that was pushed.
    pub roots: Vec<RootView>,
    /// Up to here its events are complete but for the gaps, in microseconds of its own clock.
    pub known_until_micros: u64,
    /// Timelines that grow.
    pub open_timelines: usize,
    /// Streams seen; 0: a canary or the main thread's VM.
    pub streams_seen: u64,
    /// Missing events.
    pub gaps: Vec<GapView>,
    /// It said that no more comes.
    pub is_final: bool,
    /// Invocations that were open when it trapped, the outermost first; empty: it lives, or left no
    /// black box.
    pub black_box: Vec<OpenView>,
    /// Nothing is heard of it, though streams are open in it and it left no black box.
    pub silence: Option<SilenceView>,
    /// Its recorder turned itself down; absent: it records.
    pub fuse: Option<FuseView>,
    /// How often its recorder turned itself down.
    pub fuse_trips: u64,
    /// Log lines of the plugins that its recorder had no room for.
    pub log_lines_dropped: u64,
    /// What its recorder counted since the instance began; absent: no count of it has come.
    pub at_source: Option<AtSourceView>,
}

/// What a recorder counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct AtSourceView {
    /// Events made.
    pub events: u64,
    /// Events lost before they were shipped.
    pub events_lost: u64,
    /// Streams not recorded because its buffer was nearly full.
    pub streams_refused: u64,
    /// Streams that it had no room to watch.
    pub streams_not_watched: u64,
    /// Shipments that the host refused to dispatch.
    pub shipments_refused: u64,
    /// Memory of the VM.
    pub memory_bytes: u64,
}

impl AtSourceView {
    fn of(counted: &SourceTotals) -> AtSourceView {
        AtSourceView {
            events: counted.events,
            events_lost: counted.events_lost,
            streams_refused: counted.streams_refused,
            streams_not_watched: counted.streams_not_watched,
            shipments_refused: counted.shipments_refused,
            memory_bytes: counted.memory_bytes,
        }
    }
}

/// A plugin with one configuration, in one VM.
#[derive(Debug, Serialize, ToSchema)]
pub struct RootView {
    /// Id of the root context.
    pub context: u32,
    /// Name of the plugin.
    pub plugin: String,
    /// Its root id.
    pub root: String,
    /// When it was created, in microseconds of the instance's clock.
    pub since_micros: u64,
    /// It has ended: its configuration was replaced, or the plugin was removed.
    pub ended: bool,
}

impl InstanceView {
    /// Of an instance.
    pub fn of(report: &Report) -> InstanceView {
        let status = &report.status;
        InstanceView {
            id: status.id.to_string(),
            node: status.node.to_string(),
            tracer_version: status.module.tracer_version.clone(),
            sdk: status.module.sdk.clone(),
            original_sha256: report.original.map(|hash| ui::hex(&hash)),
            abi: status.module.abi.map(|abi| abi.name()),
            host: status.module.host.map(|host| host.name()),
            plugins: names(&status.roots),
            roots: status.roots.iter().map(|root| RootView::of(root)).collect(),
            known_until_micros: status.known_until.0,
            open_timelines: status.open_timelines,
            streams_seen: status.streams_seen,
            gaps: status.gaps.iter().map(GapView::of).collect(),
            is_final: status.is_final,
            black_box: status.black_box.iter().map(OpenView::of).collect(),
            silence: status.silence.map(|silence| SilenceView {
                since_micros: silence.since.0,
                open_timelines: silence.open,
            }),
            fuse: report.fuse.as_ref().map(FuseView::of),
            fuse_trips: report.at_source.map_or(0, |counted| counted.fuse_trips),
            log_lines_dropped: report.at_source.map_or(0, |counted| counted.log_lines_dropped),
            at_source: report.at_source.as_ref().map(AtSourceView::of),
        }
    }
}

impl RootView {
    fn of(root: &Root) -> RootView {
        RootView {
            context: root.context.0,
            plugin: root.plugin.clone(),
            root: root.root_id.clone(),
            since_micros: root.since.0,
            ended: root.ended,
        }
    }
}

/// Names of plugins, each once.
fn names(roots: &[Arc<Root>]) -> Vec<String> {
    let mut names = Vec::<String>::new();
    for root in roots {
        if !names.contains(&root.plugin) {
            names.push(root.plugin.clone());
        }
    }
    names
}

/// An invocation in which a plugin trapped.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenView {
    /// Name of the callback in script notation.
    pub callback: Option<&'static str>,
    /// Its context argument.
    pub context: u32,
    /// The root of its context, 0 if not known.
    pub root: u32,
    /// The call that it answered, 0 for none.
    pub call: u32,
    /// When it was entered, in microseconds of the instance's clock.
    pub since_micros: u64,
    /// What went wrong, as far as the plugin's last words say.
    pub message: Option<String>,
    /// File and line, as far as they say.
    pub place: Option<String>,
    /// The plugin's last words.
    pub last_log: String,
}

impl OpenView {
    fn of(open: &OpenInvocation) -> OpenView {
        let panic = Panic::of(&open.last_log);
        OpenView {
            callback: open.callback.map(|callback| callback.row().name),
            context: open.context.0,
            root: open.root.0,
            call: open.call.0,
            since_micros: open.since.0,
            message: panic.as_ref().map(|panic| panic.message.clone()),
            place: panic.and_then(|panic| panic.place),
            last_log: open.last_log.clone(),
        }
    }
}

/// A silence that nothing explains.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceView {
    /// Up to here its events are known, in microseconds of its clock.
    pub since_micros: u64,
    /// Timelines that were open.
    pub open_timelines: u32,
}

/// A recorder that turned itself down to heartbeats.
#[derive(Debug, Serialize, ToSchema)]
pub struct FuseView {
    /// `time_share`, `loss`, `memory`, `order` or `unknown`.
    pub reason: &'static str,
    /// The same for people.
    pub sentence: &'static str,
    /// Since when, in microseconds of the instance's clock.
    pub since_micros: u64,
    /// From then on it is turned up again, if the reason no longer holds.
    pub until_micros: u64,
}

impl FuseView {
    fn of(fuse: &Fuse) -> FuseView {
        FuseView {
            reason: fuse.reason,
            sentence: ui::fuse(fuse.reason).of(Language::English),
            since_micros: fuse.since.0,
            until_micros: fuse.until.0,
        }
    }
}
