#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>

#include <roomcast/base/inbox.h>

struct note {
    struct inbox_item item;
    int sender;
    int number;
};

static void count_wake(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static void inbox_gives_the_batch_back_in_order(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    struct inbox inbox;
    struct note notes[3] = {{.number = 0}, {.number = 1}, {.number = 2}};

    inbox_init(&inbox, count_wake, &wakes);
    assert_null(inbox_take(&inbox));
    for (int i = 0; i < 3; i++)
        assert_true(inbox_put(&inbox, &notes[i].item));
    assert_int_equal(inbox_count(&inbox), 3);
    struct inbox_item *item = inbox_take(&inbox);
    for (int i = 0; i < 3; i++, item = item->next)
        assert_ptr_equal(item, &notes[i].item);
    assert_null(item);
    assert_int_equal(inbox_count(&inbox), 0);
    inbox_fini(&inbox);
}

static void inbox_wakes_its_owner_once_per_batch(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    struct inbox inbox;
    struct note notes[3];

    inbox_init(&inbox, count_wake, &wakes);
    assert_true(inbox_put(&inbox, &notes[0].item));
    assert_true(inbox_put(&inbox, &notes[1].item));
    assert_int_equal(wakes, 1);
    inbox_take(&inbox);
    assert_true(inbox_put(&inbox, &notes[2].item));
    assert_int_equal(wakes, 2);
    inbox_take(&inbox);
    inbox_fini(&inbox);
}

static void closed_inbox_refuses_but_gives_out_what_is_in(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    struct inbox inbox;
    struct note in, late;

    inbox_init(&inbox, count_wake, &wakes);
    assert_true(inbox_put(&inbox, &in.item));
    inbox_close(&inbox);
    assert_false(inbox_put(&inbox, &late.item));
    assert_int_equal(wakes, 1);
    assert_ptr_equal(inbox_take(&inbox), &in.item);
    assert_false(inbox_put(&inbox, &late.item));
    inbox_fini(&inbox);
}

enum { SENDERS = 3, EACH = 5000 };

struct sender {
    struct inbox *inbox;
    struct note *notes;
};

static void *send_all(void *arg)
{
    struct sender *sender = arg;

    for (int i = 0; i < EACH; i++) {
        if (!inbox_put(sender->inbox, &sender->notes[i].item))
            abort();
    }
    return NULL;
}

static void inbox_keeps_each_senders_order_between_threads(void **state)
{
    (void)state;
    static struct note notes[SENDERS][EACH];
    atomic_int wakes = 0;
    struct inbox inbox;
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    int next[SENDERS] = {0};

    inbox_init(&inbox, count_wake, &wakes);
    for (int s = 0; s < SENDERS; s++) {
        for (int i = 0; i < EACH; i++)
            notes[s][i] = (struct note){.sender = s, .number = i};
        senders[s] = (struct sender){&inbox, notes[s]};
        assert_int_equal(pthread_create(&threads[s], NULL, send_all, &senders[s]), 0);
    }
    for (int got = 0; got < SENDERS * EACH;) {
        for (struct inbox_item *item = inbox_take(&inbox); item; item = item->next, got++) {
            struct note *note = (struct note *)item;
            assert_int_equal(note->number, next[note->sender]++);
        }
    }
    for (int s = 0; s < SENDERS; s++)
        pthread_join(threads[s], NULL);
    assert_true(wakes >= 1);
    inbox_fini(&inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inbox_gives_the_batch_back_in_order),
        cmocka_unit_test(inbox_wakes_its_owner_once_per_batch),
        cmocka_unit_test(closed_inbox_refuses_but_gives_out_what_is_in),
        cmocka_unit_test(inbox_keeps_each_senders_order_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
