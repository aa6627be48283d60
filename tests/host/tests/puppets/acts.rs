//! What hosts, clients, upstreams and callees do around a puppet.

use abi::{Direction, Hostcall};
use host::{Callee, Manner, Peer, Redis, Service, StreamId, Upstream, Vm};

use crate::plugins::COLLECTOR;

/// One act. Streams, connections and roots are named by their place among those that began.
#[derive(Clone, Debug)]
pub enum Act {
    /// A request without body.
    Get,
    /// A request with its headers alone; the rest may come.
    Open,
    /// A piece of a stream's body, and perhaps the end.
    Body(usize, usize, bool),
    /// A stream's trailers.
    Trailers(usize),
    /// A client goes.
    Leave(usize),
    /// Metadata on a stream.
    Metadata(usize, bool),
    /// Headers of 60 KiB.
    Large,
    /// How the upstream treats streams from now on.
    Upstream(usize),
    /// How the callee treats calls from now on.
    Callee(usize),
    /// How the collector treats shipments from now on.
    Collector(usize),
    /// A client connects by TCP.
    Connect,
    /// Bytes on a connection, from the client or the upstream, and perhaps the end.
    Bytes(usize, bool, bool),
    /// A connection ends.
    HangUp(usize),
    /// A configuration push: one more root.
    Push,
    /// A root ends.
    EndRoot(usize),
    /// An answer to a call that nobody made.
    Stray(u32),
    /// A configuration is looked at.
    Validate,
    /// Somebody calls a function of the plugin, or tells it statistics.
    Function(bool),
    /// The host forbids a hostcall, or allows it again.
    Refuse(Hostcall, bool),
}

/// Everything that began.
#[derive(Default)]
struct Begun {
    roots: Vec<u32>,
    streams: Vec<StreamId>,
    connections: Vec<StreamId>,
}

fn of(begun: &[u32], place: usize) -> Option<u32> {
    (!begun.is_empty()).then(|| begun[place % begun.len()])
}

/// Gives the host what every script wants: callees, services, servers, functions.
pub fn furnish(vm: &mut Vm) {
    // A callback that calls twice would double the calls for ever.
    vm.most_calls(60);
    vm.callee(COLLECTOR, Callee::answers(200).with_body(""));
    vm.callee("callee", Callee::answers(200).after_millis(30));
    vm.callee("no-host", Callee::always(Manner::NoHealthyHost));
    vm.callee("silent", Callee::never());
    vm.callee("resets", Callee::always(Manner::Reset { after_millis: 5 }));
    let answers = Service::Answers { after_millis: 8, message: b"message".to_vec() };
    vm.service("callee", answers);
    vm.service("no-host", Service::NoHealthyHost);
    vm.service("silent", Service::Never);
    let fails = Service::Fails { after_millis: 5, status: 7, message: "not you".into() };
    vm.service("resets", fails);
    vm.redis("callee", Redis::Answers { after_millis: 4, bytes: b"+OK\r\n".to_vec() });
    vm.redis("no-host", Redis::NoHealthyHost);
    vm.redis("resets", Redis::Loses { after_millis: 4 });
    vm.foreign("known", b"an answer");
    vm.upstream_hosts(&[("10.0.0.1:80", "healthy")]);
}

/// Acts one after the other, each with the milliseconds after it.
pub fn act_out(vm: &mut Vm, acts: &[(Act, u64)]) {
    furnish(vm);
    let mut begun = Begun::default();
    begun.roots.push(vm.start("configuration").root);
    vm.run_millis(1);
    for (act, millis) in acts {
        one(vm, &mut begun, act);
        vm.run_millis(*millis);
    }
    vm.run_millis(3_000);
}

fn one(vm: &mut Vm, begun: &mut Begun, act: &Act) {
    let newest = begun.roots.last().copied().unwrap_or(1);
    match act {
        Act::Get => begun.streams.push(vm.open_on(newest, "GET /get?q=1", &[], true)),
        Act::Open => begun.streams.push(vm.open_on(newest, "POST /open", &[], false)),
        Act::Large => {
            let value = "v".repeat(6_000);
            let names: Vec<String> = (0..10).map(|n| format!("x-large-{n}")).collect();
            let headers: Vec<(&str, &str)> =
                names.iter().map(|name| (name.as_str(), value.as_str())).collect();
            begun.streams.push(vm.open_on(newest, "GET /large", &headers, true));
        }
        Act::Body(place, size, end) => {
            if let Some(stream) = of(&begun.streams, *place) {
                vm.body(stream, &"b".repeat(*size), *end);
            }
        }
        Act::Trailers(place) => {
            if let Some(stream) = of(&begun.streams, *place) {
                vm.trailers(stream, &[("x-last", "1")]);
            }
        }
        Act::Leave(place) => {
            if let Some(stream) = of(&begun.streams, *place) {
                vm.leave(stream);
            }
        }
        Act::Metadata(place, request) => {
            let direction = if *request { Direction::Request } else { Direction::Response };
            if let Some(stream) = of(&begun.streams, *place) {
                vm.metadata(stream, direction, 1);
            }
        }
        Act::Upstream(which) => {
            vm.upstream(upstream(*which));
        }
        Act::Callee(which) => {
            vm.callee("callee", callee(*which, 30));
        }
        Act::Collector(which) => {
            vm.callee(COLLECTOR, callee(*which, 2));
        }
        Act::Connect => begun.connections.push(vm.connect(newest)),
        Act::Bytes(place, from_client, end) => {
            if let Some(connection) = of(&begun.connections, *place) {
                match from_client {
                    true => vm.from_client(connection, "client's", *end),
                    false => vm.from_upstream(connection, "upstream's", *end),
                }
            }
        }
        Act::HangUp(place) => {
            if let Some(connection) = of(&begun.connections, *place) {
                vm.hang_up(connection, Peer::Remote);
            }
        }
        Act::Push => begun.roots.push(vm.start("another configuration").root),
        Act::EndRoot(place) => {
            if begun.roots.len() > 1 {
                let root = begun.roots.remove(place % (begun.roots.len() - 1));
                vm.end_root(root);
            }
        }
        Act::Validate => vm.validate(newest),
        Act::Stray(id) => vm.stray_answer(newest, *id),
        Act::Function(function) => match function {
            true => vm.call_plugin(newest, 3, b"arguments"),
            false => vm.stats(newest, b"statistics"),
        },
        Act::Refuse(hostcall, true) => {
            vm.refuse(*hostcall);
        }
        Act::Refuse(hostcall, false) => {
            vm.allow(*hostcall);
        }
    }
}

fn upstream(which: usize) -> Upstream {
    match which % 5 {
        0 => Upstream::patient(200, "hello"),
        1 => Upstream::early(200, "early"),
        2 => Upstream::Closes { after_millis: 2 },
        3 => Upstream::patient(503, "").with_trailers(&[("x-end", "yes")]),
        _ => Upstream::Silent,
    }
}

fn callee(which: usize, after_millis: u64) -> Callee {
    match which % 9 {
        0 => Callee::answers(200).after_millis(after_millis).with_body(""),
        1 => Callee::answers(503).with_header("retry-after", "1"),
        2 => Callee::always(Manner::Reset { after_millis }),
        3 => Callee::always(Manner::NoHealthyHost),
        4 => Callee::never(),
        5 => Callee::always(Manner::ConnectFailure { after_millis }),
        6 => Callee::answers(413),
        7 => Callee::answers(422),
        _ => Callee::answers(200).with_body([0xff; 300]),
    }
}

/// Each thing once and a little more: a client of every kind, pushes, ends.
pub fn tour() -> Vec<(Act, u64)> {
    use Act::*;
    vec![
        (Get, 50),
        (Open, 2),
        (Body(1, 5, false), 2),
        (Body(1, 3, true), 100),
        (Upstream(1), 1),
        (Open, 1),
        (Body(2, 5, false), 1),
        (Trailers(2), 100),
        (Upstream(4), 1),
        (Open, 3),
        (Metadata(3, true), 3),
        (Metadata(3, false), 3),
        (Validate, 1),
        (Body(3, 7, false), 20),
        (Leave(3), 10),
        (Upstream(2), 1),
        (Get, 30),
        (Connect, 3),
        (Bytes(0, true, false), 3),
        (Bytes(0, false, true), 3),
        (HangUp(0), 3),
        (Function(true), 3),
        (Function(false), 3),
        (Stray(0x0300_0000), 3),
        (Upstream(3), 1),
        (Large, 30),
        (Push, 10),
        (Open, 10),
        (EndRoot(0), 1_200),
        (Body(6, 3, true), 2_500),
    ]
}
