//! What plugins did wrong on a live Envoy 1.40, shortened, with all that must be said of it. Each of them
//! was once told wrongly or not at all.

/// A trace and its findings, code and severity, headline first.
#[allow(dead_code, reason = "not every test reads all of it")]
pub struct Mistake {
    pub what: &'static str,
    pub script: &'static str,
    pub found: &'static [(&'static str, &'static str)],
}

pub const ALL: &[Mistake] = &[
    Mistake {
        what: "the first of two answers is enough, and the handler of the second runs when the stream is gone",
        script: r#"
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #4 request_headers 2 n=10 end -> pause
0.000120 #2   dispatch http "near" timeout=5s -> ok call 4
0.000131 #3   dispatch http "far" timeout=5s -> ok call 8
0.010377 #7 http_call_response root 1 call 4 headers=3 body=2 code=200
0.010380 #5   set_effective_context context=2 -> ok
0.010381 #6   continue_stream request -> ok
0.015114 #8 response_headers 2 n=5 -> continue
0.016020 #9 log 2
0.016031 #10 done 2
0.016040 #11 delete 2
0.202377 #14 http_call_response root 1 call 8 headers=3 body=2 code=200
0.202380 #12   set_effective_context context=2 -> bad_argument
0.202381 #13   get_buffer_bytes buffer=4 length=2 -> ok
"#,
        found: &[("resumed-with-calls-outstanding", "note"), ("late-callback", "note")],
    },
    Mistake {
        what: "the same, and the second denies: that was lost",
        script: r#"
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #4 request_headers 2 n=10 end -> pause
0.000120 #2   dispatch http "quota" timeout=5s -> ok call 4
0.000131 #3   dispatch http "auth" timeout=5s -> ok call 8
0.010377 #7 http_call_response root 1 call 4 headers=3 body=2 code=200
0.010380 #5   set_effective_context context=2 -> ok
0.010381 #6   continue_stream request -> ok
0.015114 #8 response_headers 2 n=5 -> continue
0.016020 #9 log 2
0.016031 #10 done 2
0.016040 #11 delete 2
0.202377 #14 http_call_response root 1 call 8 headers=3 body=2 code=403
0.202380 #12   set_effective_context context=2 -> bad_argument
0.202381 #13   send_local_response status=403 -> ok
"#,
        found: &[("resumed-with-calls-outstanding", "lost"), ("late-callback", "lost")],
    },
    Mistake {
        what: "the client closes a WebSocket while a frame of the upstream's is held to be counted",
        script: r#"
request "r" method "GET" path "/ws" authority "e2e"
response code 101 flags 0x4000 details "downstream_remote_disconnect"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #2 request_headers 2 n=10 -> continue
0.005114 #3 response_headers 2 n=5 -> continue
0.500000 #5 response_body 2 size=7 -> pause
0.500010 #4   dispatch http "meter" timeout=5s -> ok call 4
0.600000 #6 log 2
0.600010 #7 done 2
0.600020 #8 delete 2
"#,
        found: &[
            ("headers-forwarded-before-body-call", "note"),
            ("client-gone-while-waiting", "note"),
        ],
    },
    Mistake {
        what: "the client closes a CONNECT tunnel while what it sent is held to be counted",
        script: r#"
request "r" method "CONNECT" path "" authority "e2e:443"
response code 200 flags 0x4000 details "downstream_remote_disconnect"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #2 request_headers 2 n=10 -> continue
0.005114 #3 response_headers 2 n=5 -> continue
0.500000 #5 request_body 2 size=7 -> pause
0.500010 #4   dispatch http "meter" timeout=5s -> ok call 4
0.600000 #6 log 2
0.600010 #7 done 2
0.600020 #8 delete 2
0.700000 #9 http_call_response root 1 call 4 headers=3 body=7 code=200
"#,
        found: &[("late-callback", "note")],
    },
    Mistake {
        what: "a later filter held the response headers, and the client got the local response",
        script: r#"
response code 502 flags 0x0 details "via_upstream"
0.000000 #1 create 2 root 1
0.000113 #2 request_headers 2 n=10 end -> continue
0.005114 #3 response_headers 2 n=5 -> continue
0.005603 #5 response_body 2 size=6 end -> pause
0.005610 #4   send_local_response status=502 -> ok
0.006000 #6 log 2
0.006010 #7 done 2
0.006020 #8 delete 2
"#,
        found: &[("local-reply-too-late", "note")],
    },
    Mistake {
        what: "the callback dispatches once more, and does not see that the host refuses it",
        script: r#"
known_until 9.000000
0.100000 #1 create 2 root 1
0.100100 #3 request_headers 2 n=6 end -> 4
0.100200 #2   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.101000 #6 http_call_response root 1 call 4 headers=3 body=7 code=200
0.101100 #4   set_effective_context context=2 -> ok
0.101200 #5   dispatch http "no-such-cluster" pseudo=7 timeout=5s -> bad_argument
1.600000 #7 log 2
1.600100 #8 done 2
1.600200 #9 delete 2
"#,
        found: &[("callback-ran-no-resume", "hung"), ("dispatch-rejected", "failed")],
    },
    Mistake {
        what: "the callback resumes the request where the response is held",
        script: r#"
known_until 9.000000
0.100000 #1 create 2 root 1
0.100100 #2 request_headers 2 n=6 end -> continue
0.102000 #4 response_headers 2 n=3 -> 4
0.102100 #3   dispatch http "audit" pseudo=7 timeout=5s -> ok call 4
0.103000 #7 http_call_response root 1 call 4 headers=3 body=7 code=200
0.103100 #5   set_effective_context context=2 -> ok
0.103200 #6   continue_stream request -> ok
1.600000 #8 log 2
1.600100 #9 done 2
1.600200 #10 delete 2
"#,
        found: &[("callback-ran-no-resume", "hung")],
    },
    Mistake {
        what: "a part of the body stops for a call, and the last part goes on without waiting for it",
        script: r#"
response code 200 details "via_upstream"
0.100000 #1 create 2 root 1
0.100100 #2 request_headers 2 n=6 -> continue
0.101000 #4 request_body 2 size=14 -> pause
0.101100 #3   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.102000 #5 request_body 2 size=28 end -> continue
0.104000 #6 response_headers 2 n=3 -> continue
0.105000 #7 log 2
0.105100 #8 done 2
0.105200 #9 delete 2
2.101000 #12 http_call_response root 1 call 4 headers=3 body=7 code=403
2.101100 #10   set_effective_context context=2 -> bad_argument
2.101200 #11   send_local_response "denied" status=403 -> ok
"#,
        found: &[("released-by-body-continue", "lost"), ("late-callback", "lost")],
    },
    Mistake {
        what: "the last part goes on, and the answer of the call is refused after the response had begun",
        script: r#"
0.100000 #1 create 2 root 1
0.100100 #2 request_headers 2 n=6 -> continue
0.101000 #4 request_body 2 size=14 -> pause
0.101100 #3   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.102000 #5 request_body 2 size=28 end -> continue
0.104000 #6 response_headers 2 n=3 -> continue
0.105000 #9 http_call_response root 1 call 4 headers=3 body=7 code=403
0.105100 #7   set_effective_context context=2 -> ok
0.105200 #8   send_local_response "denied" status=403 -> ok
"#,
        found: &[("released-by-body-continue", "failed"), ("local-reply-too-late", "failed")],
    },
    Mistake {
        what: "a redis call on a host that has none",
        script: r#"
0.100000 #1 create 2 root 1
0.100100 #3 request_headers 2 n=6 end -> continue
0.100200 #2   dispatch redis "outbound|6379||redis.static" query=14 -> unimplemented
0.102000 #4 response_headers 2 n=3 -> continue
0.103000 #5 log 2
0.103100 #6 done 2
0.103200 #7 delete 2
"#,
        found: &[("dispatch-rejected", "failed")],
    },
    Mistake {
        what: "two resumes in one callback",
        script: r#"
0.100000 #1 create 2 root 1
0.100100 #3 request_headers 2 n=6 end -> 4
0.100200 #2   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.101000 #7 http_call_response root 1 call 4 headers=3 body=7 code=200
0.101100 #4   set_effective_context context=2 -> ok
0.101200 #5   continue_stream request -> ok
0.101300 #6   continue_stream request -> ok
0.102000 #8 response_headers 2 n=3 -> continue
0.103000 #9 log 2
0.103100 #10 done 2
0.103200 #11 delete 2
"#,
        found: &[("duplicate-completion", "note")],
    },
    Mistake {
        what: "the end of a response is held for a call, and the client has the rest",
        script: r#"
response code 200 flags 0x4000 details "downstream_remote_disconnect"
0.100000 #1 create 2 root 1
0.100100 #2 request_headers 2 n=6 end -> continue
0.102000 #3 response_headers 2 n=3 -> continue
0.102100 #4 response_body 2 size=7 -> continue
0.102300 #6 response_body 2 size=0 end -> pause
0.102400 #5   dispatch http "audit" pseudo=7 timeout=5s -> ok call 4
0.103000 #7 log 2
0.103100 #8 done 2
0.103200 #9 delete 2
0.153000 #10 http_call_response root 1 call 4 headers=3 body=7 code=200
"#,
        found: &[("headers-forwarded-before-body-call", "lost"), ("late-callback", "lost")],
    },
    Mistake {
        what: "a piece of the response is held for a call, and the client does not wait",
        script: r#"
response code 200 flags 0x4000 details "downstream_remote_disconnect"
0.100000 #1 create 2 root 1
0.100100 #2 request_headers 2 n=6 end -> continue
0.102000 #3 response_headers 2 n=3 -> continue
0.102300 #6 response_body 2 size=7 end -> pause
0.102400 #5   dispatch http "audit" pseudo=7 timeout=5s -> ok call 4
1.603000 #7 log 2
1.603100 #8 done 2
1.603200 #9 delete 2
2.153000 #10 http_call_response root 1 call 4 headers=3 body=7 code=200
"#,
        found: &[
            ("client-gone-while-waiting", "lost"),
            ("headers-forwarded-before-body-call", "note"),
            ("late-callback", "lost"),
        ],
    },
    Mistake {
        what: "the call is made in the headers phase, which goes on, and the body waits for it: the upstream is faster",
        script: r#"
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=7 -> continue
0.000120 #2   dispatch http "auth" timeout=5s -> ok call 4
0.000283 #4 request_body 2 size=9 -> pause
0.000288 #5 request_body 2 size=9 end -> pause
0.000710 #6 response_headers 2 n=2 -> continue
0.000733 #7 response_body 2 size=5 end -> continue
0.000745 #8 log 2
0.000771 #9 done 2
0.000772 #10 delete 2
0.601550 #11 http_call_response root 1 call 4 headers=3 body=5 code=403
"#,
        found: &[
            ("continue-with-call-outstanding", "lost"),
            ("late-callback", "lost"),
            ("response-while-request-held", "lost"),
        ],
    },
    Mistake {
        what: "the same, and the client leaves while the body waits",
        script: r#"
response code 0 flags 0x4000 details "downstream_remote_disconnect"
known_until 5.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=7 -> continue
0.000120 #2   dispatch http "auth" timeout=5s -> ok call 4
0.000283 #4 request_body 2 size=9 end -> pause
1.000745 #5 log 2
1.000771 #6 done 2
1.000772 #7 delete 2
2.501550 #8 http_call_response root 1 call 4 headers=3 body=5 code=200
"#,
        found: &[("client-gone-while-waiting", "lost"), ("late-callback", "lost")],
    },
    Mistake {
        what: "the same, and its callback forgets to resume",
        script: r#"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=7 -> continue
0.000120 #2   dispatch http "auth" timeout=5s -> ok call 4
0.000283 #4 request_body 2 size=9 end -> pause
0.201550 #6 http_call_response root 1 call 4 headers=3 body=5 code=200
0.201560 #5   set_effective_context context=2 -> ok
"#,
        found: &[("callback-ran-no-resume", "hung")],
    },
    Mistake {
        what: "a call goes out beside the request, and the response callback of another one forgets to resume",
        script: r#"
module abi 0.2.100 host higress
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #4 request_headers 2 n=7 -> continue
0.000120 #2   dispatch http "audit" timeout=5s -> ok call 4
0.000283 #6 request_body 2 size=9 end -> pause
0.000290 #5   dispatch http "auth" timeout=5s -> ok call 8
0.001550 #8 http_call_response root 1 call 8 headers=3 body=5 code=500
0.001560 #7   set_effective_context context=2 -> ok
0.401550 #10 http_call_response root 1 call 4 headers=3 body=5 code=200
0.401560 #9   set_effective_context context=2 -> ok
"#,
        found: &[
            ("callback-ran-no-resume", "hung"),
            ("headers-forwarded-before-body-call", "race"),
        ],
    },
    Mistake {
        what: "the headers are decided by a call, and then the body is stopped for nothing",
        script: r#"
module abi 0.2.100 host higress
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=7 -> 4
0.000120 #2   dispatch http "auth" timeout=5s -> ok call 4
0.031550 #6 http_call_response root 1 call 4 headers=3 body=5 code=200
0.031560 #4   set_effective_context context=2 -> ok
0.031570 #5   continue_stream request -> ok
0.031700 #7 request_body 2 size=9 end -> pause
"#,
        found: &[("paused-without-pending-call", "hung")],
    },
    Mistake {
        what: "the same, and the response is held for a body that it has not",
        script: r#"
module abi 0.2.100 host higress
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=7 end -> 4
0.000120 #2   dispatch http "auth" timeout=5s -> ok call 4
0.031550 #6 http_call_response root 1 call 4 headers=3 body=5 code=200
0.031560 #4   set_effective_context context=2 -> ok
0.031570 #5   continue_stream request -> ok
0.041700 #7 response_headers 2 n=3 end -> pause
"#,
        found: &[("waiting-for-body-that-cannot-come", "hung")],
    },
    Mistake {
        what: "the headers are decided by a call, and the body is denied when it is seen: two decisions",
        script: r#"
module abi 0.2.100 host higress
response code 400
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=7 -> 4
0.000120 #2   dispatch http "auth" timeout=5s -> ok call 4
0.031550 #6 http_call_response root 1 call 4 headers=3 body=5 code=200
0.031560 #4   set_effective_context context=2 -> ok
0.031570 #5   continue_stream request -> ok
0.031700 #8 request_body 2 size=9 end -> pause
0.031710 #7   send_local_response status=400 -> ok
0.031800 #9 response_headers 2 n=4 -> continue
0.031900 #10 response_body 2 size=6 end -> continue
0.032000 #11 log 2
0.032010 #12 done 2
0.032020 #13 delete 2
"#,
        found: &[],
    },
    Mistake {
        what: "nothing is held for the call, and its callback would set a header of the request that has gone",
        script: r#"
response code 200
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=6 end -> continue
0.000120 #2   dispatch http "users" timeout=5s -> ok call 4
0.051394 #6 http_call_response root 1 call 4 headers=3 body=5 code=200
0.051400 #4   set_effective_context context=2 -> ok
0.051410 #5   replace_header_map_value "x-user" value=3 -> bad_argument
0.502053 #7 response_headers 2 n=3 -> continue
0.502150 #8 response_body 2 size=5 end -> continue
0.502193 #9 log 2
0.502214 #10 done 2
0.502216 #11 delete 2
"#,
        found: &[("continue-with-call-outstanding", "failed")],
    },
    Mistake {
        what: "the root's tick resumes what has waited long enough: nobody waits for the call any longer",
        script: r#"
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000009 #3 request_headers 2 n=6 end -> pause
0.000010 #2   dispatch http "auth" timeout=3s -> ok call 4
0.456268 #4   set_effective_context context=2 -> ok entry=40 ctx=1
0.456294 #5   continue_stream request -> ok
0.760809 #6 response_headers 2 n=3 -> continue entry=41
0.760885 #7 response_body 2 size=5 end -> continue
0.760902 #8 log 2
0.760933 #9 done 2
0.760934 #10 delete 2
1.003482 #11 http_call_response root 1 call 4 headers=3 body=5 code=200
"#,
        found: &[("late-callback", "note")],
    },
    Mistake {
        what: "an HTTP/2 client resets its stream while the response is held for a call: the host says nothing of it",
        script: r#"
response code 200 flags 0x0 details "via_upstream"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #2 request_headers 2 n=7 end -> continue
0.010120 #4 response_headers 2 n=3 -> 4
0.010130 #3   dispatch http "meter" timeout=5s -> ok call 4
0.290000 #5 log 2
0.290006 #6 done 2
0.290007 #7 delete 2
0.910031 #8 http_call_response root 1 call 4 headers=3 body=5 code=200
"#,
        found: &[("client-gone-while-waiting", "lost"), ("late-callback", "lost")],
    },
    Mistake {
        what: "the same while the request is held",
        script: r#"
request "r" method "POST" path "/" authority "e2e" protocol "HTTP/2"
response flags 0x0
known_until 3.000000
0.000000 #1 create 2 root 1
0.000032 #3 request_headers 2 n=6 -> 4
0.000380 #2   dispatch http "auth" timeout=5s -> ok call 4
0.299747 #4 log 2
0.299857 #5 done 2
0.299858 #6 delete 2
0.901900 #7 http_call_response root 1 call 4 headers=3 body=5 code=200
"#,
        found: &[("client-gone-while-waiting", "lost"), ("late-callback", "lost")],
    },
    Mistake {
        what: "a call goes out beside the request, the body waits for another one, and the first comes late: nobody waited",
        script: r#"
module abi 0.2.100 host higress
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=7 -> continue
0.000120 #2   dispatch http "audit" timeout=5s -> ok call 4
0.000283 #5 request_body 2 size=9 end -> pause
0.000290 #4   dispatch http "auth" timeout=5s -> ok call 8
0.001550 #8 http_call_response root 1 call 8 headers=3 body=5 code=200
0.001560 #6   set_effective_context context=2 -> ok
0.001570 #7   continue_stream request -> ok
0.010120 #9 response_headers 2 n=3 -> continue
0.010745 #10 log 2
0.010771 #11 done 2
0.010772 #12 delete 2
0.401550 #13 http_call_response root 1 call 4 headers=3 body=5 code=200
"#,
        found: &[("headers-forwarded-before-body-call", "race")],
    },
    Mistake {
        what: "the same, and the body waits for the root's tick, which resumes it",
        script: r#"
module abi 0.2.100 host higress
response code 200 details "via_upstream"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #3 request_headers 2 n=7 -> continue
0.000120 #2   dispatch http "audit" timeout=5s -> ok call 4
0.000283 #4 request_body 2 size=9 end -> pause
0.101550 #5 set_effective_context context=2 -> ok entry=40 ctx=1
0.101560 #6   continue_stream request -> ok
0.110120 #7 response_headers 2 n=3 -> continue entry=41
0.110745 #8 log 2
0.110771 #9 done 2
0.110772 #10 delete 2
0.401550 #11 http_call_response root 1 call 4 headers=3 body=5 code=200
"#,
        found: &[("late-callback", "note")],
    },
    Mistake {
        what: "the timeout of the route strikes while the response is held for a call",
        script: r#"
request "6f1f-0a2c" method "GET" path "/pay" protocol "HTTP/1.1"
response code 504 flags 0x4 details "response_timeout"
known_until 3.000000
0.000000 #1 create 2 root 1
0.000113 #2 request_headers 2 n=7 end -> continue
0.001000 #4 response_headers 2 n=4 -> pause
0.001010 #3   dispatch http "quota" timeout=3s -> ok call 4
0.001100 #5 response_body 2 size=5 -> pause
0.500000 #6 log 2
0.500010 #7 done 2
0.500020 #8 delete 2
1.500000 #9 http_call_response root 1 call 4 headers=3 body=5 code=200
"#,
        found: &[("client-gone-while-waiting", "lost"), ("late-callback", "lost")],
    },
];
