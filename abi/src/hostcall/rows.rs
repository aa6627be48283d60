//! The table of hostcalls. Adding one is adding a row: hooks, events, counts, script notation and
//! timelines follow from it.
//!
//! Sources: proxy-wasm-cpp-host `include/proxy-wasm/exports.h` and `src/wasm.cc`
//! (`registerCallbacks`), Higress's fork of both, Envoy `source/extensions/common/wasm/wasm.cc`.

use super::*;

// number, variant, name, import, origin
//     (parameters: shape or role, and name)
//     result, how much is kept and why[, what it does to calls and pauses];
#[rustfmt::skip]
hostcalls! {
    64  HttpCall "http_call" "proxy_http_call" Spec
        (Text "cluster", Headers "headers", Bytes "body", Bytes "trailers", Timeout "timeout",
         OutCallId "call_id")
        status, Always "starts a call, from which every wait is explained", starts Http;
    65  GrpcCall "grpc_call" "proxy_grpc_call" Spec
        (Text "cluster", Bytes "service", Bytes "method", Bytes "metadata", Bytes "message",
         Timeout "timeout", OutCallId "call_id")
        status, Always "starts a call, from which every wait is explained", starts GrpcCall;
    66  GrpcStream "grpc_stream" "proxy_grpc_stream" Spec
        (Text "cluster", Bytes "service", Bytes "method", Bytes "metadata", OutCallId "call_id")
        status, Always "starts a call, from which every wait is explained", starts GrpcStream;
    67  GrpcSend "grpc_send" "proxy_grpc_send" Spec (CallId "call_id", Bytes "message", Int "end")
        status, Always "shows what a stream that stays silent was asked";
    68  GrpcCancel "grpc_cancel" "proxy_grpc_cancel" Spec (CallId "call_id")
        status, Always "ends a call that no callback will answer";
    69  GrpcClose "grpc_close_call" "proxy_grpc_close" Spec (CallId "call_id")
        status, Always "ends a call that no callback will answer, or the plugin's half of a stream";
    70  RedisInit "redis_init" "proxy_redis_init" Higress
        (Text "cluster", Bytes "user", Bytes "password", Timeout "timeout")
        status, Always "sets the timeout of the Redis calls after it and fails those that are out";
    71  RedisCall "redis_call" "proxy_redis_call" Higress
        (Text "cluster", Bytes "query", OutCallId "call_id")
        status, Always "starts a call, from which every wait is explained", starts Redis;
    72  ContinueStream "continue_stream" "proxy_continue_stream" Spec (Side "side")
        status, Always "ends a pause, or does nothing with status 0", resumes;
    73  CloseStream "close_stream" "proxy_close_stream" Spec (Side "side")
        status, Always "ends the stream", closes;
    74  ContinueRequest "continue_request" "proxy_continue_request" SpecV0_1_0 ()
        status, Always "ends a pause, or does nothing with status 0", resumes;
    75  ContinueResponse "continue_response" "proxy_continue_response" SpecV0_1_0 ()
        status, Always "ends a pause, or does nothing with status 0", resumes;
    76  SendLocalResponse "send_local_response" "proxy_send_local_response" Spec
        (Int "status", Text "details", Bytes "body", Bytes "headers", Int "grpc_status")
        status, Always "answers in the upstream's place, or does nothing with status 0", replies;
    77  SetEffectiveContext "set_effective_context" "proxy_set_effective_context" Spec
        (Int "context")
        status, Always "says which stream the hostcalls after it are about";
    78  Log "log_line" "proxy_log" Spec (Int "level", Text "message")
        status, Always "what the plugin said, from the chosen level on";
    79  SetTickPeriod "set_tick_period" "proxy_set_tick_period_milliseconds" Spec
        (Int "period_millis")
        status, Always "decides when the plugin is called next without a stream";
    80  Done "done_call" "proxy_done" Spec ()
        status, Always "ends a root that its on_done kept";
    81  GetStatus "get_status" "proxy_get_status" Spec (Out "code", OutBytes "message")
        status, WhenTelling "means something only in a response callback";
    82  GetHeaderMapValue "get_header_map_value" "proxy_get_header_map_value" Spec
        (Int "map", Text "key", OutBytes "value")
        status, WhenTelling "frequent; tells something where the headers are gone already";
    83  AddHeaderMapValue "add_header_map_value" "proxy_add_header_map_value" Spec
        (Int "map", Text "key", Bytes "value")
        status, WhenTelling "frequent; tells something where it comes too late";
    84  ReplaceHeaderMapValue "replace_header_map_value" "proxy_replace_header_map_value" Spec
        (Int "map", Text "key", Bytes "value")
        status, WhenTelling "frequent; tells something where it comes too late";
    85  RemoveHeaderMapValue "remove_header_map_value" "proxy_remove_header_map_value" Spec
        (Int "map", Text "key")
        status, WhenTelling "frequent; tells something where it comes too late";
    86  GetHeaderMapPairs "get_header_map_pairs" "proxy_get_header_map_pairs" Spec
        (Int "map", OutBytes "pairs")
        status, WhenTelling "frequent; tells something where the headers are gone already";
    87  SetHeaderMapPairs "set_header_map_pairs" "proxy_set_header_map_pairs" Spec
        (Int "map", Bytes "pairs")
        status, WhenTelling "tells something where it comes too late";
    88  GetHeaderMapSize "get_header_map_size" "proxy_get_header_map_size" Spec
        (Int "map", Out "size")
        status, WhenTelling "tells something where the headers are gone already";
    89  GetBufferBytes "get_buffer_bytes" "proxy_get_buffer_bytes" Spec
        (Int "buffer", Int "start", Int "length", OutBytes "bytes")
        status, WhenTelling "frequent; tells something where the body is gone already";
    90  SetBufferBytes "set_buffer_bytes" "proxy_set_buffer_bytes" Spec
        (Int "buffer", Int "start", Int "length", Bytes "bytes")
        status, WhenTelling "frequent; tells something where it comes too late";
    91  GetBufferStatus "get_buffer_status" "proxy_get_buffer_status" Spec
        (Int "buffer", Out "length", Out "flags")
        status, WhenTelling "tells something where the body is gone already";
    92  GetProperty "get_property" "proxy_get_property" Spec (Text "path", OutBytes "value")
        status, WhenTelling "frequent; absent properties are common and seldom matter";
    93  SetProperty "set_property" "proxy_set_property" Spec (Text "path", Bytes "value")
        status, WhenTelling "tells something where the host refused it";
    94  GetSharedData "get_shared_data" "proxy_get_shared_data" Spec
        (Bytes "key", OutBytes "value", Out "cas")
        status, WhenTelling "frequent; no diagnosis argues from it";
    95  SetSharedData "set_shared_data" "proxy_set_shared_data" Spec
        (Bytes "key", Bytes "value", Int "cas")
        status, WhenTelling "frequent; a lost race is status 8, which is kept";
    96  RegisterSharedQueue "register_shared_queue" "proxy_register_shared_queue" Spec
        (Bytes "name", Out "queue")
        status, WhenTelling "no diagnosis argues from it";
    97  ResolveSharedQueue "resolve_shared_queue" "proxy_resolve_shared_queue" Spec
        (Bytes "vm", Bytes "name", Out "queue")
        status, WhenTelling "tells something where the queue is not there";
    98  DequeueSharedQueue "dequeue_shared_queue" "proxy_dequeue_shared_queue" Spec
        (Int "queue", OutBytes "message")
        status, WhenTelling "an empty queue is common";
    99  EnqueueSharedQueue "enqueue_shared_queue" "proxy_enqueue_shared_queue" Spec
        (Int "queue", Bytes "message")
        status, WhenTelling "tells something where the queue is not there";
    100 DefineMetric "define_metric" "proxy_define_metric" Spec
        (Int "type", Bytes "name", Out "metric")
        status, WhenTelling "no diagnosis argues from it";
    101 IncrementMetric "increment_metric" "proxy_increment_metric" Spec
        (Int "metric", Long "offset")
        status, WhenTelling "very frequent; no diagnosis argues from it";
    102 RecordMetric "record_metric" "proxy_record_metric" Spec (Int "metric", Long "value")
        status, WhenTelling "very frequent; no diagnosis argues from it";
    103 GetMetric "get_metric" "proxy_get_metric" Spec (Int "metric", Out "value")
        status, WhenTelling "no diagnosis argues from it";
    104 CallForeignFunction "call_foreign_function" "proxy_call_foreign_function" Spec
        (Text "name", Bytes "arguments", OutBytes "result")
        status, WhenTelling "what it does is the host's own affair; a refusal is kept";
    105 GetCurrentTime "get_current_time" "proxy_get_current_time_nanoseconds" Spec (Out "time")
        status, Never "very frequent, and cannot fail";
    106 GetLogLevel "get_log_level" "proxy_get_log_level" Spec (Out "level")
        status, Never "asked before every log line, and cannot fail";
    107 ClearRouteCache "clear_route_cache" "proxy_clear_route_cache" SpecV0_1_0 ()
        status, WhenTelling "tells something where the host refused it";
    108 GetConfiguration "get_configuration" "proxy_get_configuration" SpecV0_1_0
        (OutBytes "configuration")
        status, WhenTelling "asked once, in configure";
    109 InjectEncodedData "inject_encoded_data" "proxy_inject_encoded_data_to_filter_chain" Higress
        (Bytes "body", Int "end")
        status, Always "sends the response on from outside its phases";
    110 GetUpstreamHosts "get_upstream_hosts" "proxy_get_upstream_hosts" Higress (OutBytes "hosts")
        status, WhenTelling "tells something where the host refused it";
    111 SetUpstreamOverrideHost "set_upstream_override_host"
        "proxy_set_upstream_override_host" Higress (Bytes "address")
        status, WhenTelling "tells something where the host refused it";
    112 ResolveDns "resolve_dns_call" "envoy_resolve_dns" Envoy (Bytes "name", OutCallId "call_id")
        status, WhenTelling "tells something where the host refused it; its callback is kept";
    160 FdWrite "fd_write" "fd_write" Wasi (Int "fd", Address "vectors", Int "count", Out "written")
        status, Always "what the plugin printed, a panic's text above all";
    161 ProcExit "proc_exit" "proc_exit" Wasi (Int "code")
        nothing, Always "the plugin gave up; on Envoy it returns";
    162 ClockTimeGet "clock_time_get" "clock_time_get" Wasi
        (Int "clock", Long "precision", Out "time")
        status, Never "very frequent, and cannot fail";
    163 RandomGet "random_get" "random_get" Wasi (Address "buffer", Int "size")
        status, Never "cannot fail in a way that matters here";
    164 EnvironGet "environ_get" "environ_get" Wasi (Address "pointers", Address "buffer")
        status, Never "asked once, at the start, where the host forbids recording";
    165 EnvironSizesGet "environ_sizes_get" "environ_sizes_get" Wasi (Out "count", Out "size")
        status, Never "asked once, at the start, where the host forbids recording";
    166 ArgsGet "args_get" "args_get" Wasi (Address "pointers", Address "buffer")
        status, Never "asked once, at the start, where the host forbids recording";
    167 ArgsSizesGet "args_sizes_get" "args_sizes_get" Wasi (Out "count", Out "size")
        status, Never "asked once, at the start, where the host forbids recording";
    168 FdRead "fd_read" "fd_read" Wasi (Int "fd", Address "vectors", Int "count", Out "read")
        status, Never "hosts offer no files";
    169 FdSeek "fd_seek" "fd_seek" Wasi (Int "fd", Long "offset", Int "whence", Out "position")
        status, Never "hosts offer no files";
    170 FdClose "fd_close" "fd_close" Wasi (Int "fd")
        status, Never "hosts offer no files";
    171 FdFdstatGet "fd_fdstat_get" "fd_fdstat_get" Wasi (Int "fd", Address "status")
        status, Never "hosts offer no files";
    172 FdFdstatSetFlags "fd_fdstat_set_flags" "fd_fdstat_set_flags" Wasi (Int "fd", Int "flags")
        status, Never "hosts offer no files";
    173 FdFilestatGet "fd_filestat_get" "fd_filestat_get" Wasi (Int "fd", Address "status")
        status, Never "hosts offer no files";
    174 FdPrestatGet "fd_prestat_get" "fd_prestat_get" Wasi (Int "fd", Address "status")
        status, Never "hosts offer no files";
    175 FdPrestatDirName "fd_prestat_dir_name" "fd_prestat_dir_name" Wasi
        (Int "fd", Address "path", Int "size")
        status, Never "hosts offer no files";
    176 PathOpen "path_open" "path_open" Wasi
        (Int "fd", Int "lookup", Bytes "path", Int "open", Long "rights", Long "inheriting",
         Int "flags", Out "opened")
        status, Never "hosts offer no files";
    177 PathFilestatGet "path_filestat_get" "path_filestat_get" Wasi
        (Int "fd", Int "lookup", Bytes "path", Address "status")
        status, Never "hosts offer no files";
    178 PollOneoff "poll_oneoff" "poll_oneoff" Wasi
        (Address "in", Address "out", Int "count", Out "ready")
        status, Never "a pause of the plugin's own; the clock shows how long";
    179 SchedYield "sched_yield" "sched_yield" Wasi ()
        status, Never "does nothing on these hosts";
    180 PthreadEqual "pthread_equal" "pthread_equal" Spec (Int "left", Int "right")
        status, Never "compares two numbers";
    181 NotifyMemoryGrowth "notify_memory_growth" "emscripten_notify_memory_growth" Spec
        (Int "memory")
        nothing, Never "a hint to the host, which ignores it";
}
