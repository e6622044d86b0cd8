#include <roomcast/listen/listen.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/clock.h>
#include <roomcast/base/random.h>
#include <roomcast/io/ws_client.h>

#include "explain.h"
#include "places.h"
#include "print.h"

#define CONNECT_MS     10000
#define FRAME_MAX      65536 /* bytes of what we say */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define ASK_AGAIN_MS   1000 /* after a temporary error */
#define HINT_MAX_MS    3600000
#define STABLE_MS      10000 /* a connection that held for so long forgives what was before it */
#define NEVER          UINT64_MAX

struct listener {
    const struct listen_options *options;
    struct places places;
    struct ws_client *client; /* owned; NULL: not connected */
    size_t url;               /* the one in use, or to be tried next */
    uint64_t end_ms;          /* monotonic; NEVER */
    uint64_t events;
    uint64_t backoff_ms;
    uint64_t connected_ms; /* monotonic: when the connection was made */
    uint64_t wait_ms;      /* that the server asked for, before the next connection */
    uint64_t ask_at_ms;    /* monotonic: when to subscribe again to what asks for it; NEVER */
    bool was_connected;    /* once */
    bool is_announced;     /* that everything is subscribed to, on this connection */
    bool is_ended;         /* nothing more can be done; `status` */
    bool may_come_back;    /* after a disconnect */
    enum listen_status status;
};

static void end(struct listener *listener, enum listen_status status)
{
    listener->is_ended = true;
    listener->status = status;
}

static void fail(struct listener *listener, const char *problem)
{
    print_note("%s\n", problem);
    end(listener, LISTEN_FAILED);
}

/* --- what is said --- */

static void say(struct listener *listener, struct buffer *frame)
{
    if (buffer_failed(frame))
        fail(listener, err_text(ERR_NO_MEMORY));
    else
        ws_client_say(listener->client, buffer_slice(frame));
}

static void subscribe(struct listener *listener, bool again)
{
    struct buffer frame;

    buffer_init(&frame, FRAME_MAX);
    if (places_append_subscribe(&listener->places, again, &frame))
        say(listener, &frame);
    listener->ask_at_ms = NEVER;
    buffer_fini(&frame);
}

static void resume_notifications(struct listener *listener)
{
    struct buffer frame;

    buffer_init(&frame, FRAME_MAX);
    places_append_resume(&listener->places, &frame);
    say(listener, &frame);
    buffer_fini(&frame);
}

/* --- what is heard --- */

static const char *name_of(const struct place *place)
{
    return place->room.len > 0 ? place->room.name : "your notifications";
}

static void announce(struct listener *listener)
{
    if (listener->is_announced || !places_all_heard(&listener->places))
        return;
    listener->is_announced = true;
    if (listener->places.chats_count > 0)
        print_note("subscribed\n");
}

static void on_connected(struct listener *listener, const struct heard_message *message)
{
    struct place *place = &listener->places.notifications;

    print_note("connected to %s as ", listener->options->urls[listener->url]);
    print_text(message->user);
    fputs(", node ", stderr);
    print_text(message->node);
    fputc('\n', stderr);
    if (!place->is_known && message->has_position) {
        place->at = message->position;
        place->is_known = true;
    }
    listener->was_connected = true;
    resume_notifications(listener);
    subscribe(listener, false);
}

static void on_ack(struct listener *listener, const struct heard_message *message)
{
    struct place *place = places_find(&listener->places, message);

    if (!place)
        return;
    if (!place_settle(place, message))
        print_note("%s: some events were missed for good; going on from %s:%llu\n", name_of(place),
                   place->at.epoch, (unsigned long long)place->at.seq);
    announce(listener);
}

/* A chat that cannot be heard, or not any more. */
static void drop(struct listener *listener, struct place *place, const struct heard_message *message)
{
    print_note("%s: ", place ? name_of(place) : "the server");
    print_text(message->code);
    fputs(": ", stderr);
    print_text(message->message);
    fputc('\n', stderr);
    if (place)
        place->is_over = true;
    if (!place || !places_any_left(&listener->places))
        end(listener, LISTEN_FAILED);
    announce(listener);
}

static void on_error(struct listener *listener, const struct heard_message *message)
{
    struct place *place = places_find(&listener->places, message);

    if (slice_equal(message->code, SLICE_LITERAL("POSITION_LOST")) && place && message->has_position) {
        print_note("%s: some events were missed for good; going on from %s:%llu\n", name_of(place),
                   message->position.epoch, (unsigned long long)message->position.seq);
        place->at = message->position;
        place->is_known = true;
        return;
    }
    if (!message->is_temporary) {
        drop(listener, message->has_chat ? place : NULL, message);
        return;
    }
    if (place)
        place->is_asked = true;
    listener->ask_at_ms = clock_monotonic_ms() + ASK_AGAIN_MS;
}

/* Notifications without a gap before them cannot be asked for one by one: all of them are, from our place on.
 */
static void fill_gap(struct listener *listener, struct place *place)
{
    if (place->is_asked)
        return;
    place->is_asked = true;
    if (place == &listener->places.notifications)
        resume_notifications(listener);
    else
        subscribe(listener, true);
}

/* True: it is to be shown. */
static bool on_event(struct listener *listener, const struct heard_message *message)
{
    struct place *place = places_find(&listener->places, message);

    if (!place)
        return true;
    switch (place_take(place, &message->position)) {
    case PLACE_NEXT:
        listener->events++;
        return true;
    case PLACE_REPEATED:
        return false;
    case PLACE_GAP:
        fill_gap(listener, place);
        return false;
    }
    return false;
}

/* The server may ask for a pause, but not for one without end. */
static uint64_t bounded_hint(uint64_t ms)
{
    return ms < HINT_MAX_MS ? ms : HINT_MAX_MS;
}

static void on_disconnect(struct listener *listener, const struct heard_message *message)
{
    listener->may_come_back = message->may_reconnect;
    listener->wait_ms = bounded_hint(message->retry_after_ms);
    if (message->may_reconnect)
        return;
    print_note("the server ends the connection: ");
    print_text(message->reason);
    fputc('\n', stderr);
    end(listener, LISTEN_FAILED);
}

/* True: it is to be shown. */
static bool act_on(struct listener *listener, const struct heard_message *message)
{
    switch (message->kind) {
    case HEARD_CONNECTED:
        on_connected(listener, message);
        return true;
    case HEARD_SUBSCRIBED:
    case HEARD_NOTIFICATIONS:
        on_ack(listener, message);
        return true;
    case HEARD_EVENT:
        return on_event(listener, message);
    case HEARD_ERROR:
        on_error(listener, message);
        return true;
    case HEARD_UNSUBSCRIBED:
        drop(listener, places_find(&listener->places, message), message);
        return true;
    case HEARD_DISCONNECT:
        on_disconnect(listener, message);
        return true;
    case HEARD_ACK:
    case HEARD_PONG:
    case HEARD_OTHER:
        break;
    }
    return true;
}

static void take(struct listener *listener, struct slice text)
{
    enum listen_form form = listener->options->form;
    struct heard_message message;
    enum err err = heard_message_parse(text, &message);
    bool is_read = true;

    if (err == ERR_NO_MEMORY) {
        fail(listener, err_text(err));
    } else if (err != ERR_OK) {
        is_read = print_unreadable(form, text);
    } else {
        bool is_new = act_on(listener, &message);
        if (is_new || form == LISTEN_RAW)
            is_read = print_frame(form, text, &message);
        heard_message_release(&message);
    }
    if (!is_read)
        end(listener, LISTEN_DONE); /* whoever read it has enough */
    if (listener->options->count > 0 && listener->events >= listener->options->count)
        end(listener, LISTEN_DONE);
}

/* --- the connection --- */

/* Would another attempt help, at this node or another one? */
static bool may_try_again(enum err err, unsigned status)
{
    if (err == ERR_MISMATCH)
        return status == 408 || status == 429 || status >= 500;
    return err == ERR_UNAVAILABLE || err == ERR_TIMEOUT;
}

static enum err connect_once(struct listener *listener, struct ws_client_failure *failure)
{
    const struct listen_options *options = listener->options;
    char problem[LISTEN_PROBLEM_SIZE];
    char *token;

    if (!options->get_token(options->context, &token, problem)) {
        *failure = (struct ws_client_failure){.status = 0};
        snprintf(failure->problem, sizeof failure->problem, "%.300s", problem);
        return ERR_CONFIG;
    }
    const struct ws_client_options client = {.url = options->urls[listener->url],
                                             .token = token,
                                             .ca_file = options->ca_file,
                                             .timeout_ms = CONNECT_MS};
    enum err err = ws_client_open(&client, &listener->client, failure);
    wipe(token, strlen(token));
    free(token);
    return err;
}

static void pause_for(struct listener *listener, uint64_t ms)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t left_ms = listener->end_ms > now_ms ? listener->end_ms - now_ms : 0;
    ms = ms < left_ms ? ms : left_ms;
    const struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* Half of it, and the other half at random: a crowd that lost its node does not come as one. */
static uint64_t next_backoff(struct listener *listener)
{
    uint64_t ms = listener->backoff_ms;

    listener->backoff_ms = ms * 2 < BACKOFF_MAX_MS ? ms * 2 : BACKOFF_MAX_MS;
    return ms / 2 + random_below((uint32_t)(ms / 2 + 1));
}

/* Each address in turn; the first time once, later until the time is over. */
static void connect_to_any(struct listener *listener)
{
    const struct listen_options *options = listener->options;
    struct ws_client_failure failure;

    for (size_t tried = 0; !listener->is_ended && clock_monotonic_ms() < listener->end_ms; tried++) {
        enum err err = connect_once(listener, &failure);
        if (err == ERR_OK)
            return;
        explain_failure(options->urls[listener->url], err, &failure);
        listener->url = (listener->url + 1) % options->urls_count;
        if (!may_try_again(err, failure.status) ||
            (!listener->was_connected && tried + 1 >= options->urls_count)) {
            end(listener, LISTEN_FAILED);
            return;
        }
        uint64_t asked_ms = bounded_hint(failure.retry_after_s * 1000);
        if ((tried + 1) % options->urls_count == 0) /* everybody was asked */
            pause_for(listener, asked_ms > 0 ? asked_ms : next_backoff(listener));
    }
}

/* The next message until the connection is over, or all is. */
static void hear(struct listener *listener)
{
    while (!listener->is_ended) {
        uint64_t now_ms = clock_monotonic_ms(), until_ms = listener->end_ms;
        struct slice text;

        if (now_ms >= listener->end_ms)
            return;
        if (now_ms >= listener->ask_at_ms) {
            if (listener->places.notifications.is_asked)
                resume_notifications(listener);
            subscribe(listener, true);
        }
        if (listener->ask_at_ms < until_ms)
            until_ms = listener->ask_at_ms;
        enum err err = ws_client_next(listener->client, until_ms, &text);
        if (err == ERR_OK)
            take(listener, text);
        else if (err != ERR_BUSY)
            return;
    }
}

/* Before the next connection: as the server wishes; not at all after one that held, when there is another
 * address or the server said so; otherwise longer each time, or a server that ends everybody at once would be
 * asked without a pause. */
static void pause_after_end(struct listener *listener, bool at_once)
{
    bool held = clock_monotonic_ms() - listener->connected_ms >= STABLE_MS;

    if (held)
        listener->backoff_ms = BACKOFF_MIN_MS;
    uint64_t ms = held && (at_once || listener->options->urls_count > 1) ? 0 : next_backoff(listener);
    pause_for(listener, listener->wait_ms > ms ? listener->wait_ms : ms);
}

/* The range of the close code carries the verdict (proto/README.md: Close codes); without one the line is
 * just gone. */
static void judge_end(struct listener *listener)
{
    unsigned code = ws_client_code(listener->client);
    bool is_final = code >= 4000 && code < 4100;
    bool at_once = code >= 4200 && code < 4300;

    if (listener->is_ended || clock_monotonic_ms() >= listener->end_ms)
        return;
    print_note("%s", ws_client_problem(listener->client));
    if (code != WS_CLIENT_NO_CODE)
        fprintf(stderr, " (%u)", code);
    fputs(is_final ? "\n" : "; coming back\n", stderr);
    if (is_final && !listener->may_come_back)
        end(listener, LISTEN_FAILED);
    else
        pause_after_end(listener, at_once);
    listener->url = (listener->url + 1) % listener->options->urls_count;
}

static void be_connected(struct listener *listener)
{
    listener->wait_ms = 0;
    listener->connected_ms = clock_monotonic_ms();
    listener->ask_at_ms = NEVER;
    listener->is_announced = listener->may_come_back = false;
    places_begin(&listener->places);
    hear(listener);
    judge_end(listener);
    ws_client_free(&listener->client);
}

static enum listen_status conclude(const struct listener *listener)
{
    const struct listen_options *options = listener->options;

    if (listener->is_ended)
        return listener->status;
    if (options->count == 0)
        return listener->was_connected ? LISTEN_DONE : LISTEN_FAILED;
    print_note("%llu of %llu events after %llu s\n", (unsigned long long)listener->events,
               (unsigned long long)options->count, (unsigned long long)options->timeout_s);
    return LISTEN_FAILED;
}

/* False: what is wrong was said. */
static bool check(struct listener *listener)
{
    const struct listen_options *options = listener->options;

    for (size_t i = 0; i < options->urls_count; i++) {
        const char *fault = ws_client_fault(options->urls[i]), *query = strchr(options->urls[i], '?');
        if (query && strstr(query, "token=")) {
            print_note(
                "--url: a token does not belong into the address, where others read it: use --token-file or "
                "$ROOMCAST_TOKEN\n");
            return false;
        }
        if (fault) {
            print_note("--url %s: %s; it is ws://host:port/ws or wss://host/ws\n", options->urls[i], fault);
            return false;
        }
    }
    for (size_t i = 0; i < options->chats_count; i++) {
        if (places_add_chat(&listener->places, options->chats[i]) != ERR_OK) {
            print_note("--chat %s: a chat's id is a UUID, as 22222222-2222-4222-8222-222222222222\n",
                       options->chats[i]);
            return false;
        }
    }
    if (options->since && listener->places.chats_count != 1) {
        print_note("--since is the place in one chat: give one --chat\n");
        return false;
    }
    if (options->since && places_set_since(&listener->places, options->since) != ERR_OK) {
        print_note("--since %s: must be epoch:seq, as they stand in an event, k3x9:1042\n", options->since);
        return false;
    }
    return true;
}

enum listen_status listen_run(const struct listen_options *options)
{
    struct listener *listener = calloc(1, sizeof *listener);

    if (!listener) {
        print_note("%s\n", err_text(ERR_NO_MEMORY));
        return LISTEN_FAILED;
    }
    listener->options = options;
    listener->backoff_ms = BACKOFF_MIN_MS;
    listener->end_ms = options->timeout_s ? clock_monotonic_ms() + options->timeout_s * 1000 : NEVER;
    places_init(&listener->places);
    if (!check(listener))
        end(listener, LISTEN_WRONG);
    while (!listener->is_ended && clock_monotonic_ms() < listener->end_ms) {
        connect_to_any(listener);
        if (listener->client)
            be_connected(listener);
    }
    enum listen_status status = conclude(listener);
    free(listener);
    return status;
}
