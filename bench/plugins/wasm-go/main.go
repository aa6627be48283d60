// Command wasm-go is a plugin on the Higress SDK without a call: it looks at the headers of request
// and response and lets both pass. `bench overhead` measures the recorder beside it.
package main

import (
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/wrapper"
	"github.com/tidwall/gjson"
)

type config struct{}

func main() {}

func init() {
	wrapper.SetCtx("wasm-go",
		wrapper.ParseConfig(func(gjson.Result, *config) error { return nil }),
		wrapper.ProcessRequestHeaders(requestHeaders),
		wrapper.ProcessResponseHeaders(responseHeaders),
	)
}

func requestHeaders(wrapper.HttpContext, config) types.Action {
	_ = proxywasm.AddHttpRequestHeader("x-seen", "1")
	return types.HeaderContinue
}

func responseHeaders(wrapper.HttpContext, config) types.Action {
	return types.HeaderContinue
}
