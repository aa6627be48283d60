// What goes wrong in response callbacks, and what was meant. All of them hold everything meanwhile.

package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

var inCallbacks = map[string]mode{
	// Returns early when the answer is not what it hoped for.
	"return-early": holding(func(s stream, status int) {
		if status != 200 {
			proxywasm.LogErrorf("unexpected status %d", status)
			return
		}
		resume()
	}),
	"enforce": holding(stream.enforce),
	// Forgets the return after the denial.
	"deny-and-resume": holding(func(s stream, status int) {
		if status != 200 {
			deny(403)
		}
		resume()
	}),
	// Lets it go first, then looks at the answer.
	"resume-and-deny": holding(func(s stream, status int) {
		resume()
		if status != 200 {
			deny(403)
		}
	}),
	"resume-twice": holding(func(stream, int) { resume(); resume() }),
	"deny-twice":   holding(func(stream, int) { deny(403); deny(503) }),

	// Waits for two answers, and resumes at the first.
	"first-answer": {requestHeaders: func(s stream) types.Action {
		return both(func(int) { resume() })
	}},
	"join": {requestHeaders: func(s stream) types.Action {
		out := 2
		return both(func(int) {
			if out--; out == 0 {
				resume()
			}
		})
	}},
	// The second call depends on the first, and nobody looks whether it went out.
	"chain-ignore-error": holding(func(s stream, _ int) {
		_ = nowhere.Get("/", nil, only(s.enforce), patience)
	}),
	"chain": holding(func(s stream, _ int) {
		if err := s.call(s.enforce); err != nil {
			deny(503)
		}
	}),
	// Asks again when the first answer is an error.
	"retry": holding(func(s stream, status int) {
		if status == 200 {
			resume()
		} else if err := callee.Get("/", nil, only(s.enforce), patience); err != nil {
			deny(503)
		}
	}),
}

// holding calls the callee in the headers phase and holds everything until the callback.
func holding(answered func(stream, int)) mode {
	return mode{requestHeaders: func(s stream) types.Action {
		if err := s.call(func(status int) { answered(s, status) }); err != nil {
			deny(503)
		}
		return types.HeaderStopAllIterationAndWatermark
	}}
}

// both calls the callee twice, quickly and slowly.
func both(answered func(int)) types.Action {
	for _, path := range []string{"/", "/after-1000"} {
		if err := callee.Get(path, nil, only(answered), patience); err != nil {
			deny(503)
		}
	}
	return types.HeaderStopAllIterationAndWatermark
}
