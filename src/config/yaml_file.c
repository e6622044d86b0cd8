/* Reads the file through libyaml's documents and not with libcyaml, whose schema would be a second list of
 * all options beside options_table.h: that table is the one schema, and keys, types and ranges are checked by
 * it whatever source they come from. */
#include "yaml_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include <roomcast/base/random.h>

#include "file.h"
#include "show.h"

#define FILE_SIZE (1024 * 1024) /* bytes */

struct reader {
    struct draft *draft;
    const char *path; /* as it is shown */
    yaml_document_t *document;
    size_t lines[OPTIONS_COUNT][2]; /* where a key was first given, by option and file variant; 0: not yet */
    size_t events_line;
};

static const char *const extra_keys[] = {OPTION_EVENTS_KEY, NULL};

static size_t line_of(const yaml_node_t *node)
{
    return node->start_mark.line + 1;
}

/* The text of a scalar; NULL when the node is none or has a NUL inside. */
static const char *text_of(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

/* A key with nothing behind it: whether the default or the empty text was meant cannot be told. */
static bool is_null(const yaml_node_t *node)
{
    const char *text = text_of(node);

    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static yaml_node_t *node_at(const struct reader *reader, int id)
{
    return yaml_document_get_node(reader->document, id);
}

static void fault(struct reader *reader, const yaml_node_t *node, const char *path, const char *text)
{
    struct buffer shown;

    buffer_init(&shown, 1024);
    show_text(slice_of(path), &shown);
    const char *key = buffer_text(&shown);
    draft_fault(reader->draft, "%s (from file %s:%zu): %s", key ? key : "a very long key", reader->path,
                line_of(node), text);
    buffer_fini(&shown);
}

static void fault_twice(struct reader *reader, const yaml_node_t *node, const char *path, size_t first)
{
    char text[64];

    snprintf(text, sizeof text, "given twice, first in line %zu", first);
    fault(reader, node, path, text);
}

/* The elements of a YAML list as the comma-separated text that the other sources give. */
static bool join_list(struct reader *reader, const yaml_node_t *list, const char *path, struct buffer *out)
{
    for (yaml_node_item_t *item = list->data.sequence.items.start; item < list->data.sequence.items.top;
         item++) {
        const yaml_node_t *node = node_at(reader, *item);
        const char *text = text_of(node);
        if (!text || is_null(node) || strchr(text, ',')) {
            fault(reader, node, path, "an element must be a text without commas");
            return false;
        }
        if (out->len > 0)
            buffer_append_char(out, ',');
        buffer_append_text(out, text);
    }
    return true;
}

static bool option_text(struct reader *reader, const struct option *option, const yaml_node_t *node,
                        const char *path, struct buffer *out)
{
    if (node->type == YAML_SEQUENCE_NODE && option->type == OPTION_LIST)
        return join_list(reader, node, path, out);
    const char *text = text_of(node);
    if (!text) {
        fault(reader, node, path,
              option->type == OPTION_LIST ? "must be a list of texts" : "must be a single value");
        return false;
    }
    if (is_null(node)) {
        fault(reader, node, path, "has no value; write \"\" for an empty one");
        return false;
    }
    buffer_append_text(out, text);
    return true;
}

static void read_option(struct reader *reader, const struct option *option, bool file,
                        const yaml_node_t *node, const char *path)
{
    size_t *first = &reader->lines[option - options][file];
    char where[PATH_MAX + 32];
    struct buffer text;

    if (*first) {
        fault_twice(reader, node, path, *first);
        return;
    }
    *first = line_of(node);
    buffer_init(&text, FILE_SIZE);
    bool found = option_text(reader, option, node, path, &text);
    if (found && buffer_failed(&text)) { /* not what is left of it: an empty list may allow everything */
        fault(reader, node, path, "out of memory");
    } else if (found) {
        snprintf(where, sizeof where, "file %s:%zu", reader->path, line_of(node));
        draft_set(reader->draft, option, file, SOURCE_FILE, buffer_slice(&text), where);
    }
    buffer_fini(&text);
}

static void unknown_key(struct reader *reader, const yaml_node_t *node, const char *path)
{
    char storage[OPTION_NAME_SIZE], text[2 * OPTION_NAME_SIZE];
    const char *nearest = option_nearest(path, option_key, extra_keys, storage);

    if (nearest)
        snprintf(text, sizeof text, "unknown key; did you mean %s?", nearest);
    fault(reader, node, path, nearest ? text : "unknown key");
}

/* The line in which `key` stands in the mapping before `pair`; 0 when it does not. */
static size_t given_before(const struct reader *reader, const yaml_node_t *mapping,
                           const yaml_node_pair_t *pair, const char *key)
{
    for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair; other++) {
        const yaml_node_t *node = node_at(reader, other->key);
        const char *text = text_of(node);
        if (text && strcmp(text, key) == 0)
            return line_of(node);
    }
    return 0;
}

/* The values of a row's fields, in this order; NULL where one is missing. */
enum { ROW_EVENT, ROW_TYPE, ROW_TO, ROW_FIELDS };
static const char *const row_fields[ROW_FIELDS] = {"event", "type", "to"};

static bool read_row_fields(struct reader *reader, const yaml_node_t *row, const char *values[ROW_FIELDS])
{
    const yaml_node_pair_t *pair = row->data.mapping.pairs.start;

    for (; pair < row->data.mapping.pairs.top; pair++) {
        const char *key = text_of(node_at(reader, pair->key));
        size_t field = 0;
        while (field < ROW_FIELDS && (!key || strcmp(key, row_fields[field]) != 0))
            field++;
        if (field == ROW_FIELDS || values[field])
            return false;
        values[field] = text_of(node_at(reader, pair->value));
        if (!values[field])
            return false;
    }
    return values[ROW_EVENT] && values[ROW_TYPE] && values[ROW_TO];
}

static void read_row(struct reader *reader, const yaml_node_t *row)
{
    const char *values[ROW_FIELDS] = {NULL};

    if (row->type != YAML_MAPPING_NODE || !read_row_fields(reader, row, values)) {
        fault(reader, row, OPTION_EVENTS_KEY, "a row must be {event: NAME, type: NAME, to: chat or user}");
        return;
    }
    const char *why = draft_add_event(reader->draft, values[ROW_EVENT], values[ROW_TYPE], values[ROW_TO]);
    if (why)
        fault(reader, row, OPTION_EVENTS_KEY, why);
}

static void read_events(struct reader *reader, const yaml_node_t *list)
{
    if (reader->events_line) {
        fault_twice(reader, list, OPTION_EVENTS_KEY, reader->events_line);
        return;
    }
    reader->events_line = line_of(list);
    if (list->type != YAML_SEQUENCE_NODE) {
        fault(reader, list, OPTION_EVENTS_KEY,
              "must be a list of rows {event: NAME, type: NAME, to: chat or user}");
        return;
    }
    for (yaml_node_item_t *item = list->data.sequence.items.start; item < list->data.sequence.items.top;
         item++)
        read_row(reader, node_at(reader, *item));
}

static void read_mapping(struct reader *reader, const yaml_node_t *mapping, const char *prefix);

/* Recursion ends, aliases or not: it goes on only below the groups of the table, each a longer path. */
static void read_pair(struct reader *reader, const yaml_node_t *key, const yaml_node_t *value,
                      const char *path)
{
    bool file = false;
    const struct option *option = option_find(path, option_key, &file);

    if (option)
        read_option(reader, option, file, value, path);
    else if (strcmp(path, OPTION_EVENTS_KEY) == 0)
        read_events(reader, value);
    else if (!option_is_group(path))
        unknown_key(reader, key, path);
    else if (value->type == YAML_MAPPING_NODE)
        read_mapping(reader, value, path);
    else
        fault(reader, value, path, "must be a group of keys");
}

static void read_mapping(struct reader *reader, const yaml_node_t *mapping, const char *prefix)
{
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;

    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(reader, pair->key);
        const char *name = text_of(key);
        char path[2 * OPTION_NAME_SIZE];
        if (!name) {
            fault(reader, key, prefix[0] ? prefix : "the file", "a key must be a text");
            continue;
        }
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", name);
        size_t first = given_before(reader, mapping, pair, name);
        if (first)
            fault_twice(reader, key, path, first);
        else
            read_pair(reader, key, node_at(reader, pair->value), path);
    }
}

/* The parser marks no line when it stumbles over the encoding, only the byte. */
static size_t line_of_problem(const yaml_parser_t *parser, struct slice text)
{
    size_t line = 1;

    if (parser->error != YAML_READER_ERROR)
        return parser->problem_mark.line + 1;
    for (size_t i = 0; i < parser->problem_offset && i < text.len; i++)
        line += text.data[i] == '\n';
    return line;
}

/* False at the end of the documents and after a syntax error, which is a fault. */
static bool next_document(struct reader *reader, yaml_parser_t *parser, struct slice text)
{
    if (!yaml_parser_load(parser, reader->document)) {
        const char *context = parser->context ? parser->context : "";
        draft_fault(reader->draft, "file %s:%zu: %s%s%s", reader->path, line_of_problem(parser, text),
                    context, context[0] ? ", " : "", parser->problem ? parser->problem : "out of memory");
        return false;
    }
    if (yaml_document_get_root_node(reader->document))
        return true;
    yaml_document_delete(reader->document);
    return false;
}

static void read_documents(struct reader *reader, yaml_parser_t *parser, struct slice text)
{
    for (size_t number = 1; next_document(reader, parser, text); number++) {
        const yaml_node_t *root = yaml_document_get_root_node(reader->document);
        if (number > 1)
            fault(reader, root, "the file", "must hold one YAML document");
        else if (root->type == YAML_MAPPING_NODE)
            read_mapping(reader, root, "");
        else if (!is_null(root))
            fault(reader, root, "the file", "must be a mapping of keys to values");
        yaml_document_delete(reader->document);
    }
}

static void parse(struct draft *draft, const char *path, struct slice text)
{
    yaml_document_t document;
    yaml_parser_t parser;
    struct reader reader = {.draft = draft, .path = path, .document = &document};

    if (!yaml_parser_initialize(&parser)) {
        draft_fault(draft, "out of memory");
        return;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.len);
    read_documents(&reader, &parser, text);
    yaml_parser_delete(&parser);
}

void yaml_file_read(struct draft *draft, const char *path)
{
    char *bytes = malloc(FILE_SIZE);
    size_t len = 0;
    struct buffer shown;

    buffer_init(&shown, PATH_MAX);
    show_text(slice_of(path), &shown);
    const char *name = buffer_text(&shown) ? buffer_text(&shown) : "(a very long path)";
    const char *why = bytes ? file_read(path, bytes, FILE_SIZE, &len) : "out of memory";
    if (why)
        draft_fault(draft, "file %s: %s", name, why);
    else
        parse(draft, name, (struct slice){bytes, len});
    buffer_fini(&shown);
    /* The file may hold secrets. */
    if (bytes)
        wipe(bytes, len);
    free(bytes);
}
