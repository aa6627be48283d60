//! The pages of instances.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Html;
use timeline::black_box::Panic;
use timeline::ids::{InstanceId, Micros};
use timeline::script;

use super::instance_view::InstanceView;
use super::timelines::parse_id;
use super::{Api, Problem};
use crate::pipeline::Report;
use crate::ui;

/// `GET /instances`
pub async fn list(State(api): State<Arc<Api>>) -> Result<Html<String>, Problem> {
    let mut instances: Vec<_> = api.instances().await?.iter().map(shown).collect();
    instances.sort_by_key(|instance| instance.status.id);
    Ok(Html(ui::instances_page(&instances)))
}

/// `GET /instances/{id}`
pub async fn one(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<Html<String>, Problem> {
    let id: InstanceId = parse_id(&id)?;
    let instances = api.instances().await?;
    let report = instances.iter().find(|report| report.status.id == id).ok_or_else(|| {
        Problem::NotFound(format!(
            "no instance {id} has been heard of lately: /instances lists those that were"
        ))
    })?;
    Ok(Html(ui::instance_page(&shown(report))))
}

fn shown(report: &Report) -> ui::Instance {
    ui::Instance {
        status: report.status.clone(),
        troubles: wrong(&InstanceView::of(report)),
        at_source: report.at_source,
    }
}

/// What is wrong with an instance, a clause each.
pub fn wrong(instance: &InstanceView) -> Vec<String> {
    let seconds = |micros: u64| script::seconds(Micros(micros));
    let trapped = instance.black_box.last().map(|open| {
        let panic = Panic::of(&open.last_log).map(|panic| format!(": {}", panic.sentence()));
        let callback = open.callback.unwrap_or("a callback");
        format!(
            "trapped in {callback} at {}{}",
            seconds(open.since_micros),
            panic.unwrap_or_default()
        )
    });
    let silent = instance.silence.as_ref().map(|silence| {
        let open = ui::count(silence.open_timelines as usize, "stream is", "streams are");
        format!("silent since {}, while {open} open in it", seconds(silence.since_micros))
    });
    let down = instance.fuse.as_ref().map(|fuse| {
        format!(
            "the recorder turned itself down at {}: {}",
            seconds(fuse.since_micros),
            fuse.sentence
        )
    });
    [trapped, silent, down].into_iter().flatten().collect()
}
