/* UUIDs (RFC 9562): any case in, lower case out, 16 bytes inside. */
#ifndef ROOMCAST_BASE_UUID_H
#define ROOMCAST_BASE_UUID_H

#include <stdbool.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define UUID_TEXT_LEN  36
#define UUID_TEXT_SIZE 37 /* with NUL */

struct uuid {
    unsigned char bytes[16];
};

/* Only the form 8-4-4-4-12; no braces, no "urn:uuid:". ERR_SYNTAX otherwise. Any version is taken. */
enum err uuid_parse(struct slice text, struct uuid *ret_uuid) MUST_CHECK;
/* `text` has UUID_TEXT_SIZE bytes. */
void uuid_format(const struct uuid *uuid, char *text);
/* Version 4, from the system's random source. */
void uuid_generate_random(struct uuid *ret_uuid);
bool uuid_equal(const struct uuid *a, const struct uuid *b);

#endif
