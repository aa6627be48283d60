//! The host's other calls, as Envoy makes them: gRPC, TCP, queues, roots that wait. And Higress's own
//! hostcalls, which only our emulation of it answers here.

mod plugins;
mod puppets;

use abi::{Callback, Hostcall};
use host::puppet::{Script, Step, Value};
use host::{Dialect, Peer, Upstream, Vm, What, Who};
use puppets::acts::furnish;
use puppets::values::{call, sensible};
use puppets::{programs, stages};

/// A puppet on a stage, started.
fn puppet(stage: usize, script: Script) -> Vm {
    let (_, shape, dialect) = stages().swap_remove(stage);
    let mut vm = programs(shape)[0].start(dialect).expect("it starts");
    script.put(&mut vm);
    furnish(&mut vm);
    vm.start("");
    vm
}

const ENVOY: usize = 0;
const WITH_HEADERS_STOP: usize = 1;
const HIGRESS: usize = 3;

/// Entries of a callback without their first argument, the root.
fn entries(vm: &Vm, callback: Callback) -> Vec<Vec<u32>> {
    vm.log().entries(callback).into_iter().map(|args| args[1..].to_vec()).collect()
}

/// A dispatch to one of the clusters.
fn to(cluster: &str, hostcall: Hostcall) -> Step {
    let Step::Call(hostcall, mut values) = sensible(hostcall) else { unreachable!("a hostcall") };
    values[0] = Value::Bytes(cluster.as_bytes().to_vec());
    Step::Call(hostcall, values)
}

#[test]
fn a_grpc_call_is_answered_by_a_message_or_by_a_close() {
    let mut vm = puppet(
        ENVOY,
        Script::default().at(
            Callback::RequestHeaders,
            0,
            vec![
                to("callee", Hostcall::GrpcCall),
                to("resets", Hostcall::GrpcCall),
                to("silent", Hostcall::GrpcCall),
                to("nobody", Hostcall::GrpcCall),
                to("no-host", Hostcall::GrpcCall),
            ],
        ),
    );
    vm.get("/");
    vm.run_millis(3_000);
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::GrpcCall), [0, 0, 0, 4, 10]);
    assert_eq!(entries(&vm, Callback::GrpcReceive), [[5, 7]]);
    // The one without a host closes first, with an id that the plugin never learned.
    assert_eq!(
        entries(&vm, Callback::GrpcClose),
        [[17, 14], [9, 7], [13, 14]],
        "\n{}",
        vm.log().text()
    );
}

#[test]
fn a_grpc_stream_gives_back_what_is_sent_until_it_is_closed() {
    let send = |end| {
        Step::Call(
            Hostcall::GrpcSend,
            vec![
                Value::Argument(Callback::GrpcReceiveInitialMetadata, 1),
                Value::Bytes(b"three".to_vec()),
                Value::Number(end),
            ],
        )
    };
    let mut vm = puppet(
        ENVOY,
        Script::default()
            .at(Callback::RequestHeaders, 0, vec![to("callee", Hostcall::GrpcStream)])
            .at(Callback::GrpcReceiveInitialMetadata, 0, vec![send(0), send(1)])
            .at(Callback::GrpcClose, 0, vec![sensible(Hostcall::GrpcClose), send(0)]),
    );
    vm.get("/");
    vm.run_millis(1_000);
    assert_eq!(entries(&vm, Callback::GrpcReceiveInitialMetadata), [[6, 2]]);
    assert_eq!(entries(&vm, Callback::GrpcReceive), [[6, 5], [6, 5]]);
    assert_eq!(entries(&vm, Callback::GrpcReceiveTrailingMetadata), [[6, 1]]);
    assert_eq!(entries(&vm, Callback::GrpcClose), [[6, 0]]);
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::GrpcClose), [0]);
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::GrpcSend), [0, 0, 1]);
}

#[test]
fn a_cancelled_call_has_no_callback_and_ids_of_another_kind_are_bad() {
    let last = || Value::Word(0);
    let mut vm = puppet(
        ENVOY,
        Script::default().at(
            Callback::RequestHeaders,
            0,
            vec![
                to("callee", Hostcall::GrpcCall),
                Step::Call(
                    Hostcall::GrpcSend,
                    vec![last(), Value::Bytes(vec![1]), Value::Number(0)],
                ),
                Step::Call(Hostcall::GrpcCancel, vec![last()]),
                Step::Call(Hostcall::GrpcCancel, vec![last()]),
                Step::Call(Hostcall::GrpcCancel, vec![Value::Number(4)]),
            ],
        ),
    );
    vm.get("/");
    vm.run_millis(1_000);
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::GrpcSend), [2]);
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::GrpcCancel), [0, 1, 2]);
    assert!(entries(&vm, Callback::GrpcReceive).is_empty());
}

#[test]
fn a_connection_that_is_stopped_gives_its_bytes_again() {
    let mut vm = puppet(
        ENVOY,
        Script::default().at(Callback::DownstreamData, 1, vec![]).at(
            Callback::DownstreamData,
            0,
            vec![sensible(Hostcall::GetBufferBytes)],
        ),
    );
    let connection = vm.connect(1);
    vm.from_client(connection, "one", false);
    vm.from_client(connection, "two", true);
    vm.from_upstream(connection, "three", true);
    vm.hang_up(connection, Peer::Remote);
    assert_eq!(
        vm.log().trace(),
        "create(1,0) vm_start(1,0) configure(1,0) create(2,1) new_connection(2) →0 \
         downstream_data(2,3,0) →1 downstream_data(2,6,1) →0 upstream_data(2,5,1) →0 \
         upstream_connection_close(2,0) downstream_connection_close(2,2) done(2) log(2) delete(2)"
    );
}

#[test]
fn a_root_is_done_when_it_says_so_after_it_said_no() {
    let mut vm = puppet(
        ENVOY,
        Script::default()
            .at(Callback::Done, 0, vec![sensible(Hostcall::Done)])
            .at(Callback::QueueReady, 0, vec![sensible(Hostcall::Done)])
            .at(Callback::Configure, 1, vec![sensible(Hostcall::RegisterSharedQueue)])
            .at(Callback::RequestHeaders, 0, vec![sensible(Hostcall::EnqueueSharedQueue)]),
    );
    vm.end_root(1);
    assert!(vm.log().entries(Callback::Delete).is_empty(), "it waits");
    vm.open_on(1, "GET /", &[], true);
    vm.run_millis(10);
    assert_eq!(entries(&vm, Callback::QueueReady), [[1]]);
    // Inside on_done it is too early.
    let statuses = vm.log().statuses(Who::Plugin, Hostcall::Done);
    assert_eq!(statuses[..2], [1, 0]);
    assert!(vm.log().entries(Callback::Delete).contains(&vec![1]), "it is done");
}

/// A request of two pieces to a puppet that answers 1 in headers and Continue in the body.
fn stops_in_headers(stage: usize) -> String {
    let mut vm = puppet(stage, Script::default().at(Callback::RequestHeaders, 1, vec![]));
    vm.upstream(Upstream::early(200, ""));
    vm.post("/", "body");
    vm.run_millis(100);
    vm.log().trace().split_once("create(2,1) ").map(|(_, after)| after.into()).unwrap_or_default()
}

#[test]
fn number_1_in_headers_stops_all_or_only_the_headers() {
    assert_eq!(stops_in_headers(ENVOY), "request_headers(2,9,0) →1");
    let released = "request_headers(2,9,0) →1 request_body(2,4,0) →0";
    assert!(stops_in_headers(WITH_HEADERS_STOP).starts_with(released));
}

#[test]
fn higress_emulated_number_1_of_a_0_2_100_module_stops_only_the_headers() {
    let released = "request_headers(2,9,0) →1 request_body(2,4,0) →0";
    assert!(stops_in_headers(HIGRESS).starts_with(released));
}

#[test]
fn higress_emulated_redis_answers_loses_and_refuses() {
    let mut vm = puppet(
        HIGRESS,
        Script::default().at(
            Callback::RequestHeaders,
            0,
            vec![
                to("callee", Hostcall::RedisInit),
                to("nobody", Hostcall::RedisInit),
                to("callee", Hostcall::RedisCall),
                to("resets", Hostcall::RedisCall),
                to("no-host", Hostcall::RedisCall),
                to("nobody", Hostcall::RedisCall),
            ],
        ),
    );
    vm.get("/");
    vm.run_millis(100);
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::RedisInit), [0, 2]);
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::RedisCall), [0, 0, 10, 2]);
    assert_eq!(entries(&vm, Callback::RedisCallResponse), [[7, 0, 5], [11, 1, 0]]);
}

#[test]
fn higress_emulated_injected_data_reach_the_client() {
    let inject = |text: &str, end| {
        Step::Call(
            Hostcall::InjectEncodedData,
            vec![Value::Bytes(text.as_bytes().to_vec()), Value::Number(end)],
        )
    };
    let mut vm = puppet(
        HIGRESS,
        Script::default()
            .at(
                Callback::ResponseBody,
                3,
                vec![inject("in", 0), sensible(Hostcall::GetUpstreamHosts)],
            )
            .at(Callback::ResponseBody, 3, vec![inject("jected", 1)]),
    );
    vm.upstream(Upstream::patient(200, "held back"));
    let stream = vm.get("/");
    vm.run_millis(100);
    assert_eq!(vm.answer(stream).body, b"injected");
    assert_eq!(vm.log().statuses(Who::Plugin, Hostcall::GetUpstreamHosts), [0]);
}

#[test]
fn higress_emulated_empty_parts_of_buffers_are_written_as_0() {
    let read = || call(Hostcall::GetBufferBytes, |at, _| usize::from(at == 2));
    for (stage, written) in [(ENVOY, 0), (HIGRESS, 1)] {
        let mut vm = puppet(stage, Script::default().at(Callback::RequestBody, 0, vec![read()]));
        vm.post("/", "body");
        let given = vm.log().0.iter().find_map(|line| match &line.what {
            What::Hostcall { hostcall: Some(Hostcall::GetBufferBytes), given, .. } => {
                Some(given.len())
            }
            _ => None,
        });
        assert_eq!(given, Some(written));
        assert_eq!(vm.host().dialect() == Dialect::Higress, written == 1);
    }
}
