//! What a root decided for no stream is told of the streams that were held then.

use timeline::event::Event;
use timeline::ids::{ContextId, Micros};
use timeline::{Instance, Timeline};

use super::recording::*;

/// Three streams that are held; of these nothing further comes.
const HELD: &str = "0.1 #1 create 1
0.2 #2 create 2 root 1
0.2 #3 request_headers 2 n=3 end -> 4
0.3 #4 create 3 root 1
0.3 #5 request_headers 3 n=3 end -> 4
0.4 #6 create 4 root 1
0.4 #7 request_headers 4 n=3 end -> 4
";

fn of(seen: &Seen, context: u32) -> &Timeline {
    let is_of = |t: &&Timeline| t.context == ContextId(context) && (context > 1 || t.is_errand());
    seen.last.values().find(is_of).unwrap_or_else(|| panic!("no {context}"))
}

fn whole(text: &str) -> Seen {
    Seen::of(batches(&record_whole(text), &[]))
}

#[test]
fn a_tick_in_which_a_stream_was_named_that_is_gone_is_told_of_no_other() {
    let gone = format!(
        "{HELD}0.9 #10 tick root 1
0.9 #8   set_effective_context context=9 -> bad_argument
0.9 #9   continue_stream request -> ok
"
    );
    let seen = whole(&gone);
    for context in 2..=4 {
        let timeline = of(&seen, context);
        assert_eq!(timeline.events.len(), 2);
        assert_eq!(timeline.findings[0].code, "waiting-for-body-that-cannot-come");
    }
    let seen = whole(&gone.replace("context=9 -> bad_argument", "context=1 -> ok"));
    for context in 2..=4 {
        let timeline = of(&seen, context);
        assert_eq!(timeline.events.len(), 4);
        assert_eq!(timeline.findings[0].code, "wrong-context");
    }
}

#[test]
fn the_time_that_it_took_is_the_roots() {
    let seen = whole(&format!(
        "{HELD}0.9 #9 tick root 1 took=80000us\n0.9 #8   continue_stream request -> ok\n"
    ));
    let took = |context| {
        let tick = |e: &&Event| e.kind == abi::Kind::Callback(abi::Callback::Tick);
        of(&seen, context).events.iter().find(tick).map(|e| e.took)
    };
    assert_eq!(took(1), Some(Micros(80_000)));
    for context in 2..=4 {
        assert_eq!(took(context), Some(Micros(0)));
        let codes: Vec<&str> = of(&seen, context).findings.iter().map(|f| &*f.code).collect();
        assert_eq!(codes, ["wrong-context"]);
    }
}

/// What is seen when these events come after their numbers had been declared a gap.
fn with_late(text: &str, late: std::ops::Range<usize>) -> Seen {
    let events = record_whole(text);
    let second = |seconds: u64| Micros(seconds * 1_000_000);
    let kept = |range: std::ops::Range<usize>| {
        batch(&events[range.clone()], range.start as u64 + 1, second(3))
    };
    let (mut instance, mut seen) = (Instance::new(INSTANCE), Seen::default());
    seen.take(instance.deliver(kept(0..late.start), second(3)));
    seen.take(instance.deliver(kept(late.end..events.len()), second(3)));
    seen.take(instance.advance(second(14)));
    assert_eq!(instance.status().gaps.len(), 1);
    seen.take(instance.deliver(kept(late), second(15)));
    assert!(instance.status().gaps.is_empty());
    seen.take(instance.deliver(batch(&[], events.len() as u64 + 1, END), second(15)));
    seen.take(instance.advance(END.after(second(700))));
    seen
}

#[test]
fn a_dispatch_of_it_that_comes_late_is_of_the_root() {
    let text = format!(
        "{HELD}0.9 #10 tick root 1
0.9 #8   dispatch http \"keys\" timeout=1s -> ok call 4
0.9 #9   continue_stream request -> ok
1.2 #11 http_call_response root 1 call 4 headers=3 code=200
"
    );
    let whole = whole(&text);
    assert_eq!(of(&whole, 1).calls.len(), 1);
    assert_eq!(with_late(&text, 7..8).comparable(), whole.comparable());
}

#[test]
fn one_that_comes_late_is_told_of_those_that_were_held_then() {
    // The first is resumed before it, the second after it.
    let text = format!(
        "{HELD}0.8 #10 tick root 1
0.8 #8   set_effective_context context=2 -> ok
0.8 #9   continue_stream request -> ok
0.9 #12 tick root 1
0.9 #11   continue_stream request -> ok
1.0 #15 tick root 1
1.0 #13   set_effective_context context=3 -> ok
1.0 #14   continue_stream request -> ok
"
    );
    let whole = whole(&text);
    let lengths = [2, 3, 4].map(|context| of(&whole, context).events.len());
    assert_eq!(lengths, [4, 6, 4]);
    assert_eq!(with_late(&text, 10..12).comparable(), whole.comparable());
}

/// One whose own call was answered and let nothing go, and one that made none.
const CALLED_AND_NOT: &str = r#"0.100000 #1 create 1
0.200000 #2 create 2 root 1
0.200100 #4 request_headers 2 n=3 end -> pause
0.200110 #3   dispatch http "auth" timeout=1s -> ok call 4
0.230000 #5 create 3 root 1
0.230100 #6 request_headers 3 n=3 end -> pause
0.300000 #8 http_call_response root 1 call 4 headers=3 body=2 code=200
0.300010 #7   set_effective_context context=2 -> ok
0.350000 #9 create 4 root 1
0.350100 #10 request_headers 4 n=3 end -> continue
0.400000 #12 tick root 1
0.400001 #11   continue_stream request -> ok
"#;

fn check_called_and_not(seen: &Seen) {
    let told = |context| &*of(seen, context).findings[0].code;
    assert_eq!((told(2), told(3)), ("callback-ran-no-resume", "wrong-context"));
}

#[test]
fn those_that_made_no_call_go_before_the_others_each_time() {
    let again = "0.500000 #14 tick root 1\n0.500001 #13   continue_stream request -> ok\n";
    let seen = whole(&format!("{CALLED_AND_NOT}{again}4.000000 #15 tick root 1\n"));
    check_called_and_not(&seen);
    assert_eq!(of(&seen, 3).events.len(), 4, "the second tick tells it nothing that it has not");
}

#[test]
fn whichever_is_recorded_after_all_those_that_made_no_call_go_before_the_others() {
    let text = format!("{CALLED_AND_NOT}4.000000 #13 tick root 1\n");
    let kept_aside = |contexts: &'static [u32]| move |e: &Event| contexts.contains(&e.context.0);
    // One that waits for nothing; then the one that made no call, which the other was told before.
    let unconcerned = recorded_after_all(&text, kept_aside(&[2, 4]), 8..10, 12);
    for late in [unconcerned, recorded_after_all(&text, kept_aside(&[3]), 4..6, 12)] {
        for cuts in [vec![], vec![8], vec![10], vec![11]] {
            let seen = Seen::of(batches(&late, &cuts));
            check_called_and_not(&seen);
            assert_eq!((of(&seen, 2).events.len(), of(&seen, 3).events.len()), (5, 4));
        }
    }
}

#[test]
fn one_that_was_recorded_after_all_and_had_ended_before_it_is_not_told() {
    let text = format!("{HELD}0.9 #9 tick root 1\n0.9 #8   continue_stream request -> ok\n");
    let end = "0.8 #10 log 4\n0.8 #11 done 4\n0.8 #12 delete 4\n";
    let text = format!("{text}{end}4.0 #13 tick root 1\n");
    let events = recorded_after_all(&text, |e| e.context.0 == 4, 5..10, 12);
    let seen = Seen::of(batches(&events, &[7]));
    assert_eq!([2, 3, 4].map(|context| of(&seen, context).events.len()), [4, 4, 5]);
}
