//! A response callback used an answer that it did not have, and came to nothing or trapped.

use abi::{CallKind, Callback, Host, Hostcall, Kind, Status, buffer, map};

use super::callback_ran_no_resume as no_resume;
use super::vm_trap_collateral as traps;
use super::{failed_call, phrases};
use crate::calls::Call;
use crate::diagnose::{Diagnosis, NearMiss};
use crate::event::Event;
use crate::finding::{Advice, Evidence, Finding, Severity, Subject, Verdict};
use crate::story::Story;

/// See the head of this file.
pub const DIAGNOSIS: Diagnosis = Diagnosis {
    code: "callback-failure-unhandled",
    title: "The plugin relied on an answer, headers or a body that were not there",
    title_zh: "插件依赖了当时并不存在的应答、头部或正文",
    severity: Severity::Lost,
    is_fact: false,
    explanation: EXPLANATION,
    explanation_zh: include_str!("callback-failure-unhandled.zh-CN.md"),
    known_from: &[
        "tetratelabs/proxy-wasm-go-sdk#217",
        "tetratelabs/proxy-wasm-go-sdk#218",
        "envoyproxy/envoy#26485",
        "proxy-wasm/proxy-wasm-rust-sdk#82",
        "proxy-wasm/proxy-wasm-rust-sdk#116",
    ],
    example: EXAMPLE,
    near_misses: NEAR_MISSES,
    overlaps: &[],
    argues_from_absence: true,
    about_roots: false,
    unknown_in_log: None,
    triggers: TRIGGERS,
    judge: |story| judge(story).into_iter().collect(),
};

const TRIGGERS: &[Kind] = &[
    Kind::Callback(Callback::HttpCallResponse),
    Kind::Callback(Callback::GrpcReceive),
    Kind::Callback(Callback::GrpcClose),
    Kind::Callback(Callback::RedisCallResponse),
    Kind::Callback(Callback::Log),
];

fn judge(story: &Story<'_>) -> Option<Verdict> {
    if let Some(trap) = traps::trap(story) {
        return Trapped::of(story, trap).map(|trapped| trapped.found(story));
    }
    no_resume::judge_as(story, |call, callback| {
        let unread = unread(story, call, callback);
        let details = unread.iter().map(|e| missed(e)).collect();
        let events = unread.iter().map(|e| e.sequence).collect();
        let told = no_resume::Told { code: DIAGNOSIS.code, details, events, advice: ADVICE };
        (!unread.is_empty()).then_some(told)
    })
}

/// What the plugin asked in vain of the answer to a call that had failed; empty if the call had not.
pub fn unread<'a>(story: &Story<'a>, call: &Call, callback: &Event) -> Vec<&'a Event> {
    if failed_call::failure(call, callback).is_none() {
        return Vec::new();
    }
    story.hostcalls_in(callback).iter().filter(|e| is_unread(call, callback, e)).collect()
}

/// Did a hostcall ask for a part of the answer that was not there?
fn is_unread(call: &Call, callback: &Event, event: &Event) -> bool {
    let is_http = call.kind == CallKind::Http;
    let (headers, body) = (callback.arg(0), callback.arg(1));
    let refused = event.result != 0;
    // A header that is not among those that came is no sign of anything.
    let is_absent = Status::from_number(event.result) == Status::NotFound;
    match (event.kind, event.arg(0)) {
        (Kind::Hostcall(Hostcall::GetHeaderMapValue), map::CALL_RESPONSE_HEADERS) => {
            refused && (headers == 0 || !is_absent)
        }
        (
            Kind::Hostcall(Hostcall::GetHeaderMapPairs | Hostcall::GetHeaderMapSize),
            map::CALL_RESPONSE_HEADERS,
        ) => refused || (is_http && headers == 0),
        (
            Kind::Hostcall(Hostcall::GetHeaderMapValue),
            map::GRPC_INITIAL_METADATA | map::GRPC_TRAILING_METADATA,
        ) => refused && !is_absent,
        (
            Kind::Hostcall(Hostcall::GetHeaderMapPairs | Hostcall::GetHeaderMapSize),
            map::GRPC_INITIAL_METADATA | map::GRPC_TRAILING_METADATA,
        ) => refused,
        (
            Kind::Hostcall(Hostcall::GetBufferBytes | Hostcall::GetBufferStatus),
            buffer::CALL_RESPONSE_BODY,
        ) => refused || (is_http && body == 0),
        (
            Kind::Hostcall(Hostcall::GetBufferBytes | Hostcall::GetBufferStatus),
            buffer::GRPC_MESSAGE,
        ) => refused,
        _ => false,
    }
}

/// A sentence about a hostcall that got nothing.
fn missed(event: &Event) -> String {
    let what = match event.text_lossy() {
        name if name.is_empty() => String::new(),
        name => format!(" for {name:?}"),
    };
    let got = match event.result {
        0 => "it was empty".to_owned(),
        status => format!("the host answered status {status}"),
    };
    format!("In it the plugin called {}{what}, and {got}.", phrases::event(event))
}

/// A trap of the stream's own of which it is known what led to it.
struct Trapped<'a> {
    trap: &'a Event,
    /// The call that it answers.
    call: Option<&'a Call>,
    /// Why that had failed, if it had.
    failure: Option<String>,
    /// What the plugin asked for last, in vain.
    asked: Option<&'a Event>,
}

impl<'a> Trapped<'a> {
    fn of(story: &Story<'a>, trap: &'a Event) -> Option<Trapped<'a>> {
        if !traps::is_own(story, trap) {
            return None;
        }
        let call = story.answered_by(trap);
        let is_log = trap.kind == Kind::Callback(Callback::Log);
        if call.is_none() && !is_log {
            return None;
        }
        let failure = call.and_then(|call| failed_call::failure(call, trap));
        // What was asked last is known only of an invocation that is whole.
        let is_whole = story.gap_in(trap).is_none();
        let last = story.hostcalls_in(trap).iter().rfind(|e| !is_talk(e));
        let asked = last.filter(|last| is_whole && is_gone(last, is_log));
        (failure.is_some() || asked.is_some()).then_some(Trapped { trap, call, failure, asked })
    }

    fn found(&self, story: &Story<'_>) -> Verdict {
        let (wrote, panic) = traps::last_words(self.trap);
        let name = phrases::name(self.trap);
        let of = match (self.call, &self.failure) {
            (Some(call), Some(why)) => {
                format!(" of {}, which had failed ({why})", phrases::call(call))
            }
            (Some(call), None) => format!(" of {}", phrases::call(call)),
            (None, _) => String::new(),
        };
        let after = match self.asked {
            Some(asked) => format!(
                ", right after it had asked for {} and got status {}",
                sought(asked),
                asked.result
            ),
            None => String::new(),
        };
        let headline = format!(
            "The plugin trapped in {name}{of}{after}{wrote}: nothing was decided there, and its VM is \
             gone with all streams that were open in it."
        );
        let mut details = vec![format!(
            "{} was entered and did not return.",
            phrases::capital(phrases::event(self.trap))
        )];
        details.extend(self.asked.map(missed));
        details.extend(panic);
        let dispatch = self.call.map(|call| call.dispatch);
        let events = [self.trap].into_iter().chain(self.asked).map(|e| e.sequence).chain(dispatch);
        let subject = self.call.map_or(Subject::Timeline, |call| Subject::Call(call.id));
        let advice = match self.failure {
            Some(_) => ADVICE,
            None => ADVICE_GONE,
        };
        Verdict::Found(Box::new(Finding {
            details,
            evidence: Evidence { events: phrases::cited(events), windows: Vec::new() },
            advice: phrases::advice(story.timeline.dialect.host, advice),
            ..Finding::cause(DIAGNOSIS.code, Severity::Lost, subject, headline)
        }))
    }
}

/// `header "x-user"`, `headers`, `a body`
fn sought(event: &Event) -> String {
    match (event.kind, event.text_lossy()) {
        (Kind::Hostcall(Hostcall::GetBufferBytes | Hostcall::GetBufferStatus), _) => {
            "a body".to_owned()
        }
        (_, name) if !name.is_empty() => format!("header {name:?}"),
        _ => "headers".to_owned(),
    }
}

/// Did the host answer that the headers or the body are not there (any more)? In log it says not found.
fn is_gone(event: &Event, in_log: bool) -> bool {
    let is_read = matches!(
        event.kind,
        Kind::Hostcall(
            Hostcall::GetHeaderMapValue
                | Hostcall::GetHeaderMapPairs
                | Hostcall::GetHeaderMapSize
                | Hostcall::GetBufferBytes
                | Hostcall::GetBufferStatus
        )
    );
    let is_none = match Status::from_number(event.result) {
        Status::BadArgument => true,
        Status::NotFound => in_log,
        _ => false,
    };
    is_read && is_none
}

/// What a plugin says of its panic, and asks about its call: it tells nothing of why.
fn is_talk(event: &Event) -> bool {
    matches!(
        event.kind,
        Kind::Hostcall(
            Hostcall::Log | Hostcall::FdWrite | Hostcall::ProcExit | Hostcall::GetStatus
        )
    )
}

const ADVICE: &[Advice] = &[
    Advice::any(
        "Look first at whether the call succeeded, and end the path on which it did not with a resume or \
         a local response; only then read what it answered.",
        "先看调用是否成功；不成功的那条路径要以恢复或本地应答结束；之后才去读应答的内容。",
    ),
    Advice::on(
        Host::Higress,
        "With wasm-go the first argument of the callback is the status: 502 stands for an answer without \
         headers.",
        "使用 wasm-go 时，回调的第一个参数是状态码：502 表示应答没有响应头。",
    ),
    Advice::on(
        Host::Envoy,
        "With the proxy-wasm crate num_headers is 0 when no answer came, and a call that timed out or found \
         no connection has :status 504 or 503 of the host's own.",
        "使用 proxy-wasm crate 时，没有应答则 num_headers 为 0；调用超时或连不上时，得到的是宿主自\
         己给出的 :status 504 或 503。",
    ),
];

const ADVICE_GONE: &[Advice] = &[
    Advice::any(
        "Read what is needed of the request in the phase in which it is there, keep it in the stream's \
         state, and expect an error from every read elsewhere.",
        "需要请求的哪些内容，就在它还在的阶段读出，保存在流的状态里；在其他地方读取，都要预料到会\
         出错。",
    ),
    Advice::on(
        Host::Envoy,
        "On stock Envoy the request's headers cannot be read in a callback once they have been forwarded.",
        "在原版 Envoy 上，请求头一旦转发，就不能在回调中读取。",
    ),
];

const EXAMPLE: &str = r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" headers=60 pseudo=7 timeout=5s -> ok call 4
0.202377 #17 http_call_response root 1 call 4 failure=3
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   get_header_map_value ":status" map=6 -> bad_argument
0.202395 #16   log_line "no status" level=3 -> ok
"#;

const NEAR_MISSES: &[NearMiss] = &[
    NearMiss {
        because: "the callback saw that no answer had come, and replied",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" headers=60 pseudo=7 timeout=5s -> ok call 4
0.202377 #17 http_call_response root 1 call 4 failure=3
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   get_header_map_value ":status" map=6 -> bad_argument
0.202395 #16   send_local_response status=503 -> ok
"#,
    },
    NearMiss {
        because: "the answer was there and was read: the callback forgot to resume",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" headers=60 pseudo=7 timeout=5s -> ok call 4
0.202377 #17 http_call_response root 1 call 4 headers=4 body=91 code=503 failure=2
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   get_header_map_value "x-user" map=6 -> not_found
0.202395 #16   get_buffer_bytes buffer=4 length=91 -> ok
"#,
    },
    NearMiss {
        because: "the call had not failed: its answer had no such header and no body",
        script: r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" headers=60 pseudo=7 timeout=5s -> ok call 4
0.202377 #17 http_call_response root 1 call 4 headers=2 code=204
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   get_header_map_value "x-user" map=6 -> not_found
0.202395 #16   get_buffer_bytes buffer=4 -> not_found
"#,
    },
    NearMiss {
        because: "the call had been answered well and the plugin trapped over something else",
        script: r#"
0.222000 #1 create 2 root 1
0.222100 #3 request_headers 2 n=10 end -> pause
0.222110 #2   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.322110 #5 http_call_response root 1 call 4 headers=3 body=2 code=200 "panicked at src/lib.rs:31:9:\nno user\n" -> (unfinished)
0.322120 #4   get_buffer_bytes buffer=4 length=2 -> ok
"#,
    },
    NearMiss {
        because: "another request's callback trapped",
        script: r#"
known_until 1.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
1.500001 #16 http_call_response root 1 call 9 failure=3 "panicked at src/lib.rs:31:9:\n:status\n" -> (unfinished)
"#,
    },
];

const EXPLANATION: &str = r#"## What you see

A callee is restarted or slow, and requests hang although the call was answered at once; or the plugin panics
in a callback with something like "unexpected status: 2", and with its VM all requests of that worker fail.

## Why it happens

A call that fails still calls back. On Envoy one that was reset in the middle has no headers and no body at
all, and one that timed out or found no connection has a 504 or 503 that the host made up. A callback that
reads the answer without looking at that gets an error or nothing. Then it returns early without a resume, so
the request stays held, or it unwraps the error and traps. The same happens to one that reads the request's
headers when they have gone: the host answers status 2, BadArgument, and older SDKs panic on it.

## How to be sure

The response callback came without headers, with a status from 500 on, or with a gRPC or Redis status that is
not 0. In it a read of the answer was refused or empty, and no resume, local response, close or further call
followed; or the invocation did not return. A header that is merely not among those that came does not count.
The way in which the call failed is told here, and not by a finding of its own beside this one.

## What to do

Ask for the outcome first. On Higress:

```go
func(code int, _ http.Header, body []byte) {
	if code >= 500 { // 502 also stands for no answer at all
		proxywasm.SendHttpResponse(503, nil, []byte("check failed"), -1)
		return
	}
	proxywasm.ResumeHttpRequest()
}
```

On stock Envoy:

```rust
fn on_http_call_response(&mut self, _: u32, headers: usize, _: usize, _: usize) {
    if headers == 0 || self.get_http_call_response_header(":status").as_deref() != Some("200") {
        self.send_http_response(503, vec![], Some(b"check failed"));
        return;
    }
    self.resume_http_request();
}
```

What the callback needs of the request is read in the request's phase and kept:

```rust
self.user = self.get_http_request_header("x-user"); // in on_http_request_headers
```

## What this cannot see

What the plugin made of an answer that it did read, and how much was in it: of a read only the status is
recorded. That the read is what led to the trap is told only where it was the last thing before; the text of
the panic says more. Traps that leave no black box. A resume that the plugin plans for later, from a timer: if
one comes, the finding is withdrawn.
"#;

#[cfg(test)]
mod tests {
    use crate::script;

    /// The first finding of a trap in the callback of a call, in which something was asked for.
    fn headline(callback: &str, asked: &str) -> String {
        let text = format!(
            "0.2 #1 create 2 root 1
            0.2 #3 request_headers 2 n=10 end -> pause
            0.2 #2   dispatch http \"auth\" pseudo=7 timeout=100ms -> ok call 4
            0.3 #5 {callback} \"panicked at src/lib.rs:31:9:\\nstatus 2\\n\" -> (unfinished)
            {asked}"
        );
        let timeline = script::parse(&text).expect("a script");
        let findings: Vec<&str> = timeline.findings.iter().map(|f| f.headline.as_str()).collect();
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings[0].to_owned()
    }

    #[test]
    fn a_trap_on_a_failed_answer_has_one_headline() {
        let said = headline(
            "http_call_response root 1 call 4 failure=3",
            "0.3 #4   get_header_map_value \":status\" map=6 -> bad_argument",
        );
        assert_eq!(
            said,
            "The plugin trapped in http_call_response of call 4 to \"auth\", which had failed (no headers: \
             the response broke off, or is larger than the host keeps), right after it had asked for \
             header \":status\" and got status 2 (status 2 (src/lib.rs:31:9)): nothing was decided \
             there, and its VM is gone with all streams that were open in it."
        );
        let without = headline("http_call_response root 1 call 4 headers=4 code=504 failure=1", "");
        assert!(without.contains("which had failed (its timeout 100 ms had struck)"), "{without}");
    }

    #[test]
    fn headers_that_are_gone_are_named_only_right_before_the_trap() {
        let answered = "http_call_response root 1 call 4 headers=3 code=200";
        let gone = "0.3 #4   get_header_map_value \"x-user\" -> bad_argument";
        assert!(headline(answered, gone).contains("header \"x-user\""));
        let later = format!("{gone}\n0.3 #6   get_buffer_bytes buffer=4 length=2 -> ok");
        assert!(
            headline(answered, &later).starts_with("The plugin trapped in http_call_response (")
        );
        assert!(headline("log 2", gone).contains("in log, right after"));
    }
}
