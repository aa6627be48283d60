//! `/api/v1/live`: changes as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::Api;
use super::view::Summary;
use crate::live::Change;

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
    let (changes, stopping) = (api.live.watch(), api.stopping.clone());
    // What happened between its connections is not kept: it is told to read the list.
    let came_back = headers.contains_key("last-event-id");
    let watcher = Watcher::new(api);
    let events = events(changes, stopping, came_back).map(move |event| {
        let _counted = &watcher;
        Ok(event)
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// Changes as events, until the process ends.
fn events(
    changes: Receiver<Change>,
    stopping: watch::Receiver<bool>,
    came_back: bool,
) -> impl Stream<Item = Event> {
    let step = |(mut changes, mut stopping, came_back): (Receiver<Change>, _, bool)| async move {
        let event = if came_back {
            missed(0)
        } else {
            tokio::select! {
                change = changes.recv() => match change {
                    Ok(change) => timeline_event(change.number, &Summary::of(&change.timeline)),
                    Err(RecvError::Lagged(count)) => missed(count),
                    Err(RecvError::Closed) => return None,
                },
                () = asked_to_end(&mut stopping) => return None,
            }
        };
        Some((event, (changes, stopping, false)))
    };
    futures_util::stream::unfold((changes, stopping, came_back), step)
}

async fn asked_to_end(stopping: &mut watch::Receiver<bool>) {
    // An error means that the process ends.
    let _ = stopping.wait_for(|stop| *stop).await;
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

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;
    use timeline::ids::{ContextId, InstanceId};
    use timeline::timeline::Timeline;

    use super::*;
    use crate::live::{BACKLOG, Live};

    /// The first events that a client gets which watched from the start and reads only now.
    async fn read(changes: usize, came_back: bool, count: usize) -> Vec<String> {
        let (live, (_stop, stopping)) = (Live::new(), watch::channel(false));
        let watching = live.watch();
        let timeline = Arc::new(Timeline::new(InstanceId([1; 16]), ContextId(2), 0));
        for _ in 0..changes {
            live.send(&timeline);
        }
        let sse = Sse::new(events(watching, stopping, came_back).map(Ok::<_, Infallible>));
        let mut body = sse.into_response().into_body();
        let mut read = Vec::new();
        for _ in 0..count {
            let frame = body.frame().await.expect("an event").expect("an event");
            read.push(String::from_utf8_lossy(frame.data_ref().expect("data")).into_owned());
        }
        read
    }

    #[tokio::test]
    async fn a_client_that_is_too_slow_is_told_how_much_it_missed() {
        let read = read(BACKLOG + 10, false, 2).await;
        assert_eq!(read[0], "event: missed\ndata: 10\n\n");
        assert!(read[1].starts_with("event: timeline\nid: 11\ndata: {"), "{read:?}");
    }

    #[tokio::test]
    async fn a_client_that_comes_back_is_told_to_read_the_list() {
        let read = read(1, true, 2).await;
        assert_eq!(read[0], "event: missed\ndata: 0\n\n");
        assert!(read[1].starts_with("event: timeline\nid: 1\n"), "{read:?}");
    }
}
