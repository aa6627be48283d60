//! What the collector is sent: timelines in script notation as batches of a recorder, each from a VM of
//! its own.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use timeline::delivery::{Clock, Delivery, Lost, Root, StreamInfo};
use timeline::ids::{InstanceId, Micros, Sequence};
use timeline::{Timeline, script};

/// Two plugins that one request passes: the second one's call is answered when the stream is gone.
const CHAIN: [&str; 2] = [
    "\
root 1 plugin \"add-header\" root_id \"add-header\"
node \"gateway-1\"
request \"7f3c-pay\" method \"POST\" path \"/pay\" authority \"shop.example\"
known_until 3.000000
closed ended
0.000000 #1 create 2 root 1
0.000040 #2 request_headers 2 n=10 -> continue took=30us
0.001600 #3 request_body 2 size=14 end -> continue took=8us
0.005200 #4 response_headers 2 n=5 -> continue took=12us
0.005500 #5 response_body 2 size=6 end -> continue took=9us
0.006030 #6 log 2 took=14us
0.006051 #7 done 2
0.006060 #8 delete 2
",
    "\
root 1 plugin \"body-call\" root_id \"body-call\"
node \"gateway-1\"
module tracer \"0.1.0\" abi 0.2.1 host envoy sdk \"rust\" callbacks 0x1dfddffe
request \"7f3c-pay\" method \"POST\" path \"/pay\" authority \"shop.example\" traceparent \"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"
response code 200 details \"via_upstream\" upstream \"10.0.0.7:8080\"
known_until 3.000000
closed ended
0.000060 #1 create 2 root 1
0.000113 #2 request_headers 2 n=10 -> continue took=61us
0.001702 #3 request_body 2 size=14 -> pause took=22us
0.001870 #5 request_body 2 size=14 end -> pause took=96us
0.001902 #4   dispatch http \"auth\" headers=84 timeout=5s -> ok call 4
0.005114 #6 response_headers 2 n=5 -> continue took=12us
0.005390 #7 response_body 2 size=6 end -> continue took=9us
0.006020 #8 log 2 took=14us
0.006041 #9 done 2
0.006049 #10 delete 2
2.002377 #11 http_call_response root 1 call 4 headers=3 body=2 code=200 took=84us
",
];

/// The two plugins of one request, as batches of two VMs of one process; `number` tells its VMs and its
/// request id from others.
///
/// # Errors
/// When a script cannot be read.
pub fn chain(number: u8) -> anyhow::Result<Vec<Delivery>> {
    let now = now_nanos();
    let plugins = CHAIN.iter().enumerate().map(|(at, text)| {
        let mut timeline = script::parse(text).context("the chain's script")?;
        timeline.stream.request_id = format!("{number:02x}{}", timeline.stream.request_id);
        let mut delivery = batch(&timeline, [0xc0, number, at as u8]);
        delivery.clock.wall_nanos = now;
        Ok(delivery)
    });
    plugins.collect()
}

/// Every timeline that was recorded of a real Envoy (`timeline/tests/recorded`).
///
/// # Errors
/// When one cannot be read.
pub fn recorded() -> anyhow::Result<Vec<Delivery>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../timeline/tests/recorded");
    let mut files: Vec<_> = std::fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(std::fs::DirEntry::path);
    let read = |(at, file): (usize, &std::fs::DirEntry)| {
        let text = std::fs::read_to_string(file.path())?;
        let timeline = script::parse(&text).with_context(|| format!("{:?}", file.path()))?;
        let [high, low] = (at as u16).to_be_bytes();
        Ok(batch(&timeline, [0x4e, high, low]))
    };
    files.iter().enumerate().map(read).collect()
}

/// A request whose recorder lost events: nothing is claimed of them.
///
/// # Errors
/// When the script cannot be read.
pub fn with_a_gap() -> anyhow::Result<Vec<Delivery>> {
    let timeline = script::parse(CHAIN[1]).context("the chain's script")?;
    let mut delivery = batch(&timeline, [0x9a, 0, 0]);
    let first = delivery.events.len() as u64;
    delivery.lost = vec![Lost {
        from: Sequence(first),
        to: Sequence(first + 4),
        reason: "buffer_full".to_owned(),
        contexts: Vec::new(),
    }];
    delivery.events.pop();
    Ok(vec![delivery])
}

/// Longer texts no collector takes; some is left for what stands before them.
const LONGEST: usize = 4_000;

/// Names that would do harm or disorder if a page took them for anything but text.
fn attacks() -> Vec<String> {
    vec![
        "\"><script>document.hacked=1</script>".to_owned(),
        "'onmouseover='document.hacked=1' autofocus onfocus='document.hacked=1".to_owned(),
        "</title></svg><img src=x onerror=document.hacked=1>".to_owned(),
        "javascript:document.hacked=1".to_owned(),
        "../../metrics?severity=lost&plugin=#e1 %2e%2e".to_owned(),
        "\u{202e}gnp.exe\u{2066}\u{200f}שלום עולם مرحبا".to_owned(),
        "a\u{0}b\u{1b}[31m\u{7f}\u{feff}\r\nSet-Cookie: x=1".to_owned(),
        "Z\u{0351}\u{0352}\u{0353}\u{0354}\u{0355}\u{0356}".repeat(40),
        "W".repeat(LONGEST),
        "<b>&lt;i&gt;&amp;amp; {{7*7}} ${7*7} `".repeat(LONGEST / 40),
    ]
}

/// Timelines that bear the attacks wherever a plugin, a client or a callee can put a text; `number` tells
/// their VMs from others.
///
/// # Errors
/// When the script cannot be read.
pub fn hostile(number: u8) -> anyhow::Result<Vec<Delivery>> {
    let all = attacks();
    let attacked = all.iter().enumerate().map(|(at, attack)| {
        let mut timeline = script::parse(CHAIN[1]).context("the chain's script")?;
        timeline.root = Arc::new(Root {
            plugin: attack.clone(),
            root_id: attack.clone(),
            vm_id: attack.clone(),
            ..(*timeline.root).clone()
        });
        timeline.node = attack.as_str().into();
        timeline.stream = StreamInfo {
            request_id: format!("{at}{attack}"),
            method: attack.clone(),
            path: format!("/{attack}"),
            authority: attack.clone(),
            response_code_details: Some(attack.clone()),
            upstream_address: Some(attack.clone()),
            connection_termination_details: Some(attack.clone()),
            more: vec![(attack.clone(), attack.clone())],
            ..timeline.stream
        };
        for event in timeline.events.iter_mut().filter(|event| !event.text.is_empty()) {
            event.text = attack.clone().into_bytes();
        }
        let mut delivery = batch(&timeline, [0xee, number, at as u8]);
        delivery.module.sdk = attack.clone();
        delivery.module.tracer_version = attack.clone();
        Ok(delivery)
    });
    attacked.collect()
}

/// A plugin with a name of 10 kB.
///
/// # Errors
/// When the script cannot be read.
pub fn with_an_endless_name() -> anyhow::Result<Delivery> {
    let mut delivery = batch(&script::parse(CHAIN[1]).context("the chain's script")?, [0xee; 3]);
    for root in &mut delivery.roots {
        root.plugin = "W".repeat(10_000);
    }
    Ok(delivery)
}

/// A timeline as its recorder would have sent it, just now. What the VM did besides is left out: its
/// events are numbered anew.
fn batch(timeline: &Timeline, vm: [u8; 3]) -> Delivery {
    let mut events = timeline.events.clone();
    events.sort_unstable_by_key(|event| event.sequence);
    for (at, event) in events.iter_mut().enumerate() {
        event.sequence = Sequence(at as u64 + 1);
    }
    let mut instance = [0; 16];
    instance[..3].copy_from_slice(&vm);
    let end = events.iter().map(|event| event.at).max().unwrap_or(Micros(0));
    let known_until = timeline.known_until.max(end);
    Delivery {
        instance: InstanceId(instance),
        module: (*timeline.module).clone(),
        node: timeline.node.to_string(),
        clock: Clock { wall_nanos: now_nanos(), monotonic: known_until, wall_only: false },
        first_sequence: Sequence(1),
        events,
        roots: vec![(*timeline.root).clone()],
        streams: vec![StreamInfo {
            context: timeline.context,
            root: timeline.root.context,
            ..timeline.stream.clone()
        }],
        memory_pages: 40,
        known_until,
        ..Delivery::default()
    }
}

fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
