/* clang-format off */
/* The order of one room's events on their way into the store.
 *
 * A lane numbers the events of one room without holes, keeps at most one store in flight (with
 * more, retries reorder), and decides what a lost answer, a fence or a duplicate means. It is a step
 * machine: the caller reports what happened and then takes actions one at a time until there is none left to
 * do now.
 *
 * A lane also remembers the last position that it knows to be stored. A head before that one means that the
 * store lost what it had acknowledged (a restored disk, a diverged replica): numbering on would give numbers
 * twice, and clients, who ignore what they have, would miss the new events without knowing. So the numbering
 * starts anew. A new epoch is real only with its first event: a head read from a deposed leader makes one too,
 * but its store is fenced, and the next head is the right one.
 *
 * Owns: nothing; events are linked in, not copied.   Thread: one at a time.
 * Knows nothing of the bus, clocks, JSON or how an event is encoded.  Never blocks, never calls back.
 *
 *           +------------------------- FINISHED action -------------------------+
 *           v                                                                   |
 *   IDLE -> settle -> ASK -> ASKING -> READY -> STORING -> (stored, duplicate,  |
 *    add    ^  ^              |   |      ^       |   |      refused) ---------> DONE
 *           |  |  unavailable |   |      |       |   | fenced                   ^
 *           |  +-- WAITING <--+   |      |       |   +--> ASK                   |
 *           |  time     ^         |      |       |                              |
 *           |           +---------|------|-------+ unavailable, unknown         |
 *           |                     +------+                                      |
 *           |                     | the head is our event ----------------------+
 *   settle: nothing queued: IDLE; head not known: ASK; else: READY */
/* clang-format on */
#ifndef ROOMCAST_CORE_LANE_H
#define ROOMCAST_CORE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/slice.h>
#include <roomcast/wire/position.h>
#include <roomcast/wire/trail.h>

#define LANE_BACKOFF_FIRST_MS 50u
#define LANE_BACKOFF_MAX_MS   5000u

/* Embedded in the caller's event; linked into one lane from lane_add() until its LANE_FINISHED action. */
struct lane_event {
    struct lane_event *next; /* the lane's */
    struct slice id;         /* the message id; borrowed, immutable while in the lane */
};

enum lane_state {
    LANE_IDLE,    /* nothing queued */
    LANE_ASK,     /* events wait, the head is not known: LANE_ASK_LAST is next */
    LANE_ASKING,  /* the answer of LANE_ASK_LAST is awaited */
    LANE_READY,   /* events wait, the head is known: LANE_STORE is next */
    LANE_STORING, /* the answer of LANE_STORE is awaited */
    LANE_WAITING, /* backing off until wait_until_ms */
    LANE_DONE,    /* LANE_FINISHED is next, for `done` */
};

enum lane_outcome {
    LANE_OUTCOME_STORED,    /* this lane stored it, exactly once */
    LANE_OUTCOME_DUPLICATE, /* it was in the store before this lane tried */
    LANE_OUTCOME_REFUSED,   /* the store will never take it */
};

/* Why a room's numbering starts anew. */
enum lane_epoch {
    LANE_EPOCH_GOES_ON,    /* it does not */
    LANE_EPOCH_EMPTY,      /* the room holds nothing */
    LANE_EPOCH_UNREADABLE, /* what it holds is not an envelope of it */
    LANE_EPOCH_ROLLBACK,   /* it holds less than was stored */
    LANE_EPOCH_FULL,       /* the numbers are used up */
};

struct lane {
    enum lane_state state;
    struct lane_event *first, **last; /* borrowed events, in order of arrival */
    size_t count;
    bool head_known;
    struct position head;          /* while head_known: the room's last number; seq 0 in a new epoch */
    uint64_t head_stream_seq;      /* while head_known: the subject's last stream sequence, 0 for none */
    struct trail trail;            /* while head_known: of the next event; begins with head_stream_seq */
    enum lane_epoch epoch;         /* why the last epoch begun here was begun; read while head.seq is 0 */
    struct position confirmed;     /* the last one known to be stored; epoch "" for none yet */
    uint64_t confirmed_stream_seq; /* the room reaches that far at least; 0: not known */
    bool tried;                    /* a store of `first` was left without an answer: it may be stored */
    unsigned failures;             /* in a row, for the backoff */
    unsigned fences;               /* in a row */
    uint64_t wait_until_ms;        /* LANE_WAITING */
    struct lane_event *done;       /* LANE_DONE */
    enum lane_outcome done_outcome;
    enum lane_epoch done_epoch;
};

void lane_init(struct lane *lane);
/* Takes every event out, linked by `next`, and returns the first or NULL: for the end of the process. */
struct lane_event *lane_fini(struct lane *lane);

/* Appends. */
void lane_add(struct lane *lane, struct lane_event *event);

enum lane_action_kind {
    LANE_NOTHING,  /* an answer or an event must come first */
    LANE_ASK_LAST, /* read the room's last stored event, then lane_on_head() */
    LANE_STORE,    /* store `event` as `position`, fenced by `expect_last`, then lane_on_store() */
    LANE_WAIT,     /* call lane_next() again at `until_ms` */
    LANE_FINISHED, /* `event` left the lane with `outcome` and is the caller's again */
};
struct lane_action {
    enum lane_action_kind kind;
    struct lane_event *event;  /* STORE, FINISHED */
    struct position position;  /* STORE */
    uint64_t expect_last;      /* STORE: stream sequence, 0: the subject has no message */
    struct trail trail;        /* STORE: for the envelope */
    uint64_t until_ms;         /* WAIT */
    enum lane_outcome outcome; /* FINISHED */
    enum lane_epoch epoch;     /* FINISHED: why it is the first of an epoch; GOES_ON: it is not */
};
/* The next thing to do; call until it is LANE_NOTHING or LANE_WAIT. `now_ms`: monotonic. */
struct lane_action lane_next(struct lane *lane, uint64_t now_ms);

enum lane_head_kind {
    LANE_HEAD_FOUND,
    LANE_HEAD_NONE,       /* the leader says that the room holds nothing */
    LANE_HEAD_FOREIGN,    /* there is a message, but not one that can be read: only stream_seq is set */
    LANE_HEAD_UNAVAILABLE /* nobody answered */
};
struct lane_head {
    enum lane_head_kind kind;
    struct position position; /* FOUND; 1 <= seq <= SEQ_MAX */
    uint64_t stream_seq;      /* FOUND, FOREIGN */
    struct slice event_id;    /* FOUND; borrowed for the call */
    struct trail trail;       /* FOUND: as its envelope has it */
};
/* In LANE_ASKING only. `new_epoch`: a random one (1..EPOCH_LEN_MAX of [0-9a-z]), used when the room's
 * numbering has to start anew. `jitter`: any random number, spreads the backoff. */
void lane_on_head(struct lane *lane, const struct lane_head *head, const char *new_epoch, uint64_t now_ms,
                  uint32_t jitter);

enum lane_store_status {
    LANE_STORE_STORED,
    LANE_STORE_DUPLICATE,   /* the message id was stored before */
    LANE_STORE_FENCED,      /* expect_last was wrong: nothing stored */
    LANE_STORE_UNKNOWN,     /* no answer: stored or not */
    LANE_STORE_UNAVAILABLE, /* certainly not stored, may succeed later */
    LANE_STORE_REFUSED,     /* will never succeed */
};
/* In LANE_STORING only. `stream_seq`: where it is; read for STORED and DUPLICATE. */
void lane_on_store(struct lane *lane, enum lane_store_status status, uint64_t stream_seq, uint64_t now_ms,
                   uint32_t jitter);

/* Ends a backoff early: the store is reachable again. */
void lane_hurry(struct lane *lane, uint64_t now_ms);

/* What must hold between any two calls. */
bool lane_is_valid(const struct lane *lane);

#endif
