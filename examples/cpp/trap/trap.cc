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
// Or it makes a chain of two calls, and does not look whether the request is still there when the first one has
// been answered:
//
//	?chain=HOW   the path at the callee that the first call is for
//
// Or it asks when the stream has ended, and denies when that has been answered:
//
//	?end=HOW     the path at the callee that the call is for
//
// Or the headers phase returns a number that no SDK names for it, or that the host makes another thing of:
//
//	?answer=2    ContinueAndEndStream, which a stock Envoy takes for Continue
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
constexpr int32_t kContinueAndEndStream = 2;
constexpr int32_t kStopIterationAndBuffer = 1;
constexpr int32_t kStopIterationAndWatermark = 2;
constexpr int32_t kRequestHeaders = 0;
constexpr int32_t kRequest = 0;
constexpr uint32_t kTimeoutMillis = 5000;
constexpr uint32_t kForbidden = 403;
constexpr int32_t kNotGrpc = -1;

IMPORT("env", proxy_get_header_map_value)
int32_t proxy_get_header_map_value(int32_t map, const char *key, size_t key_size, char **value,
                                   size_t *value_size);

IMPORT("env", proxy_http_call)
int32_t proxy_http_call(const char *cluster, size_t cluster_size, const char *headers, size_t headers_size,
                        const char *body, size_t body_size, const char *trailers, size_t trailers_size,
                        uint32_t timeout_millis, uint32_t *call);

IMPORT("env", proxy_set_effective_context) int32_t proxy_set_effective_context(int32_t context);

IMPORT("env", proxy_continue_stream) int32_t proxy_continue_stream(int32_t stream);

IMPORT("env", proxy_send_local_response)
int32_t proxy_send_local_response(uint32_t status, const char *details, size_t details_size, const char *body,
                                  size_t body_size, const char *headers, size_t headers_size, int32_t grpc_status);

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
    return value_of(parameter, nullptr) != nullptr;
  }

  // What stands behind the parameter, to the end of the path.
  const char *value_of(const char *parameter, size_t *size) const {
    const size_t length = strlen(parameter);
    auto *at = found_ ? static_cast<const char *>(memmem(text_, size_, parameter, length)) : nullptr;
    if (at == nullptr) {
      return nullptr;
    }
    if (size != nullptr) {
      *size = static_cast<size_t>(text_ + size_ - at) - length;
    }
    return at + length;
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

// A header map as the host reads it: how many pairs, the size of each name and value, then the texts.
class Pairs {
public:
  void add(const char *name, const char *value, size_t value_size) {
    const size_t sizes[] = {strlen(name), value_size};
    memcpy(head_ + head_size_, sizes, sizeof(sizes));
    head_size_ += sizeof(sizes);
    append(name, sizes[0]);
    append(value, value_size);
    ++count_;
  }

  // Sends it to the callee; answers the number of the call, 0 when it was refused.
  uint32_t call() {
    constexpr char kCluster[] = "callee";
    char all[sizeof(count_) + sizeof(head_) + sizeof(texts_)];
    memcpy(all, &count_, sizeof(count_));
    memcpy(all + sizeof(count_), head_, head_size_);
    memcpy(all + sizeof(count_) + head_size_, texts_, texts_size_);
    const uint32_t no_trailers = 0;
    uint32_t call = 0;
    const int32_t status = proxy_http_call(
        kCluster, sizeof(kCluster) - 1, all, sizeof(count_) + head_size_ + texts_size_, nullptr, 0,
        reinterpret_cast<const char *>(&no_trailers), sizeof(no_trailers), kTimeoutMillis, &call);
    return status == 0 ? call : 0;
  }

private:
  void append(const char *text, size_t size) {
    assert(texts_size_ + size + 1 <= sizeof(texts_));
    memcpy(texts_ + texts_size_, text, size);
    texts_[texts_size_ + size] = 0;
    texts_size_ += size + 1;
  }

  uint32_t count_ = 0;
  char head_[3 * 2 * sizeof(size_t)] = {};
  size_t head_size_ = 0;
  char texts_[256] = {};
  size_t texts_size_ = 0;
};

uint32_t call_callee(const char *path, size_t path_size) {
  Pairs headers;
  headers.add(":method", "GET", 3);
  headers.add(":path", path, path_size);
  headers.add(":authority", "callee", 6);
  return headers.call();
}

// What a plugin does when a call has been answered.
enum class Then { kCallAgain, kResume, kDeny };

// Whose call it is, and what comes of it; by call.
struct Link {
  uint32_t call = 0;
  int32_t context = 0;
  Then then = Then::kResume;
};
constexpr size_t kLinks = 256;
Link links[kLinks];

// The host's numbers of calls to HTTP go up in steps of four.
Link &link_of(uint32_t call) { return links[call / 4 % kLinks]; }

// Where the call is refused the request waits for nothing.
void call_then(Then then, int32_t context, const char *path, size_t path_size) {
  const uint32_t call = call_callee(path, path_size);
  if (call != 0) {
    link_of(call) = Link{call, context, then};
  }
}

// Calls what a parameter names, if it is there.
bool called(const Path &path, const char *parameter, Then then, int32_t context) {
  size_t how_size = 0;
  const char *how = path.value_of(parameter, &how_size);
  if (how == nullptr) {
    return false;
  }
  // With the slash that a path begins with.
  char callee[64] = "/";
  const size_t taken = how_size < sizeof(callee) - 1 ? how_size : sizeof(callee) - 1;
  memcpy(callee + 1, how, taken);
  call_then(then, context, callee, taken + 1);
  return true;
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
  if (called(path, "chain=", Then::kCallAgain, context)) {
    return kPause;
  }
  if (path.asks_for("answer=2")) {
    return kContinueAndEndStream;
  }
  return path.asks_for("hold=1") ? kPause : kContinue;
}

EXPORT(proxy_on_request_body)
int32_t proxy_on_request_body(int32_t context, int32_t, int32_t end_of_stream) {
  return end_of_stream != 0 ? kContinue : body_action_of(context);
}

EXPORT(proxy_on_http_call_response)
void proxy_on_http_call_response(int32_t, uint32_t call, int32_t, int32_t, int32_t) {
  const Link link = link_of(call);
  if (link.call != call) {
    return;
  }
  switch (link.then) {
  case Then::kCallAgain:
    // The misuse: nobody looked whether the stream is still there.
    call_then(Then::kResume, link.context, "/", 1);
    break;
  case Then::kResume:
    if (proxy_set_effective_context(link.context) == 0) {
      proxy_continue_stream(kRequest);
    }
    break;
  case Then::kDeny:
    // The same.
    (void)proxy_set_effective_context(link.context);
    (void)proxy_send_local_response(kForbidden, nullptr, 0, nullptr, 0, nullptr, 0, kNotGrpc);
    break;
  }
}

EXPORT(proxy_on_log) void proxy_on_log(int32_t context) {
  const Path path;
  (void)called(path, "end=", Then::kDeny, context);
}

EXPORT(proxy_on_done) int32_t proxy_on_done(int32_t) { return 1; }

EXPORT(proxy_on_delete) void proxy_on_delete(int32_t) {}
