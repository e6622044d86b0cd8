#include "wire_test.h"

#include <roomcast/wire/subject.h>

#include <mutate.h>

static void subjects_have_the_documented_form(void **state)
{
    (void)state;
    struct room_key chat = chat_key(CHAT_UPPER), user = user_key("u_1-X");
    char text[SUBJECT_SIZE];

    subject_format("roomcast", SUBJECT_EVENT, &chat, text);
    assert_string_equal(text, "roomcast.ev.chat." CHAT);
    subject_format("a.b", SUBJECT_LIVE, &user, text);
    assert_string_equal(text, "a.b.live.user.u_1-X");
    subject_format("roomcast", SUBJECT_SIGNAL, &chat, text);
    assert_string_equal(text, "roomcast.sig.chat." CHAT);
    subject_format_all("roomcast", SUBJECT_EVENT, text);
    assert_string_equal(text, "roomcast.ev.>");
    subject_format_all("roomcast", SUBJECT_LIVE, text);
    assert_string_equal(text, "roomcast.live.>");
    subject_format_lease("roomcast", text);
    assert_string_equal(text, "roomcast.ev.relay.lease");
    subject_format_nodes("roomcast", text);
    assert_string_equal(text, "roomcast.sig.nodes");
    subject_format_authorize("roomcast", text);
    assert_string_equal(text, "roomcast.authz.subscribe");
    subject_format_presence("roomcast", text);
    assert_string_equal(text, "roomcast.sig.presence");
    subject_format_used("roomcast", text);
    assert_string_equal(text, "roomcast.sig.used");
    subject_format_console("roomcast", SLICE_LITERAL("roomcast-0.k3x9"), text);
    assert_string_equal(text, "roomcast.sig.console.roomcast-0=2Ek3x9");
}

static void revocations_have_subjects_beside_all_events(void **state)
{
    (void)state;
    char text[SUBJECT_SIZE];
    enum subject_kind kind;
    struct room_key room;

    subject_format_revocations("roomcast", text);
    assert_string_equal(text, "roomcast.rev");
    subject_format_revocation_shard("roomcast", SUBJECT_EVENT, 0, text);
    assert_string_equal(text, "roomcast.rev.ev.s.00");
    subject_format_revocation_shard("roomcast", SUBJECT_LIVE, 63, text);
    assert_string_equal(text, "roomcast.rev.live.s.3f");
    assert_int_equal(subject_parse("roomcast", slice_of(text), &kind, &room), ERR_SYNTAX);
    subject_format_revocation_notice("roomcast", text);
    assert_string_equal(text, "roomcast.rev.sig");
}

static void no_user_id_can_reach_into_another_subject(void **state)
{
    (void)state;
    struct room_key user = user_key("a.b *>=\xc3\xbc");
    char text[SUBJECT_SIZE];

    subject_format("p", SUBJECT_LIVE, &user, text);
    assert_string_equal(text, "p.live.user.a=2Eb=20=2A=3E=3D=C3=BC");
}

static void the_longest_subject_fits_and_comes_back(void **state)
{
    (void)state;
    char prefix[SUBJECT_PREFIX_MAX + 1], id[USER_ID_MAX + 1], text[SUBJECT_SIZE];
    enum subject_kind kind;
    struct room_key room;

    memset(prefix, 'p', SUBJECT_PREFIX_MAX);
    prefix[SUBJECT_PREFIX_MAX] = '\0';
    memset(id, '.', USER_ID_MAX);
    id[USER_ID_MAX] = '\0';
    struct room_key user = user_key(id);
    subject_format(prefix, SUBJECT_LIVE, &user, text);
    assert_true(strlen(text) < SUBJECT_SIZE);
    assert_int_equal(subject_parse(prefix, slice_of(text), &kind, &room), ERR_OK);
    assert_true(room_key_equal(&room, &user));
}

static void every_byte_of_an_id_survives_the_way_there_and_back(void **state)
{
    (void)state;
    for (unsigned byte = 0x20; byte < 0x7f; byte++) {
        char id[] = {'x', (char)byte, 'y', '\0'}, text[SUBJECT_SIZE];
        struct room_key user = user_key(id), back;
        enum subject_kind kind;

        subject_format("roomcast", SUBJECT_EVENT, &user, text);
        assert_int_equal(subject_parse("roomcast", slice_of(text), &kind, &back), ERR_OK);
        assert_int_equal(kind, SUBJECT_EVENT);
        assert_true(room_key_equal(&user, &back));
    }
}

static void a_room_has_one_subject_only(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "roomcast",
        "roomcast.ev.chat.",
        "roomcast.ev.user.",
        "other.ev.chat." CHAT,
        "roomcas.ev.chat." CHAT,
        "roomcast.evil.chat." CHAT,
        "roomcast.ev.chat." CHAT_UPPER,
        "roomcast.ev.user." CHAT_UPPER,
        "roomcast.ev.chat." CHAT "x",
        "roomcast.ev.chat." CHAT ".x",
        "roomcast.ev.chat.general",
        "roomcast.ev.group." CHAT,
        "roomcast.ev.user.=61",    /* needlessly escaped */
        "roomcast.ev.user.=c3=bc", /* hex in lower case */
        "roomcast.ev.user.a=2",    /* cut escape */
        "roomcast.ev.user.a=",     /* the same */
        "roomcast.ev.user.=GG",    /* not hex */
        "roomcast.ev.user.=0A",    /* control character */
        "roomcast.ev.user.=FF",    /* not UTF-8 */
        "roomcast.ev.user.a.b",    /* two tokens */
        "roomcast.ev.user.*",      /* wildcard */
        "roomcast.ev.>",
    };
    struct room_key untouched = user_key("x"), room = untouched;
    enum subject_kind kind = SUBJECT_SIGNAL;

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(subject_parse("roomcast", slice_of(wrong[i]), &kind, &room), ERR_SYNTAX);
    assert_int_equal(subject_parse("roomcast", (struct slice){NULL, 0}, &kind, &room), ERR_SYNTAX);
    assert_memory_equal(&room, &untouched, sizeof room);
    assert_int_equal(kind, SUBJECT_SIGNAL);
}

static void no_name_of_a_process_reaches_into_another_s_questions(void **state)
{
    (void)state;
    char prefix[SUBJECT_PREFIX_MAX + 1], name[ROOM_NAME_MAX], text[SUBJECT_SIZE];

    subject_format_console("p", SLICE_LITERAL("a.>* "), text);
    assert_string_equal(text, "p.sig.console.a=2E=3E=2A=20");
    memset(prefix, 'p', SUBJECT_PREFIX_MAX);
    prefix[SUBJECT_PREFIX_MAX] = '\0';
    memset(name, '.', sizeof name);
    subject_format_console(prefix, (struct slice){name, sizeof name}, text);
    assert_int_equal(strlen(text), SUBJECT_PREFIX_MAX + strlen(".sig.console.") + 3 * sizeof name);
}

static void an_id_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char text[SUBJECT_SIZE + 64] = "roomcast.ev.user.";
    enum subject_kind kind;
    struct room_key room;

    memset(text + strlen(text), 'u', USER_ID_MAX + 1);
    assert_int_equal(subject_parse("roomcast", slice_of(text), &kind, &room), ERR_SYNTAX);
    text[strlen(text) - 1] = '\0';
    assert_int_equal(subject_parse("roomcast", slice_of(text), &kind, &room), ERR_OK);
}

static void feed(struct slice input)
{
    char again[SUBJECT_SIZE];
    enum subject_kind kind;
    struct room_key room;

    if (subject_parse("roomcast", input, &kind, &room))
        return;
    subject_format("roomcast", kind, &room, again);
    assert_true(slice_equal(slice_of(again), input));
}

static void whatever_is_accepted_would_have_been_written_so(void **state)
{
    (void)state;
    const struct slice seeds[] = {
        SLICE_LITERAL("roomcast.ev.chat." CHAT),
        SLICE_LITERAL("roomcast.live.user.a=2Eb=20=2A=3E=3D=C3=BC"),
        SLICE_LITERAL("roomcast.sig.chat." CHAT),
    };

    mutate_each(seeds, COUNT(seeds), 6000, feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subjects_have_the_documented_form),
        cmocka_unit_test(revocations_have_subjects_beside_all_events),
        cmocka_unit_test(no_user_id_can_reach_into_another_subject),
        cmocka_unit_test(the_longest_subject_fits_and_comes_back),
        cmocka_unit_test(every_byte_of_an_id_survives_the_way_there_and_back),
        cmocka_unit_test(a_room_has_one_subject_only),
        cmocka_unit_test(no_name_of_a_process_reaches_into_another_s_questions),
        cmocka_unit_test(an_id_that_is_too_long_is_refused),
        cmocka_unit_test(whatever_is_accepted_would_have_been_written_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
