//! A store as a day of traffic leaves it: written by the store itself, hour by hour.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use collector::Retention;
use collector::store::sqlite::Sqlite;
use collector::store::{Row, Store};
use timeline::delivery::{Clock, Root};
use timeline::ids::{InstanceId, TimelineId};
use timeline::timeline::{Reason, State, Timeline};
use timeline::{registry, script};

/// Plugins of a request's chain, each with a timeline of it.
pub const CHAIN: [&str; 3] = ["auth", "quota", "rewrite"];
/// A plugin that only the first requests of the day met.
pub const SELDOM: &str = "seldom";
/// What one request in ten has; all else that can be found is seldom.
pub const COMMON: &str = "headers-forwarded-before-body-call";

const HOUR: Duration = Duration::from_secs(3600);
/// Timelines written together, and for how long they go on being begun.
const GROUP: u64 = 500;
const DAY: Duration = Duration::from_secs(20 * 3600);

/// A request with a call that is answered in time.
const CLEAR: &str = "\
request \"r\" method \"POST\" path \"/orders\" authority \"shop.example\"
response code 200 details \"via_upstream\" upstream \"10.0.0.7:8080\"
known_until 9.000000
closed ended
0.000000 #1 create 2 root 1
0.000120 #2 request_headers 2 n=10 end -> pause took=70us
0.000140 #3   dispatch http \"users\" timeout=5s -> ok call 4
0.020115 #4 http_call_response root 1 call 4 headers=3 body=2 took=140us
0.020120 #5   set_effective_context context=2 -> ok
0.020122 #6   continue_stream request -> ok
0.024441 #7 response_headers 2 n=5 -> continue took=15us
0.024473 #8 response_body 2 size=600 -> continue took=9us
0.024593 #9 response_body 2 size=6 end -> continue took=9us
0.025100 #10 log 2
0.025112 #11 done 2
0.025113 #12 delete 2
";

/// A timeline of the store that the pages are asked for.
pub struct Sample {
    pub timeline: TimelineId,
    pub request_id: String,
    pub trace: String,
}

/// Writes so many timelines into a folder. Gives one of the middle of the day.
pub fn fill(folder: &Path, timelines: u64) -> Result<Sample> {
    let retention = Retention {
        age: 24 * HOUR,
        bytes: 2 << 30,
        journal_bytes: 1 << 30,
        slice_bytes: 256 << 20,
        slice_age: HOUR,
        marks: 24 * HOUR,
    };
    let store = Sqlite::open(folder, retention)?;
    let kinds = Kinds::read()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let begun = |number: u64| now - DAY + DAY.mul_f64(number as f64 / timelines as f64);
    let made = |number: u64| kinds.timeline(number, begun(number));
    for first in (0..timelines).step_by(GROUP as usize) {
        let row = |number: u64| {
            let timeline = Arc::new(made(number));
            Row {
                started_nanos: begun(number).as_nanos() as i64,
                closed_millis: (begun(number) + timeline_time(&timeline)).as_millis() as i64,
                timeline,
                may_be_stored: false,
            }
        };
        let rows: Vec<Row> = (first..timelines.min(first + GROUP)).map(row).collect();
        store.put(&rows)?;
    }
    let middle = made(timelines / 2);
    Ok(Sample {
        timeline: middle.id,
        request_id: middle.stream.request_id.clone(),
        trace: trace_of(timelines / 2),
    })
}

fn timeline_time(timeline: &Timeline) -> Duration {
    Duration::from_micros(timeline.span().0)
}

fn trace_of(number: u64) -> String {
    format!("{:032x}", (number / CHAIN.len() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// What timelines are made from.
struct Kinds {
    clear: Timeline,
    common: Timeline,
    seldom: Vec<Timeline>,
}

impl Kinds {
    fn read() -> Result<Kinds> {
        let example = |code: &str| -> Result<Timeline> {
            let diagnosis = registry::find(code).with_context(|| format!("no diagnosis {code}"))?;
            Ok(script::parse(diagnosis.example)?)
        };
        let others = registry::DIAGNOSES.iter().filter(|diagnosis| diagnosis.code != COMMON);
        Ok(Kinds {
            clear: script::parse(CLEAR)?,
            common: example(COMMON)?,
            seldom: others.map(|diagnosis| example(diagnosis.code)).collect::<Result<_>>()?,
        })
    }

    /// One in ten lost its callback, one in a hundred has something seldom.
    fn timeline(&self, number: u64, begun: Duration) -> Timeline {
        let kind = match number % 100 {
            99 => &self.seldom[(number / 100) as usize % self.seldom.len()],
            rest if rest % 10 == 3 => &self.common,
            _ => &self.clear,
        };
        let mut timeline = kind.clone();
        let mut instance = [5; 16];
        instance[..8].copy_from_slice(&number.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        timeline.instance = InstanceId(instance);
        timeline.id = TimelineId::of(timeline.instance, timeline.context, timeline.generation);
        timeline.revision = 1;
        timeline.state = State::Closed(Reason::Ended);
        let plugin = match number {
            0..20 => SELDOM,
            _ => CHAIN[(number % CHAIN.len() as u64) as usize],
        };
        timeline.root = Arc::new(Root { plugin: plugin.to_owned(), ..Root::clone(&timeline.root) });
        let request = number / CHAIN.len() as u64;
        timeline.stream.request_id = format!("{request:08x}-7d52-4c1e-9d5f-2f1f6d0b{request:08x}");
        timeline.stream.traceparent = format!("00-{}-{:016x}-01", trace_of(number), number + 1);
        timeline.clock = Clock {
            wall_nanos: begun.as_nanos() as u64,
            monotonic: timeline.started(),
            wall_only: false,
        };
        timeline
    }
}
