/* The parts of a worker that its files share. */
#ifndef ROOMCAST_NODE_WORKER_INTERNAL_H
#define ROOMCAST_NODE_WORKER_INTERNAL_H

#include <roomcast/base/buffer.h>
#include <roomcast/core/catch_up.h>
#include <roomcast/core/rooms.h>
#include <roomcast/core/session.h>
#include <roomcast/io/loop.h>
#include <roomcast/io/ws_server.h>
#include <roomcast/wire/client_message.h>
#include <roomcast/wire/error_code.h>

#include "worker.h"

struct stream_cursor;

#define WRITE_BATCH_BYTES  (64u * 1024) /* one write takes at most this much, or one frame */
#define WRITE_BATCH_FRAMES 64

/* What an answer of the hub is for. */
enum request_purpose {
    FOR_CONNECT,
    FOR_SUBSCRIBE,
    FOR_NOTIFICATIONS,
    FOR_PRESENCE,
    FOR_CATCH_UP,
    FOR_RIGHTS
};

/* A room in which the client is not live. */
struct client_catch_up {
    struct catch_up catch_up;     /* first; linked by its `next` */
    struct hub_request *question; /* under way for it; NULL: none that counts */
    uint64_t held_until_ms;       /* as the client's, once something has come; 0: not waited for */
    uint64_t not_before_ms;       /* the hub could not say, and is asked again then */
    uint64_t next_stream_seq;     /* where the first event behind the cursor is stored; 0: not known */
    char room[];                  /* room_key_load() */
};

struct client {
    struct session session; /* first */
    struct hub_request
        *open; /* questions under way, linked by `next`; owned by the hub until they come back */
    struct catch_up *catch_ups; /* owned: struct client_catch_up */
    struct position unresumed;  /* while it has not resumed its notifications: they wait behind this place, or
                                   have gone out behind it; epoch "": neither */
    uint64_t held_until_ms;     /* they wait until then, and none has come yet; 0: they do not wait here */
    bool has_resumed;           /* its notifications, and was answered */
#ifdef ROOMCAST_CONFORMANCE
    bool is_echo; /* worker_echo.h */
#endif
    uint32_t opened_s;              /* worker's time, seconds; 0: no connection yet */
    struct address from;            /* as the door counts it */
    struct client *previous, *next; /* all clients of the worker */
    uint32_t message;               /* number of the last one from it */
    uint32_t wrong_message;         /* the last one that counted to limits.errors */
};

static inline struct room_key client_user(const struct client *client)
{
    return token_claims_user(&client->session.claims);
}

/* Clients being sent away at an even pace. */
struct worker_drain {
    bool is_on;
    enum close_reason reason;
    uint32_t clients; /* staying when it began */
    uint64_t began_ms, spread_ms;
};

/* What is being taken away. */
struct worker_revoking {
    uint64_t seen;                /* of revoked_next() */
    struct revocation revocation; /* while it is under way: a large chat takes several turns */
    bool is_under_way;
    bool has_tokens;     /* all clients are to be looked through for tokens ... */
    uint64_t look_at_ms; /* ... not before */
};

/* The connections that ended last, for operators. */
#define CLOSES_KEPT 32u
struct worker_closes {
    uint64_t count; /* since the start; the last CLOSES_KEPT are kept, number n at n % CLOSES_KEPT */
    struct worker_close {
        uint64_t at_ms; /* wall clock */
        unsigned code;
        const char *reason; /* static */
        char session[SESSION_ID_LEN + 1];
        struct room_key user;
    } items[CLOSES_KEPT];
};

struct worker {
    /* immutable after start */
    struct node_shared *shared;
    unsigned index;
    pthread_t thread; /* runs while `started` */
    bool started;
    struct loop *loop;
    struct loop_wake *wake;
    struct loop_timer *tick;
    struct loop_timer *write_delay; /* NULL: nothing is put off (write.delay_ms) */
    struct ws_server *server;
    struct verifying *verifying; /* NULL: no configured key takes long */

    /* any thread */
    struct hub_outlet arriving; /* from the hub */
    struct inbox verified;      /* struct verify_job */
    struct inbox orders;        /* struct worker_order */
    atomic_bool stop_asked;
    atomic_uint staying; /* clients that are connected and not being closed */
    atomic_llong queued; /* bytes in their queues; added to once per turn, by its thread */

    /* worker thread only */
    uint64_t now_ms;
    struct rooms *rooms;
    struct timer_wheel wheel;
    struct client *clients,
        *clients_last;         /* all, opening to ended: who has said something last comes first */
    struct arrivals *arrivals; /* worker_arrivals.c's: what of the inbox is held back */
    struct send_state *send;   /* worker_write.c's: who is to be written to, and what leaves together */
    struct client *ended;      /* clients to free at the end of the turn, linked by `next` */
    struct buffer text;        /* scratch: one client message */
    struct buffer headers;     /* scratch: header lines of one answer */
    struct frame *ping;        /* the same for everybody */
    struct worker_drain drain;
    struct worker_revoking revoking;
    struct worker_closes closes;
    bool counts_as_io_uring;                    /* in the metric; set before the thread starts */
    uint64_t deliveries, writes, written_bytes; /* added to the metrics once per turn */
    int64_t queued_bytes;                       /* likewise: the change of this turn */
};

/* worker_opening.c: from the request to the client. */
void worker_on_request(void *context, struct ws_connection *connection, const struct ws_request *request,
                       struct ws_decision *decision);
void worker_on_withdrawn(void *context, void *session);
/* Has the token verified on another thread; client_refresh() follows, and nothing that the client says is
 * read before. False: too much waits for that already. */
bool worker_refresh_later(struct worker *worker, struct client *client, struct slice token,
                          const struct request_id *id);
void worker_take_verified(struct worker *worker);
/* The worker is being freed. */
void worker_drop_verified(struct worker *worker);

/* worker_orders.c: what the node wants. */
void worker_take_orders(struct worker *worker);
/* Who is due to be sent away, is. */
void worker_drain_on(struct worker *worker);
/* The worker is being freed. */
void worker_drop_orders(struct worker *worker);

/* worker_revoked.c: rights taken away while the session lasts. */
void worker_take_revoked(struct worker *worker);
/* At most a few times a second: it looks at every client. */
void worker_look_for_tokens(struct worker *worker);
/* The user or the token has no right any more. */
bool client_is_revoked(struct worker *worker, const struct client *client);
/* By its token, and not revoked. */
bool client_may_read(struct worker *worker, const struct client *client, const struct room_key *chat);

/* worker_send_away.c: clients that shall connect to another node. The first two return how many they have
 * closed, `count` at most, of those that have said nothing for longest. */
/* Only who loses little by it: who waits for no answer, is behind in no room, takes what is sent, and has
 * been connected for `open_s`. Passes 256 others over, and looks no further. */
uint32_t worker_send_settled_away(struct worker *worker, uint32_t count, enum close_reason reason,
                                  uint32_t open_s);
uint32_t worker_send_anybody_away(struct worker *worker, uint32_t count, enum close_reason reason);

/* Closes those that the kernel takes nothing for and that have most in their queues, the largest first, until
 * `bytes` fewer wait, WORKER_RELIEF_MAX at most; nobody with little in its queue. Returns how many. */
#define WORKER_RELIEF_MAX 64u
uint32_t worker_close_slowest(struct worker *worker, uint64_t bytes);

/* worker_session.c: the life of a session. */
struct client *client_new(struct worker *worker, struct token_claims *claims, const struct address *from);
/* One that is sent server-sent events; takes over `cursor` unless it returns NULL. */
struct client *client_new_stream(struct worker *worker, struct token_claims *claims,
                                 const struct address *from, struct stream_cursor *cursor);
/* Asks the hub for the user's own channel; `connected` follows with the answer. */
void client_begin(struct worker *worker, struct client *client, struct ws_connection *connection);
void client_close(struct worker *worker, struct client *client, enum close_reason reason);
/* The connection is gone, or never came to be. Counts it by `code`. */
void client_end(struct worker *worker, struct client *client, enum ws_end end, unsigned code);
void client_free_ended(struct worker *worker);
void client_on_timer(struct worker *worker, struct client *client);
void client_arm(struct worker *worker, struct client *client);
/* It has said something. */
void client_note_said(struct worker *worker, struct client *client);
/* Leaves a room and tells the hub. False when the session is not in it. */
bool client_leave(struct worker *worker, struct client *client, const struct room_key *room);

/* worker_console.c: for operators. */
/* Its part of the task, and then console_task_end_part(). */
void worker_work_for_console(struct worker *worker, struct console_task *task);
/* A connection has ended so. */
void worker_note_close(struct worker *worker, const struct session *session, enum ws_end end, unsigned code);

/* worker_arrivals.c: what the hub has sent. */
#define ARRIVALS_BUCKETS 256 /* by the hash of a room: those of one bucket wait for each other */
struct arrivals *arrivals_new(void);
/* Works on what has come, but for what has to let others pass. */
void worker_take_arrivals(struct worker *worker);
/* After the turn's writes: some of what was held back. */
void worker_work_on_held(struct worker *worker);
/* Takes everything back without acting on it, and frees: the worker is being freed. */
void worker_drop_arrivals(struct worker *worker);

/* worker_send.c: the way out. */
/* A reply or a ping: queued behind everything else, also beyond the limits of the queue, but not without end.
 */
void client_send_frame(struct worker *worker, struct client *client, struct frame *frame);
/* Frames worker->text and sends it, as the session's last message. */
void client_send_last(struct worker *worker, struct client *client);
/* Frames worker->text and sends it. */
void client_send_text(struct worker *worker, struct client *client);
/* The same of a message that tells where the client stands in the room; `position` NULL: it does not. */
void client_send_placed(struct worker *worker, struct client *client, const struct room_key *room,
                        const struct position *position);
void client_send_error(struct worker *worker, struct client *client, enum error_code code,
                       const char *message, const struct room_key *chat, const struct request_id *id);
void worker_deliver(struct worker *worker, struct hub_frame *output);
/* Frames that were queued elsewhere are to leave soon; 0 frames: look whether there are any. */
void client_note_queued(struct worker *worker, struct client *client, uint32_t frames, size_t bytes);
/* Throws away what is queued. */
void client_drop_queue(struct worker *worker, struct session *session);

/* worker_write.c: what is queued leaves. */
/* What is queued for the client, or can be, leaves soon; `audience` as in core/write_schedule.h. */
void client_schedule(struct worker *worker, struct client *client, uint32_t audience);
/* It will not be written to any more. */
void client_unschedule(struct worker *worker, struct client *client);
/* One write at once, to make room in its queue. False: nothing could be tried. */
bool client_write_now(struct worker *worker, struct client *client);
/* All that is queued, as far as the kernel takes it. */
void client_write_out(struct worker *worker, struct client *client);
/* The kernel takes no more for it for now, or does again. */
void client_set_blocked(struct client *client, bool is_blocked);
/* When it is blocked while it is behind in a room, it has to take something in within the grace time. */
void client_note_stall(struct worker *worker, struct client *client);
/* The end of a turn: some of the sessions with something to write are written to, once each, in the order of
 * core/write_schedule.h; when others are left the loop turns again at once. */
void worker_flush(struct worker *worker);
struct send_state *send_state_new(void);
void send_state_free(struct send_state **state);

/* worker_catch_up.c: rooms in which a client is behind. */
/* From here on the room's events come by the client's cursor. `next_stream_seq`: where the first behind it is
 * stored; 0: not known. False: out of memory. */
bool client_fall_behind(struct worker *worker, struct client *client, const struct room_key *room,
                        const struct position *cursor, uint64_t next_stream_seq);
/* The answer to a resume, already acknowledged: what was missed goes out, or the cursor jumps to the
 * position. */
void client_resume(struct worker *worker, struct client *client, struct hub_request *request);
void client_on_catch_up_answer(struct worker *worker, struct client *client, struct hub_request *request);
/* It has connected, and its notifications stand at `position`: none goes out for a moment, so that it can
 * resume them first. */
void client_hold_notifications(struct worker *worker, struct client *client, const struct position *position);
/* It was heard to resume them: if they wait, they do until it is answered, or for a while. */
void client_hold_longer(struct worker *worker, struct client *client);
/* A live event, or a loss, passes the client by in a room where it is behind by `lag` (core/rooms.h). */
void client_pass_by(struct worker *worker, struct client *client, void *lag);
/* Notifications go out behind `cursor`. */
void client_note_notified(struct client *client, const struct position *cursor);
/* Where the client stands in the room while it is behind there; NULL: it is live. */
const struct position *client_cursor(struct worker *worker, struct client *client,
                                     const struct room_key *room);
/* Queues what the queue takes, at most `max_bytes`; returns the bytes queued. */
size_t client_pump(struct worker *worker, struct client *client, size_t max_bytes);
/* The client has left the room. */
void client_end_catch_up(struct client *client, const struct room_key *room);
void client_end_catch_ups(struct client *client);

/* worker_client.c: what clients say. */
/* A fresh token was verified with that result; `claims`, if good, are taken over. */
void client_refresh(struct worker *worker, struct client *client, enum err err, const char *reason,
                    struct token_claims *claims, const struct request_id *id);
void client_on_text(struct worker *worker, struct client *client, struct slice text);
/* As if the client had said so: subscribe to those chats; resume its notifications. */
void client_subscribe(struct worker *worker, struct client *client, struct chat_request *chats, size_t count);
void client_resume_notifications(struct worker *worker, struct client *client, const struct position *since);

/* That message of the client was wrong, which counts once: too many, and the client is closed. */
void client_note_wrong(struct worker *worker, struct client *client, uint32_t message);

/* worker_questions.c: what is asked of the hub. */
/* Sends a question about the client, and takes it over. ERR_NO_MEMORY; `request` may be NULL for that.
 * ERR_BUSY: as many are under way as one session may have. */
enum err client_ask(struct worker *worker, struct client *client, struct hub_request *request,
                    enum request_purpose purpose) MUST_CHECK;
/* It is answered: no longer under way, and the caller's. */
void client_take_back(struct hub_request *request);
/* Takes an answer back without acting on it: the worker is being freed. */
void client_forget_request(struct hub_request *request);
/* One session fewer in the room: tells the hub. */
void client_tell_part(struct worker *worker, struct client *client, const struct room_key *room);

/* worker_answers.c */
void client_on_answer(struct worker *worker, struct hub_request *request);

/* worker_rights.c: authorization.mode request, for rooms that the session is in. */
/* Has the service asked whether the session may stay in the room, by the claims that it has now; if not, or
 * if the hub cannot be asked, it leaves. Without an answer of the service it stays. */
void client_ask_rights(struct worker *worker, struct client *client, const struct room_key *room);
/* A fresh token: the same of all its rooms. */
void client_claims_changed(struct worker *worker, struct client *client);
void client_on_rights_answer(struct worker *worker, struct client *client, const struct hub_request *request);

#endif
