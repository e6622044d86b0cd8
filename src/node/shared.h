/* What all workers of a node have in common. */
#ifndef ROOMCAST_NODE_SHARED_H
#define ROOMCAST_NODE_SHARED_H

#include <pthread.h>
#include <stdatomic.h>

#include <roomcast/config/config.h>
#include <roomcast/core/memory_pressure.h>
#include <roomcast/core/session.h>
#include <roomcast/core/user_quota.h>
#include <roomcast/wire/token.h>

#include "certificate.h"
#include "door.h"
#include "hub.h"
#include "issuer.h"
#include "revoked.h"
#include "used.h"

/* What a node does for clients. It only ever goes forward from NODE_DRAINING on. */
enum node_state {
    NODE_STARTING, /* what is revoked is not known yet, so nobody may come */
    NODE_SERVING,
    NODE_CUT_OFF,  /* without the bus: who is there stays, and who comes may */
    NODE_ISOLATED, /* for so long that nobody new may, and who is there is sent away; not for ever */
    NODE_DRAINING, /* nobody new, and who is there is sent away */
    NODE_LEAVING,  /* nobody is left */
};

#define NODE_INSTANCE_SIZE (64 + 1 + 8 + 1)

struct node_shared {
    /* immutable after start */
    const struct config *config;
    struct session_rules rules;
    struct token_verifier *verifier;
    struct issuer *issuer;    /* NULL: every key is configured */
    unsigned max_connections; /* clients */
    unsigned max_pending;     /* connections that have not completed their upgrade */
    unsigned max_sockets;     /* both */
    struct hub *hub;
    struct door *door;                 /* NULL: no address is limited, and no proxy trusted */
    struct certificate *certificate;   /* NULL: the listener speaks plain HTTP */
    struct revoked *revoked;           /* NULL: nothing is ever revoked */
    struct used *used;                 /* NULL: tokens may be used many times */
    char instance[NODE_INSTANCE_SIZE]; /* node.name and a random part: this process, and no earlier one */

    /* any thread */
    atomic_uint connections;  /* open, and accepted but not open yet */
    atomic_ullong rebalanced; /* clients sent to other nodes, since the start */
    atomic_uint deflating;    /* sessions that take compressed frames */
    atomic_uint sockets;      /* of all workers' listeners */
    atomic_uint pending;      /* those of them that are not upgraded */
    _Atomic enum node_state state;
    _Atomic enum memory_stage memory_stage;

    pthread_mutex_t quota_lock;
    struct user_quota *quota; /* under quota_lock */
};

static inline bool shared_is_draining(const struct node_shared *shared)
{
    return atomic_load(&shared->state) >= NODE_DRAINING;
}

#endif
