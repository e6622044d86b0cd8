#include "hops_watch.h"

#include <stdlib.h>

#include <roomcast/io/bus.h>
#include <roomcast/wire/subject.h>

#include "bench_bus.h"
#include "crowd.h"
#include "source.h"

struct hops_watch {
    struct bus *bus;
    struct hops *hops; /* borrowed */
};

static void on_message(void *context, struct bus_message *message)
{
    uint64_t now_ns = crowd_now_ns();
    struct hops_watch *watch = context;
    struct marker_hint hint = {.offset = 0};
    struct marker event;
    size_t offset = 0;

    if (marker_find(message->data, &offset, &hint, &event))
        hops_on_bus(watch->hops, &event, now_ns);
    bus_message_free(&message);
}

/* The bus ends the subscriptions when it is freed. */
static enum err subscribe(struct hops_watch *watch, const struct bench_options *options,
                          const struct layout *layout)
{
    enum err err = ERR_OK;

    for (uint32_t i = 0; i < layout->rooms && !err; i++) {
        char name[UUID_TEXT_SIZE], subject[SUBJECT_SIZE];
        struct bus_subscription *subscription;
        struct room_key room;

        layout_room_name(layout, i, name);
        err = room_key_for_chat_text(slice_of(name), &room);
        if (err)
            return err;
        subject_format(options->nats_prefix, SUBJECT_LIVE, &room, subject);
        err = bus_subscribe(watch->bus, subject, on_message, watch, &subscription);
    }
    return err;
}

enum err hops_watch_new(const struct bench_options *options, const struct layout *layout, struct hops *hops,
                        struct hops_watch **ret_watch, char *problem)
{
    struct hops_watch *watch = calloc(1, sizeof *watch);

    snprintf(problem, SOURCE_PROBLEM_SIZE, "out of memory");
    if (!watch)
        return ERR_NO_MEMORY;
    watch->hops = hops;
    enum err err = bench_bus_open(options, &watch->bus, problem);
    if (!err)
        err = subscribe(watch, options, layout);
    if (err) {
        hops_watch_free(&watch);
        return err;
    }
    *ret_watch = watch;
    return ERR_OK;
}

void hops_watch_free(struct hops_watch **watch)
{
    if (*watch && (*watch)->bus)
        bus_free(&(*watch)->bus);
    free(*watch);
    *watch = NULL;
}
