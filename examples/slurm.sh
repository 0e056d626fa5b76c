#!/usr/bin/env bash
# A fit as a SLURM job that goes on where it was when its time ends, with the bits of one that was
# never stopped: `sbatch examples/slurm.sh --config quickstart`. The arguments are those of `fit`.
#
# Two minutes before the end SLURM sends SIGUSR1 to the tasks. The fit finishes its step, saves a
# whole checkpoint on all ranks and ends with status 138 (128 + SIGUSR1), upon which the job is put
# into the queue again. Adapt the numbers; `cache_dir` has to lie on a disk that all nodes share.
#SBATCH --job-name=lit-causalmix
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=2
#SBATCH --gpus-per-node=2
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail

# A folder for the job, in which each of its turns has a run: runs/JOB/fit/version_N.
runs="runs/$SLURM_JOB_ID"
resume=()
newest=$(ls -t "$runs"/fit/version_*/checkpoints/last.ckpt 2>/dev/null | head -n 1)
[ -n "$newest" ] && resume=(--ckpt_path "$newest")

srun lit-causalmix fit "$@" \
  --trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE" \
  --trainer.logger CSVLogger --trainer.logger.save_dir "$runs" --trainer.logger.name fit \
  ${resume[@]+"${resume[@]}"}
status=$?
[ "$status" -eq 138 ] && scontrol requeue "$SLURM_JOB_ID"
exit "$status"
