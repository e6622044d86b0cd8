#include "lease_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/base/text.h>
#include <roomcast/core/lease.h>
#include <roomcast/wire/subject.h>

#include "answer_port.h"
#include "wakeup.h"

#define INSTANCE_LEN 20 /* characters: 36^20 */

/* One question to the bus and its answer; there is one, lent to the bus while a question is open. */
struct lease_call {
    struct inbox_item item;
    struct answer_port *port; /* holds a reference */
    bool is_put;
    struct lease_last last;
    enum lease_put_status status;
    uint64_t stream_seq;
};

struct lease_driver {
    struct lease_driver_options options;
    struct answer_port *port;
    struct loop_wake *wake;
    struct loop_timer *timer;
    struct lease lease;
    struct lease_call *call; /* owned; NULL while the bus has it */
    char subject[SUBJECT_SIZE];
    bool working;      /* as last seen: for the log and the gauge */
    bool release_seen; /* of `releasing` */
    atomic_bool releasing;
    struct wakeup ended;
    pthread_mutex_t lock;
    struct lease_status status; /* under lock */
};

/* --- calls --- */

static void free_call(struct lease_call **call)
{
    if (!*call)
        return;
    answer_port_unref((*call)->port);
    free(*call);
    *call = NULL;
}

static void hand_back(struct lease_call *call)
{
    if (!answer_port_put(call->port, &call->item))
        free_call(&call);
}

/* A bus thread. */
static void on_last(void *context, const struct bus_last_result *result)
{
    struct lease_call *call = context;
    struct lease_last *last = &call->last;

    *last = (struct lease_last){.kind = LEASE_LAST_UNAVAILABLE, .stream_seq = result->stream_seq};
    if (result->status == BUS_LAST_NONE) {
        last->kind = LEASE_LAST_NONE;
    } else if (result->status == BUS_LAST_FOUND) {
        enum err err = lease_record_decode(result->data, &last->record);
        if (err == ERR_OK)
            last->kind = LEASE_LAST_FOUND;
        else if (err != ERR_NO_MEMORY)
            last->kind = LEASE_LAST_UNREADABLE;
    }
    call->is_put = false;
    hand_back(call);
}

/* A bus thread. A duplicate cannot be, every write has an id of its own; who sees one looks what there is. */
static void on_put(void *context, const struct bus_store_result *result)
{
    static const enum lease_put_status statuses[] = {
        [BUS_STORED] = LEASE_PUT_STORED,  [BUS_DUPLICATE] = LEASE_PUT_UNKNOWN,
        [BUS_FENCED] = LEASE_PUT_FENCED,  [BUS_UNKNOWN] = LEASE_PUT_UNKNOWN,
        [BUS_REFUSED] = LEASE_PUT_FAILED, [BUS_UNAVAILABLE] = LEASE_PUT_FAILED,
    };
    struct lease_call *call = context;

    call->is_put = true;
    call->status = statuses[result->status];
    call->stream_seq = result->stream_seq;
    hand_back(call);
}

static struct lease_call *lend_call(struct lease_driver *driver)
{
    struct lease_call *call = driver->call;

    driver->call = NULL;
    return call;
}

static uint64_t timeout_ms(const struct lease_driver *driver)
{
    return driver->options.ttl_ms / 3; /* so that a lost answer leaves time for one more try */
}

static void ask(struct lease_driver *driver)
{
    bus_last(driver->options.bus, driver->subject, timeout_ms(driver), on_last, lend_call(driver));
}

static void put(struct lease_driver *driver, const struct lease_action *action)
{
    struct lease_record record = {.term = action->term,
                                  .write = action->write,
                                  .ttl_ms = driver->options.ttl_ms,
                                  .released = action->released};
    struct buffer bytes;
    char id[64];

    snprintf(record.instance, sizeof record.instance, "%s", driver->lease.instance);
    if (text_is_plain(slice_of(driver->options.name)))
        snprintf(record.name, sizeof record.name, "%s", driver->options.name);
    snprintf(id, sizeof id, "lease:%s:%llu", record.instance, (unsigned long long)record.write);
    buffer_init(&bytes, LEASE_MAX_BYTES);
    if (lease_record_encode(&record, &bytes) == ERR_OK) {
        const struct bus_store_request request = {
            .subject = driver->subject,
            .message_id = id,
            .expect_last = action->expect_last,
            .data = buffer_slice(&bytes),
            .timeout_ms = timeout_ms(driver),
        };
        bus_store(driver->options.bus, &request, on_put, lend_call(driver));
    } else { /* out of memory */
        lease_on_put(&driver->lease, LEASE_PUT_FAILED, 0, clock_boot_ms(), random_below(UINT32_MAX));
    }
    buffer_fini(&bytes);
}

/* --- what it means for the relay --- */

static void set_status(struct lease_driver *driver, enum lease_status_kind kind, const char *name)
{
    pthread_mutex_lock(&driver->lock);
    bool changed = driver->status.kind != kind || strcmp(driver->status.name, name) != 0;
    driver->status.kind = kind;
    snprintf(driver->status.name, sizeof driver->status.name, "%s", name);
    pthread_mutex_unlock(&driver->lock);
    metrics_set(METRIC_RELAY_ACTIVE, kind == LEASE_STATUS_ACTIVE);
    if (changed && kind == LEASE_STATUS_STANDBY)
        log_info("relay_standby", LOG_TEXT("active", name));
}

static void gain(struct lease_driver *driver)
{
    tenure_begin(driver->options.tenure);
    driver->working = true;
    metrics_inc(METRIC_RELAY_TAKEOVERS);
    set_status(driver, LEASE_STATUS_ACTIVE, "");
    log_info("relay_active", LOG_U64("term", driver->lease.term));
}

static void resume(struct lease_driver *driver)
{
    driver->working = true;
    set_status(driver, LEASE_STATUS_ACTIVE, "");
    log_info("relay_resumed", LOG_U64("term", driver->lease.term));
}

static void lose(struct lease_driver *driver)
{
    tenure_end(driver->options.tenure);
    driver->working = false;
    log_warn("relay_deposed", LOG_TEXT("reason", "another relay holds the lease"));
    driver->options.on_lost(driver->options.context);
}

/* Until when the tenure is valid; and that it is not any more. */
static void publish(struct lease_driver *driver)
{
    tenure_extend(driver->options.tenure, lease_valid_until(&driver->lease));
    if (!driver->working || lease_may_work(&driver->lease, clock_boot_ms()))
        return;
    driver->working = false;
    if (!driver->lease.holds)
        return;
    set_status(driver, LEASE_STATUS_PAUSED, "");
    log_warn("relay_paused", LOG_TEXT("reason", "the lease could not be renewed"));
}

/* --- driving --- */

static void sleep_until(struct lease_driver *driver, uint64_t until_ms)
{
    uint64_t now = clock_boot_ms(), valid = lease_valid_until(&driver->lease);

    if (driver->working && valid < until_ms)
        until_ms = valid;
    if (until_ms == UINT64_MAX)
        loop_timer_stop(driver->timer);
    else
        loop_timer_start(driver->timer, until_ms > now ? until_ms - now : 0, 0);
}

static void drive(struct lease_driver *driver)
{
    uint64_t until = UINT64_MAX;

    for (bool more = true; more;) {
        publish(driver); /* first: what is over must not be worked under any longer */
        struct lease_action action = lease_next(&driver->lease, clock_boot_ms());
        switch (action.kind) {
        case LEASE_READ:
            ask(driver);
            break;
        case LEASE_PUT:
            put(driver, &action);
            break;
        case LEASE_GAINED:
            gain(driver);
            break;
        case LEASE_RESUMED:
            resume(driver);
            publish(driver);
            driver->options.on_resumed(driver->options.context);
            break;
        case LEASE_LOST:
            lose(driver);
            break;
        case LEASE_WAIT:
            until = action.until_ms;
            more = false;
            break;
        case LEASE_NOTHING:
            more = false;
            break;
        }
    }
    sleep_until(driver, until);
    if (driver->lease.state == LEASE_ENDED)
        wakeup_raise(&driver->ended);
}

static void note_last(struct lease_driver *driver, const struct lease_last *last)
{
    bool anothers = last->kind == LEASE_LAST_FOUND || last->kind == LEASE_LAST_UNREADABLE;

    if (driver->lease.role == LEASE_STANDBY && anothers && !last->record.released)
        set_status(driver, LEASE_STATUS_STANDBY, last->record.name);
    else if (driver->lease.role != LEASE_ACTIVE && !driver->lease.holds)
        set_status(driver, LEASE_STATUS_UNKNOWN, "");
}

static void take_answer(struct lease_driver *driver, struct lease_call *call)
{
    uint64_t now = clock_boot_ms();
    uint32_t jitter = random_below(UINT32_MAX);

    driver->call = call;
    if (call->is_put) {
        lease_on_put(&driver->lease, call->status, call->stream_seq, now, jitter);
        return;
    }
    lease_on_last(&driver->lease, &call->last, now, jitter);
    if (call->last.kind != LEASE_LAST_UNAVAILABLE)
        note_last(driver, &call->last);
}

static void begin_release(struct lease_driver *driver)
{
    driver->release_seen = true;
    bool idle = driver->options.is_idle(driver->options.context);
    tenure_end(driver->options.tenure);
    driver->working = false;
    metrics_set(METRIC_RELAY_ACTIVE, 0);
    if (idle && driver->options.ttl_ms)
        lease_release(&driver->lease, clock_boot_ms());
    else /* a successor must not meet what is still under way */
        wakeup_raise(&driver->ended);
}

static void on_wake(void *context)
{
    struct lease_driver *driver = context;
    struct inbox_item *item = inbox_take(&driver->port->inbox);

    while (item) {
        struct inbox_item *next = item->next;
        take_answer(driver, (struct lease_call *)(void *)item);
        item = next;
    }
    if (!driver->release_seen && atomic_load(&driver->releasing))
        begin_release(driver);
    if (driver->options.ttl_ms)
        drive(driver);
}

static void on_timer(void *context)
{
    drive(context);
}

/* --- from other threads --- */

void lease_driver_status(struct lease_driver *driver, struct lease_status *ret_status)
{
    pthread_mutex_lock(&driver->lock);
    *ret_status = driver->status;
    pthread_mutex_unlock(&driver->lock);
}

void lease_driver_release(struct lease_driver *driver, uint64_t timeout)
{
    atomic_store(&driver->releasing, true);
    answer_port_wake(driver->port);
    wakeup_wait(&driver->ended, timeout);
}

/* --- life --- */

static struct lease_call *new_call(struct answer_port *port)
{
    struct lease_call *call = calloc(1, sizeof *call);

    if (!call)
        return NULL;
    answer_port_ref(port);
    call->port = port;
    return call;
}

static void begin(struct lease_driver *driver)
{
    char instance[LEASE_INSTANCE_MAX + 1];

    if (driver->options.ttl_ms == 0) {
        tenure_begin(driver->options.tenure);
        tenure_extend(driver->options.tenure, UINT64_MAX);
        set_status(driver, LEASE_STATUS_ACTIVE, "");
        return;
    }
    random_text(instance, INSTANCE_LEN);
    lease_init(&driver->lease, instance, driver->options.ttl_ms);
    set_status(driver, LEASE_STATUS_UNKNOWN, "");
    answer_port_wake(driver->port);
}

enum err lease_driver_new(const struct lease_driver_options *options, struct lease_driver **ret_driver)
{
    struct lease_driver *driver = calloc(1, sizeof *driver);

    if (!driver)
        return ERR_NO_MEMORY;
    driver->options = *options;
    pthread_mutex_init(&driver->lock, NULL);
    wakeup_init(&driver->ended);
    subject_format_lease(options->prefix, driver->subject);
    enum err err = loop_wake_new(options->loop, on_wake, driver, &driver->wake);
    if (err == ERR_OK)
        err = loop_timer_new(options->loop, on_timer, driver, &driver->timer);
    if (err == ERR_OK)
        driver->port = answer_port_new(driver->wake);
    if (driver->port)
        driver->call = new_call(driver->port);
    if (err == ERR_OK && !driver->call)
        err = ERR_NO_MEMORY;
    if (err != ERR_OK) {
        lease_driver_free(&driver);
        return err;
    }
    begin(driver);
    *ret_driver = driver;
    return ERR_OK;
}

void lease_driver_free(struct lease_driver **pointer)
{
    struct lease_driver *driver = *pointer;

    if (!driver)
        return;
    tenure_end(driver->options.tenure);
    if (driver->port) {
        answer_port_close(driver->port);
        struct lease_call *answered = (struct lease_call *)(void *)inbox_take(&driver->port->inbox);
        free_call(&answered); /* there is only one */
        free_call(&driver->call);
        answer_port_unref(driver->port);
    }
    loop_timer_free(&driver->timer);
    loop_wake_free(&driver->wake);
    wakeup_fini(&driver->ended);
    pthread_mutex_destroy(&driver->lock);
    free(driver);
    *pointer = NULL;
}
