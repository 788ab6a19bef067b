#!/bin/bash
# Fine-tune CLIP to human dimensions on the GPUs of several machines:  sbatch examples/slurm_multi_node.sh IMAGES OUT
#
# srun starts one process per GPU, and these find each other by what SLURM writes into their environment. IMAGES and
# OUT lie where all machines see them. --loop.parallel fsdp spreads the weights of a model that is too large for one
# GPU; without it every GPU holds them all, which is faster.
#SBATCH --job-name=alignkit-hba
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
images=${1:?usage: sbatch slurm_multi_node.sh IMAGES OUT}
out=${2:?usage: sbatch slurm_multi_node.sh IMAGES OUT}
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK

# one process that fails ends all
srun --kill-on-bad-exit=1 python -m alignkit train hba --images "$images" --out "$out" \
    --loop.precision bf16 --loop.parallel fsdp --loop.no-progress
