#!/bin/sh
# Runs iris on this machine, in place of one that runs already.
# It serves iris 1.
# Written by `modelport deploy`; it is yours now.
set -eu

# The root can't be written, no capability is left, nobody can become more than they are; the image runs as a user without rights.
# Memory as it was wanted.
# A container that wants more memory is ended and started again.
# Requests under way get 30 s when it is stopped.
podman stop iris >/dev/null 2>&1 || true
podman rm --force iris >/dev/null 2>&1 || true
podman run \
  --detach \
  --name iris \
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

# Ready when the models are.
for i in $(seq 300); do
  if curl -fsS -o /dev/null http://127.0.0.1:9000/v2/health/ready 2>/dev/null; then echo "iris is ready at http://127.0.0.1:9000"; exit 0; fi
  [ "$(podman inspect --format '{{.State.Running}}' iris)" = true ] || break
  sleep 1
done
echo "iris does not get ready; its last words:" >&2
podman logs --tail 20 iris >&2
exit 1
