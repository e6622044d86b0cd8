#include "verifying.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static struct token_verifier *verifier;
static struct inbox answers;
static struct verifying *verifying;
static char *good;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;

static void wake(void *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&came);
    pthread_mutex_unlock(&lock);
}

static int set_up(void **state)
{
    (void)state;
    const struct token_options options = {.hmac_secret = SLICE_LITERAL(SECRET),
                                          .issuer = "",
                                          .audience = "",
                                          .user_claim = "sub",
                                          .chats_claim = "chats"};
    const struct token_mint mint = {.hmac_secret = SLICE_LITERAL(SECRET),
                                    .user = "ann",
                                    .chats = "22222222-2222-4222-8222-222222222222",
                                    .user_claim = "sub",
                                    .chats_claim = "chats",
                                    .issued_at = clock_wall_ms() / 1000,
                                    .lifetime_s = 3600};
    char problem[256];
    assert_int_equal(random_init(), ERR_OK);
    assert_int_equal(token_verifier_new(&options, &verifier, problem), ERR_OK);
    assert_int_equal(token_mint(&mint, &good), ERR_OK);
    inbox_init(&answers, wake, NULL);
    assert_int_equal(verifying_start(verifier, NULL, &answers, &verifying), ERR_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    verifying_stop(&verifying);
    inbox_fini(&answers);
    token_verifier_free(&verifier);
    free(good);
    return 0;
}

static enum err ask(const char *token)
{
    struct verify_job *job = verify_job_new(slice_of(token));
    assert_non_null(job);
    enum err err = verifying_ask(verifying, job);
    if (err != ERR_OK)
        verify_job_free(job);
    return err;
}

static struct verify_job *wait_for_answer(void)
{
    struct inbox_item *item;
    pthread_mutex_lock(&lock);
    while (!(item = inbox_take(&answers)))
        pthread_cond_wait(&came, &lock);
    pthread_mutex_unlock(&lock);
    assert_null(item->next);
    return (struct verify_job *)item;
}

/* Frees all that is in the inbox; returns how many. */
static unsigned count_answers(unsigned *ret_good)
{
    unsigned count = 0;
    *ret_good = 0;
    for (struct inbox_item *item = inbox_take(&answers), *next; item; item = next) {
        struct verify_job *job = (struct verify_job *)item;
        next = item->next;
        if (job->err == ERR_OK) {
            token_claims_release(&job->claims);
            ++*ret_good;
        } else {
            assert_int_equal(job->err, ERR_BUSY);
        }
        verify_job_free(job);
        count++;
    }
    return count;
}

static void the_answer_is_that_of_token_verify(void **state)
{
    (void)state;
    assert_int_equal(ask(good), ERR_OK);
    struct verify_job *job = wait_for_answer();
    assert_int_equal(job->err, ERR_OK);
    assert_string_equal(job->claims.user + 2, "ann");
    assert_int_equal(job->claims.chats_count, 1);
    token_claims_release(&job->claims);
    verify_job_free(job);

    char *forged = strdup(good);
    assert_non_null(forged);
    char *last = forged + strlen(forged) - 2;
    *last = *last == 'A' ? 'B' : 'A';
    assert_int_equal(ask(forged), ERR_OK);
    free(forged);
    job = wait_for_answer();
    assert_int_equal(job->err, ERR_SIGNATURE);
    assert_non_null(job->reason);
    verify_job_free(job);
}

static void no_more_wait_than_may(void **state)
{
    (void)state;
    unsigned taken = 0, good_ones;
    enum err err;
    while ((err = ask(good)) == ERR_OK) /* asking is faster than verifying */
        taken++;
    assert_int_equal(err, ERR_BUSY);
    assert_true(taken >= VERIFYING_MAX);
    verifying_stop(&verifying);
    assert_int_equal(count_answers(&good_ones), taken);
}

static void every_job_comes_back_when_it_stops(void **state)
{
    (void)state;
    unsigned good_ones;
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(ask(good), ERR_OK);
    verifying_stop(&verifying);
    assert_int_equal(count_answers(&good_ones), 500);
}

static void an_inbox_that_is_closed_loses_nothing(void **state)
{
    (void)state;
    inbox_close(&answers);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ask(good), ERR_OK);
    verifying_stop(&verifying); /* the sanitizer sees to it that they were freed */
    assert_null(inbox_take(&answers));
}

/* --- with an issuer that never answers: its thread is not started --- */

/* {"alg":"EdDSA","kid":"x"}.{"sub":"u"}, with a signature of nobody. */
#define KEYLESS "eyJhbGciOiJFZERTQSIsImtpZCI6IngifQ.eyJzdWIiOiJ1In0.AAAA"

static char nobody[] = "http://127.0.0.1:9/", no_file[] = "";
static const struct config config = {
    .auth_jwks_url = nobody, .auth_jwks_ca_file = no_file, .auth_jwks_refresh_s = 300};
static struct issuer *issuer;

static void on_fetched(void *context)
{
    (void)context;
}

static int set_up_issuer(void **state)
{
    const struct issuer_options options = {.config = &config, .on_fetched = on_fetched};
    const struct token_options with_issuer = {.hmac_secret = SLICE_LITERAL(SECRET),
                                              .has_issuer = true,
                                              .issuer = "",
                                              .audience = "",
                                              .user_claim = "sub",
                                              .chats_claim = "chats"};
    char problem[256];
    set_up(state);
    verifying_stop(&verifying);
    token_verifier_free(&verifier);
    assert_int_equal(token_verifier_new(&with_issuer, &verifier, problem), ERR_OK);
    assert_int_equal(issuer_new(&options, &issuer, problem), ERR_OK);
    assert_int_equal(verifying_start(verifier, issuer, &answers, &verifying), ERR_OK);
    return 0;
}

static int tear_down_issuer(void **state)
{
    tear_down(state);
    issuer_free(&issuer);
    return 0;
}

static void no_more_tokens_are_put_aside_than_may(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VERIFYING_KEYLESS_MAX; i++)
        assert_int_equal(ask(KEYLESS), ERR_OK);
    assert_int_equal(ask(KEYLESS), ERR_OK);
    struct verify_job *job = wait_for_answer();
    assert_int_equal(job->err, ERR_UNAVAILABLE);
    verify_job_free(job);
    assert_int_equal(ask(good), ERR_OK);
    job = wait_for_answer();
    assert_int_equal(job->err, ERR_OK);
    token_claims_release(&job->claims);
    verify_job_free(job);
    unsigned good_ones;
    verifying_stop(&verifying);
    assert_int_equal(count_answers(&good_ones), VERIFYING_KEYLESS_MAX);
    assert_int_equal(metrics_get(METRIC_JWKS_WAITING), 0);
}

/* A good token with so many chats that 1,024 of them keep the thread busy while the others of the machine
 * run. */
static char *large_token(void)
{
    enum { CHATS = 700 };
    char *chats = malloc(CHATS * 37 + 1), *token;
    assert_non_null(chats);
    for (unsigned i = 0; i < CHATS; i++)
        snprintf(chats + i * 37, 38, "22222222-2222-4222-8222-%012x,", i);
    chats[CHATS * 37 - 1] = '\0';
    const struct token_mint mint = {.hmac_secret = SLICE_LITERAL(SECRET),
                                    .user = "ann",
                                    .chats = chats,
                                    .user_claim = "sub",
                                    .chats_claim = "chats",
                                    .issued_at = clock_wall_ms() / 1000,
                                    .lifetime_s = 3600};
    assert_int_equal(token_mint(&mint, &token), ERR_OK);
    free(chats);
    return token;
}

/* Takes all answers; true when the keyless one is among them. */
static bool take_answers(void)
{
    bool found = false;
    for (struct inbox_item *item = inbox_take(&answers), *next; item; item = next) {
        struct verify_job *job = (struct verify_job *)item;
        next = item->next;
        if (job->err == ERR_OK) {
            token_claims_release(&job->claims);
        } else {
            assert_int_equal(job->err, ERR_UNAVAILABLE);
            found = true;
        }
        verify_job_free(job);
    }
    return found;
}

static void a_token_put_aside_is_answered_in_time_while_others_come_without_end(void **state)
{
    (void)state;
    char *large = large_token();
    uint64_t began_ms = clock_monotonic_ms();
    assert_int_equal(ask(KEYLESS), ERR_OK);
    while (!take_answers()) {
        while (ask(large) == ERR_OK)
            ;
        assert_true(clock_monotonic_ms() < began_ms + VERIFYING_KEYLESS_MS + 20000);
    }
    assert_true(clock_monotonic_ms() >= began_ms + VERIFYING_KEYLESS_MS);
    verifying_stop(&verifying);
    free(large);
    unsigned good_ones;
    (void)count_answers(&good_ones);
}

int main(void)
{
#define ISSUER_TEST(name)    cmocka_unit_test_setup_teardown(name, set_up_issuer, tear_down_issuer)
#define VERIFYING_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        VERIFYING_TEST(the_answer_is_that_of_token_verify),
        VERIFYING_TEST(no_more_wait_than_may),
        VERIFYING_TEST(every_job_comes_back_when_it_stops),
        VERIFYING_TEST(an_inbox_that_is_closed_loses_nothing),
        ISSUER_TEST(no_more_tokens_are_put_aside_than_may),
        ISSUER_TEST(a_token_put_aside_is_answered_in_time_while_others_come_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
