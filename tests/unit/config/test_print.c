#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "load_fixture.h"
#include "options.h"

static char *render(void (*write)(struct buffer *out))
{
    struct buffer out;

    buffer_init(&out, 1 << 20);
    write(&out);
    char *text = buffer_take(&out);
    if (!text)
        abort();
    return text;
}

static void help_lists_the_options_of_the_program_in_groups(void **state)
{
    (void)state;
    struct load node = {.args = ARGS("--help")};
    struct load relay = {.program = CONFIG_RELAY, .args = ARGS("--help")};

    load_run(&node);
    assert_int_equal(node.verdict, CONFIG_DONE);
    assert_int_equal(strncmp(node.output, "Summary line.\n\nOptions, as ", 27), 0);
    assert_contains(node.output, "\nlimits:\n");
    assert_contains(node.output, "  --workers\n      worker threads; 0 starts one per core\n"
                                 "      default 0; 0 to 64 threads; ROOMCAST_WORKERS\n");
    assert_contains(node.output, "debug, info, warn, error");
    assert_contains(node.output, "--auth-hmac-secret-file");
    assert_lacks(node.output, "--redis-url");
    load_end(&node);
    load_run(&relay);
    assert_contains(relay.output, "--redis-url");
    assert_contains(relay.output, "--log-level");
    assert_lacks(relay.output, "--allowed-origins");
    load_end(&relay);
}

static void help_lists_only_the_options_that_matter_where_they_are_named(void **state)
{
    (void)state;
    struct load load = {.args = ARGS("--help"), .listed = "auth.issuer tls."};

    load_run(&load);
    assert_int_equal(load.verdict, CONFIG_DONE);
    assert_contains(load.output, "Only the options that matter here are listed.");
    assert_contains(load.output, "\nauth:\n  --auth-issuer\n");
    assert_contains(load.output, "\ntls:\n  --tls-cert-file\n");
    assert_contains(load.output, "  --tls-key-file\n");
    assert_contains(load.output, "--check-config");
    assert_lacks(load.output, "--auth-audience");
    assert_lacks(load.output, "--workers");
    load_end(&load);
}

static void print_config_tells_each_values_source(void **state)
{
    (void)state;
    static const char *const overrides[] = {"authorization.mode=open", NULL};
    struct load load = {.yaml = "limits: {rooms: 9}\n",
                        .environment = ARGS("ROOMCAST_NATS_PREFIX=acme"),
                        .overrides = overrides,
                        .args = ARGS("--log-level=warn", "--print-config")};

    load_run(&load);
    assert_int_equal(load.verdict, CONFIG_DONE);
    assert_string_equal(load.errors, "");
    assert_contains(load.output, "\nlisten: \"0.0.0.0:8080\"  # default\n");
    assert_contains(load.output, "\n    rooms: 9  # file /tmp/roomcast-config-");
    assert_contains(load.output, "\nnats:\n");
    assert_contains(load.output, "\n    prefix: \"acme\"  # environment ROOMCAST_NATS_PREFIX\n");
    assert_contains(load.output, "\n    level: warn  # flag --log-level\n");
    assert_contains(load.output, "\n    mode: open  # preset\n");
    assert_contains(load.output, "  # the host name\n");
    assert_lacks(load.output, "redis:");
    load_end(&load);
}

static const char *refuse(const struct config *config)
{
    (void)config;
    return "something is missing";
}

static void print_config_shows_an_incomplete_configuration_but_no_wrong_one(void **state)
{
    (void)state;
    struct load incomplete = {.check = refuse, .args = ARGS("--print-config")};
    struct load wrong = {.args = ARGS("--print-config", "--workers=x")};

    load_run(&incomplete);
    assert_int_equal(incomplete.verdict, CONFIG_DONE);
    load_end(&incomplete);
    assert_fault(&wrong, "workers", 1);
}

static void print_config_can_be_loaded_again_with_the_same_meaning(void **state)
{
    (void)state;
    char path[64], yaml[512];
    struct load first = {.program = CONFIG_BOTH, .yaml = yaml, .args = ARGS("--print-config")};
    struct load second = {.program = CONFIG_BOTH};

    write_file("k\n", 2, path);
    snprintf(yaml, sizeof yaml,
             "node: {name: n1}\nauth: {hmac_secret_file: %s, issuer: \"say \\\"hi\\\": # \\\\ {x}\"}\n"
             "redis: {patterns: [a, b]}\nallowed_origins: '*'\n"
             "events: [{event: 'a: b', type: c, to: user}]\n",
             path);
    load_run(&first);
    assert_int_equal(first.verdict, CONFIG_DONE);
    second.yaml = first.output;
    load_run(&second);
    assert_string_equal(second.errors, "");
    assert_int_equal(second.verdict, CONFIG_RUN);
    assert_string_equal(second.config->node_name, "n1");
    assert_string_equal(second.config->auth_hmac_secret, "k");
    assert_string_equal(second.config->auth_issuer, "say \"hi\": # \\ {x}");
    assert_int_equal(second.config->redis_patterns.count, 2);
    assert_string_equal(second.config->allowed_origins.items[0], "*");
    assert_int_equal(second.config->events_count, 1);
    assert_string_equal(second.config->events[0].event, "a: b");
    load_end(&second);
    load_end(&first);
    unlink(path);
}

/* The printed configuration without the comments about sources. */
static char *effective(struct load load)
{
    load.program = CONFIG_BOTH;
    load.args = ARGS("--print-config", "--node-name=n");
    load_run(&load);
    assert_string_equal(load.errors, "");
    assert_int_equal(load.verdict, CONFIG_DONE);
    char *kept = strdup(load.output), *to = kept;
    for (const char *from = load.output; *from; from++) {
        if (strncmp(from, "  # ", 4) == 0 && (from == load.output || from[-1] != '\n'))
            from += strcspn(from, "\n");
        *to++ = *from;
    }
    *to = '\0';
    load_end(&load);
    return kept;
}

static void the_sample_file_changes_nothing(void **state)
{
    (void)state;
    char *sample = render(config_sample);
    char *without = effective((struct load){0});
    char *with = effective((struct load){.yaml = sample});

    assert_string_equal(with, without);
    assert_contains(sample, "\n    # rooms one connection may be in (1 to ");
    assert_contains(sample, "\n    rooms: 128\n");
    free(sample);
    free(without);
    free(with);
}

static void the_reference_has_a_row_for_every_key(void **state)
{
    (void)state;
    char *reference = render(config_reference);
    char part[OPTION_NAME_SIZE + 16], name[OPTION_NAME_SIZE];

    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        snprintf(part, sizeof part, "\n| `%s`", options[i].key);
        assert_contains(reference, part);
        option_variable(&options[i], false, name);
        snprintf(part, sizeof part, " | `%s` | ", name);
        assert_contains(reference, part);
    }
    assert_contains(reference, "\n| `events` | ");
    assert_contains(reference, "| `relay.api_key`, `relay.api_key_file` | empty | ");
    assert_contains(reference,
                    "\n| `log.level` | `info` | debug, info, warn, error | `ROOMCAST_LOG_LEVEL` | both | "
                    "least severe lines to write |\n");
    free(reference);
}

static void every_row_of_the_reference_has_six_cells(void **state)
{
    (void)state;
    char *reference = render(config_reference), *rest = reference;

    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        int bars = 0;
        for (const char *c = line; *c; c++)
            bars += *c == '|' && (c == line || c[-1] != '\\');
        assert_int_equal(bars, 7);
        assert_int_equal(line[strlen(line) - 1], '|');
    }
    free(reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_lists_the_options_of_the_program_in_groups),
        cmocka_unit_test(help_lists_only_the_options_that_matter_where_they_are_named),
        cmocka_unit_test(print_config_tells_each_values_source),
        cmocka_unit_test(print_config_shows_an_incomplete_configuration_but_no_wrong_one),
        cmocka_unit_test(print_config_can_be_loaded_again_with_the_same_meaning),
        cmocka_unit_test(the_sample_file_changes_nothing),
        cmocka_unit_test(the_reference_has_a_row_for_every_key),
        cmocka_unit_test(every_row_of_the_reference_has_six_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
