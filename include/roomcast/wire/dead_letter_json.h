/* One dead letter as operators are shown it:
 *
 *   {"entry":"1526919030474-55","ts":"...","reason":"...","source":"...","event_type":"...","bytes":123,
 *    "truncated":false}
 *
 * event_type is there when the text tells one; `text` when it is asked for. Everything in it comes from
 * strangers: what is not UTF-8 is shown as U+FFFD. */
#ifndef ROOMCAST_WIRE_DEAD_LETTER_JSON_H
#define ROOMCAST_WIRE_DEAD_LETTER_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>

struct dead_letter_json {
    struct slice id, reason, source, ts, event;
    bool is_truncated; /* not kept whole */
};

#define DEAD_LETTER_JSON_BYTES 2048u /* all but the text has room in so many */

/* Appends the object, with so much of the event's text as takes at most `text_max` bytes in it (0: without
 * it), and `"text_cut":true` when that was not all. */
void dead_letter_json_write(const struct dead_letter_json *letter, size_t text_max, struct buffer *out);

#endif
