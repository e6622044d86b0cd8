#include "top_admin.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <roomcast/base/condition.h>

#include <roomcast/io/http_get.h>

#define TIMEOUT_MS 1000
#define PAUSE_MS   1000 /* from an answer to the next question */
#define ANSWER_MAX (1u << 20)

struct asker {
    struct top_admin *admin;
    size_t index;
    pthread_t thread;
    uint64_t pause_ms; /* its thread only */
};

struct top_admin {
    struct top_admin_options options;
    pthread_mutex_t lock;
    pthread_cond_t end_wanted;
    bool is_ending; /* under lock */
    size_t running; /* askers that have a thread; main thread only */
    struct asker askers[TOP_ADMINS_MAX];
};

/* Asked more rarely than it beats, a process would seem silent in between. */
static void on_member(void *context, const struct cluster_member *member, bool is_self)
{
    struct asker *asker = context;
    const struct top_admin_options *options = &asker->admin->options;
    if (member->beat.interval_ms < asker->pause_ms)
        asker->pause_ms = member->beat.interval_ms;
    options->on_member(options->context, member, is_self);
}

static void ask(struct asker *asker)
{
    const struct top_admin_options *options = &asker->admin->options;
    const struct top_address *address = &options->addresses[asker->index];
    const struct http_get request = {
        .host = address->host, .port = address->port, .path = "/cluster", .timeout_ms = TIMEOUT_MS};
    struct buffer body;
    asker->pause_ms = PAUSE_MS;
    buffer_init(&body, ANSWER_MAX);
    enum err err = http_get(&request, &body);
    if (err == ERR_OK)
        err = cluster_json_read(buffer_slice(&body), on_member, asker);
    buffer_fini(&body);
    options->on_asked(options->context, asker->index, err == ERR_OK);
}

/* False: the end has come. */
static bool pause_between(const struct asker *asker)
{
    struct top_admin *admin = asker->admin;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + asker->pause_ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&admin->lock);
    while (!admin->is_ending && pthread_cond_timedwait(&admin->end_wanted, &admin->lock, &until) != ETIMEDOUT)
        ;
    bool goes_on = !admin->is_ending;
    pthread_mutex_unlock(&admin->lock);
    return goes_on;
}

static void *run(void *context)
{
    struct asker *asker = context;
    do
        ask(asker);
    while (pause_between(asker));
    return NULL;
}

enum err top_admin_new(const struct top_admin_options *options, struct top_admin **ret_admin)
{
    struct top_admin *admin = calloc(1, sizeof *admin);
    if (!admin)
        return ERR_NO_MEMORY;
    admin->options = *options;
    pthread_mutex_init(&admin->lock, NULL);
    condition_init_monotonic(&admin->end_wanted);
    for (size_t i = 0; i < options->count; i++) {
        admin->askers[i] = (struct asker){.admin = admin, .index = i};
        if (pthread_create(&admin->askers[i].thread, NULL, run, &admin->askers[i]) != 0) {
            top_admin_free(&admin);
            return ERR_IO;
        }
        admin->running++;
    }
    *ret_admin = admin;
    return ERR_OK;
}

void top_admin_free(struct top_admin **pointer)
{
    struct top_admin *admin = *pointer;
    if (!admin)
        return;
    pthread_mutex_lock(&admin->lock);
    admin->is_ending = true;
    pthread_cond_broadcast(&admin->end_wanted);
    pthread_mutex_unlock(&admin->lock);
    for (size_t i = 0; i < admin->running; i++)
        pthread_join(admin->askers[i].thread, NULL);
    pthread_cond_destroy(&admin->end_wanted);
    pthread_mutex_destroy(&admin->lock);
    free(admin);
    *pointer = NULL;
}
