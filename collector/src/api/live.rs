//! `/api/v1/live`: changes as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;

use super::Api;
use super::view::Summary;

/// Changes of timelines, as server-sent events
///
/// `event: timeline`, data as in lists. `event: missed`, data a number of changes: the client was
/// too slow, or came back (`Last-Event-ID`), and should read the list again.
#[utoipa::path(get, path = "/api/v1/live", tag = "timelines",
    responses((status = 200, content_type = "text/event-stream", body = Summary)))]
pub async fn live(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = api.live.watch();
    let stopping = api.stopping.clone();
    let watcher = Watcher::new(api);
    // What happened between its connections is not kept: it is told to read the list.
    let came_back = headers.contains_key("last-event-id");
    let stream = futures_util::stream::unfold(
        (changes, watcher, came_back),
        move |(mut changes, watcher, came_back)| {
            let mut stopping = stopping.clone();
            async move {
                if came_back {
                    return Some((Ok(missed(0)), (changes, watcher, false)));
                }
                let event = tokio::select! {
                    change = changes.recv() => match change {
                        Ok(change) => timeline_event(change.number, &Summary::of(&change.timeline)),
                        Err(RecvError::Lagged(count)) => missed(count),
                        Err(RecvError::Closed) => return None,
                    },
                    _ = stopping.wait_for(|stop| *stop) => return None,
                };
                Some((Ok(event), (changes, watcher, false)))
            }
        },
    );
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn timeline_event(number: u64, summary: &Summary) -> Event {
    let event = Event::default().event("timeline").id(number.to_string());
    // Numbers, strings and lists always become JSON.
    event.json_data(summary).unwrap_or_else(|_| missed(1))
}

fn missed(count: u64) -> Event {
    Event::default().event("missed").data(count.to_string())
}

/// Counted while it lives.
struct Watcher(Arc<Api>);

impl Watcher {
    fn new(api: Arc<Api>) -> Watcher {
        api.metrics.live_clients.inc();
        Watcher(api)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.metrics.live_clients.dec();
    }
}
