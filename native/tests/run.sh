#!/bin/sh
# Run every program that is named, and say how many passed.
passed=0
failed=0
for program in "$@"; do
    if "$program"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $program"; fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
