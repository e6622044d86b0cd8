#include "wire_test.h"

#include <stdlib.h>
#include <string.h>

#include <roomcast/wire/console_message.h>

#include "mutate.h"
#include "protobuf_text.h"

static const struct console_message question = {
    .id = UINT64_MAX,
    .kind = CONSOLE_USER,
    .from = SLICE_LITERAL("node-0.k3x9"),
    .about = SLICE_LITERAL("anna b\xc3\xb6hm"),
};
static const struct console_message answer = {
    .id = 7,
    .kind = CONSOLE_ANSWER,
    .status = 200,
    .from = SLICE_LITERAL("node-1.q7"),
    .body = SLICE_LITERAL("{\"count\":0,\"sessions\":[{\"chats\":[{\"chat\":\"c\"}]}]}"),
};

static struct buffer encode(const struct console_message *message)
{
    struct buffer bytes;
    buffer_init(&bytes, CONSOLE_MAX_BYTES);
    assert_int_equal(console_encode(message, &bytes), ERR_OK);
    return bytes;
}

static enum err decode(struct buffer *bytes)
{
    struct console_owned owned;
    enum err err = console_decode(buffer_slice(bytes), &owned);
    if (err == ERR_OK)
        console_release(&owned);
    return err;
}

static void assert_comes_back(const struct console_message *message)
{
    struct console_owned owned;
    struct buffer bytes = encode(message);
    assert_int_equal(console_decode(buffer_slice(&bytes), &owned), ERR_OK);
    buffer_fini(&bytes);
    assert_true(owned.message.id == message->id);
    assert_int_equal(owned.message.kind, message->kind);
    assert_int_equal(owned.message.status, message->status);
    assert_true(slice_equal(owned.message.from, message->from));
    assert_true(slice_equal(owned.message.about, message->about));
    assert_true(slice_equal(owned.message.body, message->body));
    console_release(&owned);
    assert_null(owned.memory);
}

static void questions_and_answers_survive_the_way_there_and_back(void **state)
{
    (void)state;
    struct console_message message = question;

    assert_comes_back(&answer);
    for (int kind = CONSOLE_LIVE; kind <= CONSOLE_REPLAY; kind++) {
        message.kind = (enum console_kind)kind;
        message.body = kind == CONSOLE_REVOKE ? SLICE_LITERAL("no JSON, and not ours to judge")
                                              : (struct slice){.len = 0};
        assert_comes_back(&message);
    }
    message = question;
    message.about = (struct slice){.len = 0};
    assert_comes_back(&message);
}

static void disconnects_drains_revocations_and_replays_are_actions(void **state)
{
    (void)state;
    unsigned actions = 0;
    for (int kind = CONSOLE_ANSWER; kind <= CONSOLE_REPLAY; kind++)
        actions |= (unsigned)console_acts((enum console_kind)kind) << kind;
    assert_int_equal(actions, 1u << CONSOLE_DISCONNECT | 1u << CONSOLE_DRAIN | 1u << CONSOLE_REVOKE |
                                  1u << CONSOLE_REPLAY);
}

static void what_breaks_the_rules_is_not_encoded(void **state)
{
    (void)state;
    char longer[HEARTBEAT_INSTANCE_MAX + CONSOLE_ABOUT_MAX];
    struct console_message wrong[14];
    struct buffer bytes;

    memset(longer, 'x', sizeof longer);
    for (size_t i = 0; i < COUNT(wrong); i++)
        wrong[i] = i < 8 ? question : answer;
    wrong[0].id = 0;
    wrong[1].from.len = 0;
    wrong[2].from = (struct slice){longer, HEARTBEAT_INSTANCE_MAX + 1};
    wrong[3].about = (struct slice){longer, CONSOLE_ABOUT_MAX + 1};
    wrong[4].about = SLICE_LITERAL("a\nb");
    wrong[5].status = 200;
    wrong[6].body = SLICE_LITERAL("{}");
    wrong[7].kind = CONSOLE_REVOKE;
    wrong[8].body.len = 0;
    wrong[9].status = 0;
    wrong[10].status = 199;
    wrong[11].status = 600;
    wrong[12].kind = (enum console_kind)0;
    wrong[13].kind = (enum console_kind)(CONSOLE_REPLAY + 1);
    buffer_init(&bytes, CONSOLE_MAX_BYTES);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(console_encode(&wrong[i], &bytes), ERR_RANGE);
    assert_int_equal(bytes.len, 0);
    buffer_fini(&bytes);
}

static void the_largest_answer_fits_and_one_byte_more_does_not(void **state)
{
    (void)state;
    char *body = malloc(CONSOLE_BODY_MAX + 1);
    struct console_message message = answer;
    struct buffer bytes;

    assert_non_null(body);
    memset(body, ' ', CONSOLE_BODY_MAX + 1);
    body[0] = '{';
    body[CONSOLE_BODY_MAX - 1] = '}';
    message.body = (struct slice){body, CONSOLE_BODY_MAX};
    assert_comes_back(&message);
    message.body.len++;
    buffer_init(&bytes, 2 * CONSOLE_MAX_BYTES);
    assert_int_equal(console_encode(&message, &bytes), ERR_RANGE);
    while (bytes.len <= CONSOLE_MAX_BYTES)
        buffer_append_text(&bytes, "................................................................");
    assert_int_equal(decode(&bytes), ERR_TOO_BIG);
    buffer_fini(&bytes);
    free(body);
}

static enum err decode_numbers(unsigned version, unsigned kind, unsigned status, const char *body)
{
    struct buffer bytes;

    buffer_init(&bytes, CONSOLE_MAX_BYTES);
    pb_number(&bytes, 1, version);
    pb_number(&bytes, 2, 9);
    pb_text(&bytes, 3, "a.1");
    pb_number(&bytes, 4, kind);
    pb_number(&bytes, 6, status);
    pb_text(&bytes, 7, body);
    pb_text(&bytes, 90, "of a newer release");
    enum err err = decode(&bytes);
    buffer_fini(&bytes);
    return err;
}

static void a_message_of_another_release_is_read_as_far_as_it_is_known(void **state)
{
    (void)state;
    assert_int_equal(decode_numbers(1, 1, 200, "{}"), ERR_OK);
    assert_int_equal(decode_numbers(1, 2, 0, ""), ERR_OK);
    assert_int_equal(decode_numbers(CONSOLE_VERSION + 1, 1, 200, "{}"), ERR_VERSION);
    assert_int_equal(decode_numbers(0, 1, 200, "{}"), ERR_RANGE);
    assert_int_equal(decode_numbers(1, 0, 200, "{}"), ERR_RANGE);
    assert_int_equal(decode_numbers(1, CONSOLE_REPLAY + 1, 0, ""), ERR_UNKNOWN);
    assert_int_equal(decode_numbers(1, 1, 199, "{}"), ERR_RANGE);
}

static void an_answer_that_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{", "[]", "1", "{}x", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}", "{\"a\":[[[[[[1]]]]]]}"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(decode_numbers(1, CONSOLE_ANSWER, 200, wrong[i]), ERR_SYNTAX);
}

static void feed(struct slice input)
{
    struct console_owned owned;
    struct buffer again;

    if (console_decode(input, &owned) != ERR_OK)
        return;
    buffer_init(&again, CONSOLE_MAX_BYTES);
    assert_int_equal(console_encode(&owned.message, &again), ERR_OK);
    buffer_fini(&again);
    console_release(&owned);
}

static void whatever_is_accepted_could_have_been_sent(void **state)
{
    (void)state;
    struct buffer asked = encode(&question), answered = encode(&answer);
    const struct slice seeds[] = {buffer_slice(&asked), buffer_slice(&answered)};

    mutate_each(seeds, COUNT(seeds), 5000, feed);
    buffer_fini(&asked);
    buffer_fini(&answered);
}

static void a_problem_is_an_object_whatever_it_says(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 256);
    console_write_problem("no \"such\" thing\n", &out);
    assert_string_equal(buffer_text(&out), "{\"problem\":\"no \\\"such\\\" thing\\n\"}");
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_and_answers_survive_the_way_there_and_back),
        cmocka_unit_test(disconnects_drains_revocations_and_replays_are_actions),
        cmocka_unit_test(what_breaks_the_rules_is_not_encoded),
        cmocka_unit_test(the_largest_answer_fits_and_one_byte_more_does_not),
        cmocka_unit_test(a_message_of_another_release_is_read_as_far_as_it_is_known),
        cmocka_unit_test(an_answer_that_is_no_object_is_refused),
        cmocka_unit_test(whatever_is_accepted_could_have_been_sent),
        cmocka_unit_test(a_problem_is_an_object_whatever_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
