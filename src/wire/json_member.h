/* Members of a parsed JSON object, as the parsers of what services send read them. */
#ifndef ROOMCAST_SRC_WIRE_JSON_MEMBER_H
#define ROOMCAST_SRC_WIRE_JSON_MEMBER_H

#include <jansson.h>
#include <stdbool.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/room_key.h>

#define JSON_REASON_SIZE 192

/* Writes to `reason` (JSON_REASON_SIZE bytes) and returns `err`. */
enum err json_fail(char *reason, enum err err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Parses `text`, which must be one object at most DOMAIN_EVENT_MAX_DEPTH levels deep; numbers become doubles.
 * The caller gives the document up with json_decref(). ERR_SYNTAX, ERR_TOO_DEEP, ERR_NO_MEMORY. */
enum err json_load_object(struct slice text, json_t **ret_document, char *reason) MUST_CHECK;
/* The string member `name`; empty when it is absent or no string. */
struct slice json_string_member(const json_t *object, const char *name);
/* The value of the first of the spellings, up to NULL, that is there and not null. */
const json_t *json_spelled(const json_t *object, const char *const *names, const char **ret_name);
/* The digits of an integer member, from the object's own text: the parser reads numbers as doubles. */
struct slice json_integer_text(struct slice object, const char *name);
/* A user id, `value`, which stands as `name` in `object`, whose name is `owner` for `reason`. ERR_RANGE. */
enum err json_read_user(const json_t *value, struct slice object, const char *owner, const char *name,
                        struct room_key *ret_user, char *reason) MUST_CHECK;

#endif
