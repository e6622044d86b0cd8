/* Growable bytes with a ceiling and a sticky error: append without looking, ask buffer_failed() once at the
 * end.
 *
 * Owns: its storage.   Thread: one at a time.   Limit: `max` bytes, given at init; an append that would pass
 * it, or that memory refuses, appends nothing and marks the buffer failed. */
#ifndef ROOMCAST_BASE_BUFFER_H
#define ROOMCAST_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/slice.h>

struct buffer {
    char *data;  /* owned; NULL until the first append */
    size_t len;  /* bytes in use */
    size_t cap;  /* bytes allocated */
    size_t max;  /* bytes, the ceiling of len */
    bool failed; /* sticky: something did not fit */
};

void buffer_init(struct buffer *buffer, size_t max);
void buffer_fini(struct buffer *buffer);
/* Length 0 and no error again; storage is kept. */
void buffer_clear(struct buffer *buffer);
/* Back to `len` bytes, which it has had when it had not failed, and no error again: what was begun there is
 * whole or not at all. */
void buffer_cut(struct buffer *buffer, size_t len);

void buffer_append(struct buffer *buffer, const void *bytes, size_t len);
void buffer_append_slice(struct buffer *buffer, struct slice slice);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_append_u64(struct buffer *buffer, uint64_t value);
void buffer_append_i64(struct buffer *buffer, int64_t value);
void buffer_appendf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline bool buffer_failed(const struct buffer *buffer)
{
    return buffer->failed;
}

/* Borrowed until the next append. */
static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->data, buffer->len};
}

/* NUL-terminated view, borrowed until the next append; the NUL is not counted in len. NULL when failed. */
const char *buffer_text(struct buffer *buffer);
/* Hands the NUL-terminated storage to the caller (free()) and leaves the buffer empty. NULL when failed. */
char *buffer_take(struct buffer *buffer);

#endif
