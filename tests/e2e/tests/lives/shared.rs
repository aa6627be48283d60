//! Several plugins in one VM, and the several VMs of one plugin.

use std::collections::BTreeSet;

use e2e::{Door, Lives, Mode, Plugin, Request, Sdk, Settings, soon};

use crate::told::{instances, listed, nothing_else, root_of, roots, told, worker};

fn fixed() -> Plugin {
    Plugin::new(Sdk::Rust, Mode::Fixed).traced()
}

#[test]
fn plugins_that_share_a_vm_each_have_their_root_and_their_own_timeline_of_a_request() {
    let doors = [
        Door::new("both").plugin("gate", fixed()).plugin("audit", fixed().timeout_millis(4000)),
        // The same configuration once more: not one root more.
        Door::new("one").plugin("audit", fixed().timeout_millis(4000)),
    ];
    let lives = Lives::start(Settings::default(), &doors).expect("Envoy serves");
    let mut vms = BTreeSet::new();
    let mut roots_seen = BTreeSet::new();
    for request in [Request::get("/patient"), Request::post("/patient?callee=after-20", "text")] {
        let answer = lives.send("both", &request);
        assert_eq!(answer.status, 200);
        let [gate, audit] = told(&lives, &answer, &["gate", "audit"]).try_into().expect("two");
        assert_ne!(gate["context"], audit["context"]);
        vms.extend([gate["instance"].to_string(), audit["instance"].to_string()]);
        roots_seen.insert((root_of(&gate), root_of(&audit)));
    }
    let answer = lives.send("one", &Request::get("/patient"));
    let audit = told(&lives, &answer, &["audit"]).remove(0);
    vms.insert(audit["instance"].to_string());
    assert_eq!(vms.len(), 1, "all in one VM");
    assert_eq!(roots_seen.len(), 1, "a plugin keeps its root: {roots_seen:?}");
    let expected = [(1, "gate".to_owned(), false), (2, "audit".to_owned(), false)];
    let seen: BTreeSet<_> = roots(&worker(&lives)).into_iter().collect();
    assert_eq!(seen, BTreeSet::from(expected));
    let roots_told = roots_seen.into_iter().next().map(|(gate, audit)| {
        (
            seen.contains(&(gate, "gate".into(), false)),
            seen.contains(&(audit, "audit".into(), false)),
        )
    });
    assert_eq!(roots_told, Some((true, true)), "{seen:?}");
    assert_eq!(root_of(&audit), 2);
    nothing_else(&lives, 5);
}

#[test]
fn a_canary_is_never_heard_of_and_the_main_threads_vm_has_no_streams_and_raises_nothing() {
    // A heartbeat each second, to see in short time that both idle and busy VMs are heard of.
    let plugin = fixed().variable("WASM_TRACER_HEARTBEAT_SECONDS", "1");
    let settings = Settings { workers: 2, ..Settings::default() };
    let door = Door::new("door").plugin("gate", plugin);
    let lives = Lives::start(settings, &[door]).expect("Envoy serves");
    let mut requests = 0;
    let both_serve = || {
        let answer = lives.send("door", &Request::get("/patient"));
        told(&lives, &answer, &["gate"]);
        requests += 1;
        let all = instances(&lives);
        let serving = listed(&all).iter().filter(|vm| vm["streams_seen"] != 0).count();
        (serving == 2).then_some(())
    };
    soon("both workers have seen streams", both_serve);
    let trace = lives.trace(0);
    let main = lives.main_thread(0);
    let created = trace.roots();
    let on_main = created.iter().filter(|(thread, _)| *thread == main).count();
    assert_eq!((on_main, created.len()), (2, 4), "canary, main thread, two workers: {created:?}");
    assert_eq!(trace.workers().len(), 2);
    assert!(!trace.workers().contains(&main));
    let heard = soon("all three are heard of", || {
        let all = instances(&lives);
        (listed(&all).len() == 3).then_some(all)
    });
    let idle: Vec<_> = listed(&heard).iter().filter(|vm| vm["streams_seen"] == 0).collect();
    assert_eq!(idle.len(), 1, "the main thread's: {heard:#}");
    let known = |all: &serde_json::Value| -> Vec<(String, u64)> {
        let of = |vm: &serde_json::Value| {
            Some((vm["id"].as_str()?.to_owned(), vm["known_until_micros"].as_u64()?))
        };
        listed(all).iter().filter_map(of).collect()
    };
    let before = known(&heard);
    soon("each is known further", || {
        let now = known(&instances(&lives));
        let further = |(id, until): &(String, u64)| now.iter().any(|(i, u)| i == id && u > until);
        before.iter().all(further).then_some(())
    });
    assert_eq!(listed(&instances(&lives)).len(), 3, "and no other has appeared");
    nothing_else(&lives, requests);
}
