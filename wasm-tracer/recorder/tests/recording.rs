//! What is recorded, and in which words; prost reads what the recorder wrote by hand.

mod support;

use abi::{Callback, Hostcall};
use proto::v1::{CallFailure, CallOutcome, Mark, PropertyName, property};
use support::encode::pairs;
use support::{ROOT, Vm, events, of_kind};

fn number(callback: Callback) -> u32 {
    callback.number()
}

#[test]
fn the_reported_case_is_recorded_whole() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call(Callback::RequestHeaders, 2, [10, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestBody, 2, [14, 1, 0, 0], 1, |vm| vm.http_call("slow", 4, 5000));
    vm.call(Callback::ResponseHeaders, 2, [5, 0, 0, 0], 0);
    vm.end(2);
    vm.pass_millis(2000);
    vm.host.response = vec![(":status".into(), "200".into())];
    vm.call(Callback::HttpCallResponse, ROOT, [4, 3, 2, 0], 0);
    vm.drain();

    let batches = vm.batches();
    let dispatch = &of_kind(&batches, Hostcall::HttpCall.number())[0];
    let body = &of_kind(&batches, number(Callback::RequestBody))[0];
    assert_eq!(dispatch.entry, body.entry, "a dispatch belongs to its invocation");
    assert!(dispatch.at > body.at && dispatch.sequence < body.sequence);
    assert_eq!((dispatch.context, dispatch.event.call), (2, 4));
    assert_eq!(dispatch.event.text, b"slow");
    let headers = pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]).len() as u32;
    assert_eq!(dispatch.event.args, [headers, 7, 5, 0, 5000]);
    assert_eq!((body.event.args.as_slice(), body.event.result), ([14, 1].as_slice(), 1));
    assert_eq!(body.event.took_micros, 100);

    let answer = &of_kind(&batches, number(Callback::HttpCallResponse))[0];
    assert_eq!((answer.context, answer.event.call), (ROOT, 4));
    assert_eq!(answer.event.args, [3, 2, 0, 200]);

    let stream = batches.iter().flat_map(|b| &b.streams).find(|s| !s.path.is_empty());
    let stream = stream.expect("the stream is named");
    assert_eq!((stream.context, stream.root), (2, ROOT));
    assert_eq!((stream.path.as_str(), stream.method.as_str()), ("/orders/17", "POST"));
    assert_eq!(stream.authority, "shop.example");
    assert_eq!(stream.request_id, "6f9a2d52-7d0c-4f7b-9d0e-0a1b2c3d4e5f");

    let told = batches.iter().flat_map(|b| &b.streams).find(|s| !s.properties.is_empty());
    let told = told.expect("a stream that dispatched is told of at its end");
    let details = told.properties.iter().find(|p| p.name() == PropertyName::ResponseCodeDetails);
    let via = property::Value::Text(b"via_upstream".to_vec());
    assert_eq!(details.and_then(|p| p.value.clone()), Some(via));
    let flags = told.properties.iter().find(|p| p.name() == PropertyName::ResponseFlags);
    assert_eq!(flags.and_then(|p| p.value.clone()), Some(property::Value::Number(0)));
    assert_eq!(told.protocol, "HTTP/1.1");

    let counters = batches.iter().rev().find_map(|b| b.counters.clone()).expect("counters");
    let late = counters.calls.iter().find(|c| c.outcome() == CallOutcome::Late);
    let late = late.expect("the call is counted as late");
    assert_eq!((late.cluster.as_slice(), late.count), (b"slow".as_slice(), 1));
    assert_eq!(late.duration.as_ref().map(|d| d.buckets.iter().sum::<u64>()), Some(1));
    assert!(counters.pauses.iter().any(|p| p.root == ROOT && p.direction == 0));
}

#[test]
fn numbers_are_dense_and_times_absolute_over_batches() {
    let mut vm = Vm::start();
    for context in 2..40 {
        vm.small_request(context);
        vm.pass_millis(170);
        vm.answer_all(200);
    }
    vm.drain();
    let batches = vm.batches();
    assert!(batches.len() > 3);
    let all: Vec<_> = batches.iter().flat_map(events).collect();
    for (at, read) in all.iter().enumerate() {
        assert_eq!(read.sequence, at as u64 + 1);
    }
    let creates = of_kind(&batches, number(Callback::ContextCreate));
    assert!(creates.windows(2).all(|pair| pair[0].at < pair[1].at));
    assert_eq!(creates.len(), 39);
    let batch = vm.last_batch();
    assert_eq!(batch.counters.expect("an empty batch has counters").events, all.len() as u64);
}

#[test]
fn the_batch_says_who_it_is_from() {
    let mut vm = Vm::start();
    vm.pass_millis(1000);
    let batch = vm.last_batch();
    assert_eq!(batch.instance, (16..32).collect::<Vec<u8>>());
    assert_eq!(batch.node, "node-1");
    assert_eq!((batch.base, batch.recorder_pages), (0x20_0000, 4));
    let module = batch.module.expect("the module");
    assert_eq!((module.abi.as_str(), module.host.as_str()), ("0.2.1", "envoy"));
    assert_eq!((module.hostcalls, module.original_sha256), (vec![64, 72, 78], vec![7; 32]));
    let root = &batch.roots[0];
    assert_eq!((root.plugin.as_str(), root.root_id.as_str()), ("auth", "auth-root"));
    assert_ne!(root.configuration_hash, 0);
    let clock = batch.clock.expect("a clock");
    assert_eq!((clock.wall_nanos - 1_700_000_000_000_000_000) / 1000, clock.monotonic_micros);
    assert!(!clock.wall_only);
    let sent = &vm.host.sent[0];
    assert_eq!(sent.cluster, "collector");
    let header = |name: &str| sent.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(header(":path"), Some("/v1/batches"));
    assert_eq!(header("content-type"), Some("application/x-protobuf"));
    assert_eq!(header("authorization"), None);
}

#[test]
fn a_host_without_a_monotonic_clock_is_marked() {
    let mut vm = Vm::bare(&[], "");
    vm.host.wall_only = true;
    vm.create_root(ROOT);
    vm.pass_millis(1000);
    vm.tick(ROOT);
    assert!(vm.last_batch().clock.expect("a clock").wall_only);
}

#[test]
fn frequent_hostcalls_are_events_only_where_they_tell_something() {
    let mut vm = Vm::start();
    let key = vm.host.put(b"x-user");
    let params = [0, key.0, key.1, 0, 0];
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 0, |vm| {
        vm.hostcall(Hostcall::GetHeaderMapValue, 0, &params);
        vm.hostcall(Hostcall::GetHeaderMapValue, 2, &params);
    });
    vm.call_doing(Callback::HttpCallResponse, ROOT, [4, 0, 0, 0], 0, |vm| {
        vm.hostcall(Hostcall::GetHeaderMapValue, 0, &params);
    });
    vm.drain();
    let kept = of_kind(&vm.batches(), Hostcall::GetHeaderMapValue.number());
    let seen: Vec<_> = kept.iter().map(|r| (r.context, r.event.result)).collect();
    assert_eq!(seen, [(2, 2), (ROOT, 0)]);
    assert_eq!(kept[0].event.text, b"x-user");
    let counters = vm.last_batch().counters.expect("counters");
    let count = counters.hostcalls.iter().find(|h| h.kind == 82).expect("counted");
    assert_eq!((count.count, count.failures), (3, 1));
}

#[test]
fn why_a_call_failed_is_kept_but_not_its_body() {
    let sentences: [(&str, &str, CallFailure); 4] = [
        ("504", "upstream request timeout", CallFailure::Timeout),
        (
            "503",
            "upstream connect error or disconnect/reset before headers. x",
            CallFailure::Connect,
        ),
        ("503", "no healthy upstream", CallFailure::NoHealthyHost),
        ("503", "database is down, password is hunter2", CallFailure::Other),
    ];
    for (status, body, failure) in sentences {
        let mut vm = Vm::start();
        vm.host.body = body.as_bytes().to_vec();
        vm.host.response = vec![(":status".into(), status.into())];
        vm.call(Callback::HttpCallResponse, ROOT, [4, 3, 9, 0], 0);
        vm.drain();
        let answer = &of_kind(&vm.batches(), number(Callback::HttpCallResponse))[0];
        assert_eq!(answer.event.args[3..], [status.parse().expect("a number"), failure as u32]);
        assert_eq!(answer.event.text, b"");
    }
}

#[test]
fn an_answer_without_headers_is_a_reset() {
    let mut vm = Vm::start();
    vm.call(Callback::HttpCallResponse, ROOT, [4, 0, 0, 0], 0);
    vm.drain();
    let answer = &of_kind(&vm.batches(), number(Callback::HttpCallResponse))[0];
    assert_eq!(answer.event.args, [0, 0, 0, 0, CallFailure::Reset as u32]);
}

#[test]
fn an_address_outside_the_plugin_is_marked_and_counted() {
    let mut vm = Vm::start();
    vm.call_doing(Callback::HttpCallResponse, ROOT, [4, 0, 0, 0], 0, |vm| {
        vm.hostcall(Hostcall::GetProperty, 2, &[u32::MAX - 3, 1000, 0, 0]);
    });
    vm.drain();
    let property = &of_kind(&vm.batches(), Hostcall::GetProperty.number())[0];
    assert_ne!(property.event.marks & Mark::BadPointer as u32, 0);
    assert_eq!(vm.last_batch().counters.expect("counters").bad_pointers, 1);
}

#[test]
fn phases_and_pauses_without_a_row_of_their_own_are_counted_together() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    for action in 0..100 {
        vm.call(Callback::RequestBody, 2, [1, 0, 0, 0], action);
    }
    for root in 11..19 {
        let stream = root * 100;
        vm.create_root(root);
        vm.call(Callback::ContextCreate, stream, [root, 0, 0, 0], 0);
        vm.call(Callback::RequestBody, stream, [1, 0, 0, 0], 1);
        vm.call(Callback::ResponseBody, stream, [1, 0, 0, 0], 1);
        vm.end(stream);
    }
    vm.drain();
    let counters = vm.last_batch().counters.expect("counters");
    let phases: u64 = counters.phases.iter().map(|p| p.count).sum();
    assert_eq!(phases, 100 + 16, "none vanishes");
    let others: Vec<_> = counters.phases.iter().filter(|p| p.kind == 0).collect();
    assert_eq!((others.len(), others[0].count), (1, 4 + 16));
    let holds = |root: u32| counters.pauses.iter().filter(move |p| p.root == root);
    let of_no_row: u64 = holds(0).flat_map(|p| p.duration.iter().flat_map(|d| &d.buckets)).sum();
    let of_rows = counters.pauses.iter().filter(|p| p.root != 0).count() as u64;
    assert_eq!(of_rows + of_no_row, 16, "each hold that ended");
    assert_eq!(holds(0).map(|p| p.direction).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn credentials_are_never_recorded_even_if_listed() {
    let mut vm = Vm::start_with(&[], "WASM_TRACER_HEADERS=x-tenant,authorization,cookie");
    vm.small_request(2);
    vm.drain();
    let batches = vm.batches();
    let stream = batches.iter().flat_map(|b| &b.streams).next().expect("named");
    assert_eq!(stream.headers.len(), 1);
    assert_eq!(
        (stream.headers[0].name.as_str(), stream.headers[0].value.as_slice()),
        ("x-tenant", b"blue".as_slice())
    );
}

#[test]
fn headers_too_large_for_the_arena_are_asked_for_singly() {
    let mut vm = Vm::start();
    vm.host.pairs_refused = Some(6);
    vm.small_request(2);
    vm.drain();
    let batches = vm.batches();
    let stream = batches.iter().flat_map(|b| &b.streams).next().expect("named");
    assert!(stream.headers_too_large);
    assert_eq!((stream.path.as_str(), stream.authority.as_str()), ("/orders/17", ""));
    assert_eq!(vm.last_batch().counters.expect("counters").headers_too_large, 1);
}

#[test]
fn headers_are_read_once_and_properties_only_where_they_tell_something() {
    let mut vm = Vm::start();
    let before = vm.host.property_reads;
    vm.small_request(2);
    assert_eq!((vm.host.header_reads, vm.host.property_reads), (1, before));
}

#[test]
fn a_plugin_that_never_calls_from_a_body_is_named_in_on_log() {
    let mut vm = Vm::start();
    for context in 2..260 {
        vm.small_request(context);
    }
    vm.call(Callback::ContextCreate, 300, [ROOT, 0, 0, 0], 0);
    let before = vm.host.header_reads;
    vm.call(Callback::RequestHeaders, 300, [9, 0, 0, 0], 0);
    assert_eq!(vm.host.header_reads, before, "256 streams of it never called there");
    vm.call(Callback::Log, 300, [0; 4], 0);
    assert_eq!(vm.host.header_reads, before + 1);
}

#[test]
fn after_a_switch_of_context_nothing_is_read_of_another_stream() {
    let mut vm = Vm::start();
    vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
    vm.call_doing(Callback::RequestHeaders, 2, [9, 0, 0, 0], 1, |vm| {
        vm.hostcall(Hostcall::SetEffectiveContext, 0, &[ROOT]);
    });
    assert_eq!(vm.host.header_reads, 0);
}

#[test]
fn callbacks_that_the_plugin_lacks_make_events_only_for_a_context_s_life() {
    let mut vm = Vm::start();
    for callback in [Callback::ContextCreate, Callback::Log, Callback::Done, Callback::Delete] {
        vm.absent(callback, 2, [ROOT, 0, 0, 0]);
    }
    vm.absent(Callback::HttpCallResponse, ROOT, [8, 0, 0, 0]);
    vm.absent(Callback::Tick, ROOT, [0; 4]);
    vm.drain();
    let kinds: Vec<_> = vm.batches().iter().flat_map(events).map(|r| r.event.kind).collect();
    assert_eq!(kinds, [3, 1, 2, 3, 27, 26, 28]);
}

#[test]
fn a_rate_of_nothing_counts_and_records_no_stream() {
    let mut vm = Vm::start_with(&[], "WASM_TRACER_RATE=0");
    for context in 2..10 {
        vm.small_request(context);
    }
    vm.drain();
    let batch = vm.last_batch();
    assert_eq!((batch.roots[0].streams, batch.roots[0].streams_recorded), (8, 0));
    assert!(vm.batches().iter().flat_map(events).all(|r| r.context == ROOT));
    let phases = batch.counters.expect("counters").phases;
    assert!(phases.iter().any(|p| p.kind == 12 && p.count == 8));
}

#[test]
fn a_rate_of_a_tenth_records_about_a_tenth() {
    let mut vm = Vm::start_with(&[], "WASM_TRACER_RATE=0.1 WASM_TRACER_FLUSH_MILLIS=100");
    for context in 2..2002 {
        vm.small_request(context);
    }
    vm.drain();
    let recorded = vm.last_batch().roots[0].streams_recorded;
    assert!((120..280).contains(&recorded), "{recorded} of 2000");
}

#[test]
fn a_typical_request_of_twelve_events_stays_within_its_bytes() {
    let mut vm = Vm::start_with(&[], "WASM_TRACER_FLUSH_MILLIS=1000");
    vm.callback_micros = 15;
    let mut calls = 0;
    for request in 0..1000u32 {
        let context = request + 2;
        vm.call(Callback::ContextCreate, context, [ROOT, 0, 0, 0], 0);
        vm.call_doing(Callback::RequestHeaders, context, [9, 0, 0, 0], 1, |vm| {
            let call = vm.host.next_call;
            vm.http_call("auth-service", call, 500);
            calls = call;
        });
        vm.host.pass_micros(1900);
        vm.host.response = vec![(":status".into(), "200".into())];
        vm.call_doing(Callback::HttpCallResponse, ROOT, [calls, 5, 12, 0], 0, |vm| {
            vm.hostcall(Hostcall::SetEffectiveContext, 0, &[context]);
            vm.hostcall(Hostcall::ContinueStream, 0, &[0]);
        });
        vm.call(Callback::RequestBody, context, [14, 1, 0, 0], 0);
        vm.call(Callback::ResponseHeaders, context, [6, 0, 0, 0], 0);
        vm.call(Callback::ResponseBody, context, [120, 1, 0, 0], 0);
        vm.end(context);
        vm.pass_millis(3);
        vm.answer_all(200);
    }
    vm.drain();
    let bytes: usize = vm.host.sent.iter().map(|sent| sent.bytes).sum();
    let count: usize = vm.host.sent.iter().map(|sent| sent.batch.events.len()).sum();
    let streams: usize = vm.host.sent.iter().map(|sent| sent.batch.streams.len()).sum();
    println!(
        "{count} events, {bytes} bytes, {:.1} bytes an event, {} batches, {streams} stream messages",
        bytes as f64 / count as f64,
        vm.host.sent.len()
    );
    assert!(count >= 12 * 1000);
    assert!(bytes <= 24 * count, "{} bytes an event", bytes / count);
}

#[test]
fn a_stream_that_hangs_elsewhere_is_named_when_its_headers_come_if_wanted() {
    let no_dispatch: &[(u8, &[u8])] = &[(abi::graft::config::HOSTCALLS, &[78])];
    for (environment, is_named) in [("", false), ("WASM_TRACER_NAME_EARLY=1", true)] {
        let mut vm = Vm::start_with(no_dispatch, environment);
        vm.call(Callback::ContextCreate, 2, [ROOT, 0, 0, 0], 0);
        vm.call(Callback::RequestHeaders, 2, [10, 0, 0, 0], 0);
        vm.drain();
        let streams: Vec<_> = vm.batches().iter().flat_map(|b| b.streams.clone()).collect();
        assert_eq!(streams.iter().any(|s| s.path == "/orders/17"), is_named, "{environment:?}");
    }
}

#[test]
fn a_stream_whose_root_finds_no_place_is_not_recorded_and_counted() {
    let mut vm = Vm::start();
    for root in 1001..1030 {
        vm.create_root(root);
    }
    vm.call(Callback::ContextCreate, 2, [1029, 0, 0, 0], 0);
    vm.end(2);
    vm.call(Callback::ContextCreate, 3, [1002, 0, 0, 0], 0);
    vm.end(3);
    vm.drain();
    let streams: Vec<_> = vm.batches().iter().flat_map(|b| b.streams.clone()).collect();
    assert!(streams.iter().all(|s| s.context == 3 && s.root == 1002), "{streams:?}");
    assert!(vm.batches().iter().flat_map(events).all(|read| read.context != 2));
    let counters = vm.batches().iter().rev().find_map(|b| b.counters.clone());
    assert_eq!(counters.expect("sent").streams_not_watched, 1);
    // A root that ends makes place.
    vm.call(Callback::Done, 1001, [0; 4], 1);
    vm.call(Callback::Delete, 1001, [0; 4], 0);
    vm.create_root(1030);
    vm.call(Callback::ContextCreate, 4, [1030, 0, 0, 0], 0);
    vm.end(4);
    vm.drain();
    let last = vm.batches().iter().flat_map(events).last().expect("events");
    assert_eq!(last.context, 4);
}

#[test]
fn sixty_kibibytes_of_headers_are_counted_and_the_stream_still_has_its_names() {
    let mut vm = Vm::start();
    for n in 0..60 {
        vm.host.request.push((format!("x-padding-{n}"), "y".repeat(1000)));
    }
    vm.small_request(2);
    vm.host.request.truncate(7);
    vm.small_request(3);
    vm.host.request.retain(|(name, _)| name != "x-request-id");
    vm.host.request.push(("x-request-id".into(), "i".repeat(20 * 1024)));
    vm.small_request(4);
    vm.drain();
    let batches = vm.batches();
    let streams: Vec<_> = batches.iter().flat_map(|b| &b.streams).collect();
    let told = |at: usize| (streams[at].headers_too_large, streams[at].path.as_str());
    assert_eq!(
        [told(0), told(1), told(2)],
        [(true, "/orders/17"), (false, "/orders/17"), (true, "/orders/17")]
    );
    assert_eq!(streams[0].request_id, "6f9a2d52-7d0c-4f7b-9d0e-0a1b2c3d4e5f");
    assert_eq!(streams[2].request_id, "", "one value that is too large is left out");
    assert_eq!(vm.last_batch().counters.expect("counters").headers_too_large, 2);
}
