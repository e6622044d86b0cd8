/* How many connections each address has here, against a limit, and how fast it asks for more. IPv6 addresses
 * count by their first 64 bits.
 *
 * Owns: one entry per address with connections, and for a while one per address that has asked; of the latter
 * ADDRESS_QUOTA_IDLE_MAX at most, beyond which the oldest is forgotten, and its pace with it.
 * Thread: callers take turns (the node holds a lock around it).   Knows no clock: `now_ms` is monotonic. */
#ifndef ROOMCAST_CORE_ADDRESS_QUOTA_H
#define ROOMCAST_CORE_ADDRESS_QUOTA_H

#include <stdint.h>

#include <roomcast/base/address.h>
#include <roomcast/base/err.h>
#include <roomcast/core/rate_limit.h>

#define ADDRESS_QUOTA_IDLE_MAX 65536u

struct address_quota;
struct address_quota_rules {
    uint32_t connections;      /* 0: any number */
    uint32_t handshakes_per_s; /* 0: any number; twice as many at once */
};

enum err address_quota_new(const struct address_quota_rules *rules,
                           struct address_quota **ret_quota) MUST_CHECK;
void address_quota_free(struct address_quota **quota);
/* The address asks for a connection. ERR_BUSY: faster than it may. ERR_NO_MEMORY. */
enum err address_quota_ask(struct address_quota *quota, const struct address *address,
                           uint64_t now_ms) MUST_CHECK;
/* ERR_BUSY: it has as many as allowed. ERR_NO_MEMORY. Otherwise pair with one address_quota_give. */
enum err address_quota_take(struct address_quota *quota, const struct address *address,
                            uint64_t now_ms) MUST_CHECK;
void address_quota_give(struct address_quota *quota, const struct address *address, uint64_t now_ms);
/* Entries held, for tests. */
uint32_t address_quota_entries(const struct address_quota *quota);

#endif
