//! Who may send and who may read.

mod support;

use collector::{Settings, start};
use support::{Collector, Recorder, bytes};

fn refused(change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = Settings::default();
    change(&mut settings);
    start(settings).err().expect("it is refused").to_string()
}

fn anywhere() -> Option<std::net::SocketAddr> {
    Some("0.0.0.0:0".parse().expect("an address"))
}

#[test]
fn beyond_loopback_ingest_and_reading_each_demand_a_token() {
    let said = refused(|s| s.listen = anywhere());
    assert!(said.contains("set --ingest-token"), "{said}");
    let said = refused(|s| {
        s.listen = anywhere();
        s.ingest_token = Some("in".to_owned());
    });
    assert!(said.contains("set --read-token"), "{said}");
    let said = refused(|s| s.public_listen = anywhere());
    assert!(said.contains("set --read-token"), "{said}");
    let public = Collector::with(|s| {
        s.public_listen = anywhere();
        s.public_read = Some(true);
    });
    assert_eq!(public.get("/", &[]).0, 200);
}

#[test]
fn tokens_open_what_they_are_for() {
    let collector = Collector::with(|s| {
        s.ingest_token = Some("in".to_owned());
        s.read_token = Some("out".to_owned());
    });
    let batch = bytes(&Recorder::new(1).requests(1));
    let (status, said) = collector.send(&batch);
    assert_eq!(status, 401);
    assert!(said.starts_with("batches need the ingest token as `Authorization: Bearer`"), "{said}");
    let bearer = |token: &'static str| [("authorization", token)];
    assert_eq!(collector.send_to("/v1/batches", &batch, &bearer("Bearer out")).0, 401);
    assert_eq!(collector.send_to("/v1/batches", &batch, &bearer("Bearer in")).0, 200);
    assert_eq!(collector.send_to("/v2/batches", &batch, &[]).0, 401);
    for path in ["/", "/api/v1/timelines", "/metrics", "/api/v1/live"] {
        assert_eq!(collector.get(path, &[]).0, 401, "{path}");
        assert_eq!(collector.get(path, &bearer("Bearer in")).0, 401, "{path}");
    }
    assert_eq!(collector.get("/api/v1/timelines", &bearer("Bearer out")).0, 200);
    for open in ["/healthz", "/readyz", "/assets/style.css"] {
        assert_eq!(collector.get(open, &[]).0, 200, "{open}");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (status, page) = collector.send_to("/token", b"token=wrong", &form);
    assert_eq!(status, 415, "{page}");
}

#[test]
fn the_second_listener_takes_no_batches() {
    let collector =
        Collector::with(|s| s.public_listen = Some("127.0.0.1:0".parse().expect("an address")));
    let answer = ureq::get(collector.public_url("/api/v1/timelines")).call().expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    let batch = bytes(&Recorder::new(1).requests(1));
    let refused = ureq::post(collector.public_url("/v1/batches")).send(&batch[..]);
    assert!(matches!(refused, Err(ureq::Error::StatusCode(404))), "{refused:?}");
}

#[test]
fn a_problem_is_a_page_for_who_asks_for_pages() {
    let collector = Collector::start();
    for path in ["/timelines/nothing", "/nowhere", "/?colour=red"] {
        let (status, page) = collector.get(path, &[("accept", "text/html,*/*")]);
        assert!(status == 404 || status == 400, "{path}: {status}");
        assert!(page.contains("This cannot be shown"), "{path}: {page}");
        let (_, body) = collector.get(path, &[]);
        assert!(body.starts_with("{\"error\":"), "{path}: {body}");
    }
}
