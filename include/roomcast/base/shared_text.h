/* Immutable text with a count of its holders: one copy of a token's claims, for the session and for every
 * question that is asked about it.
 *
 * Thread: any; the count is atomic. */
#ifndef ROOMCAST_BASE_SHARED_TEXT_H
#define ROOMCAST_BASE_SHARED_TEXT_H

#include <stdatomic.h>

#include <roomcast/base/slice.h>

struct shared_text {
    atomic_uint holders;
    size_t len;
    char text[]; /* no NUL behind it */
};

/* A copy, with one reference, the caller's. NULL when out of memory. */
struct shared_text *shared_text_new(struct slice text);
/* NULL gives NULL. */
struct shared_text *shared_text_ref(struct shared_text *text);
/* Accepts NULL, nulls; the last one frees. */
void shared_text_unref(struct shared_text **text);

static inline struct slice shared_text_slice(const struct shared_text *text)
{
    return (struct slice){text->text, text->len};
}

#endif
