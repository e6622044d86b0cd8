/* clang-format off */
/* One room's events as a node sees them: where the room stands, what is missing, what can be replayed.
 *
 * A step machine. The owner reports what happened (an event arrived live, the stream answered, time passed), then
 * takes actions with feed_next() until it is FEED_NOTHING. Events go out strictly in order and without holes:
 * what comes too early waits in the history until what is missing has been read from the stream.
 *
 *                 head known                         an event, or the head, beyond the next number
 *   [asking] ------------------> [live: in step] <-----------------------------------> [live: gap]
 *                                     ^                 all read and delivered             |
 *                                     +------ what is missing is gone: FEED_LOST ----------+
 *
 *   asking   subscribed, and the stream's leader was asked where the room stands
 *   live     events are delivered; "gap" while the history ends above `position`
 *
 * Who may be wrong, and what is done about it:
 *   - live delivery is at most once: jumps are repaired; the tail is compared with the leader's head after every
 *     trouble (feed_suspect) and from time to time (proto/roomcast/v1)
 *   - a replica may lag: only the leader's "no" counts, and only when it names what follows instead, or has said
 *     several times that nothing does
 *   - the stream may hold other events under known numbers (restored disk, diverged replica): ids are compared,
 *     and members are told that their position is lost
 *
 *   - a leader that was deposed does not know it at once: a head behind us is asked for again before it counts
 *
 *   - most rooms are silent: what only a busy feed needs is allocated when something happens, and freed by the
 *     feed_next() that finds nothing more to do. Without memory for it a feed does what it does when the stream
 *     cannot be asked: events wait in the stream, who waits is told FEED_TIMED_OUT, and it tries again soon
 *
 * Owns: its history; a waiter is the caller's again with its FEED_ANSWER.   Thread: its owner's.
 * Knows nothing of the bus, clocks, sessions or encodings.  Never blocks, never calls back. */
/* clang-format on */
#ifndef ROOMCAST_CORE_FEED_H
#define ROOMCAST_CORE_FEED_H

#include <roomcast/core/history.h>
#include <roomcast/core/replay.h>

/* What a stream holds, of all its rooms; the owner's, and the same for all feeds of that stream. */
struct feed_extent {
    bool is_known;     /* else nothing can be proven by it */
    bool has_quorum;   /* who said so leads for sure */
    uint64_t asked_ms; /* it was so then */
    uint64_t first_seq, last_seq, created_s;
};

struct feed_rules {
    const struct feed_extent *extent; /* borrowed; NULL: never known */
    uint32_t max_events; /* kept behind the position, and replayed to one client, at most; above 0 */
    size_t max_bytes;    /* of them */
    uint64_t fresh_ms;   /* a resume trusts what the leader said at most so long ago */
    uint64_t
        verify_every_ms; /* a room is compared with the leader at least so often. What it said is trusted for
                            twice as long, and less than a minute: the stream keeps events for longer */
    uint64_t repair_timeout_ms; /* a gap that cannot be repaired for so long is given up */
    bool is_cut_off;            /* nobody can be asked now: no gap is given up for that */
};

/* Somebody who wants to know where the room stands, and perhaps what was missed. */
struct feed_waiter {
    struct feed_waiter *next; /* the feed's, while it waits */
    bool is_catching_up;      /* a session that fell behind: the next few events behind `since` will do */
    bool has_since;
    struct position since;
    uint64_t next_stream_seq; /* where the event just behind `since` is; 0: not known */
    uint64_t deadline_ms;     /* monotonic */
    /* the feed's own */
    uint64_t came_ms;
    struct position_empty empty; /* while is_from_empty: what `since` said of the stream */
    bool is_from_empty;          /* the client saw the room empty; `since` is the beginning of the epoch */
    unsigned extent_tries;       /* the stream was said to end before the epoch, so often */
    uint64_t tried_ms;           /* `since` was ahead of what the leader said then */
    unsigned tries;              /* so often */
    int verdict;
};

enum feed_verdict {
    FEED_AT_POSITION, /* no `since` was given: the room stands at feed->position */
    FEED_RECOVERED,   /* every event behind `since` up to feed->position is in the history, or to one that is
                         catching up the next ones are: feed_replay() */
    FEED_UNPROVEN,    /* of another epoch, from the future, expired, or too long ago */
    FEED_TIMED_OUT,   /* the stream could not be asked in time */
};

enum feed_loss { FEED_LOSS_EXPIRED, FEED_LOSS_CONFLICT, FEED_LOSS_EPOCH, FEED_LOSS_TIMEOUT };

enum feed_action_kind {
    FEED_NOTHING,
    FEED_ASK_HEAD,   /* read the room's last stored event from the leader, then feed_on_head() */
    FEED_READ,       /* read what stands at `stream_seq`, then feed_on_read() */
    FEED_ASK_EXTENT, /* learn what the stream holds, then feed_on_extent() */
    FEED_ASK_NEXT, /* read the room's first event behind `stream_seq` from the leader, then feed_on_next() */
    FEED_DELIVER,  /* `frame`, which is at feed->position, goes to all who are live. Borrowed until the next
                      call */
    FEED_LOST,     /* events before feed->position cannot be had: all who are live have to be told */
    FEED_ANSWER,   /* `waiter` is the caller's again, with `verdict` */
};
/* A question: comes back with its answer. */
struct feed_ask {
    uint32_t id;
    uint64_t seq; /* READ, NEXT: the number wanted */
};
struct feed_action {
    enum feed_action_kind kind;
    struct feed_ask ask; /* ASK_HEAD, READ, ASK_NEXT */
    uint64_t stream_seq; /* READ, ASK_NEXT */
    bool from_leader;    /* READ: else from any copy */
    struct frame *frame;
    enum feed_loss loss; /* LOST */
    struct feed_waiter *waiter;
    enum feed_verdict verdict;
};

/* What a feed needs while it has something to find out, and only then: a question, a gap, somebody waiting.
 */
struct feed_work {
    uint64_t missing_to;         /* the highest number not yet seen, or above it: where reading begins */
    uint64_t ahead_to;           /* no number above it holds its event */
    uint64_t wanted_from;        /* a waiter needs the events from here on; 0: none needs any */
    uint64_t wanted_to;          /* ... and the most modest of them from here on */
    uint64_t looked_from;        /* `held_from` when the waiters were looked at */
    uint64_t page_from, page_to; /* one that is catching up needs these; 0: none does */
    uint64_t gap_since_ms;       /* last step forward while something is missing; 0: nothing is */

    struct {                     /* where does the room stand? */
        uint64_t sent_ms, at_ms; /* at_ms: when wanted */
        uint64_t not_before_ms;  /* nobody answered */
        uint32_t ask_id;         /* under way; 0: none */
        unsigned failures;
        bool is_wanted; /* once more, if one is under way */
    } head;
    bool has_conflict; /* another event was seen under a known number */
    bool was_far;      /* the gap was wider than the history */

    unsigned reading;     /* FEED_READs under way */
    uint32_t next_ask_id; /* FEED_ASK_NEXT under way; 0: none */
    uint64_t next_for, next_after;
    unsigned next_absences; /* how often the leader has said that nothing follows */
    unsigned read_failures;
    uint64_t retry_at_ms; /* reads failed: not before */

    bool has_loss; /* FEED_LOST is due */
    enum feed_loss loss;
    struct feed_waiter *waiters, **waiters_tail;
    struct feed_waiter **ready_tail;
    uint64_t waiters_due_ms; /* the earliest deadline, while any wait */
    bool are_waiters_due;    /* something changed that may answer some */
    bool are_events_awaited; /* some wait until the room has gone on, or has no gap */
    bool wants_extent, is_extent_asked;
    uint64_t extent_at_ms;          /* not before */
    struct feed_extent head_extent; /* known when the head was asked for */
};

/* What is known of how the room came to where it stands: only once an event was seen, which in many rooms
 * never happens. Without memory for it nothing is known, which is slower, or told as a loss, and not wrong.
 */
struct feed_past {
    uint64_t lead_seq;      /* the lowest event of the epoch that was seen, ...; 0: none was */
    struct trail lead;      /* ... and what leads on from it: the window may not reach there yet */
    struct position before; /* where the room stood when the epoch began, if nothing lies between; epoch "":
                               not known */
    uint64_t begins_at;     /* the leader said that the room holds this number of the epoch and on */
    uint64_t first_stream_seq; /* where event 1 is, with nothing before it; 0: not known, or something was */
};

struct feed {
    /* read by the owner */
    struct position position; /* of the last event delivered; at first of the room's last when it was asked
                                 for. Its epoch is the history's, EPOCH_EMPTY while that has none */
    uint64_t position_stream_seq; /* where that event is stored; 0: not known */
    bool is_settled;              /* the position is known */

    /* the feed's own */
    bool is_in_stream; /* the leader said that the room holds something */
    bool is_verified;  /* no event can have been missed unnoticed since `verified_ms`, but by live delivery
                          itself */
    bool has_end;      /* nothing but what is known, or has come since, was stored before `end_ms` */
    bool is_empty_known;
    uint32_t last_ask_id;
    uint32_t behind; /* how often in a row the leader knew less than we */
    struct history history;
    struct feed_past *past; /* owned; NULL: nothing is known of it */
    uint64_t known;         /* the highest number that was heard of */
    uint64_t held_from;     /* every event from here to the position is in the history */
    uint64_t gone;          /* numbers up to here cannot be had any more */
    uint64_t verify_at_ms;  /* the leader is asked again then, if not sooner */
    uint64_t verified_ms;   /* the leader's word is that young; meaningful while is_verified */
    uint64_t end_ms;
    uint64_t moved_ms; /* the position is that young */
    /* What the stream held when the room was last said to be empty, while is_empty_known; 0: not asked. */
    struct position_empty empty;
    uint64_t empty_asked_ms;
    struct feed_waiter *ready; /* FEED_ANSWER is due */
    struct feed_work *work;    /* owned; NULL while the feed is at rest */
};

/* `now_ms` everywhere: monotonic. */
void feed_init(struct feed *feed, uint64_t now_ms);
/* Gives the waiters back, linked by `next`. */
struct feed_waiter *feed_fini(struct feed *feed);

/* --- what happened; take actions afterwards --- */

enum feed_offer {
    FEED_TAKEN,     /* delivered next, or waits for its turn */
    FEED_DUPLICATE, /* the room is past it, or it waits already */
    FEED_GAP,       /* the first sign that events are missing */
    FEED_DROPPED,   /* cannot be kept now; it will be read from the stream when its turn comes */
};
/* An event arrived live. */
enum feed_offer feed_on_live(struct feed *feed, const struct feed_rules *rules,
                             const struct feed_event *event, uint64_t now_ms);

enum feed_answer_kind {
    FEED_FOUND,
    FEED_NONE,        /* there is nothing (there) */
    FEED_UNREADABLE,  /* there is something that cannot be read; only stream_seq of the event is set */
    FEED_UNAVAILABLE, /* nobody answered */
};
/* Answers, exactly one for each question of this feed (an earlier feed of the same room is another one);
 * those to questions that do not count any more are passed over. `event` when FOUND. `jitter`: any random
 * number, spreads retries. */
void feed_on_head(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter);
void feed_on_read(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter);
void feed_on_next(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter);

/* rules->extent was asked for again, successfully or not. */
void feed_on_extent(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms);

/* Events may have been missed (a lost link, dropped messages, a new leader): the leader is asked after
 * `delay_ms`, by which callers spread thousands of rooms. */
void feed_suspect(struct feed *feed, uint64_t now_ms, uint64_t delay_ms);

/* The owner was cut off for `cut_ms` until now: time that does not count against a gap. */
void feed_shift_gap(struct feed *feed, uint64_t cut_ms, uint64_t now_ms);

/* Takes the waiter over until its FEED_ANSWER. */
void feed_wait(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
               uint64_t now_ms);

/* --- what to do --- */

/* The next action; call until FEED_NOTHING. At most `may_read` further reads are begun; feed_wants_reads()
 * tells afterwards whether more are wanted. */
struct feed_action feed_next(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms,
                             unsigned may_read);
bool feed_wants_reads(const struct feed *feed, uint64_t now_ms);
/* When feed_next() should be called even if nothing happens; 0: never. */
uint64_t feed_due(const struct feed *feed, const struct feed_rules *rules);

/* What one that is catching up gets at once: it takes in slowly anyway. */
#define FEED_PAGE_EVENTS 256u          /* at most, ... */
#define FEED_PAGE_BYTES  (256u * 1024) /* ... and no further event once it is so large */

/* The events behind `since`, one after the other as far as the history holds them without a hole, at most
 * `max_events`, and none more once they are `max_bytes` large: after FEED_RECOVERED, before the next call.
 * NULL when out of memory. */
struct replay *feed_replay(const struct feed *feed, const struct position *since, uint32_t max_events,
                           size_t max_bytes);
/* Frees the oldest event that nobody waits for; false when there is none. For the owner's limit over all
 * rooms. */
bool feed_evict(struct feed *feed);

/* The position as clients are told it: that of a room that holds nothing says where the stream stood. */
struct position feed_told_position(const struct feed *feed);

bool feed_has_gap(const struct feed *feed);
/* What must hold between any two calls. */
bool feed_is_valid(const struct feed *feed);

#endif
