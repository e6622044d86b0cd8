#include "top_listener.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/subject.h>

#include "top_admin.h"

struct top_listener {
    struct bus *bus; /* NULL: there are admins */
    struct bus_subscription *beats;
    struct top_admin *admins; /* NULL: there is a bus */
    pthread_mutex_t lock;
    struct top_model model; /* this and what follows: under lock */
    bool is_up;
    uint64_t since_ms;
    bool answers[TOP_ADMINS_MAX]; /* of each admin listener: whether it did the last time */
    size_t admins_count;
};

static void note_up(struct top_listener *listener, bool is_up)
{
    if (is_up == listener->is_up)
        return;
    listener->is_up = is_up;
    listener->since_ms = clock_monotonic_ms();
}

static void on_bus_event(void *context, enum bus_event event)
{
    struct top_listener *listener = context;
    if (event != BUS_EVENT_UP && event != BUS_EVENT_DOWN)
        return;
    pthread_mutex_lock(&listener->lock);
    note_up(listener, event == BUS_EVENT_UP);
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

static void on_member(void *context, const struct cluster_member *member, bool is_self)
{
    struct top_listener *listener = context;
    uint64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&listener->lock);
    if (is_self)
        top_model_refresh(&listener->model, &member->beat, now_ms);
    else
        top_model_hear(&listener->model, &member->beat,
                       now_ms > member->age_ms ? now_ms - member->age_ms : 0);
    pthread_mutex_unlock(&listener->lock);
}

static size_t answering(const struct top_listener *listener)
{
    size_t count = 0;
    for (size_t i = 0; i < listener->admins_count; i++)
        count += listener->answers[i];
    return count;
}

static void on_asked(void *context, size_t index, bool has_answered)
{
    struct top_listener *listener = context;
    pthread_mutex_lock(&listener->lock);
    listener->answers[index] = has_answered;
    note_up(listener, answering(listener) > 0);
    pthread_mutex_unlock(&listener->lock);
}

static enum err ask_admins(struct top_listener *listener, const struct top_options *options)
{
    const struct top_admin_options admins = {
        .addresses = options->admins,
        .count = options->admins_count,
        .on_member = on_member,
        .on_asked = on_asked,
        .context = listener,
    };
    listener->admins_count = options->admins_count;
    return top_admin_new(&admins, &listener->admins);
}

static enum err connect(struct top_listener *listener, const struct top_options *options, char *problem)
{
    const struct bus_callbacks callbacks = {.on_event = on_bus_event, .context = listener};
    const struct bus_nats_options bus = {
        .urls = options->nats_urls,
        .urls_count = options->nats_urls_count,
        .access = options->nats_access,
        .name = "roomcast top",
        .prefix = options->prefix,
        .stream = options->stream,
        .shards = options->shards,
    };
    char subject[SUBJECT_SIZE];
    char reason[256] = "";
    enum err err = bus_nats_new(&bus, &callbacks, &listener->bus, reason);
    if (err != ERR_OK) {
        snprintf(problem, 256, "nats.url: %.240s", reason);
        return err;
    }
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
    enum err err =
        options->admins_count > 0 ? ask_admins(listener, options) : connect(listener, options, problem);
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

void top_listener_describe(const struct top_listener *listener, uint64_t now_ms, char *text)
{
    if (listener->admins)
        snprintf(text, TOP_SOURCE_SIZE, "admin: %zu of %zu answer%s", answering(listener),
                 listener->admins_count, listener->admins_count == 1 ? "s" : "");
    else if (listener->is_up)
        snprintf(text, TOP_SOURCE_SIZE, "NATS: connected");
    else
        snprintf(text, TOP_SOURCE_SIZE, "NATS: not connected for %llu s",
                 (unsigned long long)((now_ms - listener->since_ms) / 1000));
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
    top_admin_free(&listener->admins);
    bus_free(&listener->bus); /* ends the subscription, and whatever would use the model */
    top_model_fini(&listener->model);
    pthread_mutex_destroy(&listener->lock);
    free(listener);
    *pointer = NULL;
}
