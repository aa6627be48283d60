// Command body-call is the plugin of the original report, on the Higress SDK: the request-body
// handler dispatches an HTTP call, returns Pause, and decides in the callback. It has no headers
// handler, so the headers phase answers Continue and the upstream has the headers before anybody
// decided anything.
//
// The fix is one more handler. It is registered only when the VM's environment has HOLD_HEADERS,
// because an SDK that was given no headers handler is the thing under test. The rest is
// configuration:
//
//	{"cluster": "callee", "path": "/check", "timeout_millis": 5000, "mode": "body"}
//
// mode: "body" as reported · "fixed" the same with the headers held (needs HOLD_HEADERS) ·
// "forget" the callback neither resumes nor replies. With GROW in the environment it makes no call
// but takes memory in every phase (see grow.go). "trap" is "body", but a request with the query
// parameter trap=callback panics in the callback, where wasm-go does not recover.
//
// The query parameter "callee" of the request says how the callee shall behave; the plugin passes
// it on in the header x-manner.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/wrapper"
	"github.com/tidwall/gjson"
)

type config struct {
	client        *wrapper.ClusterClient[wrapper.TargetCluster]
	path          string
	timeoutMillis uint32
	forget        bool
	traps         bool
}

func main() {}

func init() {
	if grows() {
		wrapper.SetCtx("body-call", growHandlers()...)
		return
	}
	handlers := []wrapper.CtxOption[config]{
		wrapper.ParseConfig(parse),
		wrapper.ProcessRequestBody(callOut),
	}
	if holdsHeaders() {
		handlers = append(handlers, wrapper.ProcessRequestHeaders(holdHeaders))
	}
	wrapper.SetCtx("body-call", handlers...)
}

func holdsHeaders() bool { return os.Getenv("HOLD_HEADERS") != "" }

func parse(json gjson.Result, c *config) error {
	cluster := json.Get("cluster").String()
	if cluster == "" {
		return errors.New(`"cluster" is missing: name the cluster of the callee`)
	}
	c.client = wrapper.NewClusterClient(wrapper.TargetCluster{Cluster: cluster, Host: "callee"})
	if c.path = json.Get("path").String(); c.path == "" {
		c.path = "/check"
	}
	c.timeoutMillis = 5000
	if timeout := json.Get("timeout_millis"); timeout.Exists() {
		c.timeoutMillis = uint32(timeout.Uint())
	}
	switch mode := json.Get("mode").String(); mode {
	case "", "body":
	case "forget":
		c.forget = true
	case "trap":
		c.traps = true
	case "fixed":
		if !holdsHeaders() {
			return errors.New(`mode "fixed" needs HOLD_HEADERS in the environment of the VM`)
		}
	default:
		return fmt.Errorf(`unknown mode %q: take "body", "fixed", "forget" or "trap"`, mode)
	}
	return nil
}

// holdHeaders keeps the headers until the body phase has decided. Only when there is a body:
// without one no body phase would ever come to release them.
func holdHeaders(ctx wrapper.HttpContext, _ config) types.Action {
	if ctx.HasRequestBody() {
		return types.HeaderStopIteration
	}
	return types.HeaderContinue
}

func callOut(ctx wrapper.HttpContext, c config, body []byte) types.Action {
	headers := [][2]string{}
	if manner := parameter(ctx.Path(), "callee"); manner != "" {
		headers = append(headers, [2]string{"x-manner", manner})
	}
	traps := c.traps && parameter(ctx.Path(), "trap") == "callback"
	err := c.client.Post(c.path, headers, body, func(status int, _ http.Header, _ []byte) {
		if traps {
			panic("no such user")
		}
		if c.forget {
			proxywasm.LogInfof("callee answered %d, nothing done about it", status)
			return
		}
		decide(status)
	}, c.timeoutMillis)
	if err != nil {
		// No call is out, so no callback will ever resume this request: let it pass.
		proxywasm.LogWarnf("the call could not be dispatched, the request passes unchecked: %v", err)
		return types.ActionContinue
	}
	return types.ActionPause
}

// decide runs in the callback: the callee's 200 lets the request pass, all else denies it.
func decide(status int) {
	if status == http.StatusOK {
		proxywasm.ResumeHttpRequest()
		return
	}
	reply := [][2]string{{"content-type", "text/plain"}}
	if err := proxywasm.SendHttpResponse(http.StatusForbidden, reply, []byte("denied by body-call\n"), -1); err != nil {
		proxywasm.LogErrorf("the denial could not be sent: %v", err)
	}
}

func parameter(path, name string) string {
	parsed, err := url.ParseRequestURI(path)
	if err != nil {
		return ""
	}
	return parsed.Query().Get(name)
}
