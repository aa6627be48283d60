//! VMs as JSON. Public API: fields are added, never changed.

use std::sync::Arc;

use serde::Serialize;
use timeline::delivery::Root;
use timeline::instance::InstanceStatus;
use utoipa::ToSchema;

use super::view::GapView;

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
    pub fn of(status: &InstanceStatus) -> InstanceView {
        InstanceView {
            id: status.id.to_string(),
            node: status.node.to_string(),
            tracer_version: status.module.tracer_version.clone(),
            sdk: status.module.sdk.clone(),
            abi: status.module.abi.map(|abi| abi.name()),
            host: status.module.host.map(|host| host.name()),
            plugins: names(&status.roots),
            roots: status.roots.iter().map(|root| RootView::of(root)).collect(),
            known_until_micros: status.known_until.0,
            open_timelines: status.open_timelines,
            streams_seen: status.streams_seen,
            gaps: status.gaps.iter().map(GapView::of).collect(),
            is_final: status.is_final,
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
