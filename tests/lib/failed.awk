# The lines of failed tests in the output of "ctest --verbose": awk -f failed.awk LOG LOG
NR == FNR {
    if ($0 ~ / Test +#[0-9]+: .*\*\*\*/) {
        match($0, /#[0-9]+/)
        failed[substr($0, RSTART + 1, RLENGTH - 1) + 0] = 1
        print
    }
    next
}
/^[0-9]+: / && (($1 + 0) in failed)
