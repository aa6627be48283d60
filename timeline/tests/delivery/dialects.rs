//! What a plugin's streams show of its host is told of its root.

use timeline::script;
use timeline::timeline::Timeline;

use super::recording::*;

fn codes(timeline: &Timeline) -> Vec<&str> {
    timeline.findings.iter().map(|f| f.code.as_str()).collect()
}

/// A stream whose headers are stopped for a call, and the body comes with the resume.
const HELD_AND_RESUMED: &str = r#"0.300000 #3 create 2 root 1
0.300100 #5 request_headers 2 n=3 -> pause
0.300110 #4   dispatch http "auth" timeout=5s -> ok call 4
0.500000 #8 http_call_response root 1 call 4 headers=3 code=200
0.500010 #6   set_effective_context context=2 -> ok
0.500020 #7   continue_stream request -> ok
0.500030 #9 request_body 2 size=3 end -> continue
0.600000 #10 log 2
0.600010 #11 done 2
0.600020 #12 delete 2
"#;

#[test]
fn a_module_for_another_host_is_told_of_the_root_once_its_streams_have_shown_it() {
    let with_root =
        format!("0.100000 #1 create 1\n0.100100 #2 vm_start root 1\n{HELD_AND_RESUMED}");
    let life_after = |streams: u64, abi| {
        let more = (1..streams).map(|at| (HELD_AND_RESUMED, at * 1_000));
        let scripts: Vec<(&str, u64)> = std::iter::once((&*with_root, 0)).chain(more).collect();
        let module =
            script::parse(&format!("module abi {abi} host envoy")).expect("a module").module;
        let deliveries = batches(&record(&scripts), &[]).into_iter().map(|mut delivery| {
            delivery.module = (*module).clone();
            delivery
        });
        let seen = Seen::of(deliveries);
        let (lives, others): (Vec<_>, Vec<_>) = seen.last.values().partition(|t| t.is_root());
        assert_eq!(others.len() as u64, streams);
        assert!(
            others.iter().all(|t| t.findings.is_empty()),
            "nothing of the streams: {others:#?}"
        );
        lives.first().map(|life| (*life).clone())
    };
    let mismatch = |life: &Timeline| codes(life).contains(&"host-dialect-mismatch");
    let not_known =
        |life: &Timeline| life.unknown.iter().any(|u| u.code == "host-dialect-mismatch");
    let shown = life_after(3, "0.2.100").expect("something is wrong with the root");
    assert!(mismatch(&shown) && !not_known(&shown), "{shown:#?}");
    assert_eq!(shown.headline().expect("it").severity.name(), "race");
    // A root that is not told of otherwise is not for this.
    assert_eq!(life_after(2, "0.2.100"), None);
    assert_eq!(life_after(3, "0.2.1"), None);
    let life = |dialect: &str| {
        let text = format!("context 1 generation 0\n{dialect}\n0.100000 #1 create 1");
        script::parse(&text).expect("a script")
    };
    let unseen = life("module abi 0.2.100 host envoy");
    assert!(!mismatch(&unseen) && not_known(&unseen), "{unseen:#?}");
    for silent in ["module abi 0.2.1 host envoy", "module abi 0.2.100 host higress"] {
        assert!(!mismatch(&life(silent)) && !not_known(&life(silent)), "{silent}");
    }
}
