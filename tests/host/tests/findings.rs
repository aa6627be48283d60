//! What only Higress can show, on our emulation of it: real StopIteration of a 0.2.100 module, redis,
//! recovered panics, the numbers of its SDK. A puppet does wrong, the recorder ships, and exactly what is
//! said here is found. None of it was run on Higress.

mod plugins;
mod puppets;
mod told;

use abi::{Callback, Hostcall};
use host::puppet::{Script, Step, Value};
use host::{Callee, Redis, Upstream, Vm};
use puppets::values::sensible;
use told::{Expected, NOTHING, finds, finds_on};

/// Redis that answers after 50 ms, loses the connection then, or says nothing.
const SLOW: &str = "slow";
const LOSES: &str = "loses";
const SILENT: &str = "silent";

const RELEASED: Expected = &[("released-by-body-continue", "lost"), ("late-callback", "lost")];
const LOST: Expected = &[
    ("headers-forwarded-before-body-call", "lost"),
    ("late-callback", "lost"),
    ("response-while-request-held", "lost"),
];
const MISNAMED: Expected = &[
    ("headers-forwarded-before-body-call", "lost"),
    ("host-dialect-mismatch", "failed"),
    ("late-callback", "lost"),
    ("response-while-request-held", "lost"),
];
const RACE: Expected = &[("headers-forwarded-before-body-call", "race")];
const NO_RESUME: Expected = &[("callback-ran-no-resume", "hung")];
const BROKEN: Expected = &[("call-connect-failure", "failed")];
const STARVES: Expected = &[("header-pause-starves-body", "hung")];
const ANSWERS_AGAIN: Expected =
    &[("own-local-reply-paused", "hung"), ("duplicate-completion", "failed")];
const IMPOSSIBLE: Expected = &[("impossible-sequence", "failed")];
const PANIC: Expected = &[("recovered-panic-continue", "failed")];

fn redis(server: &str) -> Step {
    let Step::Call(hostcall, mut values) = sensible(Hostcall::RedisCall) else {
        unreachable!("a hostcall")
    };
    values[0] = Value::Bytes(server.as_bytes().to_vec());
    Step::Call(hostcall, values)
}

/// What the SDK does before it runs a handler: the stream's context, then this.
fn of_stream(hostcall: Hostcall, values: Vec<Value>) -> Vec<Step> {
    let context = vec![Value::Argument(Callback::RequestHeaders, 0)];
    vec![Step::Call(Hostcall::SetEffectiveContext, context), Step::Call(hostcall, values)]
}

fn resume() -> Vec<Step> {
    of_stream(Hostcall::ContinueStream, vec![Value::Number(0)])
}

fn resume_response() -> Vec<Step> {
    of_stream(Hostcall::ContinueStream, vec![Value::Number(1)])
}

fn error(text: &str) -> Vec<Step> {
    vec![Step::Call(Hostcall::Log, vec![Value::Number(4), Value::Bytes(text.as_bytes().to_vec())])]
}

/// Calls redis in the headers phase and returns this number; the callback resumes.
fn in_headers(server: &str, number: u32) -> Script {
    let script = Script::default().at(Callback::RequestHeaders, number, vec![redis(server)]);
    script.at(Callback::RedisCallResponse, 0, resume())
}

/// The same in the body phase at the end of the body; the headers phase returns a number too.
fn in_body(server: &str, headers: u32, body: u32) -> Script {
    Script::default()
        .at(Callback::RequestHeaders, headers, vec![])
        .at(Callback::RequestBody, body, vec![])
        .at(Callback::RequestBody, body, vec![redis(server)])
        .at(Callback::RedisCallResponse, 0, resume())
}

fn get(vm: &mut Vm) {
    vm.get("/");
}

fn post(vm: &mut Vm) {
    vm.post("/", "body");
}

/// A client that leaves after three seconds.
fn impatient(vm: &mut Vm) {
    let stream = vm.get("/");
    vm.run_millis(3_000);
    vm.leave(stream);
}

fn impatient_with_body(vm: &mut Vm) {
    let stream = vm.post("/", "body");
    vm.run_millis(3_000);
    vm.leave(stream);
}

fn early(vm: &mut Vm) {
    vm.upstream(Upstream::early(200, "early"));
    vm.post("/", "body");
}

#[test]
fn a_continue_from_the_body_lets_the_held_headers_go() {
    finds(in_headers(SLOW, 1), post, RELEASED);
    // The body phase stops too, or there is none.
    let stops = in_headers(SLOW, 1).at(Callback::RequestBody, 1, vec![]);
    finds(stops, post, NOTHING);
    finds(in_headers(SLOW, 1), get, NOTHING);
    // With 3 and 4 everything is held.
    finds(in_headers(SLOW, 3), post, NOTHING);
    finds(in_headers(SLOW, 4), post, NOTHING);
}

#[test]
fn an_older_module_holds_everything_with_1() {
    finds_on("emulated higress 0.2.1", in_headers(SLOW, 1), post, NOTHING);
    let waits = Script::default().at(Callback::RequestHeaders, 1, vec![]);
    finds_on("emulated higress 0.2.1", waits.clone(), impatient_with_body, STARVES);
    // The newer one is called for the body, and goes on.
    finds(waits, post, NOTHING);
}

#[test]
fn a_call_in_the_body_with_the_headers_gone_or_held() {
    finds(in_body(SLOW, 0, 1), early, LOST);
    finds(in_body(SLOW, 0, 1), post, RACE);
    finds(in_body(SLOW, 1, 1), early, NOTHING);
    // 2 from the headers is no stop, whatever its name says.
    finds(in_body(SLOW, 2, 1), early, MISNAMED);
    // 2 and 3 from the body stop as well.
    finds(in_body(SLOW, 1, 2), early, NOTHING);
    finds(in_body(SLOW, 0, 2), early, LOST);
}

#[test]
fn headers_held_with_3_or_4_for_a_body_that_is_held_back() {
    for number in [3, 4] {
        let waits = Script::default().at(Callback::RequestHeaders, number, vec![]);
        finds(waits, impatient_with_body, STARVES);
    }
}

#[test]
fn redis_that_loses_the_connection() {
    finds(in_headers(LOSES, 4), get, BROKEN);
    let forgets = Script::default().at(Callback::RequestHeaders, 4, vec![redis(LOSES)]);
    finds(forgets.at(Callback::RedisCallResponse, 0, error("redis")), impatient, NO_RESUME);
    let denies = Script::default().at(Callback::RequestHeaders, 4, vec![redis(LOSES)]);
    let reply = sensible(Hostcall::SendLocalResponse);
    let context = of_stream(Hostcall::ContinueStream, vec![Value::Number(0)]).swap_remove(0);
    finds(denies.at(Callback::RedisCallResponse, 0, vec![context, reply]), get, BROKEN);
}

#[test]
fn redis_that_says_nothing() {
    finds(in_headers(SILENT, 4), get, &[("waiting-on-call", "hung")]);
    finds(in_headers(SILENT, 4), impatient, &[("client-gone-while-waiting", "failed")]);
    // Nobody waits for it.
    finds(in_headers(SILENT, 0), get, NOTHING);
}

#[test]
fn redis_that_refuses() {
    const STUCK: &str = "paused-without-pending-call";
    finds(
        in_headers("no-host", 4),
        impatient,
        &[(STUCK, "hung"), ("dispatch-failed-inline", "failed")],
    );
    finds(in_headers("nobody", 4), impatient, &[(STUCK, "hung"), ("dispatch-rejected", "failed")]);
    finds(in_headers("nobody", 0), get, &[("dispatch-rejected", "failed")]);
}

#[test]
fn a_panic_that_the_wrapper_recovered() {
    let text = "recovered from panic runtime error: index out of range [3] with length 3";
    finds(Script::default().at(Callback::RequestHeaders, 0, error(text)), get, PANIC);
    finds(Script::default().at(Callback::RequestBody, 0, error(text)), post, PANIC);
    finds(Script::default().at(Callback::ResponseHeaders, 0, error(text)), get, PANIC);
    finds(Script::default().at(Callback::RequestHeaders, 0, error("no such key")), get, NOTHING);
}

#[test]
fn a_response_that_the_plugin_hands_on_itself() {
    let inject = |text: &str, end| {
        let bytes = Value::Bytes(text.as_bytes().to_vec());
        Step::Call(Hostcall::InjectEncodedData, vec![bytes, Value::Number(end)])
    };
    let hands_on = Script::default().at(Callback::ResponseBody, 3, vec![inject("all", 1)]);
    finds(hands_on, get, NOTHING);
    // When redis has answered.
    let later = Script::default().at(Callback::ResponseBody, 3, vec![]).at(
        Callback::ResponseBody,
        3,
        vec![redis(SLOW)],
    );
    let mut steps = of_stream(Hostcall::ContinueStream, vec![Value::Number(1)]);
    steps.pop();
    steps.push(inject("all", 1));
    finds(
        later.at(Callback::RedisCallResponse, 0, steps),
        get,
        &[("headers-forwarded-before-body-call", "note")],
    );
}

#[test]
fn a_response_held_with_1_and_its_body_too() {
    let holds = Script::default()
        .at(Callback::ResponseHeaders, 1, vec![])
        .at(Callback::ResponseBody, 1, vec![redis(SLOW)])
        .at(Callback::ResponseBody, 1, vec![]);
    finds(holds.at(Callback::RedisCallResponse, 0, resume_response()), get, NOTHING);
}

#[test]
fn a_second_answer_in_a_response_phase_stops_the_first() {
    let denies = || vec![sensible(Hostcall::SendLocalResponse)];
    let once = Script::default().at(Callback::RequestHeaders, 0, denies());
    let again = once.clone().at(Callback::ResponseHeaders, 0, denies());
    finds(again, impatient, ANSWERS_AGAIN);
    finds(once, get, NOTHING);
    // In the place of the upstream's answer.
    finds(Script::default().at(Callback::ResponseHeaders, 0, denies()), get, NOTHING);
    // Both in one phase: the second is dropped before there is a response that it could stop.
    let both = Script::default().at(Callback::RequestHeaders, 0, [denies(), denies()].concat());
    finds(both, get, &[("duplicate-completion", "failed")]);
}

#[test]
fn what_no_host_should_do_is_named() {
    fn asks_again(times: usize) -> impl Fn(&mut Vm) {
        move |vm| {
            vm.upstream(Upstream::Silent);
            let stream = vm.post("/", "body");
            for _ in 0..times {
                vm.call_out_of_turn(Callback::RequestBody, &[stream, 4, 1]);
            }
            vm.leave(stream);
        }
    }
    fn headers_again(vm: &mut Vm) {
        vm.upstream(Upstream::Silent);
        let stream = vm.get("/");
        vm.call_out_of_turn(Callback::RequestHeaders, &[stream, 3, 1]);
        vm.leave(stream);
    }
    finds(Script::default(), headers_again, IMPOSSIBLE);
    finds(Script::default(), asks_again(8), IMPOSSIBLE);
    // Another filter may drive a body once more.
    finds(Script::default(), asks_again(2), NOTHING);
}

/// Gives the host the redis servers of these scenarios.
fn furnish(vm: &mut Vm) {
    let answers = Redis::Answers { after_millis: 50, bytes: b"+OK\r\n".to_vec() };
    vm.redis(SLOW, answers).redis(LOSES, Redis::Loses { after_millis: 10 });
    vm.redis(SILENT, Redis::Never).redis("no-host", Redis::NoHealthyHost);
    vm.callee(plugins::COLLECTOR, Callee::answers(200).with_body(""));
}
