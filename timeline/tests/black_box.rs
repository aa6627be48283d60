//! What an instance leaves that traps: with a black box, and without.

use abi::Callback;
use timeline::delivery::{Clock, Delivery, OpenInvocation, Root};
use timeline::ids::{CallId, ContextId, Entry, InstanceId, Micros, Sequence};
use timeline::{Instance, Reason, State, Timeline, script};

/// The collector's clock at the instance's 0.
const AHEAD: u64 = 100_000_000;

/// Stream 2 waits for a call; stream 3 has ended, stream 4 goes its way, stream 5 is about to trap.
const BEFORE: &str = r#"
0.000000 #1 create 2 root 1
0.000100 #3 request_headers 2 n=10 end -> pause
0.000110 #2   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.100000 #4 create 3 root 1
0.100100 #5 request_headers 3 n=10 end -> continue
0.100200 #6 log 3
0.100300 #7 done 3
0.100400 #8 delete 3
0.200000 #9 create 4 root 1
0.200100 #10 request_headers 4 n=10 end -> continue
0.300000 #11 create 5 root 1
"#;

/// One VM and its last black box, seen by a collector.
struct Vm {
    instance: Instance,
    next: u64,
    timelines: Vec<Timeline>,
}

impl Vm {
    fn new() -> Vm {
        let instance = Instance::new(InstanceId([7; 16]));
        Vm { instance, next: 1, timelines: Vec::new() }
    }

    /// A batch with these events arrives, complete up to its last one.
    fn ships(&mut self, events: &str, known_until: u64, open: Vec<OpenInvocation>) {
        // As a recorder writes them: what is done within an invocation before it.
        let mut events = script::parse(events).expect("a script").events;
        events.sort_by_key(|e| e.sequence);
        let first = events.first().map_or(Sequence(self.next), |e| e.sequence);
        self.next = first.0 + events.len() as u64;
        let batch = Delivery {
            instance: self.instance.id(),
            clock: Clock { monotonic: Micros(known_until), ..Clock::default() },
            first_sequence: first,
            events,
            roots: vec![Root { context: ContextId(1), ..Root::default() }],
            open,
            known_until: Micros(known_until),
            ..Delivery::default()
        };
        let updates = self.instance.deliver(batch, Micros(AHEAD + known_until));
        self.take(updates);
    }

    /// Nothing arrives until this time of the instance's clock.
    fn is_silent_until(&mut self, at: u64) {
        while let Some(deadline) = self.instance.next_deadline().filter(|d| d.0 <= AHEAD + at) {
            let updates = self.instance.advance(deadline);
            self.take(updates);
        }
    }

    fn take(&mut self, updates: Vec<timeline::Update>) {
        for update in updates {
            self.timelines.retain(|t| t.id != update.id);
            self.timelines.push(std::sync::Arc::unwrap_or_clone(update.snapshot));
        }
    }

    fn of(&self, context: u32) -> &Timeline {
        let found = self.timelines.iter().find(|t| t.context == ContextId(context));
        found.expect("a timeline")
    }

    /// Severity and headline of what is found on a stream.
    fn found(&self, context: u32) -> Vec<(&'static str, String)> {
        let findings = self.of(context).findings.iter().filter(|f| f.code == "vm-trap-collateral");
        findings.map(|f| (f.severity.name(), f.headline.clone())).collect()
    }

    fn unknown(&self, context: u32) -> Vec<&str> {
        self.of(context).unknown.iter().map(|u| u.gap.as_str()).collect()
    }
}

fn open(callback: Callback, context: u32, call: u32, log: &str) -> Vec<OpenInvocation> {
    vec![OpenInvocation {
        entry: Entry(20),
        callback: Some(callback),
        context: ContextId(context),
        root: ContextId(1),
        args: vec![10, 1, 0],
        call: CallId(call),
        since: Micros(300_100),
        last_log: log.to_owned(),
    }]
}

const PANIC: &str = "thread '<unnamed>' panicked at src/lib.rs:31:9:\nno such user\n";

fn trapped() -> Vm {
    let mut vm = Vm::new();
    vm.ships(BEFORE, 300_099, open(Callback::RequestHeaders, 5, 0, PANIC));
    vm
}

#[test]
fn a_black_box_names_the_stream_that_trapped_and_those_that_it_took_with_it() {
    let vm = trapped();
    let found = |context| vm.found(context);
    let decided = "what it would have decided there was not decided, and its VM is gone with all \
                   streams that were open in it.";
    assert_eq!(
        found(5),
        [(
            "lost",
            format!(
                "The plugin trapped in request_headers (no such user (src/lib.rs:31:9)): {decided}"
            )
        )]
    );
    let trap = "The VM trapped in request_headers of context 5 (no such user (src/lib.rs:31:9)):";
    assert_eq!(
        found(2),
        [(
            "lost",
            format!(
                "{trap} the request was held and waited for call 4 to \"auth\", whose response \
                 callback will not come."
            )
        )]
    );
    assert_eq!(found(3), [], "it had ended");
    assert_eq!(
        found(4),
        [(
            "failed",
            format!("{trap} this stream was open, and the plugin will see no more of it.")
        )]
    );
    let line = "0.300100 #12 request_headers 5 n=10 end \"thread '<unnamed>' panicked at \
                src/lib.rs:31:9:\\nno such user\\n\" -> (unfinished)";
    let script = script::print(vm.of(5));
    assert!(script.contains(line), "{script}");
    assert_eq!(script::parse(&script).as_ref(), Ok(vm.of(5)));
    assert_eq!(vm.instance.status().black_box.len(), 1);
}

#[test]
fn any_later_event_withdraws_it() {
    let mut vm = trapped();
    vm.ships("0.300100 #12 request_headers 5 n=10 end -> continue took=9us", 400_000, Vec::new());
    for context in [2, 4, 5] {
        assert_eq!(vm.found(context), []);
        let script = script::print(vm.of(context));
        assert!(!script.contains("unfinished"), "{script}");
    }
    assert!(vm.instance.status().black_box.is_empty());
}

#[test]
fn a_heartbeat_that_knows_more_withdraws_it_and_an_older_one_does_not() {
    let mut vm = trapped();
    vm.ships("", 250_000, Vec::new());
    assert_eq!(vm.found(5).len(), 1);
    vm.ships("", 1_300_000, Vec::new());
    assert_eq!(vm.found(2), []);
}

#[test]
fn what_a_trap_left_open_is_closed_once_nothing_follows_and_opened_again_by_what_does() {
    let mut vm = trapped();
    vm.is_silent_until(30_300_098);
    assert!([2, 4, 5].iter().all(|context| vm.of(*context).state == State::Open));
    vm.is_silent_until(30_300_099);
    for context in [2, 4, 5] {
        assert_eq!(vm.of(context).state, State::Closed(Reason::InstanceEnded));
        assert_eq!(vm.found(context).len(), 1);
    }
    let status = vm.instance.status();
    assert_eq!((status.open_timelines, status.black_box.len()), (0, 1));
    assert_eq!(vm.instance.next_deadline(), None, "nothing is awaited of it");
    // The same black box again opens nothing.
    let revision = vm.of(2).revision;
    vm.ships("", 300_099, open(Callback::RequestHeaders, 5, 0, PANIC));
    assert_eq!((vm.of(2).revision, vm.instance.next_deadline()), (revision, None));
    let later = "0.300100 #12 request_headers 5 n=10 end -> continue took=9us";
    vm.ships(later, 31_000_000, Vec::new());
    for context in [2, 4, 5] {
        assert_eq!((vm.of(context).state, vm.found(context).len()), (State::Open, 0));
    }
    assert!(vm.of(2).revision > revision);
    assert_eq!(vm.instance.status().open_timelines, 3);
}

#[test]
fn the_same_black_box_twice_says_the_same() {
    let mut vm = trapped();
    let before = script::print(vm.of(2));
    vm.ships(BEFORE, 300_099, open(Callback::RequestHeaders, 5, 0, PANIC));
    assert_eq!(script::print(vm.of(2)), before);
}

#[test]
fn a_trap_in_a_response_callback_is_told_on_the_stream_that_it_answered() {
    let mut vm = Vm::new();
    vm.ships(BEFORE, 300_099, open(Callback::HttpCallResponse, 1, 4, PANIC));
    let found = vm.found(2);
    assert!(found[0].1.starts_with("The plugin trapped in http_call_response"), "{found:?}");
    assert!(vm.found(4)[0].1.starts_with("The VM trapped in http_call_response of its root"));
}

#[test]
fn what_was_logged_before_a_long_traceback_names_the_panic() {
    let mut vm = Vm::new();
    // Written before the invocation that never returned.
    let logged = format!(
        "{BEFORE}\n0.300150 #12   log_line \"panic: no such user\" level=4 -> ok entry=20 ctx=5"
    );
    vm.ships(&logged, 300_099, open(Callback::RequestHeaders, 5, 0, "\t/go/src/runtime/x.go:9\n"));
    assert!(vm.found(5)[0].1.contains("(no such user)"), "{:?}", vm.found(5));
    assert!(script::print(vm.of(5)).contains("log_line"));
}

#[test]
fn a_silent_instance_with_open_streams_is_unknown_until_it_is_heard() {
    let mut vm = Vm::new();
    vm.ships(BEFORE, 1_000_000, Vec::new());
    vm.is_silent_until(30_999_999);
    assert_eq!(vm.unknown(2), [] as [&str; 0]);
    vm.is_silent_until(31_000_000);
    let unknown = "This instance has been silent since 1.000000, with 3 of its timelines open: a \
                   trap that leaves no black box, a proxy that ended and a network that fails look \
                   alike from here.";
    for context in [2, 4, 5] {
        assert_eq!(vm.unknown(context), [unknown]);
        assert_eq!(vm.found(context), []);
    }
    let silence = vm.instance.status().silence.expect("silent");
    assert_eq!((silence.since, silence.open), (Micros(1_000_000), 3));
    vm.ships("", 40_000_000, Vec::new());
    assert_eq!(vm.unknown(2), [] as [&str; 0]);
    assert_eq!(vm.instance.status().silence, None);
    // It closes with what is known of it.
    vm.is_silent_until(700_000_000);
    assert_ne!(vm.of(2).state, State::Open);
    assert_eq!(vm.unknown(2).len(), 1);
}

#[test]
fn an_instance_whose_heartbeats_are_rare_is_silent_when_three_of_them_are_missing() {
    let mut vm = Vm::new();
    vm.ships("", 1_000_000, Vec::new());
    vm.ships("", 61_000_000, Vec::new());
    vm.ships("", 121_000_000, Vec::new());
    let begun = "130.0 #1 create 2 root 1\n130.1 #2 request_headers 2 n=10 end -> continue";
    vm.ships(begun, 131_000_000, Vec::new());
    vm.is_silent_until(310_999_999);
    assert_eq!(vm.unknown(2), [] as [&str; 0]);
    vm.is_silent_until(311_000_000);
    assert_eq!(vm.unknown(2).len(), 1);
}

#[test]
fn an_instance_without_open_streams_may_be_silent() {
    let mut vm = Vm::new();
    vm.ships("0.000000 #1 tick root 1", 1_000_000, Vec::new());
    vm.is_silent_until(90_000_000);
    assert_eq!(vm.instance.status().silence, None);
    let mut vm = trapped();
    vm.is_silent_until(90_000_000);
    assert_eq!(vm.instance.status().silence, None, "its black box says why");
    assert_eq!(vm.found(2).len(), 1);
}
