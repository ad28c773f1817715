# Counts test cases in the output of "ctest --verbose": prints "PASSED FAILED".
#
# A program made with Check says "NN%: Checks: C, Failures: F, Errors: E" and counts as C cases; any
# other test is one case. A program that fails without a failed case (it crashed) is one failed case.
/^[0-9]+: [0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
    id = $1 + 0
    line = $0
    gsub(/[^0-9 ]/, " ", line)
    split(line, n, " ")
    checks[id] += n[3]
    bad[id] += n[4] + n[5]
}
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
    match($0, /#[0-9]+/)
    id = substr($0, RSTART + 1, RLENGTH - 1) + 0
    ended[id] = $0 ~ / Passed +[0-9.]+ sec/ ? "passed" : "failed"
}
END {
    for (id in ended) {
        if (!(id in checks))
            checks[id] = 1
        if (ended[id] == "failed" && bad[id] == 0) {
            bad[id] = 1
            if (checks[id] == 0)
                checks[id] = 1
        }
        passed += checks[id] - bad[id]
        failed += bad[id]
    }
    print passed + 0, failed + 0
}
