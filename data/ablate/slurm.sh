#!/bin/sh
# slurm.sh - the runs of an ablation as a SLURM array.  From a folder that all nodes see:
#
#   job=$(sbatch --parsable --array=1-24 --cpus-per-task=2 slurm.sh code-small out=FOLDER tier=avx2)
#   sbatch --dependency=afterany:"${job%%;*}" --wrap 'swax ablate code-small out=FOLDER report=yes'
#
# Task I of N takes shard=I/N of the runs, one after the other.  A run that is killed goes on from its checkpoint, to
# the same bits, when SLURM starts the task again: after a node has failed, after scontrol requeue, and at the time
# limit, two minutes before which the run writes a checkpoint and the task asks for another turn.  The second job makes
# report.html of all runs; each task's own is of those that it found.  SWAX names the program; else it is found in PATH.
# The same tier everywhere gives the same bits everywhere; without tier= each node takes its fastest.
#SBATCH --job-name=swax
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
set -u
[ $# -gt 0 ] ||
    { echo "slurm.sh: which ablation? sbatch --array=1-N slurm.sh NAME|FILE.json [key=value ...]" >&2; exit 2; }
[ -n "${SLURM_ARRAY_TASK_ID-}" ] || { echo "slurm.sh: it is one task of an array: sbatch --array=1-N" >&2; exit 2; }
[ "$SLURM_ARRAY_TASK_MIN" = 1 ] && [ "$SLURM_ARRAY_TASK_MAX" = "$SLURM_ARRAY_TASK_COUNT" ] ||
    { echo "slurm.sh: the array's tasks are 1 to N without a gap: sbatch --array=1-N" >&2; exit 2; }
again=
"${SWAX:-swax}" ablate "$@" jobs=1 shard="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_MAX" &
run=$!
trap 'again=yes; kill -TERM $run' USR1
wait $run
status=$?
# a signal ends the waiting, not the run
while kill -0 $run 2>/dev/null; do wait $run; status=$?; done
[ -z "$again" ] || [ $status = 0 ] || exec scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
exit $status
