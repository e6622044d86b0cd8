#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <roomcast/wire/seal.h>

#define HEX_A  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B  "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define NOW    1700000000000u
#define WINDOW 60000u
#define BODY   "the body of a message"
#define ROOM   "rc.sig.chat.1"

static const enum seal_mode modes[] = {SEAL_SIGN, SEAL_ENCRYPT};

static struct seal *make(enum seal_mode mode, const char *key, const char *previous)
{
    const struct seal_options options = {
        .mode = mode, .key = slice_of(key), .previous = slice_of(previous), .window_ms = WINDOW};
    struct seal *seal = NULL;

    assert_int_equal(seal_new(&options, &seal), ERR_OK);
    return seal;
}

/* Sealed by `from` under `put`, opened by `to` under `open` at `at`; one byte flipped unless `flip` is
 * beyond. */
static enum seal_verdict pass(const struct seal *from, const struct seal *to, const char *put,
                              const char *open, uint64_t at, size_t flip, size_t cut)
{
    struct buffer sealed;
    struct slice body = {NULL, 0};

    buffer_init(&sealed, 4096);
    seal_put(from, "rc", slice_of(put), NOW, slice_of(BODY), &sealed);
    assert_false(buffer_failed(&sealed));
    size_t len = sealed.len - cut;
    char *exact = malloc(len + 1); /* a sanitizer sees what is read beyond */
    memcpy(exact, sealed.data, len);
    exact = realloc(exact, len > 0 ? len : 1);
    if (flip < len)
        exact[flip] = (char)(exact[flip] ^ 0x10);
    enum seal_verdict verdict = seal_open(to, "rc", slice_of(open), at, exact, len, &body);
    if (verdict == SEAL_OPENED && cut == 0)
        assert_true(slice_equal(body, slice_of(BODY)));
    free(exact);
    buffer_fini(&sealed);
    return verdict;
}

static void what_is_sealed_is_opened(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct seal *a = make(modes[i], HEX_A, ""), *same = make(SEAL_SIGN, BASE_A, "");
        assert_int_equal(pass(a, same, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_OPENED);
        seal_free(&a);
        seal_free(&same);
    }
}

static void every_changed_or_missing_byte_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct seal *a = make(modes[i], HEX_A, "");
        size_t len = strlen(BODY) + (modes[i] == SEAL_SIGN ? SEAL_SIGNED_BYTES : SEAL_ENCRYPTED_BYTES);
        for (size_t at = 0; at < len; at++)
            assert_int_not_equal(pass(a, a, ROOM, ROOM, NOW, at, 0), SEAL_OPENED);
        for (size_t cut = 1; cut <= len; cut++)
            assert_int_not_equal(pass(a, a, ROOM, ROOM, NOW, SIZE_MAX, cut), SEAL_OPENED);
        seal_free(&a);
    }
}

static void no_message_moves_to_another_subject(void **state)
{
    static const char *const others[] = {"rc.sig.chat.2",      "rc.sig.chat",    "rc.sig.chat.11",
                                         "rc.ev.chat.1",       "rc.live.chat.1", "rc.rev.sig.chat.1",
                                         "rc.authz.subscribe", "other"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct seal *a = make(modes[i], HEX_A, "");
        for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
            assert_int_equal(pass(a, a, ROOM, others[k], NOW, SIZE_MAX, 0), SEAL_FORGED);
        assert_int_equal(pass(a, a, "rc.ev.chat.1", "rc.live.chat.1", NOW, SIZE_MAX, 0), SEAL_OPENED);
        assert_int_equal(pass(a, a, "rc.rev.ev.s.00", "rc.rev.live.s.00", NOW, SIZE_MAX, 0), SEAL_OPENED);
        assert_int_equal(pass(a, a, "rc.rev.ev.s.00", "rc.live.s.00", NOW, SIZE_MAX, 0), SEAL_FORGED);
        assert_int_equal(pass(a, a, "rc.ev.chat.1", "rc.live.chat.2", NOW, SIZE_MAX, 0), SEAL_FORGED);
        seal_free(&a);
    }
}

static void a_signal_ages_and_a_stored_event_does_not(void **state)
{
    (void)state;
    struct seal *a = make(SEAL_SIGN, HEX_A, "");
    assert_int_equal(pass(a, a, ROOM, ROOM, NOW + WINDOW, SIZE_MAX, 0), SEAL_OPENED);
    assert_int_equal(pass(a, a, ROOM, ROOM, NOW - WINDOW, SIZE_MAX, 0), SEAL_OPENED);
    assert_int_equal(pass(a, a, ROOM, ROOM, NOW + WINDOW + 1, SIZE_MAX, 0), SEAL_STALE);
    assert_int_equal(pass(a, a, ROOM, ROOM, NOW - WINDOW - 1, SIZE_MAX, 0), SEAL_STALE);
    assert_int_equal(pass(a, a, "rc.ev.chat.1", "rc.live.chat.1", UINT64_MAX, SIZE_MAX, 0), SEAL_OPENED);
    seal_free(&a);
}

static void keys_are_changed_in_steps(void **state)
{
    (void)state;
    struct seal *a = make(SEAL_SIGN, HEX_A, ""), *b = make(SEAL_SIGN, HEX_B, ""),
                *b_after_a = make(SEAL_ENCRYPT, HEX_B, HEX_A);
    assert_int_equal(pass(a, b, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_NO_KEY);
    assert_int_equal(pass(a, b_after_a, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_OPENED);
    assert_int_equal(pass(b_after_a, b, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_OPENED);
    assert_int_equal(pass(b_after_a, a, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_NO_KEY);
    seal_free(&a);
    seal_free(&b);
    seal_free(&b_after_a);
}

static void plaintext_is_taken_only_where_that_is_wanted(void **state)
{
    (void)state;
    struct seal *off = make(SEAL_OFF, HEX_A, ""), *on = make(SEAL_SIGN, HEX_A, "");
    assert_int_equal(pass(off, on, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_UNSEALED);
    assert_int_equal(pass(off, off, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_OPENED);
    assert_int_equal(pass(on, off, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_OPENED);
    assert_int_not_equal(pass(on, off, ROOM, "rc.sig.chat.2", NOW, SIZE_MAX, 0), SEAL_OPENED);
    const struct seal_options soft = {
        .mode = SEAL_SIGN, .key = slice_of(HEX_A), .window_ms = WINDOW, .accept_plain = true};
    struct seal *softly = NULL;
    assert_int_equal(seal_new(&soft, &softly), ERR_OK);
    assert_int_equal(pass(off, softly, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_OPENED);
    assert_int_equal(pass(softly, on, ROOM, ROOM, NOW, SIZE_MAX, 0), SEAL_OPENED);
    seal_free(&softly);
    seal_free(&off);
    seal_free(&on);
}

static void encryption_hides_the_body_and_never_repeats(void **state)
{
    (void)state;
    struct seal *a = make(SEAL_ENCRYPT, HEX_A, "");
    struct buffer one, two;
    buffer_init(&one, 4096);
    buffer_init(&two, 4096);
    seal_put(a, "rc", slice_of(ROOM), NOW, slice_of(BODY), &one);
    seal_put(a, "rc", slice_of(ROOM), NOW, slice_of(BODY), &two);
    assert_null(memmem(one.data, one.len, BODY, 8));
    assert_int_equal(one.len, strlen(BODY) + SEAL_ENCRYPTED_BYTES);
    assert_memory_not_equal(one.data, two.data, one.len);
    buffer_fini(&one);
    buffer_fini(&two);
    seal_free(&a);
}

static void what_is_no_key_is_refused(void **state)
{
    static const char hex_and_more[] = HEX_A "00", base_and_more[] = BASE_A "A", no_hex[] = "g" HEX_A;
    const char *const bad[] = {"", "short", hex_and_more, base_and_more, no_hex, "AAECAwQFBgcICQoLDA0ODw=="};
    struct seal *seal = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct seal_options options = {.mode = SEAL_SIGN, .key = slice_of(bad[i])};
        assert_int_equal(seal_new(&options, &seal), ERR_CONFIG);
        if (i > 0) {
            options = (struct seal_options){.key = slice_of(HEX_A), .previous = slice_of(bad[i])};
            assert_int_equal(seal_new(&options, &seal), ERR_CONFIG);
        }
    }
    assert_null(seal);
}

static void subjects_tell_what_they_carry(void **state)
{
    (void)state;
    assert_int_equal(seal_scope("rc", slice_of("rc.ev.chat.1")), SEAL_STORED);
    assert_int_equal(seal_scope("rc", slice_of("rc.live.user.x")), SEAL_STORED);
    assert_int_equal(seal_scope("rc", slice_of("rc.ev.relay.lease")), SEAL_STORED);
    assert_int_equal(seal_scope("rc", slice_of("rc.rev.live.s.0f")), SEAL_STORED);
    assert_int_equal(seal_scope("rc", slice_of("rc.rev.sig")), SEAL_SIGNAL);
    assert_int_equal(seal_scope("rc", slice_of("rc.sig.nodes")), SEAL_SIGNAL);
    assert_int_equal(seal_scope("rc", slice_of("rc.authz.subscribe")), SEAL_FOREIGN);
    assert_int_equal(seal_scope("rc", slice_of("rcx.sig.nodes")), SEAL_FOREIGN);
    assert_int_equal(seal_scope("rc", slice_of("rc")), SEAL_FOREIGN);
    assert_int_equal(seal_scope("rc", slice_of("_INBOX.a.1")), SEAL_FOREIGN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_is_opened),
        cmocka_unit_test(every_changed_or_missing_byte_is_noticed),
        cmocka_unit_test(no_message_moves_to_another_subject),
        cmocka_unit_test(a_signal_ages_and_a_stored_event_does_not),
        cmocka_unit_test(keys_are_changed_in_steps),
        cmocka_unit_test(plaintext_is_taken_only_where_that_is_wanted),
        cmocka_unit_test(encryption_hides_the_body_and_never_repeats),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(subjects_tell_what_they_carry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
