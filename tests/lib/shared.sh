# shellcheck shell=bash
# shared.sh - what the test programs of one run share. Sourced, after deploy/lib/services.sh.
#
#   shared_folder      BERTH_TEST_FOLDER, where tests keep what goes with them: in memory where there
#                      is room. A file system with a journal takes longer the more files it has just
#                      lost, and each database is some 600 files that come and go.
#   shared_services    one PostgreSQL and Redis in that folder, for programs that can share them:
#                      BERTH_TEST_PGHOST, BERTH_TEST_PGUSER, BERTH_TEST_REDIS, and
#                      BERTH_TEST_TEMPLATE, the migrated database that the first program makes
#   shared_close       ends and removes what these two made
# What the caller's environment names already is used as it is.

SHARED_MADE= # the folder, if it is ours
SHARED_MEMORY=/dev/shm
SHARED_ROOM_KB=$((4 * 1024 * 1024)) # wanted there, and twice that of memory

shared_room() {
    local room memory
    room=$(df --output=avail "$SHARED_MEMORY" 2>/dev/null | tail -n 1)
    memory=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
    ((${room:-0} >= SHARED_ROOM_KB && memory >= 2 * SHARED_ROOM_KB))
}

shared_folder() {
    local where=/tmp
    [[ -z ${BERTH_TEST_FOLDER:-} ]] || return 0
    ! shared_room || where=$SHARED_MEMORY
    SHARED_MADE=$(mktemp -d "$where/berth-XXXXXX")
    chmod 711 "$SHARED_MADE" # PostgreSQL runs as another user
    export BERTH_TEST_FOLDER=$SHARED_MADE
}

shared_services() {
    [[ -z ${BERTH_TEST_PGHOST:-} ]] || return 0
    # libpq's own default, so that the folder is all a program needs to know.
    # shellcheck disable=SC2034 # of services.sh
    SERVICES_PORT=5432
    services_open "$BERTH_TEST_FOLDER/shared" fast
    services_start pg
    services_start redis
    export BERTH_TEST_PGHOST=$SERVICES_DIR/run BERTH_TEST_PGUSER=$SERVICES_USER
    BERTH_TEST_REDIS=$(services_redis)
    export BERTH_TEST_REDIS BERTH_TEST_TEMPLATE=template_shared
}

shared_close() {
    services_close
    [[ -z $SHARED_MADE ]] || rm -rf "$SHARED_MADE"
}
