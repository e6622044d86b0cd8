/* Prints the README's tables from the rows they document: reference options|metrics|errors|closes|events;
 * schema-errors|schema-closes|schema-chat-events|schema-user-events, the lists of proto/asyncapi.yaml and
 * proto/openapi.yaml; options-json and metrics-json, the rows themselves, for the Helm chart and its tests.
 */
#include <stdio.h>
#include <string.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/metrics.h>
#include <roomcast/config/config.h>
#include <roomcast/core/close_reason.h>
#include <roomcast/wire/error_code.h>
#include <roomcast/wire/event_map.h>

static void print_options(void)
{
    struct buffer text;
    buffer_init(&text, 1024 * 1024);
    config_reference(&text);
    fputs(buffer_text(&text), stdout);
    buffer_fini(&text);
}

static void print_histograms(void)
{
    static const struct {
        const char *program, *name, *label, *help;
    } rows[] = {
#define HISTOGRAM_ROW(id, program, name, label, bounds, help) {#program, name, label, help},
#include <roomcast/base/histograms_table.h>
#undef HISTOGRAM_ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i > 0 && strcmp(rows[i].name, rows[i - 1].name) == 0)
            continue;
        const char *equals = strchr(rows[i].label, '=');
        printf("| `%s{%.*s%sle}` | histogram | %s | %s |\n", rows[i].name,
               equals ? (int)(equals - rows[i].label) : 0, rows[i].label, equals ? "," : "",
               strcmp(rows[i].program, "NODE") == 0 ? "node" : "relay", rows[i].help);
    }
}

static void print_families(void)
{
#define FAMILY_ROW(id, program, name, label, help)                                                           \
    printf("| `%s{%s}` | counter | %s | %s |\n", name, label,                                                \
           strcmp(#program, "NODE") == 0    ? "node"                                                         \
           : strcmp(#program, "RELAY") == 0 ? "relay"                                                        \
                                            : "both",                                                        \
           help);
#include <roomcast/base/families_table.h>
#undef FAMILY_ROW
}

static void print_metrics(void)
{
    static const struct {
        const char *kind, *program, *name, *label, *help;
    } rows[] = {
#define METRIC_ROW(id, kind, program, name, label, help) {#kind, #program, name, label, help},
#include <roomcast/base/metrics_table.h>
#undef METRIC_ROW
    };
    puts("| metric | type | of | meaning |\n|---|---|---|---|");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i > 0 && strcmp(rows[i].name, rows[i - 1].name) == 0)
            continue;
        const char *equals = strchr(rows[i].label, '=');
        printf("| `%s", rows[i].name);
        if (equals)
            printf("{%.*s}", (int)(equals - rows[i].label), rows[i].label);
        printf("` | %s | %s | %s |\n", strcmp(rows[i].kind, "GAUGE") == 0 ? "gauge" : "counter",
               strcmp(rows[i].program, "NODE") == 0    ? "node"
               : strcmp(rows[i].program, "RELAY") == 0 ? "relay"
                                                       : "both",
               rows[i].help);
    }
    print_families();
    print_histograms();
}

static void print_errors(void)
{
    puts("| code | again later | meaning |\n|---|---|---|");
#define ROW(code, temporary, meaning)                                                                        \
    printf("| `%s` | %s | %s |\n", #code, (temporary) ? "yes" : "no", meaning);
    ERROR_CODE_LIST(ROW)
#undef ROW
}

static void print_closes(void)
{
    puts("| code | reason | reconnect |\n|---|---|---|");
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        const struct close_reason_row *row = close_reason_row((enum close_reason)reason);
        printf("| %u | %s | %s |\n", row->code, row->text,
               row->code < 4100   ? "no"
               : row->code < 4200 ? "with backoff"
                                  : "at once");
    }
}

static void print_events(void)
{
    puts("| domain event | client `type` | goes to |\n|---|---|---|");
#define EVENT(event, type, route)                                                                            \
    printf("| `%s` | `%s` | %s |\n", event, type, strcmp(#route, "CHAT") == 0 ? "the chat" : "the user");
#include <roomcast/wire/event_table.h>
#undef EVENT
}

/* --- lists in proto/asyncapi.yaml and proto/openapi.yaml, indented for where they stand there --- */

/* Double quotes: in plain YAML text a colon or a hash could mean something. */
static void print_schema_errors(void)
{
    puts("    ErrorCode:\n      description: All that roomcast says; `x-meanings` tells what they mean.\n"
         "      type: string\n      enum:");
#define ROW(code, temporary, meaning) puts("        - " #code);
    ERROR_CODE_LIST(ROW)
#undef ROW
    puts("      x-meanings:");
#define ROW(code, temporary, meaning) puts("        " #code ": \"" meaning "\"");
    ERROR_CODE_LIST(ROW)
#undef ROW
    puts("    TemporaryErrorCode:\n      description: Those after which the same can succeed later.\n"
         "      type: string\n      enum:");
#define ROW(code, temporary, meaning)                                                                        \
    if (temporary)                                                                                           \
        puts("        - " #code);
    ERROR_CODE_LIST(ROW)
#undef ROW
}

static void print_schema_closes(void)
{
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        const struct close_reason_row *row = close_reason_row((enum close_reason)reason);
        printf(
            "          - properties: {code: {const: %u}, reason: {const: \"%s\"}, reconnect: {const: %s}}\n",
            row->code, row->text, close_reason_may_reconnect((enum close_reason)reason) ? "true" : "false");
    }
}

/* Each type once, and the domain events that become it. */
static void print_schema_events(enum route route)
{
    static const struct event_rule rows[] = {
#define EVENT(event, type, route) {event, type, ROUTE_TO_##route},
#include <roomcast/wire/event_table.h>
#undef EVENT
    };
    size_t count = sizeof rows / sizeof rows[0];
    puts("      enum:");
    for (size_t i = 0; i < count; i++) {
        bool is_first = rows[i].route == route;
        for (size_t before = 0; before < i; before++)
            is_first = is_first && strcmp(rows[before].type, rows[i].type) != 0;
        if (is_first)
            printf("        - %s\n", rows[i].type);
    }
    puts("      x-events:");
    for (size_t i = 0; i < count; i++)
        if (rows[i].route == route)
            printf("        %s: %s\n", rows[i].event, rows[i].type);
}

static void print_schema_chat_events(void)
{
    print_schema_events(ROUTE_TO_CHAT);
}

static void print_schema_user_events(void)
{
    print_schema_events(ROUTE_TO_USER);
}

/* The bytes of a JSON string; the tables hold printable ASCII. */
static void print_json_text(const char *name, const char *text)
{
    printf("\"%s\": \"", name);
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static void print_options_json(void)
{
    static const struct {
        const char *key, *type, *fallback, *unit, *programs, *help;
        unsigned long long min, max;
    } rows[] = {
#define OPTION(field, type, key, fallback, min, max, unit, programs, help)                                   \
    {key, #type, fallback, unit, #programs, help, min, max},
#include <roomcast/config/options_table.h>
#undef OPTION
    };
    puts("[");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fputs("  {", stdout);
        print_json_text("key", rows[i].key);
        fputs(", ", stdout);
        print_json_text("type", rows[i].type);
        fputs(", ", stdout);
        print_json_text("default", rows[i].fallback);
        fputs(", ", stdout);
        print_json_text("unit", rows[i].unit);
        fputs(", ", stdout);
        print_json_text("programs", rows[i].programs);
        printf(", \"min\": %llu, \"max\": %llu, ", rows[i].min, rows[i].max);
        print_json_text("help", rows[i].help);
        puts(i + 1 < sizeof rows / sizeof rows[0] ? "}," : "}");
    }
    puts("]");
}

static void print_metrics_json(void)
{
    static const struct {
        const char *kind, *program, *name, *label;
    } rows[] = {
#define METRIC_ROW(id, kind, program, name, label, help) {#kind, #program, name, label},
#include <roomcast/base/metrics_table.h>
#undef METRIC_ROW
#define FAMILY_ROW(id, program, name, label, help) {"COUNTER", #program, name, label},
#include <roomcast/base/families_table.h>
#undef FAMILY_ROW
#define HISTOGRAM_ROW(id, program, name, label, bounds, help) {"HISTOGRAM", #program, name, label},
#include <roomcast/base/histograms_table.h>
#undef HISTOGRAM_ROW
    };
    puts("[");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fputs("  {", stdout);
        print_json_text("kind", rows[i].kind);
        fputs(", ", stdout);
        print_json_text("program", rows[i].program);
        fputs(", ", stdout);
        print_json_text("name", rows[i].name);
        fputs(", ", stdout);
        print_json_text("label", rows[i].label);
        puts(i + 1 < sizeof rows / sizeof rows[0] ? "}," : "}");
    }
    puts("]");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } sections[] = {
        {"options", print_options},
        {"metrics", print_metrics},
        {"errors", print_errors},
        {"closes", print_closes},
        {"events", print_events},
        {"schema-errors", print_schema_errors},
        {"schema-closes", print_schema_closes},
        {"schema-chat-events", print_schema_chat_events},
        {"schema-user-events", print_schema_user_events},
        {"options-json", print_options_json},
        {"metrics-json", print_metrics_json},
    };
    for (size_t i = 0; argc == 2 && i < sizeof sections / sizeof sections[0]; i++) {
        if (strcmp(argv[1], sections[i].name) == 0) {
            sections[i].print();
            return 0;
        }
    }
    fprintf(stderr, "usage: reference SECTION\nsections:");
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        fprintf(stderr, " %s", sections[i].name);
    fputc('\n', stderr);
    return 2;
}
