#include "bus_shards.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/hash.h>

static char *join(const char *text, const char *more)
{
    size_t size = strlen(text) + strlen(more) + 1;
    char *joined = malloc(size);

    if (joined)
        snprintf(joined, size, "%s%s", text, more);
    return joined;
}

static char *name_stream(const char *stream, unsigned shard, unsigned count)
{
    char suffix[32] = "";

    if (count > 1)
        snprintf(suffix, sizeof suffix, "_%uof%u", shard, count);
    return join(stream, suffix);
}

enum err bus_shards_init(struct bus_shards *shards, const char *prefix, const char *stream, unsigned count)
{
    assert(count <= BUS_SHARDS_MAX);
    *shards = (struct bus_shards){.count = count ? count : 1};
    shards->events = join(prefix, ".ev.");
    if (!shards->events)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < shards->count; i++) {
        shards->streams[i] = name_stream(stream, i, shards->count);
        if (!shards->streams[i])
            return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

void bus_shards_fini(struct bus_shards *shards)
{
    free(shards->events);
    for (unsigned i = 0; i < shards->count; i++)
        free(shards->streams[i]);
    *shards = (struct bus_shards){.count = 0};
}

/* NULL: it is no event subject. */
static const char *rest_of(const struct bus_shards *shards, const char *subject)
{
    size_t len = strlen(shards->events);

    return strncmp(subject, shards->events, len) == 0 ? subject + len : NULL;
}

unsigned bus_shards_find(const struct bus_shards *shards, const char *subject)
{
    const char *rest = rest_of(shards, subject);

    if (shards->count == 1 || !rest)
        return 0;
    return (unsigned)(hash_stable_64(rest, strlen(rest)) % shards->count);
}

bool bus_shards_moves(const struct bus_shards *shards, const char *subject)
{
    return shards->count > 1 && rest_of(shards, subject) != NULL;
}

char *bus_shards_place(const struct bus_shards *shards, unsigned shard, const char *subject)
{
    if (!bus_shards_moves(shards, subject))
        return strdup(subject);
    size_t size = strlen(subject) + sizeof "63.";
    char *place = malloc(size);
    if (place)
        snprintf(place, size, "%s%u.%s", shards->events, shard, rest_of(shards, subject));
    return place;
}

void bus_shards_format_all(const struct bus_shards *shards, unsigned shard, char *text, size_t size)
{
    if (shards->count == 1)
        snprintf(text, size, "%s>", shards->events);
    else
        snprintf(text, size, "%s%u.>", shards->events, shard);
}
