/* roomcast.v1.Lease, as a struct: which relay works, and until when nobody else may (core/lease.h). */
#ifndef ROOMCAST_WIRE_LEASE_RECORD_H
#define ROOMCAST_WIRE_LEASE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define LEASE_VERSION      1
#define LEASE_MAX_BYTES    1024u /* of an encoded record */
#define LEASE_INSTANCE_MAX 32    /* bytes */
#define LEASE_NAME_MAX     128   /* bytes */
#define LEASE_TTL_MAX_MS   60000u

struct lease_record {
    char instance[LEASE_INSTANCE_MAX + 1]; /* 1..LEASE_INSTANCE_MAX bytes of [0-9a-z] */
    char name[LEASE_NAME_MAX + 1];         /* plain text; may be empty */
    uint64_t term, write;                  /* >= 1 */
    uint64_t ttl_ms;                       /* 1..LEASE_TTL_MAX_MS */
    bool released;
};

/* Appends the encoding. ERR_RANGE when a field breaks the rules above; ERR_TOO_BIG; ERR_NO_MEMORY. */
enum err lease_record_encode(const struct lease_record *record, struct buffer *out) MUST_CHECK;
/* ERR_VERSION: made by a newer release that says old readers must not judge it. Also ERR_SYNTAX, ERR_RANGE,
 * ERR_TOO_BIG and ERR_NO_MEMORY. */
enum err lease_record_decode(struct slice bytes, struct lease_record *ret_record) MUST_CHECK;

#endif
