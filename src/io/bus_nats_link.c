#include <assert.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/random.h>

#include "bus_nats.h"

/* A frozen server is noticed after PING_MS * (PINGS_OUT_MAX + 1), a full socket after WRITE_MS. */
#define CONNECT_MS          2000
#define PING_MS             2000
#define PINGS_OUT_MAX       2
#define WRITE_MS            2000
#define RECONNECT_MS        250
#define RECONNECT_SPREAD_MS 250
/* After nats.c gave a connection up: the reason is seldom gone at once. */
#define REOPEN_MS        1000
#define REOPEN_SPREAD_MS 1000
#define LOG_EVERY_MS     10000
/* Per subscription, and 1 KiB for each in bytes: natsSub_create() derives one from the other. */
#define PENDING_MAX 262144

static const unsigned allowed[] = {
    [LINK_NONE] = 1u << LINK_OPENING,
    [LINK_OPENING] = 1u << LINK_NONE | 1u << LINK_CONNECTING | 1u << LINK_CONNECTED | 1u << LINK_CLOSED,
    [LINK_CONNECTING] = 1u << LINK_CONNECTED | 1u << LINK_CONNECTING | 1u << LINK_CLOSED,
    [LINK_CONNECTED] = 1u << LINK_UP | 1u << LINK_CONNECTING | 1u << LINK_CLOSED,
    [LINK_UP] = 1u << LINK_CONNECTING | 1u << LINK_CLOSED,
    [LINK_CLOSED] = 1u << LINK_NONE,
};

static void move_locked(struct bus_nats *bus, enum link_state state)
{
    assert(allowed[bus->state] & 1u << state);
    if (bus->state == LINK_UP)
        bus->lost = true;
    bus->state = state;
    bus_nats_kick_locked(bus);
    pthread_cond_broadcast(&bus->settled);
}

static void move(struct bus_nats *bus, enum link_state state)
{
    pthread_mutex_lock(&bus->lock);
    move_locked(bus, state);
    pthread_mutex_unlock(&bus->lock);
}

const char *nats_status_text(natsStatus status)
{
    natsStatus last;
    const char *text = nats_GetLastError(&last); /* of this thread */

    return text && *text && last == status ? text : natsStatus_GetText(status);
}

/* --- callbacks, on the library's thread for them, in the order of the events --- */

static void on_connected(natsConnection *connection, void *closure)
{
    (void)connection;
    move(closure, LINK_CONNECTED);
}

static void on_disconnected(natsConnection *connection, void *closure)
{
    (void)connection;
    move(closure, LINK_CONNECTING);
}

/* The last one of a connection: the library posts it after its threads have ended (conn.c, _close). */
static void on_closed(natsConnection *connection, void *closure)
{
    (void)connection;
    move(closure, LINK_CLOSED);
}

/* `subscription` may be destroyed already; it must not be touched. */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *closure)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    struct bus_nats *bus = closure;
    uint64_t suppressed;

    (void)connection;
    (void)subscription;
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("nats_error", LOG_TEXT("problem", nats_status_text(status)),
                 LOG_U64("suppressed", suppressed));
    if (status != NATS_SLOW_CONSUMER)
        return;
    pthread_mutex_lock(&bus->lock);
    bus->dropped = true;
    bus_nats_kick_locked(bus);
    pthread_mutex_unlock(&bus->lock);
}

/* --- using it --- */

natsConnection *link_get(struct bus_nats *bus)
{
    natsConnection *connection = NULL;

    pthread_mutex_lock(&bus->lock);
    if (bus->state == LINK_UP && !bus->stopping) {
        connection = bus->connection;
        bus->users++;
    }
    pthread_mutex_unlock(&bus->lock);
    return connection;
}

void link_put(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    if (--bus->users == 0)
        pthread_cond_broadcast(&bus->settled);
    pthread_mutex_unlock(&bus->lock);
}

/* --- the keeper's part --- */

/* SetReconnectBufSize(0): what is published while nats.c reconnects is refused, not kept: a signal would be
 * stale, and of an event the relay has to know the fate. */
static natsStatus set_options(natsOptions *options, struct bus_nats *bus)
{
    natsStatus s = natsOptions_SetServers(options, (const char **)bus->urls, bus->urls_count);

#define SET(call) s = s == NATS_OK ? (call) : s
    SET(natsOptions_SetName(options, bus->name));
    SET(natsOptions_SetTimeout(options, CONNECT_MS));
    SET(natsOptions_SetPingInterval(options, PING_MS));
    SET(natsOptions_SetMaxPingsOut(options, PINGS_OUT_MAX));
    SET(natsOptions_SetWriteDeadline(options, WRITE_MS));
    SET(natsOptions_SetMaxReconnect(options, -1));
    SET(natsOptions_SetReconnectWait(options, RECONNECT_MS));
    SET(natsOptions_SetReconnectJitter(options, RECONNECT_SPREAD_MS, RECONNECT_SPREAD_MS));
    SET(natsOptions_SetReconnectBufSize(options, 0));
    SET(natsOptions_SetFailRequestsOnDisconnect(options, true));
    SET(natsOptions_SetSendAsap(options, bus->send_at_once));
    SET(natsOptions_SetMaxPendingMsgs(options, PENDING_MAX));
    SET(natsOptions_UseGlobalMessageDelivery(options, true));
    SET(natsOptions_SetRetryOnFailedConnect(options, true, on_connected, bus));
    SET(natsOptions_SetReconnectedCB(options, on_connected, bus));
    SET(natsOptions_SetDisconnectedCB(options, on_disconnected, bus));
    SET(natsOptions_SetClosedCB(options, on_closed, bus));
    SET(natsOptions_SetErrorHandler(options, on_error, bus));
    SET(bus_nats_access_apply(options, bus));
#undef SET
    return s;
}

static natsStatus connect_once(struct bus_nats *bus, natsConnection **ret_connection)
{
    natsOptions *options = NULL;
    natsStatus s = natsOptions_Create(&options);

    if (s == NATS_OK)
        s = set_options(options, bus);
    if (s == NATS_OK)
        s = natsConnection_Connect(ret_connection, options);
    natsOptions_Destroy(options);
    return s;
}

/* NATS_NOT_YET_CONNECTED as a rule: the library goes on trying. */
static void log_failed(natsStatus status)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    const char *problem = nats_status_text(status);
    uint64_t suppressed;

    if (status == NATS_NOT_YET_CONNECTED)
        problem = "no server can be reached yet, or it wants something else; trying on";
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("nats_connect_failed", LOG_TEXT("problem", problem), LOG_U64("suppressed", suppressed));
}

void link_open(struct bus_nats *bus)
{
    natsConnection *connection = NULL;

    move(bus, LINK_OPENING);
    natsStatus s = connect_once(bus, &connection);
    if (s != NATS_OK)
        log_failed(s);

    pthread_mutex_lock(&bus->lock);
    bus->connection = connection;
    bus->open_at_ms = clock_monotonic_ms() + REOPEN_MS + random_below(REOPEN_SPREAD_MS);
    /* Unless the callbacks, which know more, were here first. */
    if (bus->state == LINK_OPENING && s == NATS_OK)
        move_locked(bus, LINK_CONNECTED);
    else if (bus->state == LINK_OPENING)
        move_locked(bus, connection ? LINK_CONNECTING : LINK_NONE);
    pthread_mutex_unlock(&bus->lock);
}

void link_finish(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    if (bus->state == LINK_CONNECTED && !bus->waiting)
        move_locked(bus, LINK_UP);
    pthread_mutex_unlock(&bus->lock);
}

/* Says why, when it was not closed by us. Of refused credentials the library forgets the text: with endless
 * attempts they are the only way to NATS_NO_SERVER (conn.c, _doReconnect). */
static void log_given_up(natsConnection *connection)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    const char *text = NULL;
    uint64_t suppressed;

    if (natsConnection_Status(connection) != NATS_CONN_STATUS_CLOSED)
        return;
    natsStatus s = natsConnection_GetLastError(connection, &text);
    if (s == NATS_NO_SERVER)
        text = "the server refuses our credentials";
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("nats_connection_given_up",
                 LOG_TEXT("problem", text && *text ? text : natsStatus_GetText(s)),
                 LOG_U64("suppressed", suppressed));
}

/* natsConnection_Close() joins the thread that reads, so what it held may be destroyed after it. */
void link_close(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    while (bus->users > 0)
        pthread_cond_wait(&bus->settled, &bus->lock);
    natsConnection *connection = bus->connection;
    pthread_mutex_unlock(&bus->lock);
    if (!connection)
        return;

    log_given_up(connection);
    natsConnection_Close(connection);
    pthread_mutex_lock(&bus->lock);
    while (bus->state != LINK_CLOSED || bus->wires > 0)
        pthread_cond_wait(&bus->settled, &bus->lock);
    pthread_mutex_unlock(&bus->lock);
    subscriptions_detach(bus);
    natsConnection_Destroy(connection);

    pthread_mutex_lock(&bus->lock);
    bus->connection = NULL;
    bus->open_at_ms = clock_monotonic_ms() + REOPEN_MS + random_below(REOPEN_SPREAD_MS);
    move_locked(bus, LINK_NONE);
    pthread_mutex_unlock(&bus->lock);
}
