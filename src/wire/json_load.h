/* Parsing of JSON text (jansson), with want of memory told from text that is no JSON.   Thread: any.
 *
 * jansson 2.14 cannot be trusted with that: when an allocation fails within a string it leaves out a byte of
 * it, perhaps the closing quote, and then reads and writes beyond its ends; elsewhere it leaks. So it is
 * guarded (base/guarded_heap.h). */
#ifndef ROOMCAST_SRC_WIRE_JSON_LOAD_H
#define ROOMCAST_SRC_WIRE_JSON_LOAD_H

#include <jansson.h>
#include <stdbool.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

/* `flags`: jansson's. `error` may be NULL. The caller gives the document up with json_decref(). ERR_SYNTAX,
 * as `error` says; ERR_NO_MEMORY. */
enum err json_load(struct slice text, size_t flags, json_t **ret_document, json_error_t *error) MUST_CHECK;

/* guarded_run() for who uses jansson, or a library that does. */
bool json_guard(void (*use)(void *context), void *context) MUST_CHECK;

#endif
