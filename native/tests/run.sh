#!/bin/sh
# Run every program that is named, two at a time, since most of them wait most of the time; fail where one does.
printf '%s\n' "$@" | xargs -P 2 -I '{}' sh -c 'said=$("{}" 2>&1) && echo "$said" || { echo "$said"; echo "FAILED: {}"; exit 1; }'
status=$?
[ "$status" = 0 ] && echo "all of $# passed"
exit "$status"
