//! The mixed requests: early and patient upstreams, callees of every manner, with and without a body.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use e2e::{Request, Stack};

/// The timeout of a plugin's call; less than a client's patience.
pub const CALL_TIMEOUT_MILLIS: u32 = 150;

/// The plugin that answers nobody who waits for its callback.
pub const FORGETS: &str = "forgets";

/// Clients at a time.
const CLIENTS: usize = 24;
/// Of a client whose request nobody will answer.
pub const SHORT: Duration = Duration::from_millis(100);

const POSTS: [&str; 14] = [
    "/patient?callee=after-5",
    "/early-400?callee=after-20",
    "/early-200?callee=after-20,status-403",
    "/patient?callee=status-403",
    "/close?callee=after-10",
    "/patient?callee=refuse",
    "/patient?callee=reset",
    "/patient?callee=never",
    "/early-500?callee=never",
    "/patient",
    "/patient?callee=status-503",
    "/patient?callee=status-504,after-3",
    "/early-200?callee=after-1",
    "/silent?callee=after-2",
];

const GETS: [&str; 3] = ["/patient", "/early-404", "/close"];

/// Sends so many requests, to the plugins in turns.
pub fn send(stack: &Stack, plugins: &[&str], count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let plugin = plugins[number % plugins.len()];
                    stack.send(plugin, &request(plugin, number / plugins.len()));
                }
            });
        }
    });
}

fn request(plugin: &str, number: usize) -> Request {
    let all = POSTS.len() + GETS.len() + 1;
    let request = match number % all {
        at if at < GETS.len() => Request::get(GETS[at]),
        // More than one piece.
        at if at == GETS.len() => Request::post("/patient?callee=after-2", vec![b'x'; 200_000]),
        at => Request::post(POSTS[at - GETS.len() - 1], "some text"),
    };
    let unanswered = plugin == FORGETS || number % all == all - 1;
    if unanswered { request.patience(SHORT) } else { request }
}
