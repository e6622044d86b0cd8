#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/core/rooms.h>

#define SESSIONS 20
#define ROOMS    12

struct person {
    int number;
    struct room_list list;
};

static struct person *person_of(struct room_list *list)
{
    return (struct person *)((char *)list - offsetof(struct person, list));
}

static struct room_key key(unsigned number)
{
    struct room_key key;
    struct uuid uuid = {{0}};
    uuid.bytes[14] = (unsigned char)(number >> 8);
    uuid.bytes[15] = (unsigned char)number;
    room_key_for_chat(&uuid, &key);
    return key;
}

static void a_session_is_in_the_rooms_it_joined_and_no_others(void **state)
{
    (void)state;
    struct rooms *rooms;
    struct person anna = {.number = 1};
    struct room_key one = key(1), two = key(2), left;
    assert_int_equal(rooms_new(&rooms), ERR_OK);
    assert_int_equal(rooms_join(rooms, &one, &anna.list), ERR_OK);
    assert_true(rooms_has(rooms, &one, &anna.list));
    assert_false(rooms_has(rooms, &two, &anna.list));
    uint32_t count;
    assert_ptr_equal(rooms_members(rooms, &one, &count)[0].list, &anna.list);
    assert_int_equal(count, 1);
    rooms_members(rooms, &two, &count);
    assert_int_equal(count, 0);
    assert_true(rooms_leave_last(rooms, &anna.list, &left));
    assert_true(room_key_equal(&left, &one));
    assert_false(rooms_leave_last(rooms, &anna.list, &left));
    room_list_fini(&anna.list);
    rooms_free(&rooms);
    assert_null(rooms);
}

static void joining_twice_is_a_conflict_and_changes_nothing(void **state)
{
    (void)state;
    struct rooms *rooms;
    struct person anna = {.number = 1};
    struct room_key one = key(1);
    assert_int_equal(rooms_new(&rooms), ERR_OK);
    assert_int_equal(rooms_join(rooms, &one, &anna.list), ERR_OK);
    assert_int_equal(rooms_join(rooms, &one, &anna.list), ERR_CONFLICT);
    uint32_t count;
    rooms_members(rooms, &one, &count);
    assert_int_equal(count, 1);
    assert_int_equal(anna.list.count, 1);
    assert_true(rooms_leave(rooms, &one, &anna.list));
    assert_false(rooms_leave(rooms, &one, &anna.list));
    room_list_fini(&anna.list);
    rooms_free(&rooms);
}

/* Both sides of every membership point at each other, and agree with the plain table. */
static void check(struct rooms *rooms, struct person *people, bool in[SESSIONS][ROOMS])
{
    for (unsigned r = 0; r < ROOMS; r++) {
        struct room_key room = key(r);
        uint32_t count, expected = 0;
        const struct room_member *members = rooms_members(rooms, &room, &count);
        for (unsigned s = 0; s < SESSIONS; s++) {
            expected += in[s][r];
            assert_int_equal(rooms_has(rooms, &room, &people[s].list), in[s][r]);
        }
        assert_int_equal(count, expected);
        for (uint32_t i = 0; i < count; i++) {
            const struct person *person = person_of(members[i].list);
            assert_true(in[person->number][r]);
            assert_ptr_equal(members[i].list, &person->list);
            struct room_key key;
            room_list_key(&person->list, members[i].seat, &key);
            assert_true(room_key_equal(&key, &room));
            assert_int_equal(person->list.seats[members[i].seat].index, i);
        }
    }
}

static void random_joins_and_leaves_agree_with_a_plain_table(void **state)
{
    (void)state;
    struct rooms *rooms;
    struct person people[SESSIONS];
    bool in[SESSIONS][ROOMS] = {{false}};
    assert_int_equal(rooms_new(&rooms), ERR_OK);
    for (int s = 0; s < SESSIONS; s++)
        people[s] = (struct person){.number = s};
    srand(7);
    for (int step = 0; step < 3000; step++) {
        int s = rand() % SESSIONS, r = rand() % ROOMS;
        struct room_key room = key((unsigned)r);
        if (rand() % 2)
            assert_int_equal(rooms_join(rooms, &room, &people[s].list), in[s][r] ? ERR_CONFLICT : ERR_OK);
        else
            assert_int_equal(rooms_leave(rooms, &room, &people[s].list), in[s][r]);
        in[s][r] = rooms_has(rooms, &room, &people[s].list);
        check(rooms, people, in);
    }
    for (int s = 0; s < SESSIONS; s++) {
        struct room_key left;
        while (rooms_leave_last(rooms, &people[s].list, &left))
            ;
        room_list_fini(&people[s].list);
    }
    rooms_free(&rooms);
}

/* So many rooms that they are found by a table, which grows and has holes. */
static void a_session_may_be_in_a_thousand_rooms(void **state)
{
    (void)state;
    enum { MANY = 1500 };
    static bool in[2][MANY];
    struct rooms *rooms;
    struct person people[2] = {{.number = 0}, {.number = 1}};
    assert_int_equal(rooms_new(&rooms), ERR_OK);
    srand(11);
    for (int step = 0; step < 40000; step++) {
        int s = rand() % 2, r = rand() % MANY;
        bool is_joining = rand() % 4 < (step < 20000 ? 3 : 1);
        struct room_key room = key((unsigned)r);
        if (is_joining)
            assert_int_equal(rooms_join(rooms, &room, &people[s].list), in[s][r] ? ERR_CONFLICT : ERR_OK);
        else
            assert_int_equal(rooms_leave(rooms, &room, &people[s].list), in[s][r]);
        in[s][r] = is_joining;
        if (step % 500 != 0)
            continue;
        for (int i = 0; i < 2 * MANY; i++) {
            room = key((unsigned)i / 2);
            assert_int_equal(rooms_has(rooms, &room, &people[i % 2].list), in[i % 2][i / 2]);
        }
    }
    for (int s = 0; s < 2; s++) {
        struct room_key left;
        while (rooms_leave_last(rooms, &people[s].list, &left))
            assert_false(rooms_has(rooms, &left, &people[s].list));
        room_list_fini(&people[s].list);
    }
    rooms_free(&rooms);
}

static void a_lag_stays_with_its_member_when_others_leave(void **state)
{
    (void)state;
    struct rooms *rooms;
    struct person people[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct room_key one = key(1);
    int lag;
    assert_int_equal(rooms_new(&rooms), ERR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rooms_join(rooms, &one, &people[i].list), ERR_OK);
    rooms_set_lag(rooms, &one, &people[2].list, &lag);
    assert_true(rooms_leave(rooms, &one, &people[0].list)); /* the last member moves into the hole */
    assert_ptr_equal(rooms_lag(rooms, &one, &people[2].list), &lag);
    assert_null(rooms_lag(rooms, &one, &people[1].list));
    assert_null(rooms_lag(rooms, &one, &people[0].list));
    assert_true(rooms_leave(rooms, &one, &people[2].list));
    assert_int_equal(rooms_join(rooms, &one, &people[2].list), ERR_OK);
    assert_null(rooms_lag(rooms, &one, &people[2].list)); /* who comes again is live */
    for (int i = 1; i < 3; i++)
        assert_true(rooms_leave(rooms, &one, &people[i].list));
    for (int i = 0; i < 3; i++)
        room_list_fini(&people[i].list);
    rooms_free(&rooms);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_in_the_rooms_it_joined_and_no_others),
        cmocka_unit_test(joining_twice_is_a_conflict_and_changes_nothing),
        cmocka_unit_test(a_session_may_be_in_a_thousand_rooms),
        cmocka_unit_test(a_lag_stays_with_its_member_when_others_leave),
        cmocka_unit_test(random_joins_and_leaves_agree_with_a_plain_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
