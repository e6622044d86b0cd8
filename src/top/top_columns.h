/* The columns of the two tables, of nodes and of relays: what stands in a cell. */
#ifndef ROOMCAST_TOP_COLUMNS_H
#define ROOMCAST_TOP_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>

#include "top_model.h"

struct top_cell {
    const struct top_row *row;
    enum top_condition condition;
    double mean; /* connections of a node */
    uint64_t now_ms;
};

struct top_column {
    const char *title;
    unsigned width; /* characters; what is longer pushes the rest of the line to the right */
    bool is_left;   /* else the text ends at the right edge */
    void (*write)(const struct top_cell *cell, struct buffer *out);
};

/* From the most to the least important; the row after the last has no title. */
extern const struct top_column top_node_columns[], top_relay_columns[];

/* As people and JSON read them. */
const char *top_state_name(const struct top_row *row, enum top_condition condition);

#endif
