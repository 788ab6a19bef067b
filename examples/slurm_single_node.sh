#!/bin/bash
# Fine-tune CLIP to human dimensions on all GPUs of one machine:  sbatch examples/slurm_single_node.sh IMAGES OUT
#
# Without SLURM, the last command does it, without the word srun. --nproc-per-node is the number of GPUs. The batch is
# that of all processes together: their number changes the time it takes, and which random numbers dropout draws.
#SBATCH --job-name=alignkit-hba
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=04:00:00
# a signal to the script's processes, time enough to finish a step and save a checkpoint
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
images=${1:?usage: sbatch slurm_single_node.sh IMAGES OUT}
out=${2:?usage: sbatch slurm_single_node.sh IMAGES OUT}

export OMP_NUM_THREADS=8

# the same command goes on where a run was cut off: requeued jobs resume
srun torchrun --standalone --nproc-per-node=4 \
    -m alignkit train hba --images "$images" --out "$out" --loop.precision bf16 --loop.no-progress
