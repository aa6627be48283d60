//! Envoy drains, stops, and is restarted hot.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use e2e::{Door, Lives, Request, Settings, send_to, soon};

use crate::scene::{fixed, held_for, meanwhile};
use crate::told::{instances, listed, nothing_else, told};

fn door(port: u16) -> Door {
    Door::new("door").at(port).plugin("gate", fixed().ticks_every(200))
}

/// Waits for the first Envoy's end; its roots' timers ended before.
fn ends_well(lives: &mut Lives) {
    assert_eq!(lives.end_of(0).expect("Envoy ends"), 0, "{}", lives.log(0));
    let trace = lives.trace(0);
    for thread in [lives.main_thread(0), *trace.workers().first().expect("a worker")] {
        let at = trace.deletion(thread, 1).expect("the root was deleted");
        assert_eq!(trace.entries[at].periods, [0], "thread {thread}");
        assert_eq!(trace.ticks(thread, 1, at), 0, "thread {thread}");
    }
}

#[test]
fn what_a_draining_envoy_finishes_is_told_whole() {
    let settings = Settings { drain_seconds: 1, ..Settings::default() };
    let mut lives = Lives::start(settings, &[door(0)]).expect("Envoy serves");
    let before = lives.send("door", &Request::get("/patient"));
    let drained = meanwhile(&lives, &held_for(700), || {
        lives.order("/healthcheck/fail").expect("Envoy fails its health check");
        lives.order("/drain_listeners?graceful").expect("Envoy drains");
    });
    assert_eq!(drained.status, 200, "what was in flight is finished");
    for answer in [&before, &drained] {
        told(&lives, answer, &["gate"]);
    }
    let port = lives.port("door");
    soon("Envoy takes no more", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).err());
    lives.order("/quitquitquit").expect("Envoy quits");
    ends_well(&mut lives);
    nothing_else(&lives, 2);
}

#[test]
fn of_a_stream_that_a_stop_cuts_off_nothing_is_told_that_is_not_known() {
    let mut lives = Lives::start(Settings::default(), &[door(0)]).expect("Envoy serves");
    let before = lives.send("door", &Request::get("/patient"));
    told(&lives, &before, &["gate"]);
    let request = Request::post("/patient?callee=never", "text").patience(Duration::from_secs(10));
    let cut_off = meanwhile(&lives, &request, || {
        soon("the collector has heard of it", || {
            let all = instances(&lives);
            listed(&all).iter().any(|vm| vm["open_timelines"] == 1).then_some(())
        });
        lives.order("/quitquitquit").expect("Envoy quits");
    });
    assert_ne!(cut_off.status, 200, "the stop cuts it off");
    ends_well(&mut lives);
    let timelines =
        lives.collector().timelines(&cut_off.request_id).expect("the collector answers");
    assert_eq!(timelines.len(), 1, "{timelines:#?}");
    let timeline = &timelines[0];
    assert_eq!((&timeline["plugin"], &timeline["root"]), (&"gate".into(), &"gate-root".into()));
    for empty in ["findings", "gaps"] {
        assert_eq!(listed(&timeline[empty]).len(), 0, "{timeline:#}");
    }
    nothing_else(&lives, 2);
}

#[test]
fn a_hot_restart_has_two_envoys_side_by_side_and_each_request_is_told_by_the_one_that_served_it() {
    // The young Envoy asks the old one for its socket by the address.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let port = free.expect("a free port").port();
    let mut lives = Lives::start(Settings::default(), &[door(port)]).expect("Envoy serves");
    let before = lives.send("door", &Request::get("/patient"));
    let before_told = told(&lives, &before, &["gate"]);
    let calls = lives.calls();
    let request = held_for(1500);
    let held = std::thread::scope(|scope| {
        let held = scope.spawn(move || send_to(port, &request, "held-by-the-old-one"));
        soon("its call is out", || (lives.calls() > calls).then_some(()));
        lives.restart_hot().expect("the young Envoy serves");
        held.join().expect("the client ends")
    });
    assert_eq!(held.status, 200, "the old Envoy finishes it");
    let after = soon("the young one serves", || {
        let answer = lives.send("door", &Request::post("/patient?callee=after-10", "text"));
        (answer.status == 200 && !lives.trace(1).workers().is_empty()).then_some(answer)
    });
    let held = told(&lives, &held, &["gate"]);
    let after = told(&lives, &after, &["gate"]);
    assert_eq!(held[0]["instance"], before_told[0]["instance"]);
    assert_ne!(after[0]["instance"], before_told[0]["instance"]);
    ends_well(&mut lives);
    let last = lives.send("door", &Request::get("/patient"));
    let last = told(&lives, &last, &["gate"]);
    assert_eq!(last[0]["instance"], after[0]["instance"]);
    assert_eq!(listed(&instances(&lives)).len(), 4, "two VMs of each Envoy");
}
