#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "load_fixture.h"

static void keys_may_be_nested_or_dotted(void **state)
{
    (void)state;
    struct load load = {.yaml = "# comment\n"
                                "nats:\n"
                                "    prefix: acme\n"
                                "    url: [nats://a:4222, 'nats://b:4222']\n"
                                "limits.rooms: 7\n"
                                "redis: {patterns: \"a.*, b.*\"}\n"
                                "listen: \"[::1]:0\"\n"};

    load_run(&load);
    assert_string_equal(load.errors, "");
    assert_string_equal(load.config->nats_prefix, "acme");
    assert_int_equal(load.config->nats_url.count, 2);
    assert_string_equal(load.config->nats_url.items[1], "nats://b:4222");
    assert_int_equal(load.config->limits_rooms, 7);
    assert_int_equal(load.config->redis_patterns.count, 2);
    assert_string_equal(load.config->listen, "[::1]:0");
    load_end(&load);
}

static void an_empty_file_and_an_empty_list_are_fine(void **state)
{
    (void)state;
    static const char *const files[] = {"", "# nothing\n", "---\n", "redis: {patterns: []}\n",
                                        "redis.stream: ''\n"};

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct load load = {.yaml = files[i]};
        load_run(&load);
        assert_string_equal(load.errors, "");
        assert_int_equal(load.verdict, CONFIG_RUN);
        load_end(&load);
    }
}

static void events_become_rows(void **state)
{
    (void)state;
    struct load load = {.yaml = "events:\n"
                                "    - {event: order.shipped, type: order.done, to: user}\n"
                                "    - event: note.added\n"
                                "      type: chat.note\n"
                                "      to: chat\n"};

    load_run(&load);
    assert_string_equal(load.errors, "");
    assert_int_equal(load.config->events_count, 2);
    assert_string_equal(load.config->events[0].event, "order.shipped");
    assert_string_equal(load.config->events[0].type, "order.done");
    assert_true(load.config->events[0].to_user);
    assert_string_equal(load.config->events[1].event, "note.added");
    assert_false(load.config->events[1].to_user);
    load_end(&load);
}

static void wrong_event_rows_are_faults(void **state)
{
    (void)state;
    assert_yaml_fault("events: yes\n", ":1): must be a list of rows");
    assert_yaml_fault("events:\n  - text\n", "events (from file /tmp/");
    assert_yaml_fault("events:\n  - {event: a, type: b}\n", ":2): a row must be {event: NAME");
    assert_yaml_fault("events:\n  - {event: a, type: b, to: chat, more: 1}\n", "a row must be");
    assert_yaml_fault("events:\n  - {event: a, event: b, type: b, to: chat}\n", "a row must be");
    assert_yaml_fault("events:\n  - {event: a, type: [b], to: chat}\n", "a row must be");
    assert_yaml_fault("events:\n  - {event: a, type: b, to: all}\n", ":2): to must be chat or user");
    assert_yaml_fault("events:\n  - {event: '', type: b, to: chat}\n", "must be 1 to 256 bytes");
    assert_yaml_fault("events:\n  - {event: a, type: b, to: chat}\n  - {event: a, type: c, to: chat}\n",
                      ":3): the event has a row already");
}

static void unknown_keys_are_faults_with_the_nearest_known_one(void **state)
{
    (void)state;
    assert_yaml_fault("limits:\n    roms: 3\n", "limits.roms (from file /tmp/");
    assert_yaml_fault("limits:\n    roms: 3\n", ":2): unknown key; did you mean limits.rooms?\n");
    assert_yaml_fault("fruit: banana\n", ":1): unknown key\n");
    assert_yaml_fault("fruit: {a: {b: c}, d: e}\n", "fruit (from file");
    assert_yaml_fault("event: []\n", "did you mean events?");
    assert_yaml_fault("nats.url.x: 1\n", "did you mean nats.url?");
    assert_yaml_fault("\"nats.url\\0x\": 1\n", "a key must be a text");
}

static void duplicate_keys_are_faults_in_any_spelling(void **state)
{
    (void)state;
    assert_yaml_fault("workers: 1\nworkers: 2\n", ":2): given twice, first in line 1\n");
    assert_yaml_fault("nats: {prefix: a}\nnats: {prefix: b}\n", "nats (from file");
    assert_yaml_fault("nats: {prefix: a}\nnats.prefix: b\n", ":2): given twice, first in line 1\n");
    assert_yaml_fault("events: []\n\nevents: []\n", ":3): given twice, first in line 1\n");
}

static void wrong_shapes_are_faults(void **state)
{
    (void)state;
    assert_yaml_fault("nats: x\n", "nats (from file");
    assert_yaml_fault("nats: x\n", ":1): must be a group of keys\n");
    assert_yaml_fault("workers: [1]\n", ":1): must be a single value\n");
    assert_yaml_fault("workers: {a: 1}\n", ":1): must be a single value\n");
    assert_yaml_fault("nats: {url: {a: 1}}\n", "must be a list of texts\n");
    assert_yaml_fault("nats: {url: ['a,b']}\n", "an element must be a text without commas\n");
    assert_yaml_fault("nats: {url: [[a]]}\n", "an element must be a text without commas\n");
    assert_yaml_fault("- workers\n", "the file (from file /tmp/");
    assert_yaml_fault("text\n", "must be a mapping of keys to values\n");
    assert_yaml_fault("workers: 1\n---\nworkers: 2\n", ":3): must hold one YAML document\n");
    assert_yaml_fault("? [a, b]\n: 1\n", "a key must be a text\n");
    assert_yaml_fault("workers:\n", ":1): has no value; write \"\" for an empty one\n");
    assert_yaml_fault("nats: {prefix: ~}\n", "has no value");
    assert_yaml_fault("redis: {stream: \"a\\0b\"}\n", "must be a single value\n");
}

static void syntax_errors_name_file_and_line(void **state)
{
    (void)state;
    assert_yaml_fault("workers: 1\nnats: {prefix: a\n\nlisten: \"x\n",
                      "roomcast: file /tmp/roomcast-config-");
    assert_yaml_fault("workers: 1\n\tlisten: x\n", ":2: ");
    assert_yaml_fault("workers: 1\n# caf\xe9\n", ":2: ");
    assert_yaml_fault("workers: *nobody\n", ":1: ");
}

static void aliases_cannot_make_the_reader_loop(void **state)
{
    (void)state;
    assert_yaml_fault("nats: &a {nats: *a, prefix: x}\n", "nats.nats (from file");
}

static void files_that_cannot_be_read_are_faults(void **state)
{
    (void)state;
    struct load missing = {.args = ARGS("--config=/nonexistent/roomcast.yaml")};
    struct load directory = {.args = ARGS("--config", "/tmp")};
    struct load endless = {.args = ARGS("--config", "/dev/zero")};
    struct load nameless = {.args = ARGS("--config")};

    assert_fault(&missing, "roomcast: file /nonexistent/roomcast.yaml: No such file or directory\n", 1);
    assert_fault(&directory, "roomcast: file /tmp: Is a directory\n", 1);
    assert_fault(&endless, "roomcast: file /dev/zero: the file is too large\n", 1);
    assert_fault(&nameless, "roomcast: --config: needs a value", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_may_be_nested_or_dotted),
        cmocka_unit_test(an_empty_file_and_an_empty_list_are_fine),
        cmocka_unit_test(events_become_rows),
        cmocka_unit_test(wrong_event_rows_are_faults),
        cmocka_unit_test(unknown_keys_are_faults_with_the_nearest_known_one),
        cmocka_unit_test(duplicate_keys_are_faults_in_any_spelling),
        cmocka_unit_test(wrong_shapes_are_faults),
        cmocka_unit_test(syntax_errors_name_file_and_line),
        cmocka_unit_test(aliases_cannot_make_the_reader_loop),
        cmocka_unit_test(files_that_cannot_be_read_are_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
