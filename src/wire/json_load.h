/* Parsing of JSON text (jansson), with want of memory told from text that is no JSON.   Thread: any.
 *
 * jansson 2.14 cannot be trusted with that: when an allocation fails within a string it leaves out a byte of
 * it, perhaps the closing quote, and then reads and writes beyond its ends; elsewhere it leaks. So it never
 * hears of a failing allocation: it is abandoned where it stands, and what it has allocated since it began is
 * freed. */
#ifndef ROOMCAST_SRC_WIRE_JSON_LOAD_H
#define ROOMCAST_SRC_WIRE_JSON_LOAD_H

#include <jansson.h>
#include <stdbool.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

/* `flags`: jansson's. `error` may be NULL. The caller gives the document up with json_decref(). ERR_SYNTAX,
 * as `error` says; ERR_NO_MEMORY. */
enum err json_load(struct slice text, size_t flags, json_t **ret_document, json_error_t *error) MUST_CHECK;

/* Runs `use`, which uses jansson, or a library that does. False: an allocation of jansson has failed, and
 * `use` was left where it was: what else it has allocated is lost. Does not nest. */
bool json_guard(void (*use)(void *context), void *context) MUST_CHECK;

#endif
