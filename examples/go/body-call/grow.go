// With GROW in the VM's environment the plugin tests what stands around it: every phase takes memory
// and keeps it, and bodies are read whole and kept too. What is kept is checked at each stream's end.

package main

import (
	"math/bits"
	"os"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/higress-group/wasm-go/pkg/wrapper"
)

const (
	// blockSize is an arena of Go's heap on wasm, so that the heap grows each time.
	blockSize = 512 * 1024
	// One byte in so many is written and looked at.
	stride = 61
)

type block struct {
	bytes []byte
	sum   uint64
}

var kept []block

func grows() bool { return os.Getenv("GROW") != "" }

func growHandlers() []wrapper.CtxOption[config] {
	return []wrapper.CtxOption[config]{
		wrapper.ParseConfig(parse),
		wrapper.ProcessRequestHeaders(growInHeaders),
		wrapper.ProcessRequestBody(growInBody),
		wrapper.ProcessResponseHeaders(growInHeaders),
		wrapper.ProcessResponseBody(growInBody),
		wrapper.ProcessStreamDone(func(wrapper.HttpContext, config) { check() }),
	}
}

func growInHeaders(wrapper.HttpContext, config) types.Action {
	take()
	return types.HeaderContinue
}

func growInBody(_ wrapper.HttpContext, _ config, body []byte) types.Action {
	keep(body)
	take()
	return types.ActionContinue
}

func take() {
	bytes := make([]byte, blockSize)
	seed := uint64(len(kept) + 1)
	for at := 0; at < len(bytes); at += stride {
		seed = seed*6364136223846793005 + 1442695040888963407
		bytes[at] = byte(seed >> 56)
	}
	keep(bytes)
}

func keep(bytes []byte) { kept = append(kept, block{bytes, checksum(bytes)}) }

func check() {
	sum := uint64(0)
	for index, block := range kept {
		if checksum(block.bytes) != block.sum {
			proxywasm.LogErrorf("block %d has changed", index)
			return
		}
		sum = bits.RotateLeft64(sum, 5) ^ block.sum
	}
	proxywasm.LogInfof("kept %d blocks, checksum %016x", len(kept), sum)
}

func checksum(bytes []byte) uint64 {
	sum := uint64(14695981039346656037)
	for at := 0; at < len(bytes); at += stride {
		sum = (sum ^ uint64(bytes[at])) * 1099511628211
	}
	return sum
}
