// What goes wrong on the way back and at the end, and what was meant.

package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

var onTheWayBack = map[string]mode{
	// Holds the response's headers for a call.
	"call-in-response": {responseHeaders: func(s stream) types.Action {
		if err := s.call(func(int) { report(proxywasm.ResumeHttpResponse()) }); err != nil {
			return types.HeaderContinue
		}
		return types.HeaderStopAllIterationAndWatermark
	}},
	// Resumes the request instead.
	"resume-other-way": {responseHeaders: func(s stream) types.Action {
		if err := s.call(func(int) { resume() }); err != nil {
			return types.HeaderContinue
		}
		return types.HeaderStopAllIterationAndWatermark
	}},
	// Has the callee look at the response's body; only the body has to wait.
	"call-in-response-body": {responseBody: callForResponse},
	// Holds the headers too.
	"call-in-response-body-held": {
		responseHeaders: func(s stream) types.Action {
			if s.HasResponseBody() {
				return types.HeaderStopIteration
			}
			return types.HeaderContinue
		},
		responseBody: callForResponse,
	},
	// Replaces the answer when its headers have gone.
	"answer-late": {responseBody: func(stream, []byte) types.Action {
		deny(502)
		return types.ActionPause
	}},
	// Replaces it in the headers phase.
	"answer-in-time": {responseHeaders: func(stream) types.Action {
		deny(502)
		return types.HeaderStopAllIterationAndWatermark
	}},
	// Waits for the body of a response, its own answer's too, and there is none.
	"stop-own-answer": {
		requestHeaders: func(stream) types.Action {
			report(proxywasm.SendHttpResponse(401, nil, nil, -1))
			return types.HeaderStopAllIterationAndWatermark
		},
		responseHeaders: func(stream) types.Action { return types.HeaderStopIteration },
	},
	"own-answer": {requestHeaders: func(stream) types.Action {
		report(proxywasm.SendHttpResponse(401, nil, nil, -1))
		return types.HeaderStopAllIterationAndWatermark
	}},
	// Tells somebody of the response.
	"tell-of-response": {responseHeaders: func(s stream) types.Action {
		_ = s.call(func(int) {})
		return types.HeaderContinue
	}},
	// Tells somebody when all is over; the callback finds no stream.
	"call-at-end": {done: func(s stream) {
		_ = s.call(func(status int) { proxywasm.LogInfof("told, %d", status) })
	}},
}

func callForResponse(s stream, _ []byte) types.Action {
	if err := s.call(func(int) { report(proxywasm.ResumeHttpResponse()) }); err != nil {
		return types.ActionContinue
	}
	return types.ActionPause
}
