//! In whose hands a request is: told from the timelines of the plugins that it passed.

use std::sync::Arc;

use timeline::request::Request;
use timeline::{Timeline, script};

/// A timeline of one plugin in a chain.
fn plugin(name: &str, lines: &str) -> Arc<Timeline> {
    let digit = name.len();
    let text = format!(
        "instance {digit:032x}
        root 1 plugin \"{name}\"
        node \"gateway\"
        module abi 0.2.1 host envoy
        clock wall 1700000000000000000 at 0.000000
        request \"r\" method \"GET\" path \"/\"
        {lines}"
    );
    Arc::new(script::parse(&text).expect("a script"))
}

/// The sentence about the only request that they are part of.
fn said(timelines: &[Arc<Timeline>]) -> Option<String> {
    let requests = Request::all(timelines.to_vec());
    let [request] = &requests[..] else { panic!("not one request: {requests:#?}") };
    request.whereabouts().map(|whereabouts| whereabouts.sentence())
}

/// The same in Chinese.
fn said_in_chinese(timelines: &[Arc<Timeline>]) -> Option<String> {
    let requests = Request::all(timelines.to_vec());
    requests.first()?.whereabouts().map(|whereabouts| whereabouts.sentence_zh())
}

const LET_GO: &str = "0.001 #1 create 2 root 1
    0.002 #2 request_headers 2 n=3 -> continue";

const ENDED: &str = "9.001 #3 log 2
    9.002 #4 done 2
    9.003 #5 delete 2";

const NEVER_ENTERED: &str = "9.001 #1 create 2 root 1
    9.0015 #2 log 2
    9.002 #3 done 2
    9.003 #4 delete 2";

#[test]
fn while_it_hangs_it_is_behind_the_last_that_let_it_go() {
    assert_eq!(
        said(&[plugin("first", LET_GO)]).as_deref(),
        Some(
            "first let the request go (#2) and no recorded plugin behind it got it: what stands behind first, the upstream included, has it."
        )
    );
}

#[test]
fn once_it_ended_it_was_between_the_last_that_let_it_go_and_the_first_that_never_got_it() {
    let ended = format!("{LET_GO}\n{ENDED}");
    assert_eq!(
        said(&[plugin("later-on", NEVER_ENTERED), plugin("first", &ended)]).as_deref(),
        Some(
            "first let the request go (#2) and later-on never got it: what stands between them had it when the stream ended."
        )
    );
}

#[test]
fn a_plugin_that_stops_has_it() {
    let stopped = "0.001 #1 create 2 root 1\n0.002 #2 request_headers 2 n=3 -> pause";
    let first = plugin("first", LET_GO);
    assert_eq!(
        said(&[first.clone(), plugin("holds-it", stopped)]).as_deref(),
        Some("The request is held by holds-it (#2).")
    );
    let given_up = format!("{stopped}\n{ENDED}");
    assert_eq!(
        said(&[first, plugin("holds-it", &given_up)]).as_deref(),
        Some("The request was held by holds-it (#2) when the stream ended.")
    );
}

#[test]
fn a_body_is_held_by_the_first_that_stops_it_however_far_the_headers_got() {
    let holds = format!("{LET_GO}\n0.003 #3 request_body 2 size=9 -> pause");
    assert_eq!(
        said(&[plugin("first", LET_GO), plugin("holds-it", &holds), plugin("after-it", LET_GO)])
            .as_deref(),
        Some("The request is held by holds-it (#3); its headers had gone on before.")
    );
}

#[test]
fn a_response_goes_backwards() {
    let answered = format!("{LET_GO}\n0.5 #3 response_headers 2 n=3 -> continue");
    let held = format!("{LET_GO}\n0.5 #3 response_headers 2 n=3 -> pause");
    assert_eq!(
        said(&[plugin("first", LET_GO), plugin("second", &answered)]).as_deref(),
        Some(
            "second let the response go (#3) and first never got it: what stands between them has it."
        )
    );
    assert_eq!(
        said(&[plugin("first", LET_GO), plugin("second", &held)]).as_deref(),
        Some("The response is held by second (#3).")
    );
}

#[test]
fn what_was_answered_is_in_nobodys_hands() {
    let answered = format!("{LET_GO}\n0.5 #3 response_headers 2 n=3 -> continue");
    assert_eq!(said(&[plugin("first", &answered), plugin("second", &answered)]), None);
    let replied = "0.001 #1 create 2 root 1
        0.002 #3 request_headers 2 n=3 -> pause
        0.002 #2   send_local_response status=403 -> ok";
    assert_eq!(said(&[plugin("first", LET_GO), plugin("denies", replied)]), None);
}

#[test]
fn an_id_that_comes_again_is_another_request() {
    let early = format!("{LET_GO}\n{ENDED}");
    let late = "60.001 #1 create 2 root 1\n60.002 #2 request_headers 2 n=3 -> continue";
    let requests = Request::all(vec![plugin("first", &early), plugin("again", late)]);
    let plugins = requests.iter().map(|r| &*r.timelines[0].root.plugin).collect::<Vec<_>>();
    assert_eq!(plugins, ["again", "first"]);
}

const DENIES: &str = "9.0001 #1 create 2 root 1
    9.0002 #3 request_headers 2 n=3 -> pause
    9.0002 #2   send_local_response status=403 -> ok
    9.0003 #4 response_headers 2 n=3 -> continue
    9.0010 #5 log 2
    9.0020 #6 done 2
    9.0030 #7 delete 2";

/// The same plugin, which exports every callback.
fn whole(name: &str, lines: &str) -> Arc<Timeline> {
    let mut timeline = Timeline::clone(&plugin(name, lines));
    Arc::make_mut(&mut timeline.module).callbacks = u64::MAX;
    Arc::new(timeline)
}

/// For each timeline the plugins behind it that the request never reached.
fn unreached(timelines: &[Arc<Timeline>]) -> Vec<Vec<String>> {
    let requests = Request::all(timelines.to_vec());
    let behind = |of| requests.iter().flat_map(move |r: &Request| r.unreached_behind(of));
    timelines.iter().map(|of| behind(of).map(|u| u.plugin).collect()).collect()
}

#[test]
fn behind_a_plugin_that_answers_or_holds_to_the_end_the_rest_never_ran() {
    let never = whole("never-ran", NEVER_ENTERED);
    let first = whole("first", &format!("{LET_GO}\n{ENDED}"));
    let none = Vec::<String>::new();
    let denies = whole("denies", DENIES);
    assert_eq!(
        unreached(&[first.clone(), denies, never.clone()]),
        [none.clone(), vec!["never-ran".to_owned()], none.clone()]
    );
    let holds = whole(
        "holds",
        &format!("0.001 #1 create 2 root 1\n0.002 #2 request_headers 2 n=3 -> pause\n{ENDED}"),
    );
    assert_eq!(
        unreached(&[first.clone(), holds, never.clone()]),
        [none.clone(), vec!["never-ran".to_owned()], none.clone()]
    );
    // Nobody who is recorded kept it: what stands between them did.
    assert_eq!(unreached(&[first, never]), [none.clone(), none]);
}

#[test]
fn what_ran_or_is_not_wholly_known_or_was_told_of_another_end_is_not_behind() {
    let denies = whole("denies", DENIES);
    let of = |other: Arc<Timeline>| unreached(&[denies.clone(), other]).concat();
    assert_eq!(of(whole("never-ran", NEVER_ENTERED)), ["never-ran"]);
    assert!(of(whole("ran", &format!("{LET_GO}\n{ENDED}"))).is_empty(), "it got the request");
    assert!(of(plugin("mute", NEVER_ENTERED)).is_empty(), "what it exports is not known");
    assert!(of(whole("gap", &format!("gap 2-2 \"lost\"\n{NEVER_ENTERED}"))).is_empty());
    let headless = "9.0015 #2 log 2\n9.003 #4 delete 2";
    assert!(of(whole("headless", headless)).is_empty(), "its beginning is missing");
    let later = NEVER_ENTERED.replace("9.00", "9.90");
    let other = whole("other-request", &later.replace("9.9015", "10.9015"));
    let long = whole("denies", &DENIES.replace("9.0030", "11.0030"));
    assert!(unreached(&[long, other]).concat().is_empty(), "another request of the same id");
}

#[test]
fn what_is_stuck_in_another_plugin_is_no_finding_of_those_that_let_it_go() {
    let waits = "known_until 9.000000
        0.001 #1 create 2 root 1
        0.002 #2 request_headers 2 n=3 -> continue
        0.003 #3 request_body 2 size=9 end -> continue";
    let holds = "known_until 9.000000
        0.001 #1 create 2 root 1
        0.002 #2 request_headers 2 n=3 end -> pause";
    let (first, second) = (whole("first", waits), whole("holds-it", holds));
    assert!(first.findings.is_empty() && !second.findings.is_empty());
    assert_eq!(said(&[first, second]).as_deref(), Some("The request is held by holds-it (#2)."));
}

#[test]
fn in_chinese_the_same_is_said() {
    let ended = format!("{LET_GO}\n{ENDED}");
    let held = LET_GO.replace("continue", "pause");
    let response = format!("{held}\n0.005 #3 response_headers 2 n=3 -> pause");
    let held_body = format!("{LET_GO}\n0.004 #3 request_body 2 size=3 -> pause");
    for (timelines, sentence) in [
        (
            vec![plugin("first", LET_GO)],
            "first 放行了请求（#2），而在它后面没有任何已记录的插件得到它：现在它在 first 后面的环节手里，包括上游。",
        ),
        (
            vec![plugin("later-on", NEVER_ENTERED), plugin("first", &ended)],
            "first 放行了请求（#2），而 later-on 从未得到它：流结束时它在两者之间的环节手里。",
        ),
        (vec![plugin("first", &held)], "现在请求被 first 扣住（#2）。"),
        (
            vec![plugin("first", &held_body)],
            "现在请求被 first 扣住（#3）；它的头部在此之前已经放行。",
        ),
        (vec![plugin("first", &response)], "现在响应被 first 扣住（#3）。"),
    ] {
        assert_eq!(said_in_chinese(&timelines).as_deref(), Some(sentence));
    }
}
