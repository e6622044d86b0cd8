/* The picture of a cluster, as lines of text or as JSON.   Thread: any.   Pure: reads the model, no clock. */
#ifndef ROOMCAST_TOP_VIEW_H
#define ROOMCAST_TOP_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>

#include "top_model.h"

#define TOP_WIDTH_MAX 400 /* columns; wider terminals are used up to here */

enum top_style { TOP_PLAIN, TOP_TITLE, TOP_HEADING, TOP_WARNING, TOP_ALARM };

struct top_view {
    unsigned width, height; /* of the terminal; both at least 1, TOP_WIDTH_MAX columns at most are used */
    uint64_t now_ms;        /* monotonic */
    uint64_t wall_ms;
    const char *source; /* where the beats come from, and whether they do: "NATS: connected" */
    const char *advice; /* what to look at when nobody has been heard */
};

/* One line, without its end: printable characters only, `view.width` columns at most. */
typedef void top_line(void *context, enum top_style style, struct slice text);

/* At most `view.height` lines: what is not shown for want of room is counted. The model is sorted already. */
void top_view_lines(const struct top_view *view, const struct top_model *model, top_line *line,
                    void *context);

/* One line of JSON with its end: {"at":...,"source":...,"nodes":[...],"relays":[...],"totals":{...}}. */
void top_view_json(const struct top_view *view, const struct top_model *model, struct buffer *out);

#endif
