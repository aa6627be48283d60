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
