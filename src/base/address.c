#include <roomcast/base/address.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define V4_BITS_BEFORE 96 /* of ::ffff:0:0/96 */
#define PORT_MAX       65535u

static const unsigned char v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

struct address address_of_v4(const unsigned char bytes[4])
{
    struct address address;
    memcpy(address.bytes, v4_prefix, sizeof v4_prefix);
    memcpy(address.bytes + sizeof v4_prefix, bytes, 4);
    return address;
}

bool address_is_v4(const struct address *address)
{
    return memcmp(address->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

bool address_parse(struct slice text, struct address *ret_address)
{
    char copy[ADDRESS_TEXT_SIZE];
    unsigned char v4[4];
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, '\0', text.len))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, v4) == 1) {
        *ret_address = address_of_v4(v4);
        return true;
    }
    return inet_pton(AF_INET6, copy, ret_address->bytes) == 1;
}

/* ":1234" */
static bool is_port(struct slice text)
{
    unsigned port;
    return text.len > 1 && text.data[0] == ':' &&
           slice_parse_number((struct slice){text.data + 1, text.len - 1}, PORT_MAX, &port);
}

bool address_parse_node(struct slice text, struct address *ret_address)
{
    bool bracketed = text.len > 0 && text.data[0] == '[';
    struct slice inside = {text.data + bracketed, text.len - bracketed};
    const char *end = memchr(inside.data, bracketed ? ']' : ':', inside.len);
    if (address_parse(text, ret_address))
        return true;
    if (!end)
        return false;
    struct slice rest = {end + bracketed, inside.len - (size_t)(end - inside.data) - bracketed};
    inside.len = (size_t)(end - inside.data);
    if (rest.len > 0 ? !is_port(rest) : !bracketed)
        return false;
    return address_parse(inside, ret_address) && address_is_v4(ret_address) == !bracketed;
}

void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    if (address_is_v4(address))
        inet_ntop(AF_INET, address->bytes + sizeof v4_prefix, text, ADDRESS_TEXT_SIZE);
    else
        inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_SIZE);
}

struct address address_subscriber(const struct address *address)
{
    struct address subscriber = *address;
    if (!address_is_v4(address))
        memset(subscriber.bytes + 8, 0, 8);
    return subscriber;
}

/* Whether the first `bits` are equal. */
static bool begins_equal(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool has_bits_behind(const struct network *network)
{
    for (unsigned bit = network->bits; bit < 128; bit++) {
        if (network->base.bytes[bit / 8] & (0x80u >> bit % 8))
            return true;
    }
    return false;
}

bool network_parse(struct slice text, struct network *ret_network)
{
    const char *slash = memchr(text.data, '/', text.len);
    struct slice base = {text.data, slash ? (size_t)(slash - text.data) : text.len};
    struct network network = {.bits = 128};
    if (!address_parse(base, &network.base))
        return false;
    if (slash) {
        bool is_v4 = !memchr(base.data, ':', base.len);
        struct slice bits = {slash + 1, text.len - base.len - 1};
        if (!slice_parse_number(bits, is_v4 ? 32 : 128, &network.bits))
            return false;
        network.bits += is_v4 ? V4_BITS_BEFORE : 0;
    }
    if (has_bits_behind(&network))
        return false;
    *ret_network = network;
    return true;
}

bool network_contains(const struct network *network, const struct address *address)
{
    return begins_equal(network->base.bytes, address->bytes, network->bits);
}

enum err networks_new(char *const *texts, size_t count, struct networks *ret_networks)
{
    struct networks networks = {0};
    if (count > 0 && !(networks.items = calloc(count, sizeof *networks.items)))
        return ERR_NO_MEMORY;
    for (; networks.count < count; networks.count++) {
        if (!network_parse(slice_of(texts[networks.count]), &networks.items[networks.count])) {
            networks_fini(&networks);
            return ERR_SYNTAX;
        }
    }
    *ret_networks = networks;
    return ERR_OK;
}

void networks_fini(struct networks *networks)
{
    free(networks->items);
    *networks = (struct networks){0};
}

bool networks_contain(const struct networks *networks, const struct address *address)
{
    for (size_t at = 0; at < networks->count; at++) {
        if (network_contains(&networks->items[at], address))
            return true;
    }
    return false;
}
