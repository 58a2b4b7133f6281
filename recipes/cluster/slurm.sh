#!/bin/bash
# One training over several nodes: sbatch recipes/cluster/slurm.sh photos runs/photos
# Any other options of `tfconv train images` may follow. --batch-size is that of all nodes together.

#SBATCH --job-name=tfconv
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
# Two minutes before the time is over the workers get SIGTERM, and the chief writes a checkpoint.
#SBATCH --signal=TERM@120
# After a preemption or a lost node Slurm starts the job again, which goes on from the newest checkpoint.
#SBATCH --requeue
# GPUs: one task for each, which sees its own only.
##SBATCH --gpus-per-task=1

set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: sbatch slurm.sh DATA RUN [OPTION...]" >&2
    exit 2
fi
data=$1 run=$2
shift 2
if [ -f .venv/bin/activate ]; then
    . .venv/bin/activate
fi
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK # srun does not take it over from sbatch

# Ranks node after node, as TensorFlow counts them. When a worker is lost, the rest end at once.
status=0
srun --distribution=block --kill-on-bad-exit=1 \
    tfconv train images "$data" --run "$run" --strategy multiworker --resume "$@" || status=$?

# 143: stopped by SIGTERM, after its checkpoint.
if [ "$status" -eq 143 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
