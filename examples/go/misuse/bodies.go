// What goes wrong with request bodies, and what was meant.

package main

import (
	"bytes"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
)

var inBodies = map[string]mode{
	// Decides in the body phase, and has no headers handler.
	"call-in-body":      {requestBody: callAndHold},
	"call-in-body-held": {requestHeaders: holdForBody, requestBody: callAndHold},

	// Gathers the whole body only to look at it.
	"gather": {requestBody: func(stream, []byte) types.Action { return types.ActionContinue }},
	// Changes the whole body.
	"transform": {
		requestHeaders: func(s stream) types.Action {
			report(proxywasm.RemoveHttpRequestHeader("content-length"))
			return holdForBody(s)
		},
		requestBody: func(_ stream, body []byte) types.Action {
			report(proxywasm.ReplaceHttpRequestBody(bytes.ToUpper(body)))
			return types.ActionContinue
		},
	},
	// Changes the body as the callee says, while it is held.
	"transform-in-callback": {requestHeaders: holdForBody, requestBody: transform(func() {
		report(proxywasm.ReplaceHttpRequestBody([]byte("SOME TEXT")))
		resume()
	})},
	// Lets it go, and changes it when the callee has answered.
	"transform-when-gone": {requestBody: func(s stream, _ []byte) types.Action {
		_ = s.call(func(int) { report(proxywasm.ReplaceHttpRequestBody([]byte("SOME TEXT"))) })
		return types.ActionContinue
	}},
	// Asks in the headers phase, which goes on, and has the body wait for the answer.
	"call-ahead": {
		requestHeaders: func(s stream) types.Action {
			_ = s.call(s.enforce)
			return types.HeaderContinue
		},
		requestBody: func(stream, []byte) types.Action { return types.ActionPause },
	},
	// Decides by the headers, and then stops the body for nothing.
	"stop-after-answer": {
		requestHeaders: func(s stream) types.Action { return s.decide(types.HeaderStopAllIterationAndWatermark) },
		requestBody:    func(stream, []byte) types.Action { return types.ActionPause },
	},
	// Decides by the headers, and then by the body.
	"deny-body": {
		requestHeaders: func(s stream) types.Action { return s.decide(types.HeaderStopAllIterationAndWatermark) },
		requestBody: func(stream, []byte) types.Action {
			deny(400)
			return types.ActionPause
		},
	},
	// Stops at the end of the body for nothing.
	"stop-at-end": {requestBody: func(stream, []byte) types.Action { return types.ActionPause }},

	// Looks at each part, and lets it go.
	"stream": {streamingBody: func(_ stream, chunk []byte, _ bool) []byte { return chunk }},
	// Has the callee decide on a part that the wrapper lets go.
	"stream-and-decide": {streamingBody: func(s stream, chunk []byte, last bool) []byte {
		if last {
			_ = s.call(s.enforce)
		}
		return chunk
	}},
	// Has the callee told of a part.
	"stream-and-tell": {streamingBody: func(s stream, chunk []byte, last bool) []byte {
		if last {
			_ = s.call(func(int) {})
		}
		return chunk
	}},
	"panic-in-body": {requestHeaders: holdForBody, requestBody: func(stream, []byte) types.Action {
		panic("not a document")
	}},
}

func callAndHold(s stream, _ []byte) types.Action {
	if err := s.call(s.enforce); err != nil {
		deny(503)
	}
	return types.ActionPause
}

func transform(answered func()) func(stream, []byte) types.Action {
	return func(s stream, _ []byte) types.Action {
		if err := s.call(func(int) { answered() }); err != nil {
			deny(503)
		}
		return types.ActionPause
	}
}
