#include "door.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/core/address_quota.h>

#define PERIOD_MS 1000u

struct door {
    struct networks trusted;                   /* immutable */
    bool has_proxy_protocol, limits_addresses; /* immutable */
    struct rate_limit_rule handshakes;

    pthread_mutex_t lock;
    struct rate_limit pace;      /* under lock */
    struct address_quota *quota; /* under lock */
};

enum err door_new(const struct config *config, struct door **ret_door)
{
    const struct address_quota_rules rules = {
        .connections = (uint32_t)config->limits_connections_per_address,
        .handshakes_per_s = (uint32_t)config->limits_handshakes_per_address,
    };
    struct door *door = calloc(1, sizeof *door);
    if (!door)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&door->lock, NULL);
    door->has_proxy_protocol = config->proxy_protocol == PROXY_V1V2;
    door->limits_addresses = rules.connections > 0 || rules.handshakes_per_s > 0;
    uint32_t count = (uint32_t)config->limits_handshakes_per_s;
    door->handshakes = (struct rate_limit_rule){count, PERIOD_MS, count};
    rate_limit_init(&door->pace, &door->handshakes, clock_monotonic_ms());
    enum err err = networks_new(config->proxy_trusted.items, config->proxy_trusted.count, &door->trusted);
    if (err == ERR_SYNTAX)
        err = ERR_CONFIG;
    if (err == ERR_OK)
        err = address_quota_new(&rules, &door->quota);
    if (err != ERR_OK) {
        door_free(&door);
        return err;
    }
    *ret_door = door;
    return ERR_OK;
}

void door_free(struct door **door)
{
    struct door *d = *door;
    if (!d)
        return;
    address_quota_free(&d->quota);
    networks_fini(&d->trusted);
    pthread_mutex_destroy(&d->lock);
    free(d);
    *door = NULL;
}

const struct networks *door_proxies(const struct door *door)
{
    return door && door->has_proxy_protocol ? &door->trusted : NULL;
}

/* --- the address --- */

/* The last element of a comma-separated list, without blanks; `list` loses it. */
static struct slice take_last(struct slice *list)
{
    const char *comma = memrchr(list->data, ',', list->len);
    size_t start = comma ? (size_t)(comma + 1 - list->data) : 0;
    struct slice last = {list->data + start, list->len - start};
    list->len = comma ? start - 1 : 0;
    return slice_trim(last);
}

/* Goes on to the left while whoever wrote an element is trusted. False: it need not go on. */
static bool follow(const struct door *door, struct slice list, struct address *address)
{
    while (list.len > 0) {
        struct slice last = take_last(&list);
        struct address named;
        if (!networks_contain(&door->trusted, address) || !address_parse_node(last, &named))
            return false; /* what stands left of "unknown" nobody vouches for */
        *address = named;
    }
    return true;
}

struct address door_address(const struct door *door, const struct ws_request *request)
{
    struct address address;
    if (!address_parse(request->peer, &address))
        return (struct address){{0}};
    for (size_t at = request->forwarded_for_count; door && at-- > 0;) {
        if (!follow(door, request->forwarded_for[at], &address))
            break;
    }
    return address;
}

/* --- the limits --- */

static bool is_exempt(const struct door *door, const struct address *address)
{
    return !door->limits_addresses || networks_contain(&door->trusted, address);
}

static enum door_verdict verdict(enum err err, enum door_verdict busy)
{
    return err == ERR_OK ? DOOR_OPEN : err == ERR_BUSY ? busy : DOOR_NO_MEMORY;
}

bool door_is_client(const struct door *door, struct slice peer)
{
    struct address address;
    return !door || !address_parse(peer, &address) || !networks_contain(&door->trusted, &address);
}

enum door_verdict door_ask(struct door *door, const struct address *address)
{
    enum door_verdict answer = DOOR_OPEN;
    if (!door || (!door->limits_addresses && door->handshakes.count == 0))
        return answer;
    uint64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&door->lock);
    /* The address first: who is refused for that takes nothing away from the others. */
    if (!is_exempt(door, address))
        answer = verdict(address_quota_ask(door->quota, address, now_ms), DOOR_ADDRESS_FAST);
    if (answer == DOOR_OPEN && door->handshakes.count > 0 &&
        !rate_limit_take(&door->pace, &door->handshakes, now_ms))
        answer = DOOR_NODE_FAST;
    pthread_mutex_unlock(&door->lock);
    return answer;
}

enum door_verdict door_take(struct door *door, const struct address *address)
{
    if (!door || is_exempt(door, address))
        return DOOR_OPEN;
    pthread_mutex_lock(&door->lock);
    enum err err = address_quota_take(door->quota, address, clock_monotonic_ms());
    pthread_mutex_unlock(&door->lock);
    return verdict(err, DOOR_ADDRESS_FULL);
}

void door_give(struct door *door, const struct address *address)
{
    if (!door || is_exempt(door, address))
        return;
    pthread_mutex_lock(&door->lock);
    address_quota_give(door->quota, address, clock_monotonic_ms());
    pthread_mutex_unlock(&door->lock);
}
