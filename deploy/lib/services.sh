# shellcheck shell=bash
# services.sh - a PostgreSQL and a Redis of our own, in one folder, on unix sockets only.
#
# Sourced by deploy/quickstart and tests/lib/services. Nothing here touches the system's clusters
# or a TCP port. The servers are children of the shell that started them and end with it, even when
# it is killed. As root they run as user postgres; else as the user that runs the script.
#
#   services_open DIR [fast] [fresh]   chooses and prepares the folder (fast: no fsync, for tests;
#                              fresh: the data of earlier runs is thrown away)
#   services_start pg|redis    starts one and waits until it answers
#   services_stop pg|redis     stops one by its pid and waits until it is gone
#   services_close             stops both and gives the folder free
#   services_conninfo DB       connection text for libpq
#   services_redis             address for berthd
#   services_psql DB ARG...    psql, quiet, stops at the first error
#   services_database NAME     makes the database anew, empty
#
# SERVICES_PG_SETTINGS: more lines for postgresql.conf, for benches.
#
# SERVICES_DIR is the folder in use: DIR, or one under /tmp when DIR does not suit.

SERVICES_DIR=
SERVICES_USER=berth # superuser inside the private PostgreSQL
SERVICES_PORT=${SERVICES_PORT:-54399} # only names the socket file; nothing listens on it
SERVICES_WAIT=30    # seconds each start and stop may take
SERVICES_SOCKET_MAX=100
SERVICES_LOCK=
SERVICES_PG_PID=
SERVICES_REDIS_PID=

services_fail() {
    printf 'services: %s\n' "$*" >&2
    return 1
}

services_pg_bin() {
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [[ -x $found/postgres ]] || services_fail "no PostgreSQL server programs; run deploy/install" || return 1
    printf '%s\n' "$found"
}

# Runs a command as the user that owns the servers.
services_as() {
    if ((EUID == 0)); then
        setpriv --reuid=postgres --regid=postgres --init-groups "$@"
    else
        "$@"
    fi
}

# As services_as, but replaces the (background) shell: $! is the server itself. The server has its
# own session, so that Ctrl-C reaches only the script, which then stops things in order; and it is
# told to end when the script dies.
services_exec() {
    local as=()
    ((EUID == 0)) && as=(--reuid=postgres --regid=postgres --init-groups)
    if [[ -n $SERVICES_LOCK ]]; then exec {SERVICES_LOCK}>&-; fi
    exec setsid setpriv --pdeathsig INT "${as[@]}" "$@"
}

# Why DIR does not suit, or nothing.
services_unfit() {
    local dir=$1 socket="$1/run/.s.PGSQL.$SERVICES_PORT"
    if ((${#socket} > SERVICES_SOCKET_MAX)); then
        echo "its path is too long for a socket"
    elif ! services_as test -x "$dir"; then
        echo "user postgres may not enter it"
    fi
}

# A folder under /tmp that belongs to DIR, the same at every run.
services_fallback() {
    local dir="/tmp/berth-$EUID-" digest
    digest=$(printf %s "$1" | sha256sum)
    dir+=${digest:0:12}
    mkdir -m 711 "$dir" 2>/dev/null || true
    # Somebody else could have made it: then it is not ours to use.
    [[ -d $dir && ! -L $dir && $(stat -c %u "$dir") == "$EUID" ]] ||
        services_fail "$dir exists and belongs to somebody else; remove it" || return 1
    chmod 711 "$dir"
    printf '%s\n' "$dir"
}

services_open() {
    local dir=$1 options=" ${*:2} " why
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    if ((EUID == 0)) && ! id postgres >/dev/null 2>&1; then
        services_fail "there is no user postgres; run deploy/install" || return 1
    fi
    ((EUID != 0)) || chmod 711 "$dir"
    why=$(services_unfit "$dir")
    if [[ -n $why ]]; then
        SERVICES_DIR=$(services_fallback "$dir") || return 1
        echo "services: $dir does not suit ($why); using $SERVICES_DIR"
    else
        SERVICES_DIR=$dir
    fi
    exec {SERVICES_LOCK}>>"$SERVICES_DIR/lock"
    flock -n "$SERVICES_LOCK" ||
        services_fail "$SERVICES_DIR is in use by process $(tail -n 1 "$SERVICES_DIR/lock")" || return 1
    echo $$ >"$SERVICES_DIR/lock"
    services_leftover pg/postmaster.pid pg
    services_leftover run/redis.pid run
    [[ $options != *" fresh "* ]] || rm -rf "$SERVICES_DIR/pg" "$SERVICES_DIR/run"
    services_prepare
    services_configure "$options"
}

# The folders and the data, made once.
services_prepare() {
    local bin data="$SERVICES_DIR/pg" run="$SERVICES_DIR/run" path owner
    bin=$(services_pg_bin) || return 1
    owner=$(services_as id -un)
    for path in "$data" "$run"; do
        if [[ ! -d $path ]]; then
            mkdir -m 700 "$path"
            ((EUID != 0)) || chown postgres:postgres "$path"
        fi
        [[ $(stat -c %U "$path") == "$owner" ]] ||
            services_fail "$path belongs to user $(stat -c %U "$path"), not to $owner; remove it" ||
            return 1
    done
    if [[ ! -s $data/PG_VERSION ]]; then
        (cd "$run" && services_as "$bin/initdb" -D "$data" -U "$SERVICES_USER" -A trust \
            --no-locale -E UTF8 --no-sync) >"$SERVICES_DIR/initdb.log" 2>&1 ||
            services_fail "initdb failed; see $SERVICES_DIR/initdb.log" || return 1
        echo "include 'berth.conf'" >>"$data/postgresql.conf"
    fi
    [[ $bin == */$(<"$data/PG_VERSION")/bin ]] ||
        services_fail "$data is of PostgreSQL $(<"$data/PG_VERSION"), installed is $bin; remove the folder"
}

# Written at every start: the folder may have been moved.
services_configure() {
    local run=$SERVICES_DIR/run
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '${run//\'/\'\'}'"
        echo "port = $SERVICES_PORT"
        echo "max_connections = 120"
        echo "log_min_messages = warning"
        [[ $1 != *" fast "* ]] || printf '%s = off\n' fsync synchronous_commit full_page_writes
        [[ -z ${SERVICES_PG_SETTINGS:-} ]] || printf '%s\n' "$SERVICES_PG_SETTINGS"
    } >"$SERVICES_DIR/pg/berth.conf"
}

# Ends a server that an earlier run left behind: the process in the pid file, if it works in the
# folder of ours.
services_leftover() {
    local file=$SERVICES_DIR/$1 pid=
    [[ -s $file ]] || return 0
    read -r pid <"$file" || true
    if [[ $(readlink "/proc/$pid/cwd") == "$SERVICES_DIR/$2" ]]; then
        services_kill "$pid" INT QUIT KILL
    fi
}

# Ends a process with signals, one after the other, each with a third of the time.
services_kill() {
    local pid=$1 signal end
    for signal in "${@:2}"; do
        kill -"$signal" "$pid" 2>/dev/null || return 0
        end=$((SECONDS + SERVICES_WAIT / 3))
        while ((SECONDS < end)); do
            # A child that ended stays a zombie until wait: it is gone all the same.
            [[ -e /proc/$pid && $(services_state "$pid") != Z ]] || return 0
            sleep 0.02
        done
    done
    services_fail "process $pid does not end"
}

services_state() {
    sed -n 's/^.*) \(.\) .*$/\1/p' "/proc/$1/stat" 2>/dev/null || true
}

services_start() {
    local bin
    case $1 in
        pg)
            bin=$(services_pg_bin) || return 1
            services_exec "$bin/postgres" -D "$SERVICES_DIR/pg" \
                </dev/null >>"$SERVICES_DIR/pg.log" 2>&1 &
            SERVICES_PG_PID=$!
            services_await "$SERVICES_PG_PID" PostgreSQL pg.log \
                "$bin/pg_isready" -q -h "$SERVICES_DIR/run" -p "$SERVICES_PORT"
            ;;
        redis)
            services_exec redis-server --port 0 --unixsocket "$SERVICES_DIR/run/redis.sock" \
                --unixsocketperm 700 --save '' --appendonly no --daemonize no \
                --dir "$SERVICES_DIR/run" --pidfile "$SERVICES_DIR/run/redis.pid" \
                </dev/null >>"$SERVICES_DIR/redis.log" 2>&1 &
            SERVICES_REDIS_PID=$!
            services_await "$SERVICES_REDIS_PID" Redis redis.log services_redis_answers
            ;;
    esac
}

services_redis_answers() {
    [[ $(redis-cli -s "$SERVICES_DIR/run/redis.sock" ping 2>/dev/null) == PONG ]]
}

services_await() {
    local pid=$1 name=$2 log=$SERVICES_DIR/$3 end=$((SECONDS + SERVICES_WAIT))
    shift 3
    until "$@"; do
        [[ -e /proc/$pid && $(services_state "$pid") != Z ]] ||
            services_fail "$name ended at once: $(tail -n 3 "$log")" || return 1
        ((SECONDS < end)) ||
            services_fail "$name does not answer after $SERVICES_WAIT s; see $log" || return 1
        sleep 0.05
    done
}

services_stop() {
    local pid
    case $1 in
        pg) pid=$SERVICES_PG_PID && SERVICES_PG_PID= ;;
        redis) pid=$SERVICES_REDIS_PID && SERVICES_REDIS_PID= ;;
    esac
    [[ -n $pid ]] || return 0
    services_kill "$pid" INT QUIT KILL || return 1
    wait "$pid" 2>/dev/null || true
}

services_close() {
    services_stop redis
    services_stop pg
    if [[ -n $SERVICES_LOCK ]]; then
        exec {SERVICES_LOCK}>&-
        SERVICES_LOCK=
    fi
}

services_conninfo() {
    local run=$SERVICES_DIR/run
    run=${run//\\/\\\\}
    printf "host='%s' port=%s user=%s dbname=%s\n" \
        "${run//\'/\\\'}" "$SERVICES_PORT" "$SERVICES_USER" "$1"
}

services_redis() {
    printf 'unix:%s/run/redis.sock\n' "$SERVICES_DIR"
}

services_psql() {
    local database=$1
    shift
    PGOPTIONS='-c client_min_messages=warning' psql -X -q -v ON_ERROR_STOP=1 \
        -d "$(services_conninfo "$database")" "$@"
}

services_database() {
    services_psql postgres -c "DROP DATABASE IF EXISTS \"$1\" WITH (FORCE)" \
        -c "CREATE DATABASE \"$1\" TEMPLATE template0"
}
