// What goes wrong in the request headers phase, and what was meant.

package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/wrapper"
)

var inHeaders = map[string]mode{
	// Holds the headers for a call and has no body handler: for each part of the body the wrapper answers
	// Continue in its place, and that releases them.
	"no-body-handler": {requestHeaders: func(s stream) types.Action { return s.decide(types.HeaderStopIteration) }},
	// Holds everything.
	"hold-all": {requestHeaders: func(s stream) types.Action {
		return s.decide(types.HeaderStopAllIterationAndWatermark)
	}},

	// Does not look at the error: no callback will come.
	"ignore-error": {requestHeaders: func(s stream) types.Action {
		_ = nowhere.Get("/", nil, only(s.enforce), patience)
		return types.HeaderStopAllIterationAndWatermark
	}},
	"deny-on-error": {requestHeaders: func(s stream) types.Action {
		if err := nowhere.Get("/", nil, only(s.enforce), patience); err != nil {
			deny(503)
		}
		return types.HeaderStopAllIterationAndWatermark
	}},
	"pass-on-error": {requestHeaders: func(s stream) types.Action {
		if err := nowhere.Get("/", nil, only(s.enforce), patience); err != nil {
			return types.HeaderContinue
		}
		return types.HeaderStopAllIterationAndWatermark
	}},
	// Redis does not exist on a stock host.
	"redis": {requestHeaders: func(stream) types.Action {
		_ = askRedis()
		return types.HeaderStopAllIterationAndWatermark
	}},
	"redis-pass-on-error": {requestHeaders: func(stream) types.Action {
		if err := askRedis(); err != nil {
			return types.HeaderContinue
		}
		return types.HeaderStopAllIterationAndWatermark
	}},

	// Chooses a host of the upstream by itself. A stock host cannot tell of any.
	"choose-host": {requestHeaders: func(stream) types.Action {
		hosts, err := proxywasm.GetUpstreamHosts()
		if err == nil && len(hosts) > 0 {
			report(proxywasm.SetUpstreamOverrideHost([]byte(hosts[0][0])))
		}
		return types.HeaderContinue
	}},

	// Waits for the body whether there is one or not.
	"await-body": {
		requestHeaders: func(stream) types.Action { return types.HeaderStopIteration },
		requestBody:    func(stream, []byte) types.Action { return types.ActionContinue },
	},
	"await-body-if-any": {
		requestHeaders: holdForBody,
		requestBody:    func(stream, []byte) types.Action { return types.ActionContinue },
	},

	// Waits with the default timeout, which is 500 ms.
	"default-timeout": {requestHeaders: func(s stream) types.Action {
		if err := callee.Get("/"+s.parameter("callee"), nil, only(s.enforce)); err != nil {
			return types.HeaderContinue
		}
		return types.HeaderStopAllIterationAndWatermark
	}},
	// Waits for as long as it takes.
	"no-timeout": {requestHeaders: func(s stream) types.Action {
		if err := s.callWithin(0, s.enforce); err != nil {
			return types.HeaderContinue
		}
		return types.HeaderStopAllIterationAndWatermark
	}},

	// Calls to decide, and does not wait.
	"deny-unasked": {requestHeaders: func(s stream) types.Action {
		_ = s.call(s.enforce)
		return types.HeaderContinue
	}},
	// Calls to tell somebody, and does not wait.
	"tell": {requestHeaders: func(s stream) types.Action {
		_ = s.call(func(int) {})
		return types.HeaderContinue
	}},
	// Lets the headers go, and names the user in them when the callee has answered.
	"name-when-gone": {requestHeaders: func(s stream) types.Action {
		_ = s.call(func(int) { report(proxywasm.ReplaceHttpRequestHeader("x-user", "known")) })
		return types.HeaderContinue
	}},
	// Fills a cache, which later requests will find.
	"fill-cache": {requestHeaders: func(s stream) types.Action {
		_ = s.call(func(int) { report(proxywasm.SetSharedData("user", []byte("known"), 0)) })
		return types.HeaderContinue
	}},

	// Panics, which the wrapper makes a Continue of.
	"panic": {requestHeaders: func(stream) types.Action { panic("no such user") }},
	"handled": {requestHeaders: func(stream) types.Action {
		deny(500)
		return types.HeaderStopAllIterationAndWatermark
	}},
}

// decide has the callee decide, and answers `stop` if that is under way.
func (s stream) decide(stop types.Action) types.Action {
	if err := s.call(s.enforce); err != nil {
		deny(503)
	}
	return stop
}

// enforce lets the request go or denies it, as the callee answered.
func (s stream) enforce(status int) {
	if status == 200 {
		resume()
		return
	}
	deny(403)
}

func holdForBody(s stream) types.Action {
	if s.HasRequestBody() {
		return types.HeaderStopIteration
	}
	return types.HeaderContinue
}

func askRedis() error {
	cluster := wrapper.FQDNCluster{FQDN: "redis.static", Port: 6379}
	return wrapper.RedisCall(cluster, []byte("*1\r\n$4\r\nPING\r\n"), nil)
}
