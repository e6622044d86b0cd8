#include <roomcast/io/loop.h>

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <uv.h>

#include <roomcast/base/log.h>

#define LAST_TURNS 1000 /* enough for every handle to report its closing */

/* Something of ours that libuv knows. Lives until libuv has reported its closing. */
struct item {
    union {
        uv_handle_t any;
        uv_timer_t timer;
        uv_signal_t signal;
    } handle;
    loop_callback callback;
    void *context; /* borrowed */
    struct loop *loop;
    struct item *prev, *next; /* in loop->items */
};

struct loop_timer {
    struct item item;
};

struct loop_wake {
    loop_callback callback;
    void *context; /* borrowed */
    struct loop *loop;
    atomic_bool is_sent;    /* the callback is owed */
    struct loop_wake *next; /* in loop->wakes */
};

struct hook {
    loop_callback callback;
    void *context;
    struct hook *next;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t turn_end;   /* libuv runs it just before it waits */
    uv_idle_t again;         /* while it is active, libuv does not wait */
    uv_check_t waited;       /* libuv runs it just after it waited */
    uv_poll_t alarm;         /* ends the wait */
    int alarm_fd;            /* an eventfd */
    atomic_bool may_wait;    /* whoever sends a wake has to ring the alarm */
    struct loop_wake *wakes; /* owned */
    struct item *items;      /* owned: timers, wake-ups, signals */
    struct hook *turn_ends, **turn_ends_tail;
    struct hook *at_free;
    bool running;
    loop_watcher watch; /* NULL: nobody watches the turns */
    void *watch_context;
    uint64_t watched_ns, waited_ns; /* until the end of the last turn: the clock, and of it waiting */
};

/* --- waking ---
 *
 * uv_async_t does the same and spins meanwhile: its callback waits for the sender to return from write(),
 * which takes some microseconds when the write wakes another processor. And it writes when the loop is awake
 * anyway. Here a sender writes only to a loop that waits, or is about to: either it sees `may_wait`, or the
 * loop sees `is_sent` before it waits. */

static void ring(struct loop *loop)
{
    uint64_t one = 1;
    while (write(loop->alarm_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void on_alarm(uv_poll_t *alarm, int status, int events)
{
    struct loop *loop = alarm->data;
    uint64_t rings;
    (void)status;
    (void)events;
    while (read(loop->alarm_fd, &rings, sizeof rings) < 0 && errno == EINTR)
        ;
}

static bool is_any_sent(const struct loop *loop)
{
    for (const struct loop_wake *wake = loop->wakes; wake; wake = wake->next) {
        if (atomic_load(&wake->is_sent))
            return true;
    }
    return false;
}

static void on_waited(uv_check_t *waited)
{
    struct loop *loop = waited->data;
    atomic_store(&loop->may_wait, false);
    for (struct loop_wake *wake = loop->wakes; wake; wake = wake->next) {
        if (atomic_exchange(&wake->is_sent, false))
            wake->callback(wake->context);
    }
}

/* --- turns --- */

static void begin_turn(uv_idle_t *again)
{
    uv_idle_stop(again);
}

void loop_turn_again(struct loop *loop)
{
    uv_idle_start(&loop->again, begin_turn);
}

static void note_turn(struct loop *loop)
{
    uint64_t now_ns = uv_hrtime(), waited_ns = uv_metrics_idle_time(&loop->uv);
    uint64_t passed_ns = now_ns - loop->watched_ns, idle_ns = waited_ns - loop->waited_ns;
    loop->watched_ns = now_ns;
    loop->waited_ns = waited_ns;
    loop->watch(loop->watch_context, passed_ns > idle_ns ? passed_ns - idle_ns : 0);
}

void loop_watch_turns(struct loop *loop, loop_watcher watch, void *context)
{
    uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME);
    loop->watch = watch;
    loop->watch_context = context;
    loop->watched_ns = uv_hrtime();
    loop->waited_ns = uv_metrics_idle_time(&loop->uv);
}

static void end_turn(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    for (struct hook *hook = loop->turn_ends; hook; hook = hook->next)
        hook->callback(hook->context);
    if (loop->watch)
        note_turn(loop);
    atomic_store(&loop->may_wait, true);
    if (is_any_sent(loop))
        loop_turn_again(loop);
}

/* --- life --- */

static enum err init_alarm(struct loop *loop)
{
    loop->alarm_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->alarm_fd < 0)
        return ERR_IO;
    if (uv_poll_init(&loop->uv, &loop->alarm, loop->alarm_fd) != 0) {
        close(loop->alarm_fd);
        return ERR_IO;
    }
    loop->alarm.data = loop;
    uv_poll_start(&loop->alarm, UV_READABLE, on_alarm);
    return ERR_OK;
}

enum err loop_new(struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return ERR_NO_MEMORY;
    if (uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return ERR_IO;
    }
    if (init_alarm(loop) != ERR_OK) {
        uv_loop_close(&loop->uv);
        free(loop);
        return ERR_IO;
    }
    loop->turn_ends_tail = &loop->turn_ends;
    loop->turn_end.data = loop;
    uv_prepare_init(&loop->uv, &loop->turn_end);
    uv_prepare_start(&loop->turn_end, end_turn);
    loop->waited.data = loop;
    uv_check_init(&loop->uv, &loop->waited);
    uv_check_start(&loop->waited, on_waited);
    uv_idle_init(&loop->uv, &loop->again);
    *ret_loop = loop;
    return ERR_OK;
}

static struct item *item_new(struct loop *loop, loop_callback callback, void *context)
{
    struct item *item = calloc(1, sizeof *item);
    if (!item)
        return NULL;
    item->callback = callback;
    item->context = context;
    item->loop = loop;
    item->handle.any.data = item;
    return item;
}

static void item_link(struct item *item)
{
    struct loop *loop = item->loop;
    item->next = loop->items;
    if (item->next)
        item->next->prev = item;
    loop->items = item;
}

static void item_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Accepts NULL. The memory goes when libuv has let go of it, so this may be called from its own callback. */
static void item_free(struct item *item)
{
    if (!item)
        return;
    if (item->prev)
        item->prev->next = item->next;
    else
        item->loop->items = item->next;
    if (item->next)
        item->next->prev = item->prev;
    uv_close(&item->handle.any, item_closed);
}

static void hooks_free(struct hook *hook)
{
    while (hook) {
        struct hook *next = hook->next;
        free(hook);
        hook = next;
    }
}

/* True once libuv has let go of everything. */
static bool run_last_turns(struct loop *loop)
{
    for (int turn = 0; turn < LAST_TURNS; turn++) {
        if (uv_loop_close(&loop->uv) == 0)
            return true;
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
    return false;
}

void loop_free(struct loop **loop)
{
    struct loop *l = *loop;
    if (!l)
        return;
    assert(!l->running);
    while (l->items)
        item_free(l->items);
    while (l->wakes) {
        struct loop_wake *wake = l->wakes;
        loop_wake_free(&wake);
    }
    uv_close((uv_handle_t *)&l->turn_end, NULL);
    uv_close((uv_handle_t *)&l->waited, NULL);
    uv_close((uv_handle_t *)&l->again, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    bool closed = run_last_turns(l);
    close(l->alarm_fd);
    if (closed) {
        for (struct hook *hook = l->at_free; hook; hook = hook->next)
            hook->callback(hook->context);
        hooks_free(l->at_free);
        hooks_free(l->turn_ends);
        free(l);
    } else {
        log_error("loop_still_in_use"); /* an adapter was not freed before its loop: leaked, not corrupted */
    }
    *loop = NULL;
}

void loop_run(struct loop *loop)
{
    assert(!loop->running);
    loop->running = true;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop->running = false;
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

static struct hook *hook_new(loop_callback callback, void *context)
{
    struct hook *hook = malloc(sizeof *hook);
    if (hook)
        *hook = (struct hook){callback, context, NULL};
    return hook;
}

enum err loop_add_turn_end(struct loop *loop, loop_callback callback, void *context)
{
    struct hook *hook = hook_new(callback, context);
    if (!hook)
        return ERR_NO_MEMORY;
    *loop->turn_ends_tail = hook;
    loop->turn_ends_tail = &hook->next;
    return ERR_OK;
}

enum err loop_at_free(struct loop *loop, loop_callback callback, void *context)
{
    struct hook *hook = hook_new(callback, context);
    if (!hook)
        return ERR_NO_MEMORY;
    hook->next = loop->at_free;
    loop->at_free = hook;
    return ERR_OK;
}

static void on_timer(uv_timer_t *timer)
{
    struct item *item = timer->data;
    item->callback(item->context);
}

enum err loop_timer_new(struct loop *loop, loop_callback callback, void *context,
                        struct loop_timer **ret_timer)
{
    struct item *item = item_new(loop, callback, context);
    if (!item)
        return ERR_NO_MEMORY;
    uv_timer_init(&loop->uv, &item->handle.timer);
    item_link(item);
    *ret_timer = (struct loop_timer *)item;
    return ERR_OK;
}

void loop_timer_start(struct loop_timer *timer, uint64_t first_ms, uint64_t repeat_ms)
{
    uv_timer_start(&timer->item.handle.timer, on_timer, first_ms, repeat_ms);
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->item.handle.timer);
}

void loop_timer_free(struct loop_timer **timer)
{
    item_free((struct item *)*timer);
    *timer = NULL;
}

enum err loop_wake_new(struct loop *loop, loop_callback callback, void *context, struct loop_wake **ret_wake)
{
    struct loop_wake *wake = malloc(sizeof *wake);
    if (!wake)
        return ERR_NO_MEMORY;
    *wake = (struct loop_wake){.callback = callback, .context = context, .loop = loop, .next = loop->wakes};
    loop->wakes = wake;
    *ret_wake = wake;
    return ERR_OK;
}

void loop_wake_send(struct loop_wake *wake)
{
    struct loop *loop = wake->loop;
    if (!atomic_exchange(&wake->is_sent, true) && atomic_exchange(&loop->may_wait, false))
        ring(loop);
}

void loop_wake_free(struct loop_wake **wake)
{
    struct loop_wake *w = *wake;
    if (!w)
        return;
    struct loop_wake **at = &w->loop->wakes;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    free(w);
    *wake = NULL;
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    struct item *item = signal->data;
    item->callback(item->context);
}

enum err loop_on_signal(struct loop *loop, int signal_number, loop_callback callback, void *context)
{
    struct item *item = item_new(loop, callback, context);
    if (!item)
        return ERR_NO_MEMORY;
    if (uv_signal_init(&loop->uv, &item->handle.signal) != 0) {
        free(item);
        return ERR_IO;
    }
    item_link(item);
    if (uv_signal_start(&item->handle.signal, on_signal, signal_number) != 0) {
        item_free(item);
        return ERR_IO;
    }
    return ERR_OK;
}

void *loop_native(struct loop *loop)
{
    return &loop->uv;
}
