// Command misuse is a plugin on the Higress SDK that makes, on request, the mistakes that people make
// with it, and beside each what they meant: the query parameter "misuse" names one of the entries of
// `modes`. Without it, or with one that is not known, everything goes on.
//
// The query parameter "callee" says how the callee behaves ("after-300", "status-500"); it is the path
// of the call. What must be found of each stands in tests/e2e/src/corpus/go.rs.
package main

import (
	"net/http"
	"net/url"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/wrapper"
)

// mode is what one request is treated with; a handler that is absent goes on.
type mode struct {
	requestHeaders  func(stream) types.Action
	requestBody     func(stream, []byte) types.Action
	streamingBody   func(stream, []byte, bool) []byte
	responseHeaders func(stream) types.Action
	responseBody    func(stream, []byte) types.Action
	done            func(stream)
}

// stream is one request.
type stream struct{ wrapper.HttpContext }

var callee = wrapper.NewClusterClient(wrapper.TargetCluster{Cluster: "callee", Host: "callee"})
var nowhere = wrapper.NewClusterClient(wrapper.TargetCluster{Cluster: "no-such-cluster", Host: "nowhere"})

// patience is the timeout of calls whose timeout is not the point.
const patience = 5000

var modes = merged(inHeaders, inCallbacks, inBodies, onTheWayBack)

func main() {}

func init() {
	wrapper.SetCtx("misuse",
		wrapper.ProcessRequestHeaders(requestHeaders),
		wrapper.ProcessRequestBody(requestBody),
		wrapper.ProcessStreamingRequestBody(streamingBody),
		wrapper.ProcessResponseHeaders(responseHeaders),
		wrapper.ProcessResponseBody(responseBody),
		wrapper.ProcessStreamDone(done),
	)
}

func merged(all ...map[string]mode) map[string]mode {
	one := map[string]mode{}
	for _, some := range all {
		for name, mode := range some {
			one[name] = mode
		}
	}
	return one
}

func (s stream) mode() mode { return modes[s.parameter("misuse")] }

func (s stream) parameter(name string) string {
	parsed, err := url.ParseRequestURI(s.Path())
	if err != nil {
		return ""
	}
	return parsed.Query().Get(name)
}

// call calls the callee as the request wants it to behave.
func (s stream) call(answered func(status int)) error {
	return s.callWithin(patience, answered)
}

func (s stream) callWithin(millis uint32, answered func(status int)) error {
	return callee.Get("/"+s.parameter("callee"), nil, only(answered), millis)
}

// only makes a handler of an answer's status.
func only(answered func(status int)) wrapper.ResponseCallback {
	return func(status int, _ http.Header, _ []byte) { answered(status) }
}

func resume() { report(proxywasm.ResumeHttpRequest()) }

func deny(status uint32) {
	report(proxywasm.SendHttpResponse(status, nil, []byte("denied\n"), -1))
}

func report(err error) {
	if err != nil {
		proxywasm.LogErrorf("the host refused: %v", err)
	}
}

func requestHeaders(ctx wrapper.HttpContext, _ struct{}) types.Action {
	s := stream{ctx}
	mode := s.mode()
	// A plugin that has no body handler never sees the wrapper gather the body.
	switch {
	case mode.requestBody != nil:
		ctx.BufferRequestBody()
	case mode.streamingBody == nil:
		ctx.DontReadRequestBody()
	}
	if mode.responseBody == nil {
		ctx.DontReadResponseBody()
	}
	if mode.requestHeaders == nil {
		return types.HeaderContinue
	}
	return mode.requestHeaders(s)
}

func requestBody(ctx wrapper.HttpContext, _ struct{}, body []byte) types.Action {
	return stream{ctx}.mode().requestBody(stream{ctx}, body)
}

func streamingBody(ctx wrapper.HttpContext, _ struct{}, chunk []byte, last bool) []byte {
	return stream{ctx}.mode().streamingBody(stream{ctx}, chunk, last)
}

func responseHeaders(ctx wrapper.HttpContext, _ struct{}) types.Action {
	if handler := (stream{ctx}).mode().responseHeaders; handler != nil {
		return handler(stream{ctx})
	}
	return types.HeaderContinue
}

func responseBody(ctx wrapper.HttpContext, _ struct{}, body []byte) types.Action {
	return stream{ctx}.mode().responseBody(stream{ctx}, body)
}

func done(ctx wrapper.HttpContext, _ struct{}) {
	if handler := (stream{ctx}).mode().done; handler != nil {
		handler(stream{ctx})
	}
}
