#!/bin/sh
# Runs iris on this machine, in place of one that runs already.
# It serves iris 1.
# Written by `modelport deploy`; it is yours now.
set -eu

# The root can't be written, no capability is left, nobody can become more than they are; the image runs as a user without rights.
# Memory as it was wanted.
# A container that wants more memory is ended and started again.
# Requests under way get 30 s when it is stopped.
podman rm --force iris-next >/dev/null 2>&1 || true
podman create \
  --name iris-next \
  --restart unless-stopped \
  --network host \
  --read-only \
  --tmpfs /tmp \
  --cap-drop ALL \
  --security-opt no-new-privileges \
  --memory 335544320 \
  --cpu-shares 512 \
  --pids-limit 512 \
  --stop-timeout 35 \
  --env MODELPORT_DRAIN_TIMEOUT=30s \
  --env MODELPORT_HTTP_PORT=9000 \
  --env MODELPORT_GRPC_PORT=off \
  --env MODELPORT_METRICS_PORT=off \
  --no-healthcheck \
  --env 'GREETING=say "hi" for $5' \
  --env SWITCH=on \
  ghcr.io/me/iris:1

# The one that runs is kept until the new one is ready.
if podman inspect iris >/dev/null 2>&1; then
  podman rm --force iris-before >/dev/null 2>&1 || true
  podman stop iris >/dev/null
  podman rename iris iris-before
fi
podman rename iris-next iris
if podman start iris >/dev/null; then
  # Ready when the models are.
  for i in $(seq 300); do
    if curl -fsS -o /dev/null http://127.0.0.1:9000/v2/health/ready 2>/dev/null; then
      podman rm --force iris-before >/dev/null 2>&1 || true
      echo "iris is ready at http://127.0.0.1:9000"
      exit 0
    fi
    [ "$(podman inspect --format '{{.State.Running}}' iris)" = true ] || break
    sleep 1
  done
  echo "iris does not get ready; its last words:" >&2
  podman logs --tail 20 iris >&2
fi
podman rm --force iris >/dev/null
if podman rename iris-before iris 2>/dev/null; then
  podman start iris >/dev/null
  echo "The one before runs again." >&2
fi
exit 1
