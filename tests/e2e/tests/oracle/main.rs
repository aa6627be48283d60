//! An oracle nobody here wrote: Envoy at `wasm:trace` logs every call between host and VM. Whatever it
//! logs of the example plugins and 1,000 mixed requests, the recorder must have told with
//! `--record-all-hostcalls`: the same entries with the same numbers, in them the same hostcalls with the
//! same results; the same counts at every shipment; and of the recorder's own calls exactly as many as
//! it counts itself.
//!
//! Not compared: texts, which the log does not carry; hostcalls whose row says that they are never
//! kept; standard output, which the recorder joins to lines; `proxy_set_tick_period_milliseconds`, which
//! reaches the host only from the recorder.
//!
//! One Envoy for each VM, so that every line of a worker belongs to it.

mod compare;
mod counts;
mod log;
mod requests;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use abi::{Callback, Kind};
use compare::{Same, compare};
use e2e::{FailurePolicy, Mode, Plugin, Request, Sdk, Stack, soon, until};
use import::Invocation;
use log::{Log, Step, sift};
use requests::{FORGETS, SHORT};
use told::{Endpoint, Told};

/// A recorder ships five times a second, and keeps nothing back.
const SOON: Duration = Duration::from_secs(60);
/// A cluster without an endpoint.
const EMPTY: &str = "empty";
/// A buffer that is never full, and the little that is told of an idle VM soon.
const WHOLE: &[&str] =
    &["--record-all-hostcalls", "--flush-millis", "200", "--heartbeat-seconds", "1"];
/// The same of a recorder that keeps few streams, and the telling hostcalls of these.
const SAMPLED: &[&str] = &["--rate", "0.1", "--flush-millis", "200", "--heartbeat-seconds", "1"];

#[test]
fn the_rust_plugin_in_all_its_modes() {
    // Each is a root of its own in one VM. One ticks, one has the recorder move all the time, and the
    // host refuses the calls of two.
    let plugin = |mode| Plugin::new(Sdk::Rust, mode);
    let run = Run::start(
        2,
        WHOLE,
        vec![
            ("body", plugin(Mode::Body).ticks_every(70).ticks_anew()),
            ("fixed", plugin(Mode::Fixed)),
            (FORGETS, plugin(Mode::Forget)),
            ("grows", plugin(Mode::Grow)),
            ("unknown", plugin(Mode::Body).calls("a cluster that is not there")),
            ("empty", plugin(Mode::Fixed).calls(EMPTY)),
        ],
    );
    run.send(1000);
    let Totals { in_time, late, rejected, bases } = run.equals_the_log(3);
    assert!(bases > 3, "the recorder moved only between {bases} places");
    assert!(in_time > 100 && late > 20 && rejected > 100, "{in_time} {late} {rejected}");
}

#[test]
fn plugins_that_lack_most_callbacks() {
    // What they lack and the recorder needs was added; hosts call that too.
    for (name, plugin) in [("cpp", Plugin::cpp()), ("probe", Plugin::probe())] {
        let run = Run::start(1, WHOLE, vec![(name, plugin)]);
        run.send(1000);
        for path in ["/patient?hold=1", "/patient?trap=exit"] {
            run.stack.send(name, &Request::get(path).patience(SHORT));
        }
        run.equals_the_log(2);
    }
}

#[test]
fn the_plugin_that_misuses_the_host() {
    let run = Run::start(1, WHOLE, vec![("misuse", Plugin::misuse())]);
    run.send(900);
    let misuses = [
        "wait-for-body",
        "ignore-refusal",
        "stop-at-end",
        "stop-own-answer",
        "answer-late",
        "resume-and-deny",
        "wrong-context",
    ];
    for misuse in misuses.into_iter().cycle().take(100) {
        let path = format!("/patient?misuse={misuse}");
        let request = Request::post(path, "some text").patience(SHORT).may_break_off();
        run.stack.send("misuse", &request);
    }
    run.equals_the_log(2);
}

#[test]
fn the_go_plugin_without_a_headers_handler() {
    let plugin = |mode| Plugin::new(Sdk::Go, mode);
    let run =
        Run::start(1, WHOLE, vec![("body", plugin(Mode::Body)), (FORGETS, plugin(Mode::Forget))]);
    run.send(500);
    let Totals { in_time, late, .. } = run.equals_the_log(2);
    assert!(in_time > 100 && late > 20, "{in_time} {late}");
}

#[test]
fn the_go_plugin_that_holds_the_headers() {
    let run = Run::start(1, WHOLE, vec![("fixed", Plugin::new(Sdk::Go, Mode::Fixed))]);
    run.send(500);
    let Totals { in_time, .. } = run.equals_the_log(2);
    assert!(in_time > 100, "{in_time}");
}

#[test]
fn a_recorder_that_keeps_one_stream_in_ten_counts_all() {
    let plugin = |mode| Plugin::new(Sdk::Rust, mode);
    let run = Run::start(
        1,
        SAMPLED,
        vec![
            ("body", plugin(Mode::Body)),
            ("fixed", plugin(Mode::Fixed)),
            ("grows", plugin(Mode::Grow)),
            ("unknown", plugin(Mode::Body).calls("a cluster that is not there")),
        ],
    );
    run.send(300);
    let Totals { in_time, late, rejected, .. } = run.equals_the_log(2);
    assert!(in_time > 50 && late > 10 && rejected > 30, "{in_time} {late} {rejected}");
}

#[test]
fn a_plugin_that_traps_and_is_made_anew() {
    let plugin = Plugin::new(Sdk::Rust, Mode::Trap).fails(FailurePolicy::Reload);
    let run = Run::start(1, WHOLE, vec![("traps", plugin)]);
    let traps = ["/patient?trap=headers", "/patient?trap=callback&callee=after-5"];
    for (before, trap) in traps.into_iter().enumerate() {
        run.send(60);
        let seen =
            || run.endpoint.told().into_values().filter(|told| told.events.len() > 100).count();
        soon("the VM has shipped", || (seen() > before).then_some(()));
        let answer = run.stack.send("traps", &Request::post(trap, "text").patience(SHORT));
        assert_ne!(answer.status, 200);
        let passes = || run.stack.send("traps", &Request::get("/patient")).status == 200;
        soon("a new VM takes requests", || passes().then_some(()));
    }
    run.send(60);
    // Those of both VMs that trapped left a black box.
    run.equals_the_log(4);
}

/// One Envoy, its log, and what the recorders in it told.
struct Run {
    plugins: Vec<&'static str>,
    stack: Stack,
    endpoint: Arc<Endpoint>,
    started: Instant,
}

impl Run {
    /// All of the plugins in one VM.
    fn start(
        workers: u32,
        flags: &'static [&'static str],
        plugins: Vec<(&'static str, Plugin)>,
    ) -> Self {
        let started = Instant::now();
        let endpoint = Endpoint::start();
        let mut stack = Stack::builder()
            .wasm_log("trace")
            .workers(workers)
            .discovers(EMPTY, None)
            .ships_to(endpoint.address())
            .instrument_with(flags);
        let names = plugins.iter().map(|(name, _)| *name).collect();
        for (name, plugin) in plugins {
            let plugin = plugin.timeout_millis(requests::CALL_TIMEOUT_MILLIS);
            stack = stack.plugin(name, plugin.traced());
        }
        let stack = stack.start().unwrap_or_else(|error| panic!("{error:#}"));
        Self { plugins: names, stack, endpoint, started }
    }

    /// Sends so many requests, mixed, to the plugins in turns.
    fn send(&self, count: usize) {
        requests::send(&self.stack, &self.plugins, count);
    }

    /// Waits until what so many recorders told equals what was logged. There is one in the VM of each
    /// worker and one on the main thread; the canary's ships nothing.
    fn equals_the_log(&self, recorders: usize) -> Totals {
        let sent = self.started.elapsed();
        let mut log = Log::open(&self.stack.envoy_log_file());
        let mut last = String::new();
        let equal = until("the recorders told all", SOON, || {
            // First what was told: all of it stands in the log by then.
            let told = self.endpoint.told();
            log.catch_up();
            let compared =
                told.values().map(|told| with_its_vm(told, &log).map(|(same, _)| same)).collect();
            last = match compared {
                Ok(same) if told.len() == recorders => return Ok(Some((told, same))),
                Ok(_) => format!("{} recorders told something", told.len()),
                Err(difference) => difference,
            };
            Ok(None::<(BTreeMap<_, _>, Vec<Same>)>)
        });
        let Ok((told, same)) = equal else { panic!("{last}") };
        assert_eq!(log.defects(), [""; 0]);
        assert!(same.iter().all(|same| same.counters > 0), "{same:?}");
        let worker = told.into_values().max_by_key(|told| told.events.len());
        let worker = worker.expect("a worker told something");
        assert!(worker.events.len() > 100, "only {:?} was told", worker.events);
        would_be_seen(&worker, &log);
        let bases: BTreeSet<u32> = worker.shipments.iter().map(|shipment| shipment.base).collect();
        println!(
            "{:?}: sent {sent:.1?}, all {:.1?}, {} lines, {} bytes; shipped from {} bases: {same:#?}",
            self.plugins,
            self.started.elapsed(),
            log.lines(),
            log.bytes,
            bases.len()
        );
        let of = |at: usize| same.iter().map(|same| same.calls[at]).sum();
        Totals { in_time: of(0), late: of(1), rejected: of(2), bases: bases.len() }
    }
}

/// What was equal, summed up.
struct Totals {
    /// Calls answered in time, and too late.
    in_time: u64,
    late: u64,
    /// Dispatches that the host refused.
    rejected: u64,
    /// Places from which one recorder shipped: it moves when the plugin takes memory.
    bases: usize,
}

/// That nothing differs says something only if the least difference would be seen.
fn would_be_seen(told: &Told, log: &Log) {
    let (_, steps) = with_its_vm(told, log).expect("it was equal");
    let differs = |what: &str, change: &dyn Fn(&mut Told)| {
        let mut changed = told.clone();
        change(&mut changed);
        assert!(compare(&steps, &changed).is_err(), "{what} is not seen");
    };
    let some = told.shipments.len() / 2;
    differs("a hostcall of its own too many", &|told| told.shipments[some].hostcalls += 1);
    let last = told.shipments.iter().rposition(|told| told.counters.is_some()).expect("counters");
    differs("a phase too many in the counters", &|told| {
        let counters = told.shipments[last].counters.as_mut().expect("counters");
        counters.phases[0].count += 1;
    });
    differs("a callback of its own too many", &|told| told.shipments[some].callbacks += 1);
    if !told.is_whole {
        // Of the others those are kept that hang or lose a call.
        assert!(told.events.len() < steps.len() / 4 * 3, "nearly all streams are kept");
        return;
    }
    let hostcall = told.events.iter().rposition(|event| matches!(event.kind, Kind::Hostcall(_)));
    let headers = Kind::Callback(Callback::RequestHeaders);
    let headers = told.events.iter().position(|event| event.kind == headers).expect("a request");
    let end = told.events.len() - 1;
    // The probe makes none.
    if let Some(at) = hostcall {
        differs("a hostcall that is missing", &|told| drop(told.events.remove(at)));
        differs("another status", &|told| told.events[at].result += 1);
    }
    differs("a callback that is missing", &|told| drop(told.events.remove(headers)));
    differs("another context", &|told| told.events[end].context.0 += 1);
    differs("another argument", &|told| told.events[headers].args[0] += 1);
}

/// Compares what a recorder told with the log of its VM: the one that is like it, if there is one. The
/// log does not say which it is.
fn with_its_vm(told: &Told, log: &Log) -> Result<(Same, Vec<Step>), String> {
    let count = |invocations: &[Invocation], callback| {
        invocations.iter().filter(|one| one.callback() == Some(callback)).count()
    };
    let create = Kind::Callback(Callback::ContextCreate);
    let contexts = told.events.iter().filter(|event| event.kind == create).count();
    let vms = log.vms().filter(|invocations| count(invocations, Callback::Tick) > 0);
    let mut vms: Vec<_> = vms.collect();
    vms.sort_by_key(|one| count(one, Callback::ContextCreate).abs_diff(contexts));
    let compared = vms.iter().map(|invocations| {
        let steps = sift(invocations, &told.shipments[0])?;
        Ok((compare(&steps, told)?, steps))
    });
    let mut results: Vec<Result<_, String>> = Vec::new();
    for result in compared {
        let is_equal = result.is_ok();
        results.push(result);
        if is_equal {
            break;
        }
    }
    match results.pop() {
        Some(Ok(equal)) => Ok(equal),
        // What differs from the most similar one is what tells.
        last => results.into_iter().chain(last).next().unwrap_or(Err("no VM ticks".to_owned())),
    }
}
