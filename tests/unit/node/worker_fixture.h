/* A worker whose loop does not run and whose clients have no connection: what is written to them stays in
 * their queues, and the test makes the turns. */
#ifndef ROOMCAST_TESTS_WORKER_FIXTURE_H
#define ROOMCAST_TESTS_WORKER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/base/random.h>

#include "worker_internal.h"
#include "worker_stream.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static struct {
    struct config config;
    struct node_shared shared;
    struct worker *worker;
} world;

static inline int start(void **state)
{
    (void)state;
    const struct token_options options = {.hmac_secret = SLICE_LITERAL(SECRET),
                                          .issuer = "",
                                          .audience = "",
                                          .user_claim = "sub",
                                          .chats_claim = "chats"};
    char problem[256];

    assert_int_equal(random_init(), ERR_OK);
    world.shared = (struct node_shared){
        .config = &world.config,
        .rules = {.queue = {.max_frames = 256, .max_bytes = 1024 * 1024}, .max_rooms = 8},
    };
    assert_int_equal(token_verifier_new(&options, &world.shared.verifier, problem), ERR_OK);
    assert_int_equal(worker_new(&world.shared, 0, &world.worker), ERR_OK);
    return 0;
}

static inline void end_client(struct client *client)
{
    struct room_key room;
    while (rooms_leave_last(world.worker->rooms, &client->session.rooms, &room))
        ;
    client_unschedule(world.worker, client);
    session_ended(&client->session);
    session_fini(&client->session);
    free(client);
}

static inline int stop(void **state)
{
    (void)state;
    /* First, because answers name the clients that they are for. */
    worker_drop_arrivals(world.worker);
    while (world.worker->clients) {
        struct client *next = world.worker->clients->next;
        end_client(world.worker->clients);
        world.worker->clients = next;
    }
    worker_free(&world.worker);
    token_verifier_free(&world.shared.verifier);
    return 0;
}

static inline struct room_key chat(unsigned char number)
{
    struct uuid uuid = {{[15] = number}};
    struct room_key key;
    room_key_for_chat(&uuid, &key);
    return key;
}

/* An open session in no room. */
static inline struct client *client_of_nobody(void)
{
    struct token_claims claims = {.all_chats = true};
    struct client *client = client_new(world.worker, &claims, &(struct address){{0}});
    assert_non_null(client);
    session_opened(&client->session, world.worker->now_ms, 1000);
    return client;
}

/* An open stream of server-sent events; takes the cursor. */
static inline struct client *stream_of_nobody(struct stream_cursor *cursor)
{
    struct token_claims claims = {.all_chats = true};
    struct client *client = client_new_stream(world.worker, &claims, &(struct address){{0}}, cursor);
    assert_non_null(client);
    session_opened(&client->session, world.worker->now_ms, 1000);
    return client;
}

/* The last of `count` new members of the chat. */
static inline struct client *members_of_chat(unsigned char number, unsigned count)
{
    struct room_key room = chat(number);
    struct client *client = NULL;
    for (unsigned i = 0; i < count; i++) {
        client = client_of_nobody();
        assert_int_equal(rooms_join(world.worker->rooms, &room, &client->session.rooms), ERR_OK);
    }
    return client;
}

#endif
