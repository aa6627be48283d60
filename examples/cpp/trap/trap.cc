// A plugin against the raw ABI, without an SDK, in the shape that wasi-sdk gives: a reactor with
// `_initialize`, whose memory the host takes through `malloc`. It ends as the request's query says:
//
//	?trap=assert   an assertion fails: text with file and line, then `unreachable`
//	?trap=bounds   reads where there is no memory
//	?trap=exit     calls proc_exit, from which a proxy may return
//	?hold=1        the headers phase returns Pause, and nobody resumes the request
//
// Or it gathers the body, which takes answers that not every SDK has, and goes on at its end:
//
//	?gather=buffer     the host keeps what has come, and answers 413 over its limit
//	?gather=watermark  the host keeps what has come, and stops reading over its limit
//
// Without any of these it lets the request pass.

// Only headers of C: so the compiler need not build the C++ library first.

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))
#define IMPORT(module, name) \
  extern "C" __attribute__((import_module(module), import_name(#name)))

// Numbers of the ABI.
constexpr int32_t kContinue = 0;
constexpr int32_t kPause = 1;
constexpr int32_t kStopIterationAndBuffer = 1;
constexpr int32_t kStopIterationAndWatermark = 2;
constexpr int32_t kRequestHeaders = 0;

IMPORT("env", proxy_get_header_map_value)
int32_t proxy_get_header_map_value(int32_t map, const char *key, size_t key_size, char **value,
                                   size_t *value_size);

// The C library says that it does not return. A host may think otherwise.
IMPORT("wasi_snapshot_preview1", proc_exit)
void exit_process(int32_t code);

namespace {

constexpr char kPath[] = ":path";

// What the host handed over.
class Path {
public:
  Path() {
    found_ = proxy_get_header_map_value(kRequestHeaders, kPath, sizeof(kPath) - 1, &text_, &size_) == 0;
  }
  ~Path() { free(text_); }
  Path(const Path &) = delete;
  Path &operator=(const Path &) = delete;

  bool asks_for(const char *parameter) const {
    return found_ && memmem(text_, size_, parameter, strlen(parameter)) != nullptr;
  }

private:
  char *text_ = nullptr;
  size_t size_ = 0;
  bool found_ = false;
};

void check_user(const Path &path) {
  const bool user_is_known = !path.asks_for("trap=assert");
  assert(user_is_known);
}

void read_far_away(const Path &path) {
  if (path.asks_for("trap=bounds")) {
    auto *nowhere = reinterpret_cast<volatile const char *>(static_cast<uintptr_t>(UINT32_MAX - 15));
    (void)*nowhere;
  }
}

void leave(const Path &path) {
  if (path.asks_for("trap=exit")) {
    exit_process(3);
  }
}

// What the body phases answer until the end, by context; of one that is long gone another one's.
constexpr size_t kStreams = 64;
int32_t body_actions[kStreams];

int32_t &body_action_of(int32_t context) {
  return body_actions[static_cast<uint32_t>(context) % kStreams];
}

int32_t gathers(const Path &path) {
  if (path.asks_for("gather=buffer")) {
    return kStopIterationAndBuffer;
  }
  return path.asks_for("gather=watermark") ? kStopIterationAndWatermark : kContinue;
}

} // namespace

EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}

EXPORT(proxy_on_context_create) void proxy_on_context_create(int32_t, int32_t) {}

EXPORT(proxy_on_vm_start) int32_t proxy_on_vm_start(int32_t, int32_t) { return 1; }

EXPORT(proxy_on_configure) int32_t proxy_on_configure(int32_t, int32_t) { return 1; }

EXPORT(proxy_on_request_headers)
int32_t proxy_on_request_headers(int32_t context, int32_t, int32_t) {
  const Path path;
  body_action_of(context) = gathers(path);
  check_user(path);
  read_far_away(path);
  leave(path);
  return path.asks_for("hold=1") ? kPause : kContinue;
}

EXPORT(proxy_on_request_body)
int32_t proxy_on_request_body(int32_t context, int32_t, int32_t end_of_stream) {
  return end_of_stream != 0 ? kContinue : body_action_of(context);
}

EXPORT(proxy_on_done) int32_t proxy_on_done(int32_t) { return 1; }

EXPORT(proxy_on_delete) void proxy_on_delete(int32_t) {}
