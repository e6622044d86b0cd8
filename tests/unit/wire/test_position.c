#include "wire_test.h"

#include <roomcast/wire/position.h>

static void an_empty_position_survives_the_way_there_and_back(void **state)
{
    (void)state;
    static const struct position_empty all[] = {
        {1795618074, 0}, {1795618074, 20}, {1795618074, UINT64_C(2821109907455)}, {2176782335, 1}};

    for (size_t i = 0; i < COUNT(all); i++) {
        struct position position;
        struct position_empty back;
        position_format_empty(&all[i], &position);
        assert_int_equal(strlen(position.epoch), EPOCH_LEN_MAX);
        assert_true(position_is_empty(&position));
        assert_true(position_parse_empty(&position, &back));
        assert_int_equal(back.created_s, all[i].created_s);
        assert_int_equal(back.last_seq, all[i].last_seq);
    }
}

static void what_does_not_fit_says_nothing_of_the_stream(void **state)
{
    (void)state;
    static const struct position_empty all[] = {
        {0, 7}, {UINT64_C(2176782336), 7}, {1795618074, UINT64_C(2821109907456)}, {UINT64_MAX, UINT64_MAX}};

    for (size_t i = 0; i < COUNT(all); i++) {
        struct position position;
        struct position_empty back;
        position_format_empty(&all[i], &position);
        assert_string_equal(position.epoch, EPOCH_EMPTY);
        assert_true(position_is_empty(&position));
        assert_false(position_parse_empty(&position, &back));
    }
}

static void other_positions_are_not_empty_ones(void **state)
{
    (void)state;
    static const struct position all[] = {{"k3x9", 0}, {"0123456789abcde", 1}, {"0123", 0},
                                          {"", 0},     {"123456789abcdef", 0}, {"01234567/9abcde", 0}};

    for (size_t i = 0; i < COUNT(all); i++) {
        struct position_empty back;
        assert_false(position_parse_empty(&all[i], &back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_position_survives_the_way_there_and_back),
        cmocka_unit_test(what_does_not_fit_says_nothing_of_the_stream),
        cmocka_unit_test(other_positions_are_not_empty_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
