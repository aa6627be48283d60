//! The pages as people use them: each test is a flow through them.

use browser::{Site, traffic};
use timeline::delivery::Delivery;

/// What people see on a busy day.
fn busy() -> Vec<Delivery> {
    recorded(1)
}

/// A part of it, with something of each kind.
fn calm() -> Vec<Delivery> {
    recorded(9)
}

/// Each `step`th of what was recorded, and what was not: a gap, and a chain.
fn recorded(step: usize) -> Vec<Delivery> {
    let all = traffic::recorded().expect("recorded traffic");
    let mut all: Vec<_> = all.into_iter().step_by(step).collect();
    all.extend(traffic::with_a_gap().expect("traffic with a gap"));
    all.extend(few());
    all
}

/// One request, through two plugins.
fn few() -> Vec<Delivery> {
    traffic::chain(0).expect("a request through two plugins")
}

fn walk(flow: &str, sent: &[Delivery], later: &[Delivery]) {
    let walked = Site::with(sent).and_then(|site| site.flow(flow, later));
    walked.unwrap_or_else(|error| panic!("{error:#}"));
}

#[test]
fn the_list_is_filtered_by_its_address_and_needs_no_script() {
    walk("list", &busy(), &[]);
}

#[test]
fn a_timeline_says_what_happened_and_leads_on_and_needs_no_script() {
    walk("timeline", &busy(), &[]);
}

#[test]
fn a_timeline_is_copied_in_every_form() {
    walk("copy", &few(), &[]);
}

#[test]
fn the_list_is_live_where_scripts_run() {
    let later = traffic::chain(1).expect("a request through two plugins");
    walk("live", &busy(), &later);
}

#[test]
fn all_of_it_can_be_done_by_the_keyboard() {
    walk("keyboard", &busy(), &[]);
}

#[test]
fn nobody_is_kept_out() {
    walk("accessible", &calm(), &[]);
}

#[test]
fn the_policy_holds() {
    walk("policy", &calm(), &[]);
}

#[test]
fn no_page_is_wider_than_a_phone() {
    walk("phone", &calm(), &[]);
}

#[test]
fn attacks_stay_text_and_break_nothing() {
    // The longest come in no further; those before the limit do.
    let endless = traffic::with_an_endless_name().expect("a name of 10 kB");
    let refused = Site::with(&[endless]).err().expect("a name of 10 kB comes in");
    assert!(format!("{refused:#}").contains("was not taken"), "{refused:#}");
    let mut sent = traffic::hostile(0).expect("attacks");
    sent.extend(few());
    walk("hostile", &sent, &traffic::hostile(1).expect("attacks"));
}

#[test]
fn the_pages_speak_english_and_chinese() {
    walk("languages", &calm(), &[]);
}
