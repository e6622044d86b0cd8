#include <roomcast/core/departures.h>

#include <stdlib.h>

#include <roomcast/base/hash.h>

struct departure {
    struct departure *previous, *next;
    struct departure *again; /* the same user's next */
    uint64_t due_ms;
    UT_hash_handle hh; /* of a user's first only */
    char user[];       /* room_key_load() */
};

static struct departure *find(const struct departures *departures, const struct room_key *user)
{
    struct departure *found;
    HASH_FIND(hh, departures->by_user, user, ROOM_KEY_BYTES(user), found);
    return found;
}

static bool put_into_table(struct departures *departures, struct departure *departure)
{
    HASH_ADD_KEYPTR(hh, departures->by_user, departure->user, 2u + (unsigned char)departure->user[1],
                    departure);
    return departure->hh.tbl != NULL; /* else uthash had no memory */
}

static void append(struct departures *departures, struct departure *departure)
{
    departure->previous = departures->last;
    if (departures->last)
        departures->last->next = departure;
    else
        departures->first = departure;
    departures->last = departure;
}

/* `departure` is its user's first. */
static void drop(struct departures *departures, struct departure *departure)
{
    if (departure->previous)
        departure->previous->next = departure->next;
    else
        departures->first = departure->next;
    if (departure->next)
        departure->next->previous = departure->previous;
    else
        departures->last = departure->previous;
    if (departure->again) /* before the other is out: the table exists, and needs no memory */
        put_into_table(departures, departure->again);
    HASH_DELETE(hh, departures->by_user, departure);
    free(departure);
}

void departures_clear(struct departures *departures)
{
    while (departures->first)
        drop(departures, departures->first);
}

enum err departures_add(struct departures *departures, const struct room_key *user, uint64_t due_ms)
{
    struct departure *departure = calloc(1, sizeof *departure + ROOM_KEY_STORED(user)),
                     *earlier = find(departures, user);
    if (!departure)
        return ERR_NO_MEMORY;
    departure->due_ms = due_ms;
    memcpy(departure->user, user, ROOM_KEY_STORED(user));
    if (!earlier && !put_into_table(departures, departure)) {
        free(departure);
        return ERR_NO_MEMORY;
    }
    if (earlier) { /* at most as many as the user has connections */
        while (earlier->again)
            earlier = earlier->again;
        earlier->again = departure;
    }
    append(departures, departure);
    return ERR_OK;
}

bool departures_cancel(struct departures *departures, const struct room_key *user)
{
    struct departure *found = find(departures, user);
    if (found)
        drop(departures, found);
    return found != NULL;
}

uint64_t departures_due_ms(const struct departures *departures)
{
    return departures->first ? departures->first->due_ms : 0;
}

bool departures_take(struct departures *departures, uint64_t now_ms, struct room_key *ret_user)
{
    struct departure *first = departures->first;
    if (!first || first->due_ms > now_ms)
        return false;
    room_key_load(first->user, ret_user);
    drop(departures, first);
    return true;
}
