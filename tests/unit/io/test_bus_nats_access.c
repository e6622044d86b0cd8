#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "bus_nats.h"

/* The seed bytes 0 to 31; made with Python's cryptography package. */
#define SEED    "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"
#define PUBLIC  "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
#define ACCOUNT "SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4HYMHI"

static void a_seed_has_its_public_key(void **state)
{
    char key[NATS_PUBLIC_KEY_SIZE];

    (void)state;
    assert_int_equal(bus_nats_public_key(SEED, strlen(SEED), key), ERR_OK);
    assert_string_equal(key, PUBLIC);
}

static void what_is_no_seed_of_a_user_is_refused(void **state)
{
    static const char characters[] = "Aa1=\n7";
    char key[NATS_PUBLIC_KEY_SIZE], text[] = SEED;

    (void)state;
    for (size_t len = 0; len < strlen(SEED); len++)
        assert_int_equal(bus_nats_public_key(SEED, len, key), ERR_SYNTAX);
    assert_int_equal(bus_nats_public_key(ACCOUNT, strlen(ACCOUNT), key), ERR_SYNTAX);
    assert_int_equal(bus_nats_public_key(PUBLIC, strlen(PUBLIC), key), ERR_SYNTAX);
    for (size_t i = 0; i + 1 < strlen(SEED); i++) { /* the last character has bits that mean nothing */
        for (size_t c = 0; c < strlen(characters); c++) {
            if (characters[c] == SEED[i])
                continue;
            text[i] = characters[c];
            assert_int_equal(bus_nats_public_key(text, strlen(text), key), ERR_SYNTAX);
        }
        text[i] = SEED[i];
    }
}

#define JWT_PART  "-----BEGIN NATS USER JWT-----\neyJ0.eyJq.c2ln\n------END NATS USER JWT------\n"
#define SEED_PART "-----BEGIN USER NKEY SEED-----\n" SEED "\n------END USER NKEY SEED------\n"

static void credentials_are_a_jwt_and_a_seed(void **state)
{
    static const char *const good[] = {
        JWT_PART SEED_PART,
        JWT_PART "\nIMPORTANT: NKEY Seeds are secrets.\n\n" SEED_PART "\n*****\n",
        "---\r\na.b.c\r\n---\r\n---\r\n" SEED "\r\n---\r\n",
    };
    static const char *const bad[] = {
        "",
        "---",
        "---\n",
        "a.b.c\n" SEED,
        JWT_PART,
        SEED_PART JWT_PART,
        JWT_PART "-----BEGIN USER NKEY SEED-----\n",
        JWT_PART "-----BEGIN USER NKEY SEED-----\n" ACCOUNT "\n------END USER NKEY SEED------\n",
        "-----BEGIN NATS USER JWT-----\n------END NATS USER JWT------\n" SEED_PART,
        "-----BEGIN NATS USER JWT-----\neyJ0.eyJq\n------END NATS USER JWT------\n" SEED_PART,
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(bus_nats_credentials_check(good[i]), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(bus_nats_credentials_check(bad[i]), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_has_its_public_key),
        cmocka_unit_test(what_is_no_seed_of_a_user_is_refused),
        cmocka_unit_test(credentials_are_a_jwt_and_a_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
