#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/base/random.h>

#include "load_fixture.h"

#define SECRET "correct-horse-battery-staple"

/* A flag `--auth-hmac-secret-file=<new file with these bytes>`. */
static void file_flag(const char *bytes, size_t len, char path[64], char flag[128])
{
    write_file(bytes, len, path);
    snprintf(flag, 128, "--auth-hmac-secret-file=%s", path);
}

static void check_read(const char *bytes, size_t len, const char *expected)
{
    char path[64], flag[128];
    struct load load = {.args = ARGS(flag)};

    file_flag(bytes, len, path, flag);
    load_run(&load);
    assert_string_equal(load.errors, "");
    assert_string_equal(load.config->auth_hmac_secret, expected);
    load_end(&load);
    unlink(path);
}

static void a_secret_may_stand_in_a_file_with_a_newline_behind_it(void **state)
{
    (void)state;
    check_read(SECRET, strlen(SECRET), SECRET);
    check_read(SECRET "\n", strlen(SECRET) + 1, SECRET);
    check_read(SECRET "\r\n", strlen(SECRET) + 2, SECRET);
    check_read(" a\n\n", 4, " a\n");
}

static void check_reread(const char *bytes, size_t len, enum err err, const char *expected)
{
    char path[64], flag[128], problem[256] = "", *secret = NULL;
    struct load load = {.args = ARGS(flag)};
    file_flag("at the start", 12, path, flag);
    load_run(&load);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
    assert_int_equal(config_reread_secret(load.config, "auth.hmac_secret", &secret, problem), err);
    if (err == ERR_OK)
        assert_string_equal(secret, expected);
    else
        assert_contains(problem, expected);
    if (err != ERR_OK)
        assert_contains(problem, path);
    assert_string_equal(load.config->auth_hmac_secret, "at the start");
    secret_free(&secret);
    load_end(&load);
    unlink(path);
}

static void a_secrets_file_can_be_read_again(void **state)
{
    (void)state;
    char large[4098];
    memset(large, 'x', sizeof large);
    check_reread("later\n", 6, ERR_OK, "later");
    large[4096] = '\0';
    check_reread(large, 4096, ERR_OK, large);
    large[4096] = 'x';
    check_reread("", 0, ERR_CONFIG, "auth.hmac_secret_file");
    check_reread("a\0b", 3, ERR_CONFIG, "NUL");
    check_reread(large, 4097, ERR_CONFIG, "too large");
}

static void what_came_from_no_file_is_not_read_again(void **state)
{
    (void)state;
    char path[64], flag[128], problem[256] = "", *secret = NULL;
    struct load load = {.args = ARGS("--auth-hmac-secret=" SECRET)};
    load_run(&load);
    assert_int_equal(config_reread_secret(load.config, "auth.hmac_secret", &secret, problem), ERR_MISSING);
    load_end(&load);
    file_flag(SECRET, strlen(SECRET), path, flag);
    load = (struct load){.args = ARGS(flag)};
    load_run(&load);
    assert_int_equal(config_reread_secret(load.config, "relay.api_key", &secret, problem), ERR_MISSING);
    unlink(path);
    assert_int_equal(config_reread_secret(load.config, "auth.hmac_secret", &secret, problem), ERR_CONFIG);
    assert_contains(problem, "No such file");
    assert_null(secret);
    load_end(&load);
}

static void every_source_may_name_the_file(void **state)
{
    (void)state;
    char path[64], variable[128], yaml[128];
    struct load by_environment = {.environment = ARGS(variable)};
    struct load by_file = {.yaml = yaml};

    write_file(SECRET, strlen(SECRET), path);
    snprintf(variable, sizeof variable, "ROOMCAST_AUTH_HMAC_SECRET_FILE=%s", path);
    load_run(&by_environment);
    assert_string_equal(by_environment.config->auth_hmac_secret, SECRET);
    load_end(&by_environment);
    snprintf(yaml, sizeof yaml, "auth: {hmac_secret_file: %s}\n", path);
    load_run(&by_file);
    assert_string_equal(by_file.config->auth_hmac_secret, SECRET);
    load_end(&by_file);
    unlink(path);
}

static void value_and_file_together_are_a_fault(void **state)
{
    (void)state;
    struct load load = {.environment = ARGS("ROOMCAST_AUTH_HMAC_SECRET=" SECRET),
                        .yaml = "auth: {hmac_secret_file: /tmp/x}\n"};

    load_run(&load);
    assert_int_equal(load.verdict, CONFIG_WRONG);
    assert_contains(load.errors, "auth.hmac_secret (from environment ROOMCAST_AUTH_HMAC_SECRET) and "
                                 "auth.hmac_secret_file (from file /tmp/roomcast-config-");
    assert_contains(load.errors, ":1): give only one of them\n");
    assert_lacks(load.errors, SECRET);
    load_end(&load);
}

static void an_empty_value_and_a_preset_give_way_to_a_file(void **state)
{
    (void)state;
    static const char *const overrides[] = {"auth.hmac_secret=development", NULL};
    char path[64], yaml[128];
    struct load load = {
        .environment = ARGS("ROOMCAST_AUTH_HMAC_SECRET="), .yaml = yaml, .overrides = overrides};

    write_file(SECRET, strlen(SECRET), path);
    snprintf(yaml, sizeof yaml, "auth: {hmac_secret_file: %s}\n", path);
    load_run(&load);
    assert_string_equal(load.errors, "");
    assert_string_equal(load.config->auth_hmac_secret, SECRET);
    load_end(&load);
    load.environment = NULL;
    load_run(&load);
    assert_string_equal(load.config->auth_hmac_secret, SECRET);
    load_end(&load);
    unlink(path);
}

static void check_refused(const char *bytes, size_t len, const char *why)
{
    char path[64], flag[128];
    struct load load = {.args = ARGS(flag)};

    file_flag(bytes, len, path, flag);
    assert_fault(&load, why, 1);
    unlink(path);
}

static void unusable_secret_files_are_faults(void **state)
{
    (void)state;
    static char large[20000];
    struct load missing = {.args = ARGS("--auth-hmac-secret-file=/nonexistent")};

    memset(large, 'x', sizeof large);
    assert_fault(
        &missing,
        "roomcast: auth.hmac_secret_file = \"/nonexistent\" (from flag --auth-hmac-secret-file): No such "
        "file or directory\n",
        1);
    check_refused("", 0, "the file is empty");
    check_refused("\n", 1, "the file is empty");
    check_refused("a\0b", 3, "the file holds a NUL byte");
    check_refused(large, sizeof large, "the file is too large");
    check_refused(large, 5000, "auth.hmac_secret = (hidden) (from file /tmp/");
}

static void the_other_programs_secret_file_is_not_read(void **state)
{
    (void)state;
    struct load node = {.yaml = "relay: {api_key_file: /nonexistent}\n"};
    struct load relay = {.program = CONFIG_RELAY, .yaml = node.yaml};

    load_run(&node);
    assert_string_equal(node.errors, "");
    assert_int_equal(node.verdict, CONFIG_RUN);
    load_end(&node);
    assert_fault(&relay, "relay.api_key_file = \"/nonexistent\"", 1);
}

static void secrets_are_shown_nowhere(void **state)
{
    (void)state;
    char secret[6000], variable[6100];
    struct load wrong = {.environment = ARGS(variable)};
    struct load printed = {.environment = ARGS("ROOMCAST_AUTH_HMAC_SECRET=" SECRET),
                           .args = ARGS("--print-config")};

    memset(secret, 'S', sizeof secret);
    secret[sizeof secret - 1] = '\0';
    snprintf(variable, sizeof variable, "ROOMCAST_AUTH_HMAC_SECRET=%s", secret);
    load_run(&wrong);
    assert_int_equal(wrong.verdict, CONFIG_WRONG);
    assert_contains(wrong.errors, "auth.hmac_secret = (hidden) (from environment");
    assert_lacks(wrong.errors, "SSS");
    load_end(&wrong);
    load_run(&printed);
    assert_contains(printed.output, "# hmac_secret: (hidden)  # environment ROOMCAST_AUTH_HMAC_SECRET\n");
    assert_lacks(printed.output, SECRET);
    load_end(&printed);
}

static void passwords_in_urls_are_shown_nowhere(void **state)
{
    (void)state;
    struct load printed = {.program = CONFIG_RELAY,
                           .args = ARGS("--redis-url=redis://user:pa@ss@redis:6379/0",
                                        "--nats-url=nats://n1:4222,nats://token@n2:4222,nats://u:p@n3",
                                        "--print-config")};
    struct load wrong = {.args = ARGS("--nats-url=nats://me:tell,nobody@n1,")};

    load_run(&printed);
    assert_int_equal(printed.verdict, CONFIG_DONE);
    assert_contains(printed.output, "url: \"redis://(hidden)@redis:6379/0\"");
    assert_contains(printed.output, "url: \"nats://n1:4222,nats://(hidden)@n2:4222,nats://(hidden)@n3\"");
    load_end(&printed);
    load_run(&wrong);
    assert_contains(wrong.errors, "nats.url = \"nats://(hidden)@n1,\"");
    load_end(&wrong);
}

static void sources_are_forgotten(void **state)
{
    (void)state;
    char flag[] = "--relay-api-key=hunter2", name[] = "--relay-api-key", value[] = "hunter2";
    char file_flag_text[] = "--relay-api-key-file=/run/key", other[] = "--stream-name=abc",
         last[] = "--relay-api-key";
    char secret[] = "ROOMCAST_AUTH_HMAC_SECRET=hunter2", path[] = "PATH=/bin";
    char file[] = "ROOMCAST_AUTH_HMAC_SECRET_FILE=/run/secret";
    char url[] = "ROOMCAST_NATS_URL=nats://me:hunter2@n1,nats://n2,nats://token@n3";
    char *argv[] = {flag, name, value, file_flag_text, other, last, NULL};
    char *environment[] = {path, secret, url, file, NULL};
    const struct config_request request = {.argc = 6, .argv = argv, .environment = environment};

    config_forget_sources(&request);
    assert_string_equal(flag, "--relay-api-key=xxxxxxx");
    assert_string_equal(name, "--relay-api-key");
    assert_string_equal(value, "xxxxxxx");
    assert_string_equal(file_flag_text, "--relay-api-key-file=/run/key");
    assert_string_equal(other, "--stream-name=abc");
    assert_string_equal(secret, "ROOMCAST_AUTH_HMAC_SECRET=xxxxxxx");
    assert_ptr_equal(environment[0], path);
    assert_ptr_equal(environment[1], url);
    assert_string_equal(url, "ROOMCAST_NATS_URL=nats://xxxxxxxxxx@n1,nats://n2,nats://xxxxx@n3");
    assert_ptr_equal(environment[2], file);
    assert_string_equal(file, "ROOMCAST_AUTH_HMAC_SECRET_FILE=/run/secret");
    assert_null(environment[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_may_stand_in_a_file_with_a_newline_behind_it),
        cmocka_unit_test(a_secrets_file_can_be_read_again),
        cmocka_unit_test(what_came_from_no_file_is_not_read_again),
        cmocka_unit_test(every_source_may_name_the_file),
        cmocka_unit_test(value_and_file_together_are_a_fault),
        cmocka_unit_test(an_empty_value_and_a_preset_give_way_to_a_file),
        cmocka_unit_test(unusable_secret_files_are_faults),
        cmocka_unit_test(the_other_programs_secret_file_is_not_read),
        cmocka_unit_test(secrets_are_shown_nowhere),
        cmocka_unit_test(sources_are_forgotten),
        cmocka_unit_test(passwords_in_urls_are_shown_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
