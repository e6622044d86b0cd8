/* A place in a room's history: proto/README.md. `seq` grows by one per event within an epoch. */
#ifndef ROOMCAST_WIRE_POSITION_H
#define ROOMCAST_WIRE_POSITION_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EPOCH_LEN_MAX 15
#define EPOCH_EMPTY                                                                                          \
    "0" /* with seq 0: the position of a room that holds no event; clients are told more, below */

struct position {
    char epoch[EPOCH_LEN_MAX + 1]; /* [0-9a-z]; "" when not known */
    uint64_t seq;                  /* at most 2^53 - 1, so that JavaScript keeps it exact */
};

#define SEQ_MAX ((UINT64_C(1) << 53) - 1)

static inline bool position_equal(const struct position *a, const struct position *b)
{
    return a->seq == b->seq && strcmp(a->epoch, b->epoch) == 0;
}

/* The position of a room that holds no event, as clients get it: epoch "0", six digits of base 36 for the
 * second in which the stream was made, and the stream's last sequence in base 36, `seq` 0. By it a client
 * that comes back is told whether anything can have come and gone meanwhile. The epochs of events never begin
 * with '0'. */
struct position_empty {
    uint64_t created_s, last_seq;
};
void position_format_empty(const struct position_empty *empty, struct position *ret_position);
/* False: it is no such position, or plain EPOCH_EMPTY, which says nothing of the stream. */
bool position_parse_empty(const struct position *position, struct position_empty *ret_empty);

static inline bool position_is_empty(const struct position *position)
{
    return position->seq == 0 && position->epoch[0] == '0';
}

#endif
