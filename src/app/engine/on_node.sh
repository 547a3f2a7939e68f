# on_node place LEASE NAME OPTION...: waits until an allocation of that name and comment has a node, and prints that.
# on_node LEASE NAME COMMAND...: runs the command there. Numbers of allocations come again: names are what counts.
if [ "$1" = place ]; then
    lease=$2 name=$3
    shift 3
    salloc -Q --no-shell -J "$name" --comment="$lease" -n1 "$@" || exit
    squeue -h -n "$name" -t CF,R -o '%k %N' | while read -r comment node; do
        [ "$comment" != "$lease" ] || echo "$node"
    done
    exit
fi
lease=$1 name=$2
shift 2
allocations=$(squeue -h -n "$name" -t CF,R -o '%k %A') || { echo "the scheduler does not answer" >&2; exit 1; }
while read -r comment number; do
    [ "$comment" != "$lease" ] || job=$number
done <<<"$allocations"
[ -n "${job:-}" ] || { echo "no such allocation: $name" >&2; exit 1; }
# Without -u a line is kept back until it ends. The server's environment has secrets.
exec srun -Q -u --jobid="$job" --overlap -n1 -D / --export=PATH=/usr/local/bin:/usr/bin:/bin \
    "${@/#--label=zigcheck.job=/--label=zigcheck.job=$job}"
