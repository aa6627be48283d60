//! The root cause first: whatever becomes of a timeline, one call that was lost or failed, and one direction
//! that hangs, has one cause that is named for it, not two (host-semantics §4.7). Pairs that say two
//! different things are declared, each with its reason.

mod mistakes;
mod mutations;
mod recordings;
mod traces;

use std::collections::{BTreeMap, BTreeSet};

use abi::{Direction, Kind};
use timeline::finding::{Finding, Severity, Subject};
use timeline::ids::CallId;
use timeline::registry::{DIAGNOSES, find};
use timeline::script;
use timeline::timeline::Timeline;

/// Causes that may stand beside each other about one thing: any of the first beside any of the second, and
/// why.
const DISTINCT: &[(&[&str], &[&str], &str)] = &[(
    &["vm-trap-collateral", "callback-failure-unhandled"],
    &[
        "headers-forwarded-before-body-call",
        "released-by-body-continue",
        "resumed-with-calls-outstanding",
        "continue-with-call-outstanding",
        "dispatch-at-end",
        "dispatch-from-dead-context",
        "client-gone-while-waiting",
    ],
    "the callback came, or would have come, too late in any case; that the plugin traps in it is a fault of \
     its own, and takes other streams along",
)];

/// What a cause is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Call(CallId),
    Held(Direction),
}

/// What a cause is about: its call, and the direction that hangs for it or without it. What is only a note,
/// or worked this time, answers another question: what might have happened.
fn about(timeline: &Timeline, finding: &Finding) -> BTreeSet<Thing> {
    if finding.severity < Severity::Failed {
        return BTreeSet::new();
    }
    let hangs = finding.severity >= Severity::Hung;
    let cited = || finding.evidence.events.iter().filter_map(|s| timeline.event(*s));
    let mut things = BTreeSet::new();
    match finding.subject {
        Subject::Call(id) => {
            things.insert(Thing::Call(id));
            things.extend(held_for(timeline, id).filter(|_| finding.severity == Severity::Hung));
        }
        Subject::Direction(direction) if hangs => {
            things.insert(Thing::Held(direction));
        }
        Subject::Timeline if hangs => {
            let is_call = |c: &CallId| *c != CallId(0);
            let calls: Vec<CallId> = cited().map(|e| e.call).filter(is_call).collect();
            things.extend(calls.iter().map(|id| Thing::Call(*id)));
            let phases = cited().filter_map(|e| match e.kind {
                Kind::Callback(callback) if e.result != 0 => Some(callback.phase()?.direction()),
                _ => None,
            });
            things.extend(phases.map(Thing::Held));
        }
        Subject::Direction(_) | Subject::Timeline => {}
    }
    things
}

/// The direction of the phase in which a call was dispatched.
fn held_for(timeline: &Timeline, id: CallId) -> Option<Thing> {
    let call = timeline.calls.iter().find(|call| call.id == id)?;
    let phase = timeline.events.iter().find_map(|e| match e.kind {
        Kind::Callback(callback) if e.entry == call.entry => callback.phase(),
        _ => None,
    })?;
    Some(Thing::Held(phase.direction()))
}

/// Is it a pair of such a declaration?
fn is_of(declared: &(&[&str], &[&str], &str), a: &str, b: &str) -> bool {
    let (one, other, _) = declared;
    (one.contains(&a) && other.contains(&b)) || (one.contains(&b) && other.contains(&a))
}

fn is_declared(a: &str, b: &str) -> bool {
    DISTINCT.iter().any(|declared| is_of(declared, a, b))
}

/// Pairs of causes about one thing.
fn doubles(timeline: &Timeline) -> BTreeSet<(String, String)> {
    let causes: Vec<(&Finding, BTreeSet<Thing>)> = timeline
        .findings
        .iter()
        .filter(|finding| !finding.is_fact)
        .map(|finding| (finding, about(timeline, finding)))
        .collect();
    let mut doubles = BTreeSet::new();
    for (at, (a, of_a)) in causes.iter().enumerate() {
        for (b, of_b) in &causes[at + 1..] {
            // Two calls that one direction waits for are two: none of them alone lets it go.
            if a.code != b.code && !of_a.is_disjoint(of_b) {
                let mut pair = [a.code.clone(), b.code.clone()];
                pair.sort();
                let [first, second] = pair;
                doubles.insert((first, second));
            }
        }
    }
    doubles
}

/// Every script there is.
fn scripts() -> Vec<String> {
    let near_misses = DIAGNOSES.iter().flat_map(|d| d.near_misses).map(|m| m.script);
    let written = DIAGNOSES
        .iter()
        .map(|d| d.example)
        .chain(near_misses)
        .chain(traces::ALL.iter().copied())
        .chain(mistakes::ALL.iter().map(|mistake| mistake.script));
    // Of two recordings of a row one is enough: what they differ in is what a host holds.
    let recorded = recordings::all().into_iter().filter(|(name, _)| !name.ends_with(".all.txt"));
    written.map(str::to_owned).chain(recorded.map(|(_, text)| text)).collect()
}

#[test]
fn what_was_lost_or_hangs_has_one_cause() {
    let mut seen = 0;
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    for text in scripts() {
        let whole = script::parse(&text).unwrap_or_else(|e| panic!("{e} in {text}"));
        mutations::each(&whole, |timeline| {
            seen += 1;
            for pair in doubles(timeline) {
                found.entry(pair).or_insert_with(|| told(timeline));
            }
        });
    }
    assert!(seen > 10_000, "only {seen} timelines");
    let wrong: Vec<String> = found
        .iter()
        .filter(|((a, b), _)| !is_declared(a, b))
        .map(|((a, b), told)| format!("{a} and {b}:\n{told}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "of {seen} timelines; let one give way to the other, or declare the pair with a reason:\n{}",
        wrong.join("\n")
    );
    for declared in DISTINCT {
        let stands = found.keys().any(|(a, b)| is_of(declared, a, b));
        assert!(stands, "never seen: {declared:?}");
    }
}

/// A timeline with what is found of it.
fn told(timeline: &Timeline) -> String {
    let mut told = script::print(timeline);
    for finding in &timeline.findings {
        told += &format!("// {} {}: {}\n", finding.severity.name(), finding.code, finding.headline);
    }
    told
}

#[test]
fn pairs_that_say_two_things_are_of_causes_and_say_why() {
    for (one, other, because) in DISTINCT {
        for code in one.iter().chain(*other) {
            assert_eq!(find(code).map(|d| d.is_fact), Some(false), "{code} is no cause");
        }
        assert!(because.len() > 20, "{one:?} and {other:?} need a reason");
    }
}
