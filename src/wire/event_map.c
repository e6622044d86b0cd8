#include <roomcast/wire/event_map.h>

#include <stdlib.h>
#include <string.h>

struct event_map {
    struct event_rule *rules; /* owned, strings too; sorted by event */
    size_t count;
};

static const struct event_rule built_in[] = {
#define EVENT(event, type, route) {event, type, ROUTE_TO_##route},
#include <roomcast/wire/event_table.h>
#undef EVENT
};

#define BUILT_IN_COUNT (sizeof built_in / sizeof built_in[0])

static void release_rule(struct event_rule *rule)
{
    free((char *)rule->event);
    free((char *)rule->type);
}

/* Puts a copy of `rule` into the map, over a row of the same event. The table has room for one more. */
static enum err put(struct event_map *map, const struct event_rule *rule)
{
    struct event_rule copy = {strdup(rule->event), strdup(rule->type), rule->route};
    size_t at = 0;

    if (!copy.event || !copy.type) {
        release_rule(&copy);
        return ERR_NO_MEMORY;
    }
    while (at < map->count && strcmp(map->rules[at].event, rule->event) != 0)
        at++;
    if (at < map->count)
        release_rule(&map->rules[at]);
    else
        map->count++;
    map->rules[at] = copy;
    return ERR_OK;
}

static int compare_rules(const void *a, const void *b)
{
    return strcmp(((const struct event_rule *)a)->event, ((const struct event_rule *)b)->event);
}

static enum err fill(struct event_map *map, const struct event_rule *extra, size_t extra_count)
{
    map->rules = calloc(BUILT_IN_COUNT + extra_count, sizeof *map->rules);
    if (!map->rules)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < BUILT_IN_COUNT; i++) {
        if (put(map, &built_in[i]))
            return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < extra_count; i++) {
        if (put(map, &extra[i]))
            return ERR_NO_MEMORY;
    }
    qsort(map->rules, map->count, sizeof *map->rules, compare_rules);
    return ERR_OK;
}

enum err event_map_new(const struct event_rule *extra, size_t extra_count, struct event_map **ret_map)
{
    struct event_map *map = calloc(1, sizeof *map);

    if (!map)
        return ERR_NO_MEMORY;
    enum err err = fill(map, extra, extra_count);
    if (err) {
        event_map_free(&map);
        return err;
    }
    *ret_map = map;
    return ERR_OK;
}

void event_map_free(struct event_map **map)
{
    if (!*map)
        return;
    for (size_t i = 0; i < (*map)->count; i++)
        release_rule(&(*map)->rules[i]);
    free((*map)->rules);
    free(*map);
    *map = NULL;
}

/* As strcmp() would, had `event` a NUL at its end. */
static int compare_event(const void *key, const void *element)
{
    const struct slice *event = key;
    struct slice name = slice_of(((const struct event_rule *)element)->event);
    size_t common = event->len < name.len ? event->len : name.len;
    int order = common ? memcmp(event->data, name.data, common) : 0;

    return order ? order : (event->len > name.len) - (event->len < name.len);
}

const struct event_rule *event_map_find(const struct event_map *map, struct slice event)
{
    return bsearch(&event, map->rules, map->count, sizeof *map->rules, compare_event);
}
