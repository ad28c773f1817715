/* berth.pml - epoch, lease, commit, cancel and event log of Berth as a model for spin.
 *
 * Two replicas run rounds, two servers handle the same CancelSession call of session 0, a manager
 * moves sessions on, a subscriber follows the log. PostgreSQL is its row locks and what is
 * committed: a transaction locks, looks, and applies everything at COMMIT. A lock and the look at
 * what it protects are one step: nobody else can change that row between them.
 *
 * A process may stand still between any two steps for as long as it likes (that is what a model
 * checker tries), so a pause longer than the lease needs no line of its own. crash() is a kill -9 or
 * a cut connection: its locks go, its memory is lost, the process begins anew. COMMIT has three ends:
 * known, done with the answer lost, undone.
 *
 * Each MUTANT_* takes one guard away; the check must then fail. Comments name the function that a
 * step stands for. */
#ifndef CAPACITY
#define CAPACITY 1 /* of the agent; each session takes 1 */
#endif
#ifndef LIMIT
#define LIMIT 2 /* most live sessions of the owner of both */
#endif
#ifndef GROUPS
#define GROUPS 1 /* 2: a group a session; agent and owner are shared */
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* a replica */
#endif
#ifndef CRASHES
#define CRASHES 1 /* in all */
#endif
#ifndef CANCELS
#define CANCELS 2 /* servers that handle the call */
#endif
#define SESSIONS 2
#define LOG 6 /* more events of a group than a run can make */

/* Rows that are locked, in the order in which everybody locks them. */
#define AGENT SESSIONS
#define OWNER (SESSIONS + 1)
#define GROUP (SESSIONS + 2)
#define LOCKS (SESSIONS + 2 + GROUPS)

#define me (_pid + 1) /* 0 is nobody */
#define group_of(s) ((s) % GROUPS)

mtype = { PENDING, SCHEDULED, RUNNING, TERMINATING, CANCELLED, TERMINATED };
mtype = { ROUND, CANCEL, MANAGER };

/* --- PostgreSQL, as committed --- */

mtype status[SESSIONS] = PENDING;
byte held;    /* of the agent */
byte version; /* of the owner: grows when its use does */
byte epoch[GROUPS];
byte last_sequence[GROUPS];
mtype stored_answer; /* of the cancel's request id; 0: none yet */
byte lock[LOCKS];    /* who holds it; 0: nobody */

/* --- Redis --- */

#ifdef LEASE
byte lease; /* of group 0: who holds it; 0: nobody */
#endif

/* --- what only the checks look at --- */

byte crashes = CRASHES;
byte logged_epoch[GROUPS]; /* greatest in the log */
bool written[LOG];         /* events of group 0, by sequence - 1 */
bool cancel_acknowledged;
mtype answer_given; /* of the cancel; 0: none yet */

#define occupies(s) (status[s] == SCHEDULED || status[s] == RUNNING || status[s] == TERMINATING)
#define live()      (occupies(0) + occupies(1))

#define TRANSITION(from, to, by) :: before == from && after == to && who == by -> skip;

/* I8: only changes of the table. I2, I3, I7 follow: SCHEDULED is entered from PENDING alone, nothing
 * enters PENDING, nothing leaves an end. */
inline check_transition(before, after, who)
{
    if
#include "transitions.def"
    :: else -> assert(false); /* I8 a status changed as the table does not allow */
    fi
}

inline check_books()
{
    assert(held <= CAPACITY); /* I1 the agent is above its capacity */
    assert(held == live());   /* I1 what the agent holds is not what its sessions hold */
}

inline drop_locks()
{
    for (i : 0 .. LOCKS - 1) {
        if
        :: lock[i] == me -> lock[i] = 0
        :: else
        fi
    }
    i = 0
}

/* One event of a group with the number it was given, under an epoch. */
inline append_event(log, number, under)
{
    assert(under >= logged_epoch[log]); /* I5 an older epoch wrote after a newer one */
    logged_epoch[log] = under;
    if
    :: log == 0 ->
        assert(number <= LOG && !written[number - 1]); /* I9 a number was given twice */
        written[number - 1] = true
    :: else
    fi
}

/* A row's lock, waited for; to be followed by what is looked at under it. */
#define free(row) (lock[row] == 0)

#ifdef MUTANT_FENCE
#define in_force(e) true
#else
#define in_force(e) (epoch[g] == (e))
#endif

/* To be one of the ways on from a step. */
#define CRASH :: d_step { crashes > 0 -> crashes--; drop_locks() } goto begun

/* --- a replica: rounds --- */

active [2] proctype replica()
{
    byte i, room, use, number;
    byte rounds = ROUNDS, tries;
    byte my_epoch, my_version;
    bool plan[SESSIONS], done[SESSIONS], wrote[SESSIONS];
#if GROUPS == 2
    byte g;
#else
#define g 0
#endif

begun:
    skip;
    d_step {
        tries = 0; my_epoch = 0; my_version = 0; i = 0;
        plan[0] = false; plan[1] = false; done[0] = false; done[1] = false;
        wrote[0] = false; wrote[1] = false
    }
    if
    :: rounds == 0 -> goto ended
    :: d_step { rounds > 0 -> rounds-- }
#if GROUPS == 2
        g = 0
    :: d_step { rounds > 0 -> rounds-- }
        g = 1
#endif
    fi;
#ifdef LEASE
    /* lease_acquire(); without Redis the round goes on all the same */
    if
    :: atomic { lease == 0 -> lease = me }
    :: true
    fi;
#endif
    /* group_state_take_epoch(): a transaction of one statement */
    atomic { free(GROUP + g) -> epoch[g]++; my_epoch = epoch[g] }
    /* snapshot_load() and round_run() */
    d_step {
        room = CAPACITY - held;
        my_version = version;
        use = live();
        for (i : 0 .. SESSIONS - 1) {
            if
            :: group_of(i) == g && status[i] == PENDING && room > 0 && use < LIMIT ->
                plan[i] = true; room--; use++
            :: else
            fi
        }
        room = 0; use = 0; i = 0
    }

body: /* chunk_body(), run again when the transaction is known to be undone */
    skip;
    d_step { done[0] = plan[0]; done[1] = plan[1]; tries++ }
    /* guard_sessions() */
    if
    :: !plan[0]
    :: atomic { plan[0] && free(0) -> lock[0] = me;
#ifndef MUTANT_SESSION_GUARD
            done[0] = status[0] == PENDING
#endif
        }
    CRASH
    fi;
    if
    :: !plan[1]
    :: atomic { plan[1] && free(1) -> lock[1] = me;
#ifndef MUTANT_SESSION_GUARD
            done[1] = status[1] == PENDING
#endif
        }
    CRASH
    fi;
    /* guard_agents() */
    if
    :: !done[0] && !done[1]
    :: d_step { (done[0] || done[1]) && free(AGENT) -> lock[AGENT] = me;
#ifndef MUTANT_AGENT_GUARD
            room = CAPACITY - held;
            for (i : 0 .. SESSIONS - 1) {
                if
                :: done[i] && room > 0 -> room--
                :: done[i] && room == 0 -> done[i] = false
                :: else
                fi
            }
            room = 0; i = 0
#endif
        }
    CRASH
    fi;
    /* guard_owners() */
    if
    :: !done[0] && !done[1]
    :: d_step { (done[0] || done[1]) && free(OWNER) -> lock[OWNER] = me;
#ifndef MUTANT_OWNER_GUARD
            use = live();
            for (i : 0 .. SESSIONS - 1) {
                if
                :: version != my_version && done[i] && use < LIMIT -> use++
                :: version != my_version && done[i] && use >= LIMIT -> done[i] = false
                :: else
                fi
            }
            use = 0; i = 0
#endif
        }
    CRASH
    fi;
    /* group_state_advance(): the numbers and the fence, in one statement */
#ifdef MUTANT_NUMBERS
    d_step { /* as a sequence would: at once, under no lock that lasts */
        number = last_sequence[g];
        last_sequence[g] = last_sequence[g] + done[0] + done[1]
    }
#endif
    if
    :: atomic { free(GROUP + g) && in_force(my_epoch) -> lock[GROUP + g] = me }
    :: d_step { free(GROUP + g) && !in_force(my_epoch) ->
            done[0] = false; done[1] = false; drop_locks() }
        goto report
    CRASH
    fi;
    /* COMMIT */
    if
    :: d_step { /* undone, and pg_xact_status() says so */
            crashes > 0 && tries < 2 -> crashes--; drop_locks()
        }
        goto body
    CRASH
    :: d_step {
#ifndef MUTANT_NUMBERS
            number = last_sequence[g];
            last_sequence[g] = last_sequence[g] + done[0] + done[1];
#endif
            for (i : 0 .. SESSIONS - 1) {
                if
                :: done[i] ->
                    check_transition(status[i], SCHEDULED, ROUND);
                    assert(i != 0 || !cancel_acknowledged); /* I6 scheduled after an acknowledged cancel */
                    status[i] = SCHEDULED; held++; wrote[i] = true; number++;
                    append_event(g, number, my_epoch)
                :: else
                fi
            }
            if
            :: done[0] || done[1] ->
                version++;
                assert(live() <= LIMIT) /* I4 the owner is above its limit */
            :: else
            fi;
            check_books();
            drop_locks();
            number = 0
        }
    fi;
    /* Done; an answer that is lost is asked for: pg_xact_status() says so. */
    if
    :: true
#ifdef MUTANT_BLIND_RETRY
    :: d_step { crashes > 0 && tries < 2 -> crashes-- }
        goto body
#endif
    CRASH
    fi;
report: /* what the caller is told is what was written */
    assert(done[0] == wrote[0] && done[1] == wrote[1]);
#ifdef LEASE
    /* lease_release(): only if still ours */
    atomic {
#ifndef MUTANT_RELEASE
        if
        :: lease == me -> lease = 0
        :: else
        fi
#else
        assert(lease == 0 || lease == me); /* the lease of another was released */
        lease = 0
#endif
    }
#endif
    goto begun;
ended:
    skip
}

#ifdef LEASE
/* The lease ends: its time is up, or Redis was flushed, restarted or lost it. */
active proctype redis()
{
end:
    do
    :: atomic { lease != 0 -> lease = 0 }
    od
}
#endif

/* --- session_cancel() of session 0; every server was sent the same request id --- */

active [CANCELS] proctype canceller()
{
    byte i;
    byte tries = 2;
    mtype was, answer;

begun:
    skip;
    d_step { i = 0; was = 0; answer = 0 }
    /* request_check() */
    if
    :: tries == 0 -> goto ended
    :: d_step { tries > 0 && stored_answer != 0 -> answer = stored_answer }
        goto acknowledge
    :: d_step { tries > 0 && stored_answer == 0 -> tries-- }
    fi;
#ifdef MUTANT_LOCK_ORDER
    atomic { free(AGENT) -> lock[AGENT] = me }
#endif
#ifdef MUTANT_CANCEL_LOCK
    was = status[0];
#else
    atomic { free(0) -> lock[0] = me; was = status[0] }
#endif
    if
    :: was != SCHEDULED
    :: atomic { was == SCHEDULED && (free(AGENT) || lock[AGENT] == me) -> lock[AGENT] = me }
    CRASH
    fi;
    if
    :: was != SCHEDULED
    :: atomic { was == SCHEDULED && free(OWNER) -> lock[OWNER] = me }
    CRASH
    fi;
    /* group_state_number(): no fence, the epoch in force */
    if
    :: was != PENDING && was != SCHEDULED && was != RUNNING
    :: atomic { (was == PENDING || was == SCHEDULED || was == RUNNING) && free(GROUP) -> lock[GROUP] = me }
    CRASH
    fi;
    /* request_store() and COMMIT */
    if
    :: d_step { /* the id has an answer by now: undone, that answer */
            stored_answer != 0 -> drop_locks(); answer = stored_answer
        }
        goto acknowledge
    :: d_step { stored_answer == 0 ->
            if
            :: was == RUNNING -> check_transition(status[0], TERMINATING, CANCEL); status[0] = TERMINATING
            :: was == SCHEDULED -> check_transition(status[0], CANCELLED, CANCEL); status[0] = CANCELLED; held--; version++
            :: was == PENDING -> check_transition(status[0], CANCELLED, CANCEL); status[0] = CANCELLED
            :: else
            fi;
            if
            :: was == PENDING || was == SCHEDULED || was == RUNNING ->
                last_sequence[0]++;
                append_event(0, last_sequence[0], epoch[0])
            :: else
            fi;
            stored_answer = was;
            answer = was;
            check_books();
            drop_locks()
        }
    CRASH
    fi;
    if
    :: true
    CRASH
    fi;
acknowledge:
    skip;
    d_step {
        assert(answer_given == 0 || answer_given == answer); /* I15 two answers to one request */
        answer_given = answer;
        cancel_acknowledged = true;
        was = 0; answer = 0
    }
ended:
    skip
}

/* --- the manager moves sessions on --- */

#ifdef MANAGES
active proctype manager()
{
end:
    do
    :: atomic { status[0] == SCHEDULED && free(0) -> check_transition(status[0], RUNNING, MANAGER); status[0] = RUNNING }
    :: atomic { status[1] == SCHEDULED && free(1) -> check_transition(status[1], RUNNING, MANAGER); status[1] = RUNNING }
    :: atomic {
        (status[0] == RUNNING || status[0] == TERMINATING) && free(0) && free(AGENT) ->
            check_transition(status[0], TERMINATED, MANAGER); status[0] = TERMINATED; held--; check_books()
    }
    :: atomic {
        (status[1] == RUNNING || status[1] == TERMINATING) && free(1) && free(AGENT) ->
            check_transition(status[1], TERMINATED, MANAGER); status[1] = TERMINATED; held--; check_books()
    }
    od
}
#endif

/* --- a subscriber of group 0 --- */

#ifdef SUBSCRIBES
/* Takes the oldest event after its cursor that is in the log, from memory or from PostgreSQL, from
 * this replica or, after a reconnect with the cursor, from another: it is the same question. */
active proctype subscriber()
{
    byte n, cursor;
end:
    do
    :: d_step {
        last_sequence[0] > cursor ->
            n = cursor;
            do
            :: n < LOG && !written[n] -> n++
            :: else -> break
            od;
            if
            :: n < LOG ->
                assert(n == cursor); /* I10 an event was passed over: it came into the log later */
                cursor = n + 1
            :: else
            fi;
            n = 0
    }
    od
}
#endif
