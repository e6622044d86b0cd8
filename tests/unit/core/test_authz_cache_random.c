/* Random histories: whatever happens in whatever order, everybody who waits is handed back once, with an
 * answer that was given for its pair, and the bounds hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/core/authz_cache.h>

#include "seeded.h"

#define USERS   4
#define CHATS   5
#define WAITERS 64
#define ASKED   8

static const struct authz_limits limits = {
    .in_flight = 5, .in_flight_per_user = 3, .pending = 12, .known = 8, .known_per_user = 4, .wait_ms = 50};

struct model {
    uint64_t seed;
    struct authz_cache *cache;
    struct shared_text *claims;
    uint64_t now_ms;
    struct {
        struct authz_waiter waiter;
        bool waits;
        uint64_t since_ms;
        unsigned user, chat;
    } waiters[WAITERS];
    struct {
        struct authz_pair *pair; /* NULL: free */
        unsigned user, chat;
    } asked[ASKED];
    bool may_read[USERS][CHATS]; /* what the service says now */
    uint64_t changed_ms[USERS][CHATS];
};

static struct room_key user_key(unsigned user)
{
    const char name[] = {(char)('a' + user), '\0'};
    struct room_key key;
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static unsigned below(struct model *model, unsigned limit)
{
    return (unsigned)seeded_below(&model->seed, limit);
}

/* Each waits, is about that pair, and does not wait any more. */
static void take_back(struct model *model, struct authz_waiter *list, int user, int chat)
{
    while (list) {
        struct authz_waiter *next = list->next;
        size_t i;
        for (i = 0; i < WAITERS && &model->waiters[i].waiter != list; i++)
            continue;
        assert_true(i < WAITERS && model->waiters[i].waits);
        assert_true(user < 0 ||
                    (model->waiters[i].user == (unsigned)user && model->waiters[i].chat == (unsigned)chat));
        model->waiters[i].waits = false;
        list = next;
    }
}

static void step_ask(struct model *model)
{
    unsigned w = below(model, WAITERS), user = below(model, USERS), chat = below(model, CHATS);
    struct room_key key = user_key(user);
    struct uuid uuid = {{[15] = (unsigned char)chat}};
    if (model->waiters[w].waits)
        return;
    switch (authz_ask(model->cache, &key, &uuid, model->claims, &model->waiters[w].waiter, model->now_ms)) {
    case AUTHZ_WAIT:
        model->waiters[w].waits = true;
        model->waiters[w].since_ms = model->now_ms;
        model->waiters[w].user = user;
        model->waiters[w].chat = chat;
        return;
    case AUTHZ_ALLOWED:
        assert_true(model->may_read[user][chat] || model->changed_ms[user][chat] + 30 > model->now_ms);
        return;
    case AUTHZ_DENIED:
        assert_true(!model->may_read[user][chat] || model->changed_ms[user][chat] + 30 > model->now_ms);
        return;
    case AUTHZ_FULL:
        assert_int_equal(authz_pending(model->cache), limits.pending);
        return;
    case AUTHZ_NO_MEMORY:
        fail();
    }
}

static void step_send(struct model *model)
{
    struct authz_question question;
    unsigned under_way = 0, of_user[USERS] = {0};
    if (!authz_next(model->cache, &question))
        return;
    size_t slot = ASKED;
    for (size_t i = 0; i < ASKED; i++) {
        if (!model->asked[i].pair) {
            slot = i;
        } else {
            under_way++;
            of_user[model->asked[i].user]++;
        }
    }
    unsigned user = (unsigned)(question.user.name[0] - 'a');
    assert_true(under_way < limits.in_flight && of_user[user] < limits.in_flight_per_user);
    model->asked[slot].pair = question.pair;
    model->asked[slot].user = user;
    model->asked[slot].chat = question.chat.bytes[15];
    shared_text_unref(&question.claims);
}

static void step_answer(struct model *model)
{
    unsigned i = below(model, ASKED);
    struct authz_pair *pair = model->asked[i].pair;
    unsigned user = model->asked[i].user, chat = model->asked[i].chat;
    if (!pair)
        return;
    model->asked[i].pair = NULL;
    take_back(model,
              below(model, 4) == 0 ? authz_no_answer(model->cache, pair)
                                   : authz_answer(model->cache, pair, model->may_read[user][chat],
                                                  below(model, 3) * 15, model->now_ms),
              (int)user, (int)chat);
}

static void step_time(struct model *model)
{
    model->now_ms += below(model, 20);
    take_back(model, authz_expire(model->cache, model->now_ms), -1, -1);
    for (size_t i = 0; i < WAITERS; i++)
        assert_true(!model->waiters[i].waits || model->waiters[i].since_ms + limits.wait_ms > model->now_ms);
}

static void step_change(struct model *model)
{
    unsigned user = below(model, USERS), chat = below(model, CHATS);
    model->may_read[user][chat] = !model->may_read[user][chat];
    model->changed_ms[user][chat] = model->now_ms;
}

static void step_forget(struct model *model)
{
    struct room_key key = user_key(below(model, USERS));
    authz_forget_user(model->cache, &key);
}

static void run(uint64_t seed)
{
    struct model model = {.seed = seed, .now_ms = 1000, .claims = shared_text_new(SLICE_LITERAL("{}"))};
    assert_int_equal(authz_cache_new(&limits, &model.cache), ERR_OK);
    for (unsigned i = 0; i < 400; i++) {
        switch (below(&model, 16)) {
        case 0:
            step_time(&model);
            break;
        case 1:
            step_change(&model);
            break;
        case 2:
            step_forget(&model);
            break;
        case 3:
        case 4:
        case 5:
        case 6:
            step_answer(&model);
            break;
        case 7:
        case 8:
        case 9:
        case 10:
            step_send(&model);
            break;
        default:
            step_ask(&model);
        }
        assert_true(authz_pending(model.cache) <= limits.pending);
    }
    take_back(&model, authz_give_up(model.cache), -1, -1);
    for (size_t i = 0; i < WAITERS; i++)
        assert_false(model.waiters[i].waits);
    authz_cache_free(&model.cache);
    assert_int_equal(atomic_load(&model.claims->holders), 1);
    shared_text_unref(&model.claims);
}

static void everybody_is_handed_back_once_and_the_bounds_hold(void **state)
{
    (void)state;
    seeded_runs(3000, run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everybody_is_handed_back_once_and_the_bounds_hold)};
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
