/* Sealed messages: what travels on NATS between our own processes, so that whoever else can publish there can
 * neither make up a message nor bring one under another subject, and, encrypted, not read it either.
 *
 *   sealed = header, check, body                     signed:    30 bytes more than the body
 *          | header, nonce, encrypted body, check    encrypted: 54
 *   header = 0x00, kind (1 signed, 2 encrypted), key id (4 bytes), time (8 bytes, ms since 1970)
 *
 * No message of ours begins with 0x00 by itself. The check is keyed BLAKE2b of 16 bytes, or that of
 * XChaCha20-Poly1305, over header, subject and body. Numbers are big-endian; a key id is derived from its
 * key.
 *
 * A signal holds for a time window on both sides of its time. A stored event has none: it is read back as
 * long as the stream keeps it; it is bound to its room by the subject and to its place by epoch and seq in
 * its body, by which whoever gets it again knows it. Pure; immutable once made, so any thread may use it. */
#ifndef ROOMCAST_WIRE_SEAL_H
#define ROOMCAST_WIRE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define SEAL_SIGNED_BYTES    30 /* by which a sealed message is longer than its body */
#define SEAL_ENCRYPTED_BYTES 54
#define SEAL_PREFIX_MAX      64

enum seal_mode { SEAL_OFF, SEAL_SIGN, SEAL_ENCRYPT }; /* as the choices of nats.seal */

struct seal;

struct seal_options {
    enum seal_mode mode; /* OFF: nothing is sealed; sealed messages are opened, others taken as they are */
    struct slice key, previous; /* 32 bytes as 64 hex digits or base64; `previous` may be empty: opens only */
    uint64_t window_ms;
    bool accept_plain; /* with every mode, what is not sealed is taken as it is */
};
/* ERR_CONFIG: `key` or `previous` is none. ERR_NO_MEMORY. */
enum err seal_new(const struct seal_options *options, struct seal **ret_seal) MUST_CHECK;
/* Wipes the keys; accepts NULL, nulls. */
void seal_free(struct seal **seal);

/* What a subject carries. */
enum seal_scope {
    SEAL_FOREIGN, /* not below `prefix`, or asked of a domain service, which has no key: never sealed */
    SEAL_STORED,  /* <prefix>[.rev].ev.<rest>, and as it is republished: <prefix>[.rev].live.<rest> */
    SEAL_SIGNAL,
};
enum seal_scope seal_scope(const char *prefix, struct slice subject);

/* Appends `body` sealed for `subject`, which is not FOREIGN; with SEAL_OFF, as it is. `out` fails when memory
 * is out. */
void seal_put(const struct seal *seal, const char *prefix, struct slice subject, uint64_t now_ms,
              struct slice body, struct buffer *out);

enum seal_verdict {
    SEAL_OPENED,
    SEAL_UNSEALED,  /* it is not sealed at all */
    SEAL_TRUNCATED, /* it is too short, or of a kind that does not exist */
    SEAL_NO_KEY,    /* sealed with a key that is neither of ours */
    SEAL_FORGED,    /* changed, or sealed for another subject */
    SEAL_STALE,     /* a signal of another time */
};
/* OPENED: `*ret_body` lies in `data`, in which it is decrypted; else `data` is as before, or wiped. */
enum seal_verdict seal_open(const struct seal *seal, const char *prefix, struct slice subject,
                            uint64_t now_ms, char *data, size_t len, struct slice *ret_body);

#endif
