#!/usr/bin/env bash
# Instructions of the book per command at several resting sizes, counted by valgrind: the same on a busy machine.
# The difference between two and three runs leaves out the making of the mix; that between no commands and some, the
# filling of the book. Fails if the figures differ by more than a tenth.
set -euo pipefail
cd "$(dirname "$0")/.."
commands=${1:-100000}
bench=$(cargo bench -q -p stockade-domain --bench book --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/book-[^"]*\)".*/\1/p' | tail -1)

count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" instructions "$@" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

least=0 most=0
for resting in 1000 10000 100000; do
    with=$(($(count $resting "$commands" 3) - $(count $resting "$commands" 2)))
    without=$(($(count $resting 1 3) - $(count $resting 1 2)))
    each=$(((with - without) / commands))
    echo "resting $resting: $each instructions per command"
    ((least == 0 || each < least)) && least=$each
    ((each > most)) && most=$each
done
((most * 10 <= least * 11)) || { echo "not flat: from $least to $most"; exit 1; }
