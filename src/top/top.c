#include <roomcast/top/top.h>

#include <stdio.h>

#include <roomcast/base/clock.h>

#include "top_listener.h"
#include "top_terminal.h"
#include "top_view.h"

#define ONCE_LIMIT_MS 10000 /* two beats at the default of cluster.heartbeat_ms */
#define ONCE_POLL_MS  50
#define EMPTY_POLL_MS 250
#define JSON_MAX      (1u << 20)

struct top {
    const struct top_options *options; /* borrowed */
    enum top_order order;
    struct top_terminal terminal;
    struct top_listener *listener;
    bool is_empty; /* the last look showed nobody */
};

static bool write_json(struct top *top, const struct top_view *view, const struct top_model *model)
{
    struct buffer line;
    buffer_init(&line, JSON_MAX);
    top_view_json(view, model, &line);
    bool written = !buffer_failed(&line) && top_terminal_write(&top->terminal, buffer_slice(&line));
    buffer_fini(&line);
    return written;
}

/* False: nothing can be shown any more. */
static bool look(struct top *top)
{
    char source[TOP_SOURCE_SIZE];
    struct top_view view = {.now_ms = clock_monotonic_ms(),
                            .wall_ms = clock_wall_ms(),
                            .source = source,
                            .advice = top->options->admins_count > 0
                                          ? "Is the address of --admin right?"
                                          : "Are nats.url, nats.user and nats.prefix right?"};
    struct top_heard heard = top_listener_lock(top->listener, view.now_ms);
    bool written;
    top_listener_describe(top->listener, view.now_ms, source);
    top->is_empty = heard.model->count == 0;
    top_model_sort(heard.model, top->order);
    if (top->options->as_json) {
        written = write_json(top, &view, heard.model);
    } else {
        top_terminal_size(&top->terminal, &view.width, &view.height);
        top_terminal_begin(&top->terminal);
        top_view_lines(&view, heard.model, top_terminal_line, &top->terminal);
        written = top_terminal_end(&top->terminal);
    }
    top_listener_unlock(top->listener);
    return written;
}

static int look_once(struct top *top)
{
    uint64_t began_ms = clock_monotonic_ms(), now_ms = began_ms;
    bool is_complete = false, is_empty = true;
    char key;
    while (!is_complete && now_ms - began_ms < ONCE_LIMIT_MS) {
        if (top_terminal_wait(&top->terminal, ONCE_POLL_MS, &key) == TOP_WAKE_END)
            return 1;
        now_ms = clock_monotonic_ms();
        struct top_heard heard = top_listener_lock(top->listener, now_ms);
        is_complete = heard.is_up && top_model_is_complete(heard.model, heard.since_ms, now_ms);
        is_empty = heard.model->count == 0;
        top_listener_unlock(top->listener);
    }
    return look(top) && !is_empty ? 0 : 1;
}

static void take_key(struct top *top, char key)
{
    if (key == 'n')
        top->order = TOP_BY_NAME;
    else if (key == 'c')
        top->order = TOP_BY_CONNECTIONS;
    else if (key == 'p')
        top->order = TOP_BY_CPU;
}

static int look_again_and_again(struct top *top)
{
    uint64_t next_ms = clock_monotonic_ms();
    while (look(top)) {
        uint64_t now_ms = clock_monotonic_ms();
        char key = '\0';
        if (next_ms <= now_ms)
            next_ms = now_ms + top->options->interval_s * 1000u;
        if (top->is_empty && top->terminal.is_screen) /* whoever looks at it waits for the first one */
            next_ms = now_ms + EMPTY_POLL_MS;
        enum top_wake wake = top_terminal_wait(&top->terminal, next_ms - now_ms, &key);
        /* What is not drawn in place has no use for looks between the others. */
        while (!top->terminal.is_screen && wake == TOP_WAKE_DRAW) {
            now_ms = clock_monotonic_ms();
            wake = top_terminal_wait(&top->terminal, next_ms > now_ms ? next_ms - now_ms : 0, &key);
        }
        if (wake == TOP_WAKE_END)
            return 0;
        take_key(top, key);
    }
    return 1;
}

int top_run(const struct top_options *options)
{
    char problem[256] = "";
    struct top top = {.options = options, .order = options->order};
    if (top_terminal_open(&top.terminal, !options->as_json && !options->once) != ERR_OK) {
        fprintf(stderr, "roomcast top: the system has no descriptor for signals\n");
        return 1;
    }
    int status = 2;
    if (top_listener_new(options, &top.listener, problem) == ERR_OK)
        status = options->once ? look_once(&top) : look_again_and_again(&top);
    top_terminal_close(&top.terminal);
    if (problem[0])
        fprintf(stderr, "roomcast top: %s\n", problem);
    top_listener_free(&top.listener);
    return status;
}
