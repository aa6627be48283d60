//! The VM's memory grows with every request and does not level out.

use abi::{Callback, Host, Kind};

use super::phrases;
use crate::delivery::MemorySample;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::finding::{Advice, Finding, Severity, Subject, Verdict};
use crate::memory;
use crate::story::{Story, span};

/// KiB of a page.
const PAGE: u64 = 64;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "memory-growth",
    title: "The VM grows with every request and does not level out",
    title_zh: "虚拟机随每个请求增长，而且不趋于平稳",
    severity: Severity::Race,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("memory-growth.zh-CN.md"),
    known_from: &[
        "higress-group/higress#1714",
        "tetratelabs/proxy-wasm-go-sdk#375",
        "corazawaf/coraza-proxy-wasm#249",
        "istio/istio#45832",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: false,
    about_roots: true,
    unknown_in_log: None,
    triggers: &[Kind::Callback(Callback::ContextCreate)],
    judge: |story| judge(story).into_iter().collect(),
};

fn judge(story: &Story<'_>) -> Option<Verdict> {
    let samples = memory::growth(&story.timeline.memory)?;
    let [begin, .., end] = samples;
    let (pages, streams) = (u64::from(end.pages - begin.pages), end.streams - begin.streams);
    let headline = format!(
        "The VM's memory has grown by {} in {} over {streams} streams, {} KiB with each, and does not level \
         out.",
        size(pages),
        span(end.at.since(begin.at)),
        (pages * PAGE / streams).max(1),
    );
    let told = |sample: &MemorySample| {
        format!("{} after {} streams", size(sample.pages.into()), sample.streams)
    };
    let details = vec![
        format!(
            "It was {}: each time after as many streams it was larger.",
            samples.iter().map(told).collect::<Vec<_>>().join(", ")
        ),
        "It grew as fast in the end as before, which a heap that finds its size does not. A cache that \
         is being filled evenly and is not full yet, and streams that stay open, look the same."
            .to_owned(),
        "A VM's memory never shrinks; when it may grow no further the plugin traps, and all its streams \
         with it."
            .to_owned(),
    ];
    Some(Verdict::Found(Box::new(Finding {
        details,
        memory: samples.to_vec(),
        advice: phrases::advice(story.timeline.dialect.host, ADVICE),
        ..Finding::cause(DIAGNOSIS.code, Severity::Race, Subject::Timeline, headline)
    })))
}

/// Pages for people.
fn size(pages: u64) -> String {
    let tenths = pages * PAGE * 10 / 1024;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Look for what is kept for each request and never taken out: maps from context or call ids, \
         caches without a bound, contexts that are not deleted. Give every such store a bound.",
        "找出为每个请求保留、却从未移除的东西：以上下文号或调用号为键的映射表、没有上限的缓存、没\
         有删除的上下文。给每个这样的存储设置上限。",
    ),
    Advice::on(
        Host::Higress,
        "Until it is found, Higress can rebuild the VM before it is too large: \
         wrapper.WithRebuildMaxMemBytes, or WithRebuildAfterRequests, among the options of \
         wrapper.SetCtx.",
        "在找到它之前，Higress 可以在虚拟机变得过大之前重建它：在 wrapper.SetCtx 的选项中使用 \
         wrapper.WithRebuildMaxMemBytes 或 WithRebuildAfterRequests。",
    ),
    Advice::on(
        Host::Envoy,
        "Stock Envoy limits a VM's memory only to what wasm allows, 4 GiB: watch the metric \
         wasm_tracer_vm_memory_bytes and reload the plugin before.",
        "原版 Envoy 对虚拟机内存的限制只有 wasm 本身所允许的 4 GiB：请关注指标 \
         wasm_tracer_vm_memory_bytes，并在到达之前重新加载插件。",
    ),
];

const EXAMPLE: &str = r#"
context 1 generation 0
root 1 plugin "notes" streams 1000
memory 1.000000 pages=18 streams=0
memory 3.000000 pages=118 streams=200
memory 5.000000 pages=219 streams=400
memory 7.000000 pages=318 streams=600
memory 9.000000 pages=419 streams=800
memory 11.000000 pages=519 streams=1000
known_until 11.000000
0.000000 #1 create 1
0.000100 #2 vm_start root 1
0.000200 #3 configure root 1
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "a cache was filled once",
        script: r#"
context 1 generation 0
root 1 plugin "notes" streams 1000
memory 1.000000 pages=18 streams=0
memory 3.000000 pages=218 streams=200
memory 5.000000 pages=419 streams=400
memory 7.000000 pages=519 streams=600
memory 9.000000 pages=519 streams=800
memory 11.000000 pages=519 streams=1000
known_until 11.000000
0.000000 #1 create 1
0.000200 #3 configure root 1
"#,
    },
    NearMiss {
        because: "it grows slower and slower: a heap that finds its size",
        script: r#"
context 1 generation 0
root 1 plugin "notes" streams 1000
memory 1.000000 pages=118 streams=0
memory 3.000000 pages=218 streams=200
memory 5.000000 pages=318 streams=400
memory 7.000000 pages=378 streams=600
memory 9.000000 pages=408 streams=800
memory 11.000000 pages=419 streams=1000
known_until 11.000000
0.000000 #1 create 1
0.000200 #3 configure root 1
"#,
    },
    NearMiss {
        because: "a hundred streams are too few to tell",
        script: r#"
context 1 generation 0
root 1 plugin "notes" streams 100
memory 1.000000 pages=18 streams=0
memory 3.000000 pages=118 streams=20
memory 5.000000 pages=219 streams=40
memory 7.000000 pages=318 streams=60
memory 9.000000 pages=419 streams=80
memory 11.000000 pages=519 streams=100
known_until 11.000000
0.000000 #1 create 1
0.000200 #3 configure root 1
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

The proxy's memory rises with its traffic and never comes down. After hours or days the plugin traps, or the
proxy is killed for its memory.

## Why it happens

A VM has one linear memory, which grows and never shrinks. A plugin that keeps something of each request grows
it for ever: an entry in a map of contexts that is not removed in on_delete or on_log, a cache without a bound,
the state of calls that were never answered, memory that a C++ plugin does not free.

A heap with a garbage collector grows too, until it has found its size, and so does a plugin that fills a cache.
Both slow down.

## How to be sure

The recorder says with its counters how many pages the plugin's memory has, without its own, and how many streams
there were. Of all streams seen the first fifth is left to the heap; the rest is cut to four windows of as many
streams. In each of them the memory grew, by 4 MiB or more together, and in the second half as fast as in the
first. 300 streams and six samples are the least.

## What to do

Find what is kept. On Higress let the VM be rebuilt meanwhile:

```go
wrapper.SetCtx("my-plugin",
	wrapper.ProcessRequestHeaders(onHttpRequestHeaders),
	wrapper.WithRebuildMaxMemBytes[Config](200*1024*1024))
```

On stock Envoy bound what is kept, and remove what belongs to a stream when it ends:

```rust
fn on_log(&mut self) {
    PENDING.with_borrow_mut(|pending| pending.remove(&self.context_id));
}
```

## What this cannot see

What it is that is kept. A cache that is still being filled, evenly and for many requests, looks the same until it
is full; the finding is withdrawn then. Several plugins that share a VM share its memory: it is told of the
eldest.
"#;
