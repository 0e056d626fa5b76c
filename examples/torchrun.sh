#!/usr/bin/env bash
# One fit on several devices of one machine, launched by torchrun:
# `examples/torchrun.sh 2 --config quickstart` (processes, then the arguments of `fit`).
set -euo pipefail
processes=$1
shift
exec torchrun --standalone --nproc-per-node "$processes" -m lit_causalmix fit "$@" \
  --trainer.devices "$processes" --trainer.strategy ddp
