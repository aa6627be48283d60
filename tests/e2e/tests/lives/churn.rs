//! Many pushes in a row.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::{Lives, Request, soon};

use crate::scene::{fixed, push, start};
use crate::told::{listed, metric, nothing_else, root_of, roots, text, told, worker};

#[test]
fn of_many_pushes_in_a_row_each_request_is_told_on_the_root_that_served_it() {
    let lives = start(&[("gate", fixed().timeout_millis(4000))]);
    let mut seen = Vec::new();
    // More than a VM had places for: all but the last drain side by side.
    for timeout in 4001..4016 {
        push(&lives, &[("gate", fixed().timeout_millis(timeout))]);
        seen.push(lives.send("door", &Request::post("/patient?callee=after-1", "text")));
    }
    let mut roots_seen = Vec::new();
    let mut vms_seen = BTreeSet::new();
    for answer in &seen {
        let timeline = told(&lives, answer, &["gate"]).remove(0);
        roots_seen.push(root_of(&timeline));
        vms_seen.insert(timeline["instance"].to_string());
    }
    assert!(roots_seen.is_sorted_by(|before, after| before < after), "{roots_seen:?}");
    assert_eq!(vms_seen.len(), 1, "all in one VM");
    soon("all but the last have ended", || {
        let alive: Vec<_> = roots(&worker(&lives)).into_iter().filter(|root| !root.2).collect();
        let last = *roots_seen.last()?;
        (alive == [(last, "gate".to_owned(), false)]).then_some(())
    });
    nothing_else(&lives, seen.len());
}

#[test]
fn under_load_no_request_is_lost_or_told_twice_while_configurations_come_and_go() {
    let gate = |timeout: u32| ("gate", fixed().ticks_every(50).timeout_millis(timeout));
    let audit = |millis: u32| ("audit", fixed().ticks_every(millis).ticks_anew());
    let lives = start(&[gate(4000), audit(90)]);
    let stop = AtomicBool::new(false);
    let send = |client: usize| {
        let mut sent = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let wait = (sent.len() * 7 + client * 13) % 60;
            let post = Request::post(format!("/patient?callee=after-{wait}"), "some text");
            let request = if wait.is_multiple_of(3) { Request::get("/patient") } else { post };
            let answer = lives.send("door", &request);
            assert_eq!(answer.status, 200);
            sent.push(answer.request_id);
        }
        sent
    };
    let mut sent = std::thread::scope(|scope| {
        let send = &send;
        let clients: Vec<_> = (0..3).map(|client| scope.spawn(move || send(client))).collect();
        for push_number in 1..12 {
            push(&lives, &[gate(4000 + push_number / 2), audit(90 + push_number % 3)]);
            let before = lives.calls();
            soon("requests have gone on", || (lives.calls() > before + 10).then_some(()));
        }
        stop.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("the clients end"))
            .collect::<Vec<_>>()
    });
    sent.sort();
    for plugin in ["gate", "audit"] {
        let told = soon("each request is told", || {
            let told = all_of(&lives, plugin);
            (told.len() >= sent.len()).then_some(told)
        });
        assert_eq!(told, sent, "{plugin}");
    }
    soon("each call is counted once, for one of the plugins", || {
        (metric(&lives, "calls_total").iter().sum::<u64>() == lives.calls()).then_some(())
    });
    nothing_else(&lives, sent.len() * 2);
}

/// Request ids of a plugin's timelines, in order; holds each to be closed and without findings.
fn all_of(lives: &Lives, plugin: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/timelines?plugin={plugin}&limit=200{cursor}");
        let page = lives.collector().json(&path).unwrap_or_else(|error| panic!("{error:#}"));
        for timeline in listed(&page["timelines"]) {
            assert_eq!(listed(&timeline["findings"]).len(), 0, "{timeline:#}");
            if timeline["reason"] == "ended" {
                ids.push(text(timeline, "request_id").to_owned());
            }
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    ids.sort();
    ids
}
