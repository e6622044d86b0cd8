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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_has_its_public_key),
        cmocka_unit_test(what_is_no_seed_of_a_user_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
