#!/bin/sh
# Runs iris on this machine, in place of one that runs already.
# It serves iris 1.
# Written by `modelport deploy`; it is yours now.
set -eu

# The root can't be written, no capability is left, nobody can become more than they are; the image runs as a user without rights.
# Memory as it was wanted.
# A container that wants more memory is ended and started again.
# Requests under way get 30 s when it is stopped.
docker stop iris >/dev/null 2>&1 || true
docker rm --force iris >/dev/null 2>&1 || true
docker run \
  --detach \
  --name iris \
  --restart unless-stopped \
  --publish 127.0.0.1:8000:8000 \
  --read-only \
  --tmpfs /tmp \
  --cap-drop ALL \
  --security-opt no-new-privileges \
  --memory 335544320 \
  --cpu-shares 512 \
  --pids-limit 512 \
  --stop-timeout 35 \
  --env MODELPORT_DRAIN_TIMEOUT=30s \
  ghcr.io/me/iris:1

# Ready when the models are.
for i in $(seq 300); do
  if curl -fsS -o /dev/null http://127.0.0.1:8000/v2/health/ready 2>/dev/null; then echo "iris is ready at http://127.0.0.1:8000"; exit 0; fi
  [ "$(docker inspect --format '{{.State.Running}}' iris)" = true ] || break
  sleep 1
done
echo "iris does not get ready; its last words:" >&2
docker logs --tail 20 iris >&2
exit 1
