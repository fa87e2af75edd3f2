#!/bin/sh
# run.sh FOLDER SECONDS TARGET...: run every fuzz target in turn, SECONDS in all. What is new is kept below FOLDER and
# taken up the next time; what breaks a target too, and how to see it again is said.
set -u
found=$1
seconds=$2
shift 2
failed=0
for target in "$@"; do
    name=${target##*/fuzz_}
    # The whole association has the most to be found in it.
    case $name in association) share=$((seconds * 6 / 10)) ;; *) share=$((seconds / 10)) ;; esac
    mkdir -p "$found/$name"
    log=$found/$name.log
    "$target" "$found/$name" "fuzz/corpus/$name" "-max_total_time=$((share > 0 ? share : 1))" -max_len=4096 \
        -timeout=20 -rss_limit_mb=1024 "-artifact_prefix=$found/$name-" -print_final_stats=1 >"$log" 2>&1
    if [ $? = 0 ]; then
        echo "fuzz_$name: $(sed -n 's/^Done \(.*\)/\1/p' "$log"), nothing found"
    else
        failed=$((failed + 1))
        tail -n 40 "$log"
        file=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "FOUND by fuzz_$name. Again: make -C native ../build/native-test/address/fuzz_$name &&" \
            "(cd native && ../build/native-test/address/fuzz_$name $file)"
    fi
done
[ "$failed" = 0 ]
