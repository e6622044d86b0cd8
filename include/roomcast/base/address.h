/* IP addresses and networks as values. An IPv4 address is held as IPv6 holds it (::ffff:a.b.c.d), so that one
 * form is compared, whichever socket it came from.
 *
 * Thread: any. */
#ifndef ROOMCAST_BASE_ADDRESS_H
#define ROOMCAST_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define ADDRESS_TEXT_SIZE 46 /* with NUL */

struct address {
    unsigned char bytes[16];
};
struct network {
    struct address base;
    unsigned bits; /* 0..128, of the IPv6 form */
};
/* Owns `items`. Zero is empty. */
struct networks {
    struct network *items;
    size_t count;
};

/* "192.0.2.7" or "2001:db8::7", nothing else. */
bool address_parse(struct slice text, struct address *ret_address);
/* The same as proxies write it, also "192.0.2.7:1234", "[2001:db8::7]" and "[2001:db8::7]:1234". */
bool address_parse_node(struct slice text, struct address *ret_address);
struct address address_of_v4(const unsigned char bytes[4]);
bool address_is_v4(const struct address *address);
void address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
/* What one subscriber of a provider has: the IPv4 address, or the first 64 bits of an IPv6 address. */
struct address address_subscriber(const struct address *address);

/* "10.0.0.0/8", "2001:db8::/32", or an address by itself. Bits behind the mask are refused: a slip. */
bool network_parse(struct slice text, struct network *ret_network);
bool network_contains(const struct network *network, const struct address *address);

/* ERR_SYNTAX: one of the texts is no network. ERR_NO_MEMORY. */
enum err networks_new(char *const *texts, size_t count, struct networks *ret_networks) MUST_CHECK;
void networks_fini(struct networks *networks);
bool networks_contain(const struct networks *networks, const struct address *address);

#endif
