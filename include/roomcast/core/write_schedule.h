/* Which sessions are written next, so that one large fan-out holds up nobody else.
 *
 * A session with something to write waits in one of several lines, by how many receivers its event has: a
 * direct message stands in another line than the 10,000 copies of an announcement. Each take serves every
 * line that is not empty, the lines of small audiences with the larger shares; within a line it is first
 * come, first served. So a small room is held up by a large one for a fraction of a turn, and a large room
 * always goes on.
 *
 *   line 0       what is meant for one session: replies, pings, the last word
 *   line 1..n    events, by the power of two of their audience
 *   last line    who is behind: replays, and what a slow reader had left
 *
 * Events may be put off for a while, so that those which come meanwhile leave in the same write. That takes
 * no part in the turns until the time has come, or until the session has something that does not wait.
 *
 * A session's whole queue leaves in one write, so its own messages keep their order.
 * Owns: nothing; the places live in the sessions.   Thread: the worker's.   Pure. All calls are O(1) but
 * write_schedule_take() and _release(), which are O(taken). */
#ifndef ROOMCAST_CORE_WRITE_SCHEDULE_H
#define ROOMCAST_CORE_WRITE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define WRITE_LINES 24

/* Audiences that are no numbers of members. */
#define WRITE_ALONE  0u
#define WRITE_BEHIND UINT32_MAX

/* A session's place in a line; embedded in the session, zeroed at the start. */
struct write_place {
    struct write_place *previous, *next;
    uint32_t due_ms; /* while it is put off: the low bits of when that ends */
    uint8_t line;
    bool waits, is_put_off;
};

struct write_schedule {
    struct write_line {
        struct write_place *first, *last;
    } lines[WRITE_LINES];
    struct write_line put_off; /* the one due first at the front */
    uint32_t waiting;          /* bit per line that is not empty */
};

void write_schedule_init(struct write_schedule *schedule);
/* The session has something to write that `audience` sessions get. One that waits already goes over to the
 * line of the smaller audience, or stays. */
void write_schedule_add(struct write_schedule *schedule, struct write_place *place, uint32_t audience);
/* The same, but it can wait until `due_ms`, which is never earlier than in the call before. One that waits
 * already goes on doing so as it did. */
void write_schedule_put_off(struct write_schedule *schedule, struct write_place *place, uint32_t audience,
                            uint64_t due_ms);
/* Who is due at `now_ms` waits in line from now on. Returns in how many ms the next one is; 0: nobody is put
 * off. */
uint64_t write_schedule_release(struct write_schedule *schedule, uint64_t now_ms);
/* It need not wait. */
void write_schedule_remove(struct write_schedule *schedule, struct write_place *place);
/* Takes `max` (at least WRITE_LINES) out of the lines, in their shares, or all who wait; returns how many.
 * What a line does not use of its share goes to others, those of small audiences first. */
uint32_t write_schedule_take(struct write_schedule *schedule, struct write_place **places, uint32_t max);

/* Do events of rooms of different size wait? */
static inline bool write_schedule_is_shared(const struct write_schedule *schedule)
{
    const uint32_t own_lines = 1u | 1u << (WRITE_LINES - 1); /* replies, and who is behind: they can wait */
    uint32_t waiting = schedule->waiting & ~own_lines;
    return (waiting & (waiting - 1)) != 0;
}

static inline bool write_schedule_is_empty(const struct write_schedule *schedule)
{
    return schedule->waiting == 0;
}

#endif
