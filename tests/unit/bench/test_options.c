#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"
#include "scenario.h"

static char said[65536];

static enum options_verdict parse(struct bench_options *options, const char *line)
{
    static char copy[4096]; /* `options` points into it until the next call */
    char *arguments[32], *rest = NULL;
    int count = 0;

    assert_true(strlen(line) < sizeof copy);
    strcpy(copy, line);

    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        arguments[count++] = word;
    memset(said, 0, sizeof said);
    FILE *output = fmemopen(said, sizeof said - 1, "w");
    enum options_verdict verdict = options_parse(count, arguments, output, output, options);
    fclose(output);
    return verdict;
}

static void expect_wrong(const char *line, const char *sentence)
{
    struct bench_options options;
    assert_int_equal(parse(&options, line), OPTIONS_WRONG);
    if (!strstr(said, sentence))
        fail_msg("%s: %s", line, said);
}

#define ROOMCAST "fanout --url ws://127.0.0.1:1/ws --jwt-secret x "
#define RAW      "fanout --url ws://127.0.0.1:1/ --target raw-ws --via target --subscribe s --publish p "

static void arguments_are_read_in_both_spellings(void **state)
{
    (void)state;
    struct bench_options options;

    assert_int_equal(parse(&options, ROOMCAST "--rooms 3 --members=4 --rate=2.5 --via typing"), OPTIONS_RUN);
    assert_string_equal(options.scenario->name, "fanout");
    assert_int_equal(options.rooms, 3);
    assert_int_equal(options.members, 4);
    assert_int_equal(options.connections, 12);
    assert_int_equal(options.via, VIA_TYPING);
    assert_true(options.rate > 2.4 && options.rate < 2.6);
    assert_int_equal(parse(&options, RAW "--binary"), OPTIONS_RUN);
    assert_true(options.target.binary);
}

static void access_to_nats_is_named_as_with_a_node(void **state)
{
    (void)state;
    struct bench_options options;

    assert_int_equal(parse(&options,
                           ROOMCAST "--nats-credentials-file a --nats-ca-file=b --nats-seal encrypt "
                                    "--nats-seal-key-file c"),
                     OPTIONS_RUN);
    assert_string_equal(options.nats.credentials_file, "a");
    assert_string_equal(options.nats.ca_file, "b");
    assert_int_equal(options.nats_seal, 2);
    assert_string_equal(options.nats_seal_key_file, "c");
    expect_wrong(ROOMCAST "--nats-seal sign", "--nats-seal-key-file");
    expect_wrong(ROOMCAST "--nats-seal maybe", "off|sign|encrypt");
}

static void what_is_wrong_is_told_with_what_to_do(void **state)
{
    (void)state;
    expect_wrong("", "which scenario?");
    expect_wrong("dance", "dance is no scenario");
    expect_wrong("fanout", "--url is missing");
    expect_wrong("fanout --url ws://h:1/", "--jwt-secret is missing");
    expect_wrong(ROOMCAST "--hops", "--via redis");
    expect_wrong("idle --url ws://127.0.0.1:1/ws --jwt-secret x", "--server-pid is missing");
    expect_wrong("slow --url ws://127.0.0.1:1/ws --jwt-secret x --via redis --hops", "--via redis");
    expect_wrong(ROOMCAST "--rooms 0", "whole number from 1 to");
    expect_wrong(ROOMCAST "--rooms 1.5", "whole number");
    expect_wrong(ROOMCAST "--rate", "--rate needs N");
    expect_wrong(ROOMCAST "--colour red", "--colour is no option");
    expect_wrong(ROOMCAST "--via pigeon", "must be one of nats|redis|typing|target");
    expect_wrong(ROOMCAST "--members 10 --connections 5", "twice");
    expect_wrong(ROOMCAST "--server-pid 1,x", "process ids");
    expect_wrong(ROOMCAST "--server-pid 999999999", "no such process");
    expect_wrong(ROOMCAST "--bus-pid 999999999", "--bus-pid 999999999: there is no such process");
    expect_wrong(ROOMCAST "--listen-only --run 7", "needs --events and --run");
    expect_wrong(ROOMCAST "--listen-only --events 7", "needs --events and --run");
    expect_wrong(ROOMCAST "--listen-only --events 7 --run 7 --via typing", "whose typing");
    expect_wrong(ROOMCAST "--events 7 --in-flight 1", "leave out --in-flight");
    expect_wrong("jitter"
                 " --url ws://h:1/ --target raw-ws --via target --subscribe s --publish p",
                 "own protocol");
    expect_wrong("fanout --url ws://h:1/ --target raw-ws --via target", "needs --subscribe and --publish");
    expect_wrong("fanout --url ws://h:1/ --target raw-ws --via nats --subscribe s --publish p --via redis",
                 "leave out --via");
    expect_wrong(RAW "--in-flight 65", "beyond 64");
    expect_wrong(ROOMCAST "--via target", "choose nats, redis or typing");
    expect_wrong(ROOMCAST "--hello-answer hi", "is for --target raw-ws");
}

static void several_processes_can_share_rooms_and_a_number_of_events(void **state)
{
    (void)state;
    struct bench_options options;

    assert_int_equal(parse(&options, ROOMCAST "--run 4294967295 --events 12 --listen-only"), OPTIONS_RUN);
    assert_true(options.run == UINT32_MAX && options.events == 12 && options.listen_only);
    assert_int_equal(parse(&options, ROOMCAST), OPTIONS_RUN);
    assert_true(options.run == 0 && options.events == 0 && !options.listen_only);
}

static void help_names_every_scenario(void **state)
{
    (void)state;
    struct bench_options options;

    assert_int_equal(parse(&options, "--help"), OPTIONS_DONE);
    for (size_t i = 0; i < scenario_count; i++)
        assert_non_null(strstr(said, scenarios[i].help));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_read_in_both_spellings),
        cmocka_unit_test(access_to_nats_is_named_as_with_a_node),
        cmocka_unit_test(what_is_wrong_is_told_with_what_to_do),
        cmocka_unit_test(several_processes_can_share_rooms_and_a_number_of_events),
        cmocka_unit_test(help_names_every_scenario),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
