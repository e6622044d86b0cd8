#include <string.h>

#include "door.h"

#include "fuzz.h"

static char loopback[] = "127.0.0.1", private_network[] = "10.0.0.0/8", documentation[] = "2001:db8::/32";
static char *proxies[] = {loopback, private_network, documentation};

static struct door *make_door(void)
{
    struct config config = {.proxy_trusted = {.items = proxies, .count = sizeof proxies / sizeof proxies[0]}};
    struct door *door;

    must(door_new(&config, &door) == ERR_OK);
    return door;
}

static bool is_trusted(const struct address *address)
{
    struct networks trusted;

    must(networks_new(proxies, sizeof proxies / sizeof proxies[0], &trusted) == ERR_OK);
    bool contained = networks_contain(&trusted, address);
    networks_fini(&trusted);
    return contained;
}

/* The peer is the first line, each further one a header. Who is no proxy of ours is taken for itself whatever
 * it forwards, and no text makes a client of a node that is not named. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct door *door;
    struct ws_request request = {.forwarded_for_count = 0};
    struct slice rest = fuzz_slice(data, size);
    char peer[64] = "";

    if (!door)
        door = make_door();
    for (bool first = true; rest.len > 0; first = false) {
        const char *end = memchr(rest.data, '\n', rest.len);
        struct slice line = {rest.data, end ? (size_t)(end - rest.data) : rest.len};
        if (first)
            memcpy(peer, line.data, line.len < sizeof peer ? line.len : sizeof peer - 1);
        else if (request.forwarded_for_count < WS_FORWARDED_MAX)
            request.forwarded_for[request.forwarded_for_count++] = line;
        rest = (struct slice){line.data + line.len + (end != NULL), rest.len - line.len - (end != NULL)};
    }
    request.peer = slice_of(peer);
    struct address address = door_address(door, &request), self;
    if (!address_parse(request.peer, &self))
        self = (struct address){{0}};
    if (!is_trusted(&self))
        must(memcmp(&address, &self, sizeof self) == 0);
    bool named = memcmp(&address, &self, sizeof self) == 0;
    for (size_t at = 0; at < request.forwarded_for_count && !named; at++)
        named = request.forwarded_for[at].len >= 2; /* "::" is the shortest address */
    must(named);
    return 0;
}
