//! The pages of plugins.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Html;

use super::operate::running;
use super::{Api, Problem, blocking};
use crate::pipeline::Question;
use crate::store::Query;
use crate::ui::{self, Speech};

/// Timelines that the page of a plugin is made from.
const LATEST: usize = 100;
/// Stored names of plugins, of each stretch of time.
const STORED: usize = 1_000;

/// `GET /plugins`
pub async fn list(State(api): State<Arc<Api>>, speech: Speech) -> Result<Html<String>, Problem> {
    let plugins = api.plugin_lines().await?;
    Ok(Html(ui::plugins_page(&speech, &plugins)))
}

/// `GET /plugins/{name}`
pub async fn one(
    State(api): State<Arc<Api>>,
    Path(plugin): Path<String>,
    speech: Speech,
) -> Result<Html<String>, Problem> {
    let of_plugin = Query { plugin: Some(plugin.clone()), ..Query::default() };
    let with_findings = Query { found: true, ..of_plugin.clone() };
    let asked = plugin.clone();
    let counted = api.ask(|reply| Question::Plugin(asked, reply)).await?;
    let latest = api.list(of_plugin, None, LATEST).await?.timelines;
    if counted.vms.is_empty() && latest.is_empty() {
        let name = ui::shortened(&plugin, 80);
        return Err(Problem::NotFound(format!(
            "no plugin {name:?} has been heard of: /plugins lists those that were"
        )));
    }
    let found = api.list(with_findings, None, LATEST).await?.timelines;
    let view = ui::PluginView { plugin, counted, latest, found };
    Ok(Html(ui::plugin_page(&speech, &api.config.links, &view)))
}

impl Api {
    /// Plugins that run, or have stored timelines.
    async fn plugin_lines(&self) -> Result<Vec<ui::PluginLine>, Problem> {
        let store = self.store.clone();
        let stored = blocking(move || store.plugins(STORED)).await??;
        let mut plugins: BTreeMap<String, usize> =
            stored.into_iter().map(|name| (name, 0)).collect();
        plugins.extend(running(&self.instances().await?));
        let named = plugins.into_iter().filter(|(plugin, _)| !plugin.is_empty());
        Ok(named.map(|(plugin, instances)| ui::PluginLine { plugin, instances }).collect())
    }
}
