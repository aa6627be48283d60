//! What a puppet passes to hostcalls: for each parameter of the abi's rows some values, the first of
//! them one that makes sense. They go by the parameter's name and shape, so a new row has them too.

use abi::{Callback, Hostcall, Param, ParamKind};
use host::Headers;
use host::puppet::{Step, Value};

fn text(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

fn numbers(numbers: &[u64]) -> Vec<Value> {
    numbers.iter().map(|number| Value::Number(*number)).collect()
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|t| text(t)).collect()
}

fn pairs(headers: &[(&str, &str)]) -> Value {
    Value::Bytes(Headers::of(headers).to_pairs())
}

/// Slots that hostcalls write to; call ids and other words have their own, so that they can be read.
const CALL_SLOT: u32 = 0;
const TOKEN_SLOT: u32 = 1;

/// Values for one parameter.
pub fn choices(hostcall: Hostcall, param: &Param) -> Vec<Value> {
    let mut values = match (param.kind, param.name) {
        (ParamKind::Bytes, "cluster") => {
            texts(&["callee", "nobody", "no-host", "silent", "resets", ""])
        }
        (ParamKind::Bytes, "trailers") => {
            vec![Value::Bytes(Vec::new()), pairs(&[("x-last", "1")]), Value::Bytes(vec![1; 7])]
        }
        (ParamKind::Bytes, "headers" | "metadata" | "pairs") => vec![
            pairs(&[(":method", "GET"), (":path", "/"), (":authority", "callee")]),
            pairs(&[("x-a", "1")]),
            Value::Bytes(Vec::new()),
            Value::Bytes(vec![0xff; 9]),
            Value::Bytes(Headers::of(&[("x-long", &"y".repeat(3_000))]).to_pairs()),
        ],
        (ParamKind::Bytes, "path") => vec![
            Value::Bytes(b"request\0path".to_vec()),
            text("plugin_name"),
            Value::Bytes(b"response\0code".to_vec()),
            text("mine"),
            text(""),
        ],
        (ParamKind::Bytes, "key") => texts(&[":path", "x-request-id", ":status", "absent", ""]),
        (ParamKind::Bytes, "name") => texts(&["known", "unknown", ""]),
        (ParamKind::Bytes, "vm") => texts(&["vm", ""]),
        (ParamKind::Bytes, _) => {
            let long = "long ".repeat(700);
            texts(&["text", "", "panic: puppet", &long])
        }
        (ParamKind::Int, "call_id") => vec![
            Value::Argument(Callback::GrpcReceiveInitialMetadata, 1),
            Value::Word(CALL_SLOT),
            Value::Number(0),
            Value::Number(6),
        ],
        (ParamKind::Int, "context") => vec![
            Value::Argument(Callback::RequestHeaders, 0),
            Value::Number(1),
            Value::Number(0),
            Value::Number(99),
        ],
        (ParamKind::Int, "map") => numbers(&[0, 2, 6, 1, 3, 4, 5, 7, 9, u64::from(u32::MAX)]),
        (ParamKind::Int, "buffer") => numbers(&[0, 1, 4, 2, 3, 5, 7, 8, 9, 77]),
        (ParamKind::Int, "side") => numbers(&[0, 1, 2, 3, 4]),
        (ParamKind::Int, "period_millis") => numbers(&[100, 0, 7, 250, 1_000, 60_000]),
        (ParamKind::Int, "timeout" | "timeout_millis") => numbers(&[1_000, 0, 20, 1 << 31, 5_000]),
        (ParamKind::Int, "status") => numbers(&[403, 200, 503]),
        (ParamKind::Int, "level") => numbers(&[2, 4, 0, 3, 5]),
        (ParamKind::Int, "fd") => numbers(&[2, 1, 7]),
        (ParamKind::Int, "count") => numbers(&[2, 0, 1]),
        (ParamKind::Int, "clock") => numbers(&[1, 0, 5]),
        (ParamKind::Int, "queue" | "metric") => {
            vec![Value::Word(TOKEN_SLOT), Value::Number(1), Value::Number(8)]
        }
        (ParamKind::Int, "length" | "size") => numbers(&[16, 0, 3, 4_000]),
        (ParamKind::Int, "type") => numbers(&[0, 1, 2, 9]),
        (ParamKind::Int, _) => numbers(&[0, 1, 5, u64::from(u32::MAX)]),
        (ParamKind::Long, _) => numbers(&[1, 0, u64::MAX, 1 << 40]),
        (ParamKind::Out, "call_id") => vec![Value::Slot(CALL_SLOT)],
        (ParamKind::Out, "queue" | "metric") => vec![Value::Slot(TOKEN_SLOT)],
        (ParamKind::Out, "flags") => vec![Value::Slot(3)],
        (ParamKind::Out, _) => vec![Value::Slot(2)],
        (ParamKind::OutBytes, _) => vec![Value::Slot(4), Value::Slot(5)],
        (ParamKind::Address, "vectors") => vec![
            Value::Vectors(vec![b"panic: a line\n".to_vec(), b"and a half".to_vec()]),
            Value::Vectors(vec![Vec::new(), vec![b'z'; 2_000]]),
        ],
        // Random bytes and the environment: slots from here on are free for them.
        (ParamKind::Address, "pointers") => vec![Value::Slot(16)],
        (ParamKind::Address, _) => vec![Value::Slot(32)],
    };
    let is_number = matches!(param.kind, ParamKind::Int | ParamKind::Long);
    if !is_number && hostcall != Hostcall::FdWrite {
        values.push(Value::Wild);
    }
    values
}

/// A call with the nth value of each parameter, as far as it has so many.
pub fn call(hostcall: Hostcall, nth: impl Fn(usize, usize) -> usize) -> Step {
    let params = hostcall.row().params.iter().enumerate();
    let values = params.map(|(at, param)| {
        let mut values = choices(hostcall, param);
        let chosen = nth(at, values.len()).min(values.len() - 1);
        values.swap_remove(chosen)
    });
    Step::Call(hostcall, values.collect())
}

/// A call that makes sense.
pub fn sensible(hostcall: Hostcall) -> Step {
    call(hostcall, |_, _| 0)
}
