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
use crate::ui::{self, Language, Speech, phrases as said};

/// `GET /instances`
pub async fn list(State(api): State<Arc<Api>>, speech: Speech) -> Result<Html<String>, Problem> {
    let mut instances: Vec<_> = api.instances().await?.iter().map(|r| shown(&speech, r)).collect();
    instances.sort_by_key(|instance| instance.status.id);
    Ok(Html(ui::instances_page(&speech, &instances)))
}

/// `GET /instances/{id}`
pub async fn one(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    speech: Speech,
) -> Result<Html<String>, Problem> {
    let id: InstanceId = parse_id(&id)?;
    let instances = api.instances().await?;
    let report = instances.iter().find(|report| report.status.id == id).ok_or_else(|| {
        Problem::NotFound(format!(
            "no instance {id} has been heard of lately: /instances lists those that were"
        ))
    })?;
    Ok(Html(ui::instance_page(&speech, &shown(&speech, report))))
}

fn shown(speech: &Speech, report: &Report) -> ui::Instance {
    ui::Instance {
        status: report.status.clone(),
        troubles: wrong(speech.language, &InstanceView::of(report)),
        at_source: report.at_source,
        original: report.original,
    }
}

/// What is wrong with an instance, a clause each.
pub fn wrong(language: Language, instance: &InstanceView) -> Vec<String> {
    let seconds = |micros: u64| script::seconds(Micros(micros));
    let trapped = instance.black_box.last().map(|open| {
        let panic = Panic::of(&open.last_log).map(|panic| format!(": {}", panic.sentence()));
        let callback = open.callback.unwrap_or(said::A_CALLBACK.of(language));
        let what = said::TRAPPED_IN.with(language, &[callback, &seconds(open.since_micros)]);
        format!("{what}{}", panic.unwrap_or_default())
    });
    let silent = instance.silence.as_ref().map(|silence| {
        let open = silence.open_timelines.to_string();
        said::SILENT_SINCE.with(language, &[&open, &seconds(silence.since_micros)])
    });
    let down = instance.fuse.as_ref().map(|fuse| {
        let why = ui::fuse(fuse.reason).of(language);
        said::DOWN_AT.with(language, &[&seconds(fuse.since_micros), why])
    });
    [trapped, silent, down].into_iter().flatten().collect()
}
