//! What the scenarios do with one Envoy that has one listener.

use e2e::{Answer, Door, Lives, Mode, Plugin, Request, Sdk, Settings, Trace, soon};

/// The traced plugin that holds a request while its call is out, and then lets it go on.
pub fn fixed() -> Plugin {
    Plugin::new(Sdk::Rust, Mode::Fixed).traced()
}

/// The one listener with these plugins behind it.
pub fn door(plugins: &[(&str, Plugin)]) -> Door {
    let add = |door: Door, (name, plugin): &(&str, Plugin)| door.plugin(name, plugin.clone());
    plugins.iter().fold(Door::new("door"), add)
}

/// Starts with them.
pub fn start(plugins: &[(&str, Plugin)]) -> Lives {
    Lives::start(Settings::default(), &[door(plugins)]).expect("Envoy serves")
}

/// Pushes them, and Envoy takes it.
pub fn push(lives: &Lives, plugins: &[(&str, Plugin)]) {
    assert!(lives.push(&[door(plugins)]).expect("Envoy answers"), "Envoy takes the push");
}

/// A request whose call is answered so late.
pub fn held_for(millis: u32) -> Request {
    Request::post(format!("/patient?callee=after-{millis}"), "some text")
}

/// Sends a request that is held for a while, and does something as soon as its call is out.
pub fn meanwhile(lives: &Lives, request: &Request, doing: impl FnOnce()) -> Answer {
    let before = lives.calls();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| lives.send("door", request));
        soon("its call is out", || (lives.calls() > before).then_some(()));
        doing();
        held.join().expect("the client ends")
    })
}

/// Waits until these roots have been deleted in the VMs of the main thread and of the worker, and others
/// have ticked often since; holds no timer of theirs to be left. They are roots of the beginning: only
/// those have the same id in both.
pub fn ended_and_silent(lives: &Lives, roots: &[u64]) {
    let trace = soon("the roots have been deleted, and others ticked since", || {
        let trace = lives.trace(0);
        let quiet = |thread: &u32| {
            let deleted = roots.iter().map(|root| trace.deletion(*thread, *root));
            let all: Option<Vec<_>> = deleted.collect();
            let last = all.and_then(|all| all.into_iter().max());
            let since = |at| trace.entries.iter().skip(at).filter(|entry| entry.thread == *thread);
            last.is_some_and(|at| since(at).filter(|entry| entry.callback == "tick").count() >= 10)
        };
        vms(lives, &trace).iter().all(quiet).then_some(trace)
    });
    for thread in vms(lives, &trace) {
        for root in roots {
            let at = trace.deletion(thread, *root).expect("just seen");
            assert_eq!(trace.entries[at].periods, [0], "thread {thread}, root {root}");
            assert_eq!(trace.ticks(thread, *root, at), 0, "thread {thread}, root {root} ticks on");
        }
    }
}

/// The main thread and the worker.
pub fn vms(lives: &Lives, trace: &Trace) -> Vec<u32> {
    std::iter::once(lives.main_thread(0)).chain(trace.workers()).collect()
}
