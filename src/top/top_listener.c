#include "top_listener.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/subject.h>

struct top_listener {
    struct bus *bus;
    struct bus_subscription *beats;
    pthread_mutex_t lock;
    struct top_model model; /* this and what follows: under lock */
    bool is_up;
    uint64_t since_ms;
};

static void on_bus_event(void *context, enum bus_event event)
{
    struct top_listener *listener = context;
    if (event != BUS_EVENT_UP && event != BUS_EVENT_DOWN)
        return;
    pthread_mutex_lock(&listener->lock);
    listener->is_up = event == BUS_EVENT_UP;
    listener->since_ms = clock_monotonic_ms();
    pthread_mutex_unlock(&listener->lock);
}

static void on_beat(void *context, struct bus_message *message)
{
    struct top_listener *listener = context;
    struct heartbeat beat;
    if (heartbeat_decode(message->data, &beat) == ERR_OK) {
        pthread_mutex_lock(&listener->lock);
        top_model_hear(&listener->model, &beat, clock_monotonic_ms());
        pthread_mutex_unlock(&listener->lock);
    }
    bus_message_free(&message);
}

static enum err connect(struct top_listener *listener, const struct top_options *options, char *problem)
{
    const struct bus_callbacks callbacks = {.on_event = on_bus_event, .context = listener};
    const struct bus_nats_options bus = {
        .urls = options->nats_urls,
        .urls_count = options->nats_urls_count,
        .name = "roomcast top",
        .prefix = options->prefix,
        .stream = options->stream,
    };
    char subject[SUBJECT_SIZE];
    enum err err = bus_nats_new(&bus, &callbacks, &listener->bus, problem);
    if (err != ERR_OK)
        return err;
    subject_format_nodes(options->prefix, subject);
    return bus_subscribe(listener->bus, subject, on_beat, listener, &listener->beats);
}

enum err top_listener_new(const struct top_options *options, struct top_listener **ret_listener,
                          char *problem)
{
    struct top_listener *listener = calloc(1, sizeof *listener);
    problem[0] = '\0';
    if (!listener)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&listener->lock, NULL);
    top_model_init(&listener->model);
    listener->since_ms = clock_monotonic_ms();
    enum err err = connect(listener, options, problem);
    if (err != ERR_OK) {
        if (problem[0] == '\0')
            snprintf(problem, 256, "%s", err_text(err));
        top_listener_free(&listener);
        return err;
    }
    *ret_listener = listener;
    return ERR_OK;
}

struct top_heard top_listener_lock(struct top_listener *listener, uint64_t now_ms)
{
    pthread_mutex_lock(&listener->lock);
    top_model_expire(&listener->model, now_ms);
    return (struct top_heard){&listener->model, listener->is_up, listener->since_ms};
}

void top_listener_unlock(struct top_listener *listener)
{
    pthread_mutex_unlock(&listener->lock);
}

void top_listener_free(struct top_listener **pointer)
{
    struct top_listener *listener = *pointer;
    if (!listener)
        return;
    bus_free(&listener->bus); /* ends the subscription, and whatever would use the model */
    top_model_fini(&listener->model);
    pthread_mutex_destroy(&listener->lock);
    free(listener);
    *pointer = NULL;
}
