#!/bin/sh
# Runs iris on this machine, in place of one that runs already.
# It serves iris 1.
# Written by `modelport deploy`; it is yours now.
set -eu

# The root can't be written, no capability is left, nobody can become more than they are; the image runs as a user without rights.
# Memory as it was wanted.
# A container that wants more memory is ended and started again.
# Requests under way get 30 s when it is stopped.
docker rm --force iris-next >/dev/null 2>&1 || true
docker create \
  --name iris-next \
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

# The one that runs is kept until the new one is ready.
if docker inspect iris >/dev/null 2>&1; then
  docker rm --force iris-before >/dev/null 2>&1 || true
  docker stop iris >/dev/null
  docker rename iris iris-before
fi
docker rename iris-next iris
if docker start iris >/dev/null; then
  # Ready when the models are.
  for i in $(seq 300); do
    if curl -fsS -o /dev/null http://127.0.0.1:8000/v2/health/ready 2>/dev/null; then
      docker rm --force iris-before >/dev/null 2>&1 || true
      echo "iris is ready at http://127.0.0.1:8000"
      exit 0
    fi
    [ "$(docker inspect --format '{{.State.Running}}' iris)" = true ] || break
    sleep 1
  done
  echo "iris does not get ready; its last words:" >&2
  docker logs --tail 20 iris >&2
fi
docker rm --force iris >/dev/null
if docker rename iris-before iris 2>/dev/null; then
  docker start iris >/dev/null
  echo "The one before runs again." >&2
fi
exit 1
