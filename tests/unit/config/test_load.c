#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "load_fixture.h"

static void defaults_hold_when_nothing_is_given(void **state)
{
    (void)state;
    struct load load = {0};

    load_run(&load);
    assert_int_equal(load.verdict, CONFIG_RUN);
    assert_string_equal(load.errors, "");
    assert_string_equal(load.config->listen, "0.0.0.0:8080");
    assert_int_equal(load.config->limits_rooms, 128);
    assert_int_equal(load.config->log_level, 1);
    assert_int_equal(load.config->authorization_mode, AUTHORIZATION_CLAIMS);
    assert_int_equal(load.config->redis_patterns.count, 2);
    assert_string_equal(load.config->redis_patterns.items[1], "events:*");
    assert_int_equal(load.config->allowed_origins.count, 0);
    assert_string_equal(load.config->relay_api_key, "");
    assert_int_equal(load.config->events_count, 0);
    load_end(&load);
}

static uint64_t rooms_with(struct load load)
{
    load_run(&load);
    assert_int_equal(load.verdict, CONFIG_RUN);
    uint64_t rooms = load.config->limits_rooms;
    load_end(&load);
    return rooms;
}

static void each_source_wins_over_the_ones_below_it(void **state)
{
    (void)state;
    static const char *const overrides[] = {"limits.rooms=2", NULL};
    struct load load = {.overrides = overrides};

    assert_int_equal(rooms_with(load), 2);
    load.yaml = "limits: {rooms: 3}\n";
    assert_int_equal(rooms_with(load), 3);
    load.environment = ARGS("OTHER=1", "ROOMCAST_LIMITS_ROOMS=4");
    assert_int_equal(rooms_with(load), 4);
    load.args = ARGS("--limits-rooms=5");
    assert_int_equal(rooms_with(load), 5);
}

static void only_the_value_that_counts_has_to_be_right(void **state)
{
    (void)state;
    struct load load = {.environment = ARGS("ROOMCAST_LIMITS_ROOMS=many"),
                        .args = ARGS("--limits-rooms", "6")};

    assert_int_equal(rooms_with(load), 6);
}

static void the_last_of_repeated_flags_counts(void **state)
{
    (void)state;
    assert_int_equal(rooms_with((struct load){.args = ARGS("--limits-rooms", "6", "--limits-rooms=7")}), 7);
}

static void the_environment_may_name_the_file(void **state)
{
    (void)state;
    char path[64], variable[128];

    write_file("limits: {rooms: 9}\n", 19, path);
    snprintf(variable, sizeof variable, "ROOMCAST_CONFIG=%s", path);
    assert_int_equal(rooms_with((struct load){.environment = ARGS(variable)}), 9);
    assert_int_equal(rooms_with((struct load){.environment = ARGS("ROOMCAST_CONFIG=")}), 128);
    unlink(path);
}

static void unknown_variables_are_left_to_others(void **state)
{
    (void)state;
    char **environment = ARGS("ROOMCAST_PORT_8080_TCP=tcp://10.0.0.1:8080", "ROOMCAST_LIMITS_ROOM=1");

    assert_int_equal(rooms_with((struct load){.environment = environment}), 128);
}

static void an_empty_node_name_becomes_the_host_name(void **state)
{
    (void)state;
    struct load load = {0};
    char host[65] = "";

    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    load_run(&load);
    assert_int_equal(load.verdict, CONFIG_RUN);
    assert_string_equal(load.config->node_name, host);
    load_end(&load);
}

static void one_program_accepts_the_keys_of_the_other(void **state)
{
    (void)state;
    struct load load = {.program = CONFIG_RELAY, .yaml = "limits: {rooms: 9}\nredis: {group: g}\n"};

    load_run(&load);
    assert_int_equal(load.verdict, CONFIG_RUN);
    assert_int_equal(load.config->limits_rooms, 9);
    assert_string_equal(load.config->redis_group, "g");
    load_end(&load);
}

static void a_wrong_value_names_key_value_source_and_rule(void **state)
{
    (void)state;
    struct load from_environment = {.environment = ARGS("ROOMCAST_WORKERS=abc")};
    struct load from_flag = {.args = ARGS("--log-level", "loud")};
    struct load from_file = {.yaml = "\nlisten: nowhere\n"};

    assert_fault(
        &from_environment,
        "roomcast: workers = \"abc\" (from environment ROOMCAST_WORKERS): must be a whole number from "
        "0 to 64 (threads)\n",
        1);
    assert_fault(
        &from_flag,
        "roomcast: log.level = \"loud\" (from flag --log-level): must be one of debug, info, warn, error\n",
        1);
    assert_fault(&from_file, ":2): must be host:port or [IPv6 address]:port", 1);
}

static void all_faults_are_told_at_once(void **state)
{
    (void)state;
    struct load load = {.yaml = "limits: {roms: 3}\nping: {interval_s: 0}\n",
                        .environment = ARGS("ROOMCAST_WORKERS=-1"),
                        .args = ARGS("--nonsense", "--log-format=xml", "stray")};

    assert_fault(&load, "log.format", 6);
}

static void wrong_values_are_shown_escaped_and_cut(void **state)
{
    (void)state;
    char variable[1000];
    struct load load = {.environment = ARGS(variable)};

    snprintf(variable, sizeof variable, "ROOMCAST_WORKERS=a\n\033[2J%0900d", 0);
    assert_fault(&load, "workers = \"a\\n\\u001b[2J000", 1);
    assert_fault(&load, "000\"... (from environment", 1);
}

static void wrong_flags_are_faults_with_a_hint(void **state)
{
    (void)state;
    struct load slip = {.args = ARGS("--limit-rooms=3")};
    struct load command = {.args = ARGS("--print-conf")};
    struct load unknown = {.args = ARGS("--fruit=banana")};
    struct load apart = {.args = ARGS("--fruit", "banana")};
    struct load missing = {.args = ARGS("--limits-rooms")};
    struct load swallowed = {.args = ARGS("--node-name", "--limits-rooms=3")};
    struct load valued = {.args = ARGS("--check-config=yes")};
    struct load stray = {.args = ARGS("banana")};

    assert_fault(&slip, "roomcast: --limit-rooms: unknown flag; did you mean --limits-rooms?\n", 1);
    assert_fault(&command, "did you mean --print-config?\n", 1);
    assert_fault(&unknown, "roomcast: --fruit: unknown flag; --help lists all\n", 1);
    assert_fault(&apart, "roomcast: --fruit: unknown flag; --help lists all\n", 1);
    assert_fault(&missing, "roomcast: --limits-rooms: needs a value, as --limits-rooms=VALUE\n", 1);
    assert_fault(&swallowed, "roomcast: --node-name: needs a value", 1);
    assert_fault(&valued, "roomcast: --check-config: takes no value\n", 1);
    assert_fault(&stray, "roomcast: unexpected argument 1;", 1);
}

static const char *refuse_two_rooms(const struct config *config)
{
    return config->limits_rooms == 2 ? "limits.rooms: two are a pair" : NULL;
}

static void the_check_of_several_options_runs_when_each_is_right(void **state)
{
    (void)state;
    struct load refused = {.check = refuse_two_rooms, .args = ARGS("--limits-rooms=2")};
    struct load checked = {.check = refuse_two_rooms, .args = ARGS("--limits-rooms=2", "--check-config")};
    struct load accepted = {.check = refuse_two_rooms};

    assert_fault(&refused, "roomcast: limits.rooms: two are a pair\n", 1);
    assert_fault(&checked, "roomcast: limits.rooms: two are a pair\n", 1);
    assert_int_equal(rooms_with(accepted), 128);
}

static bool find_no_file(const struct config *config, char *problem)
{
    snprintf(problem, CONFIG_PROBLEM_SIZE, "%s is not there", config->nats_ca_file);
    return config->nats_ca_file[0] == '\0';
}

static void what_is_tried_out_is_tried_out_by_check_config_only(void **state)
{
    (void)state;
    struct load bad = {.try_out = find_no_file, .args = ARGS("--check-config", "--nats-ca-file=/x")};
    struct load good = {.try_out = find_no_file, .args = ARGS("--check-config")};
    struct load started = {.try_out = find_no_file, .args = ARGS("--nats-ca-file=/x")};
    load_run(&bad);
    assert_int_equal(bad.verdict, CONFIG_WRONG);
    assert_contains(bad.errors, "/x is not there");
    assert_string_equal(bad.output, "");
    load_run(&good);
    assert_int_equal(good.verdict, CONFIG_DONE);
    load_run(&started);
    assert_int_equal(started.verdict, CONFIG_RUN);
    load_end(&bad);
    load_end(&good);
    load_end(&started);
}

static void check_config_answers_and_does_not_run(void **state)
{
    (void)state;
    struct load right = {.args = ARGS("--check-config")};
    struct load wrong = {.args = ARGS("--check-config", "--workers=x")};

    load_run(&right);
    assert_int_equal(right.verdict, CONFIG_DONE);
    assert_string_equal(right.output, "configuration is valid\n");
    assert_string_equal(right.errors, "");
    load_end(&right);
    assert_fault(&wrong, "workers = \"x\"", 1);
}

static void version_and_help_are_answered_before_anything_is_read(void **state)
{
    (void)state;
    struct load version = {.args = ARGS("--version", "--config=/nonexistent")};
    struct load help = {.args = ARGS("-h", "--workers=x")};

    load_run(&version);
    assert_int_equal(version.verdict, CONFIG_DONE);
    assert_string_equal(version.output, "roomcast 1.2.3\n");
    assert_string_equal(version.errors, "");
    load_end(&version);
    load_run(&help);
    assert_int_equal(help.verdict, CONFIG_DONE);
    assert_string_equal(help.errors, "");
    load_end(&help);
}

static void free_accepts_null(void **state)
{
    (void)state;
    struct config *none = NULL;

    config_free(&none);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_when_nothing_is_given),
        cmocka_unit_test(each_source_wins_over_the_ones_below_it),
        cmocka_unit_test(only_the_value_that_counts_has_to_be_right),
        cmocka_unit_test(the_last_of_repeated_flags_counts),
        cmocka_unit_test(the_environment_may_name_the_file),
        cmocka_unit_test(unknown_variables_are_left_to_others),
        cmocka_unit_test(an_empty_node_name_becomes_the_host_name),
        cmocka_unit_test(one_program_accepts_the_keys_of_the_other),
        cmocka_unit_test(a_wrong_value_names_key_value_source_and_rule),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(wrong_values_are_shown_escaped_and_cut),
        cmocka_unit_test(wrong_flags_are_faults_with_a_hint),
        cmocka_unit_test(the_check_of_several_options_runs_when_each_is_right),
        cmocka_unit_test(what_is_tried_out_is_tried_out_by_check_config_only),
        cmocka_unit_test(check_config_answers_and_does_not_run),
        cmocka_unit_test(version_and_help_are_answered_before_anything_is_read),
        cmocka_unit_test(free_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
