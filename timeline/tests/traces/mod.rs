//! Traces that more than one test reads: the golden traces of host-semantics §0, seen on a live Envoy
//! 1.40, and variants of them for every way in which a finding is told.

pub const THE_UPSTREAM_ANSWERS_ON_THE_HEADERS_ALONE: &str = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223000 #3 request_body 2 size=14 -> pause
0.223500 #5 request_body 2 size=14 end -> pause
0.223600 #4   dispatch http "slow" pseudo=7 timeout=5s -> ok call 4
0.226000 #6 response_headers 2 n=2 -> continue
0.226100 #7 response_body 2 size=6 -> continue
0.226200 #8 response_body 2 end -> continue
0.226300 #9 log 2
0.226400 #10 done 2
0.226500 #11 delete 2
2.226000 #15 http_call_response root 1 call 4 headers=3 body=2 code=200
2.226100 #12   set_effective_context context=2 -> bad_argument
2.226200 #13   get_header_map_pairs -> ok
2.226300 #14   send_local_response "denied" status=403 -> ok
"#;

pub const THE_UPSTREAM_CLOSES: &str = r#"
response code 503 details "upstream_reset_before_response_started{connection_termination}"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=300s -> ok call 4
0.226000 #5 response_headers 2 n=3 -> continue
0.226100 #6 response_body 2 size=95 end -> continue
0.226300 #7 log 2
0.226400 #8 done 2
0.226500 #9 delete 2
2.226000 #10 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

pub const THE_CLIENT_LEAVES: &str = r#"
response code 0 flags 0x4000
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
1.226300 #5 log 2
1.226400 #6 done 2
1.226500 #7 delete 2
2.226000 #8 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

pub const THE_END_IS_TOLD_BEFORE_THE_LATE_CALLBACK_COMES: &str = r#"
response code 400 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
0.226000 #5 response_headers 2 n=2 -> continue
0.226300 #6 log 2
0.226400 #7 done 2
0.226500 #8 delete 2
"#;

pub const A_PATIENT_UPSTREAM_MAKES_IT_A_RACE_WITH_A_MARGIN: &str = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
2.226000 #7 http_call_response root 1 call 4 headers=3 body=2 code=200
2.226100 #5   set_effective_context context=2 -> ok
2.226200 #6   continue_stream request -> ok
2.230000 #8 response_headers 2 n=2 -> continue
2.230300 #9 log 2
2.230400 #10 done 2
2.230500 #11 delete 2
"#;

pub const A_DENIAL_IN_TIME_IS_A_RACE_TOO: &str = r#"
response code 403 details "denied"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
2.226000 #7 http_call_response root 1 call 4 headers=3 body=2 code=403
2.226100 #5   set_effective_context context=2 -> ok
2.226200 #6   send_local_response "denied" status=403 -> ok
2.226300 #8 response_headers 2 n=2 -> continue
2.226400 #9 response_body 2 size=3 end -> continue
2.230300 #10 log 2
2.230400 #11 done 2
2.230500 #12 delete 2
"#;

pub const A_RESPONSE_BEFORE_THE_CALLBACK_IS_FAILED_WHILE_THE_STREAM_LIVES: &str = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
0.226000 #5 response_headers 2 n=2 -> continue
0.426000 #8 http_call_response root 1 call 4 headers=3 body=2 code=200
0.426100 #6   set_effective_context context=2 -> ok
0.426200 #7   continue_stream request -> ok
2.230000 #9 response_body 2 size=6 end -> continue
2.230300 #10 log 2
2.230400 #11 done 2
2.230500 #12 delete 2
"#;

pub const A_SECOND_CALL_AFTER_THE_RESUME_IS_THE_SAME_RACE: &str = r#"
module abi 0.2.1 host envoy
0.222000 #1 create 2 root 1
0.222100 #3 request_headers 2 n=10 -> pause
0.222200 #2   dispatch http "one" timeout=5s -> ok call 4
0.322000 #6 http_call_response root 1 call 4 headers=3 body=2 code=200
0.322100 #4   set_effective_context context=2 -> ok
0.322200 #5   continue_stream request -> ok
0.323500 #8 request_body 2 size=14 end -> pause
0.323600 #7   dispatch http "two" timeout=5s -> ok call 8
0.326000 #9 response_headers 2 n=2 -> continue
0.326300 #10 log 2
0.326400 #11 done 2
0.326500 #12 delete 2
1.226000 #13 http_call_response root 1 call 8 headers=3 body=2 code=200
"#;

pub const A_CALL_IN_THE_RESPONSE_BODY_IS_NOTED: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 end -> continue
0.223000 #3 response_headers 2 n=2 -> continue
0.223500 #5 response_body 2 size=14 end -> pause
0.223600 #4   dispatch http "slow" timeout=5s -> ok call 4
0.426000 #8 http_call_response root 1 call 4 headers=3 body=2 code=200
0.426100 #6   set_effective_context context=2 -> ok
0.426200 #7   continue_stream response -> ok
0.430300 #9 log 2
0.430400 #10 done 2
0.430500 #11 delete 2
"#;

pub const HELD_HEADERS_GIVE_NOTHING: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> pause
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
2.226000 #7 http_call_response root 1 call 4 headers=3 body=2 code=200
2.226100 #5   set_effective_context context=2 -> ok
2.226200 #6   continue_stream request -> ok
2.230000 #8 response_headers 2 n=2 -> continue
2.230300 #9 log 2
2.230400 #10 done 2
2.230500 #11 delete 2
"#;

pub const A_PAUSE_IN_THE_HEADERS_STARVES_THE_BODY: &str = r#"
known_until 10.500000
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> pause
10.226300 #3 log 2
10.226400 #4 done 2
10.226500 #5 delete 2
"#;

pub const AN_UNKNOWN_CLUSTER_IS_A_REJECTED_DISPATCH: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "outbound|80||nowhere.static" pseudo=7 timeout=5s -> bad_argument
"#;

pub const AN_UNKNOWN_DIALECT_SAYS_IF: &str = r#"
module abi 0.2.1 host envoy
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #15 http_call_response root 1 call 4 headers=3 body=2 code=500
0.202380 #14   set_effective_context context=2 -> ok
"#;

pub const A_CALL_THAT_HAS_NO_TIMEOUT: &str = r#"
known_until 7.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> 4
0.000120 #14 tick root 1
0.000121 #13 log_line "alive" -> ok
0.001870 #16 request_trailers 2 n=1 -> pause
0.001902 #15   dispatch http "auth" timeout=none -> ok call 4
"#;

pub const A_CALL_NEARLY_OUT_OF_TIME: &str = r#"
known_until 4.500000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001870 #14 request_body 2 size=14 end -> pause
0.001902 #13   dispatch http "slow" timeout=5s -> ok call 4
"#;

pub const A_TIMEOUT_THAT_DID_NOT_STRIKE: &str = r#"
known_until 9.500000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "slow" timeout=5s -> ok call 4
"#;

pub const A_REDIS_CALL: &str = r#"
module abi 0.2.100 host higress
known_until 7.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> 4
0.000120 #12   dispatch redis "limits" -> ok call 7
"#;

pub const A_GRPC_CALL_ANSWERED_TOO_LATE: &str = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch grpc "auth" timeout=5s -> ok call 5
0.226000 #5 response_headers 2 n=2 -> continue
0.226300 #6 log 2
0.226400 #7 done 2
0.226500 #8 delete 2
1.226000 #9 grpc_receive root 1 call 5 size=9
"#;

pub const THE_RESPONSE_IS_HELD_UNTIL_THE_CALLBACK: &str = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
0.226000 #5 response_headers 2 n=2 -> 4
0.426000 #9 http_call_response root 1 call 4 headers=3 body=2 code=200
0.426100 #6   set_effective_context context=2 -> ok
0.426200 #7   continue_stream request -> ok
0.426300 #8   continue_stream response -> ok
2.230300 #10 log 2
2.230400 #11 done 2
2.230500 #12 delete 2
"#;

pub const THE_RESPONSE_CAME_AND_THE_CALL_IS_STILL_OUT: &str = r#"
known_until 3.000000
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
0.226000 #5 response_headers 2 n=2 -> continue
"#;

pub const ANSWERED_BEFORE_ANY_RESPONSE: &str = r#"
known_until 3.000000
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #4 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "slow" timeout=5s -> ok call 4
0.426000 #7 http_call_response root 1 call 4 headers=3 body=2 code=200
0.426100 #5   set_effective_context context=2 -> ok
0.426200 #6   continue_stream request -> ok
"#;

pub const ONE_OF_TWO_CALLS_RESUMES: &str = r#"
response code 200 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223500 #5 request_body 2 size=14 end -> pause
0.223600 #3   dispatch http "one" timeout=5s -> ok call 4
0.223700 #4   dispatch http "two" timeout=5s -> ok call 8
0.426000 #8 http_call_response root 1 call 4 headers=3 body=2 code=200
0.426100 #6   set_effective_context context=2 -> ok
0.426200 #7   continue_stream request -> ok
0.430000 #9 response_headers 2 n=2 -> continue
0.430300 #10 log 2
0.430400 #11 done 2
0.430500 #12 delete 2
1.226000 #13 http_call_response root 1 call 8 headers=3 body=2 code=200
"#;

pub const ONE_OF_TWO_CALLS_DENIES: &str = r#"
response code 403 details "denied"
0.222000 #1 create 2 root 1
0.222100 #4 request_headers 2 n=10 end -> pause
0.223600 #2   dispatch http "one" timeout=5s -> ok call 4
0.223700 #3   dispatch http "two" timeout=5s -> ok call 8
0.426000 #7 http_call_response root 1 call 4 headers=3 body=2 code=403
0.426100 #5   set_effective_context context=2 -> ok
0.426200 #6   send_local_response "denied" status=403 -> ok
0.430000 #8 response_headers 2 n=2 -> continue
0.430300 #9 log 2
0.430400 #10 done 2
0.430500 #11 delete 2
1.226000 #12 http_call_response root 1 call 8 headers=3 body=2 code=200
"#;

pub const STUCK_AFTER_THE_SECOND_CALL: &str = r#"
known_until 9.000000
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 end -> pause
0.000120 #12   dispatch http "auth" timeout=5s -> ok call 4
0.202377 #16 http_call_response root 1 call 4 headers=3 body=2 code=200
0.202380 #14   set_effective_context context=2 -> ok
0.202390 #15   dispatch http "quota" timeout=5s -> ok call 8
0.402377 #18 http_call_response root 1 call 8
0.402380 #17   set_effective_context context=2 -> ok
4.006020 #19 log 2
4.006031 #20 done 2
4.006040 #21 delete 2
"#;

pub const PART_OF_THE_BODY_HAD_GONE: &str = r#"
response code 413 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 -> continue
0.223000 #3 request_body 2 size=14 -> continue
0.223500 #5 request_body 2 size=14 end -> pause
0.223600 #4   dispatch http "slow" timeout=5s -> ok call 4
0.226000 #6 response_headers 2 n=2 -> continue
0.226300 #7 log 2
0.226400 #8 done 2
0.226500 #9 delete 2
2.226000 #10 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

pub const THE_CLIENT_LEAVES_DURING_THE_RESPONSE: &str = r#"
response code 200 flags 0x4000 details "via_upstream"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 end -> continue
0.223000 #3 response_headers 2 n=2 -> continue
0.223500 #5 response_body 2 size=14 end -> pause
0.223600 #4   dispatch http "slow" timeout=5s -> ok call 4
0.230300 #6 log 2
0.230400 #7 done 2
0.230500 #8 delete 2
1.226000 #9 http_call_response root 1 call 4 headers=3 body=2 code=200
"#;

pub const A_BATCH_OF_REFUSED_DISPATCHES: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #4 request_headers 2 n=10 end -> pause
0.222110 #2   dispatch grpc "nowhere" timeout=5s -> parse_failure
0.222120 #3   dispatch http "nowhere" pseudo=7 timeout=5s -> bad_argument
"#;

pub const THE_PLUGIN_PANICS_IN_ITS_OWN_REQUEST: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #3 request_headers 2 "panic: no such user\n\ngoroutine 1 [running]:\nmain.check()\n\t/plugin/main.go:52 +0x20\n" -> (unfinished)
0.222110 #2   get_header_map_value "x-user" -> not_found
"#;

pub const THE_PLUGIN_PANICS_IN_A_RESPONSE_CALLBACK: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #3 request_headers 2 n=10 end -> pause
0.222110 #2   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.322110 #4 http_call_response root 1 call 4 "panicked at src/lib.rs:31:9:\nno body\n" -> (unfinished)
"#;

pub const A_TICK_TRAPS_WHILE_A_REQUEST_IS_HELD: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 end -> pause
0.322110 #4 tick root 1 -> (unfinished)
"#;

pub const ANOTHER_REQUEST_TRAPS_WHILE_A_RESPONSE_PASSES: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 end -> continue
0.322110 #4 response_headers 2 n=4 -> continue
0.372110 #8 request_headers 3 "abort()\n" -> (unfinished)
"#;

pub const ANOTHER_REQUEST_TRAPS_WHILE_A_RESPONSE_WAITS: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 end -> continue
0.322110 #4 response_headers 2 n=4 -> 4
0.322120 #3   dispatch http "audit" pseudo=7 timeout=5s -> ok call 4
0.372110 #8 request_headers 3 "abort()\n" -> (unfinished)
"#;

pub const A_CALLBACK_UNWRAPS_AN_ANSWER_THAT_IS_NONE: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #3 request_headers 2 n=10 end -> pause
0.222110 #2   dispatch http "auth" pseudo=7 timeout=5s -> ok call 4
0.322110 #6 http_call_response root 1 call 4 failure=3 "panicked at src/lib.rs:31:9:\nunexpected status: 2\n" -> (unfinished)
0.322120 #4   set_effective_context context=2 -> ok
0.322130 #5   get_header_map_value ":status" map=6 -> bad_argument
"#;

pub const THE_LOG_PHASE_UNWRAPS_A_HEADER_THAT_IS_GONE: &str = r#"
0.222000 #1 create 2 root 1
0.222100 #2 request_headers 2 n=10 end -> continue
0.322110 #4 log 2 "panicked at src/lib.rs:31:9:\nno such header\n" -> (unfinished)
0.322120 #3   get_header_map_value ":path" -> not_found
"#;

pub const A_GRPC_CALL_FAILS_AND_ITS_METADATA_IS_READ: &str = r#"
known_until 9.000000
0.222000 #1 create 2 root 1
0.222100 #3 request_headers 2 n=10 end -> pause
0.222110 #2   dispatch grpc "auth" timeout=5s -> ok call 5
0.322110 #6 grpc_close root 1 call 5 status=14
0.322120 #4   set_effective_context context=2 -> ok
0.322130 #5   get_header_map_pairs map=5 -> bad_argument
"#;

pub const A_LARGE_BODY_IS_WAITED_FOR_UNTIL_THE_HOST_GIVES_UP: &str = r#"
response code 408 flags 0x10000 details "stream_idle_timeout"
known_until 400.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=524288 -> 2
0.003100 #14 request_body 2 size=540672 -> 2
300.003500 #15 response_headers 2 n=5 -> continue
300.003600 #16 response_body 2 size=14 end -> continue
300.004000 #17 log 2
300.004100 #18 done 2
300.004200 #19 delete 2
"#;

pub const A_BODY_ABOVE_A_LOW_LIMIT_IS_WAITED_FOR_UNTIL_THE_CLIENT_LEAVES: &str = r#"
response code 0 flags 0x4000 details "downstream_remote_disconnect"
known_until 12.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #13 request_body 2 size=40960 -> 2
10.004000 #14 log 2
10.004100 #15 done 2
10.004200 #16 delete 2
"#;

pub const A_HELD_BODY_SHRINKS_IN_A_PLUGIN_THAT_CANNOT_SHORTEN_IT: &str = r#"
module hostcalls 64,72
known_until 3.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001800 #14 request_body 2 size=65536 -> pause
0.001810 #13   dispatch http "scan" timeout=5s -> ok call 4
0.203100 #15 request_body 2 size=4096 end -> pause
"#;

pub const A_PHASE_WITHIN_A_PHASE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #13 request_headers 2 n=10 -> continue took=100us
0.000150 #12 request_body 2 size=9 end -> continue took=10us +nested
"#;

pub const A_PHASE_AFTER_THE_DELETE: &str = r#"
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001000 #13 log 2
0.001100 #14 done 2
0.001200 #15 delete 2
0.002000 #16 response_headers 2 n=3 -> continue
"#;

/// All of them.
pub const ALL: &[&str] = &[
    A_CALLBACK_UNWRAPS_AN_ANSWER_THAT_IS_NONE,
    THE_LOG_PHASE_UNWRAPS_A_HEADER_THAT_IS_GONE,
    A_GRPC_CALL_FAILS_AND_ITS_METADATA_IS_READ,
    A_LARGE_BODY_IS_WAITED_FOR_UNTIL_THE_HOST_GIVES_UP,
    A_BODY_ABOVE_A_LOW_LIMIT_IS_WAITED_FOR_UNTIL_THE_CLIENT_LEAVES,
    A_HELD_BODY_SHRINKS_IN_A_PLUGIN_THAT_CANNOT_SHORTEN_IT,
    A_PHASE_WITHIN_A_PHASE,
    A_PHASE_AFTER_THE_DELETE,
    THE_PLUGIN_PANICS_IN_ITS_OWN_REQUEST,
    THE_PLUGIN_PANICS_IN_A_RESPONSE_CALLBACK,
    A_TICK_TRAPS_WHILE_A_REQUEST_IS_HELD,
    ANOTHER_REQUEST_TRAPS_WHILE_A_RESPONSE_PASSES,
    ANOTHER_REQUEST_TRAPS_WHILE_A_RESPONSE_WAITS,
    THE_UPSTREAM_ANSWERS_ON_THE_HEADERS_ALONE,
    THE_UPSTREAM_CLOSES,
    THE_CLIENT_LEAVES,
    THE_END_IS_TOLD_BEFORE_THE_LATE_CALLBACK_COMES,
    A_PATIENT_UPSTREAM_MAKES_IT_A_RACE_WITH_A_MARGIN,
    A_DENIAL_IN_TIME_IS_A_RACE_TOO,
    A_RESPONSE_BEFORE_THE_CALLBACK_IS_FAILED_WHILE_THE_STREAM_LIVES,
    A_SECOND_CALL_AFTER_THE_RESUME_IS_THE_SAME_RACE,
    A_CALL_IN_THE_RESPONSE_BODY_IS_NOTED,
    HELD_HEADERS_GIVE_NOTHING,
    A_PAUSE_IN_THE_HEADERS_STARVES_THE_BODY,
    AN_UNKNOWN_CLUSTER_IS_A_REJECTED_DISPATCH,
    AN_UNKNOWN_DIALECT_SAYS_IF,
    A_CALL_THAT_HAS_NO_TIMEOUT,
    A_CALL_NEARLY_OUT_OF_TIME,
    A_TIMEOUT_THAT_DID_NOT_STRIKE,
    A_REDIS_CALL,
    A_GRPC_CALL_ANSWERED_TOO_LATE,
    THE_RESPONSE_IS_HELD_UNTIL_THE_CALLBACK,
    THE_RESPONSE_CAME_AND_THE_CALL_IS_STILL_OUT,
    ANSWERED_BEFORE_ANY_RESPONSE,
    ONE_OF_TWO_CALLS_RESUMES,
    ONE_OF_TWO_CALLS_DENIES,
    STUCK_AFTER_THE_SECOND_CALL,
    PART_OF_THE_BODY_HAD_GONE,
    THE_CLIENT_LEAVES_DURING_THE_RESPONSE,
    A_BATCH_OF_REFUSED_DISPATCHES,
];
