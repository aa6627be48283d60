#!/bin/sh
# Puts the collector beside the gateway into what Higress's chart renders: manifests in, manifests out.
# Helm 3: helm upgrade … --post-renderer deploy/higress/sidecar/post-render.sh
# Helm 4: helm plugin install deploy/higress/sidecar, then helm upgrade … --post-renderer wasm-tracer-sidecar
# WASM_TRACER_IMAGE names the image, OTEL_EXPORTER_OTLP_ENDPOINT a trace backend for the timelines, if any. Needed: kustomize, or a kubectl that has it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/chart.yaml"
sed -e "s|image: wasm-tracer:.*|image: ${WASM_TRACER_IMAGE:-wasm-tracer:0.1.0}|" \
    -e "s|OTLP_ENDPOINT, value: \"\"|OTLP_ENDPOINT, value: \"${OTEL_EXPORTER_OTLP_ENDPOINT:-}\"|" \
    "$here/gateway.yaml" >"$work/gateway.yaml"
cat >"$work/kustomization.yaml" <<'END'
resources: [chart.yaml]
patches:
- path: gateway.yaml
  target: { kind: Deployment|DaemonSet, name: higress-gateway }
END
if command -v "${KUSTOMIZE:-kustomize}" >/dev/null; then
    "${KUSTOMIZE:-kustomize}" build "$work" >"$work/out"
else
    kubectl kustomize "$work" >"$work/out"
fi
# A chart that names its gateway otherwise would come out as it went in.
if ! grep -q 'name: wasm-tracer-data' "$work/out"; then
    echo "no Deployment or DaemonSet higress-gateway in what the chart renders: nothing was added" >&2
    exit 1
fi
cat "$work/out"
