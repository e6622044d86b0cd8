#include <roomcast/core/membership.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define SILENT_INTERVALS 3
#define SLACK_MS         100 /* the grain of the timers that send beats and look for silence */

void membership_init(struct membership *membership, const char *own_instance, uint64_t interval_ms,
                     uint64_t now_ms)
{
    assert(strlen(own_instance) <= HEARTBEAT_INSTANCE_MAX);
    *membership = (struct membership){.interval_ms = interval_ms, .disturbed_ms = now_ms};
    strcpy(membership->own, own_instance);
}

void membership_fini(struct membership *membership)
{
    struct member *member, *next;

    DL_FOREACH_SAFE(membership->members, member, next)
    free(member);
    membership->members = NULL;
    membership->count = 0;
}

/* What has come in between; never less than nothing. */
static uint64_t since(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

/* Has this process heard itself as often as it should have? */
static bool is_proven(const struct membership *membership, uint64_t now_ms)
{
    return membership->own_number > 0 && since(membership->own_heard_ms, now_ms) <=
                                             membership->interval_ms + membership->interval_ms / 2 + SLACK_MS;
}

/* Goes on while the own beats come back. A silence that turns out too long is taken back, so that the clock
 * may be earlier than it was: the others then have longer, never less. */
static uint64_t proven_clock(const struct membership *membership, uint64_t now_ms)
{
    return membership->proven_ms +
           (is_proven(membership, now_ms) ? since(membership->own_heard_ms, now_ms) : 0);
}

static void hear_own(struct membership *membership, const struct heartbeat *beat, uint64_t now_ms)
{
    if (beat->number <= membership->own_number)
        return;
    if (!is_proven(membership, now_ms) || beat->state != HEARTBEAT_SERVING)
        membership->disturbed_ms = now_ms;
    membership->proven_ms = proven_clock(membership, now_ms);
    membership->own_heard_ms = now_ms;
    membership->own_number = beat->number;
}

static bool is_calm(const struct heartbeat *beat)
{
    return beat->kind != HEARTBEAT_OF_NODE || beat->state == HEARTBEAT_SERVING;
}

static struct member *find(const struct membership *membership, const char *instance)
{
    struct member *member;

    DL_FOREACH(membership->members, member)
    {
        if (strcmp(member->beat.instance, instance) == 0)
            return member;
    }
    return NULL;
}

static void note_beat(struct membership *membership, struct member *member, const struct heartbeat *beat,
                      uint64_t now_ms)
{
    member->shed = member->beat.number > 0 ? since(member->beat.shed_total, beat->shed_total) : 0;
    member->beat = *beat;
    member->heard_ms = now_ms;
    member->heard_at_ms = proven_clock(membership, now_ms);
}

static enum membership_change join(struct membership *membership, const struct heartbeat *beat,
                                   uint64_t now_ms)
{
    if (beat->state == HEARTBEAT_LEAVING)
        return MEMBERSHIP_NOTHING;
    struct member *member = membership->count < MEMBERS_MAX ? calloc(1, sizeof *member) : NULL;
    if (!member)
        return MEMBERSHIP_REFUSED;
    note_beat(membership, member, beat, now_ms);
    DL_APPEND(membership->members, member);
    membership->count++;
    if (beat->kind == HEARTBEAT_OF_NODE)
        membership->disturbed_ms = now_ms;
    return MEMBERSHIP_JOINED;
}

static void take_out(struct membership *membership, struct member *member, uint64_t now_ms)
{
    if (member->beat.kind == HEARTBEAT_OF_NODE)
        membership->disturbed_ms = now_ms;
    DL_DELETE(membership->members, member);
    membership->count--;
    free(member);
}

enum membership_change membership_hear(struct membership *membership, const struct heartbeat *beat,
                                       uint64_t now_ms)
{
    if (strcmp(beat->instance, membership->own) == 0) {
        hear_own(membership, beat, now_ms);
        return MEMBERSHIP_OWN;
    }
    struct member *member = find(membership, beat->instance);
    if (!member)
        return join(membership, beat, now_ms);
    if (beat->number <= member->beat.number)
        return MEMBERSHIP_NOTHING;
    if (!is_calm(&member->beat) || !is_calm(beat))
        membership->disturbed_ms = now_ms;
    if (beat->state == HEARTBEAT_LEAVING) {
        take_out(membership, member, now_ms);
        return MEMBERSHIP_LEFT;
    }
    note_beat(membership, member, beat, now_ms);
    return MEMBERSHIP_UPDATED;
}

static uint64_t patience_ms(const struct membership *membership, const struct member *member)
{
    uint64_t own = membership->interval_ms, theirs = member->beat.interval_ms;

    return SILENT_INTERVALS * (own > theirs ? own : theirs) + SLACK_MS;
}

void membership_expire(struct membership *membership, uint64_t now_ms, membership_visit *visit, void *context)
{
    uint64_t clock = proven_clock(membership, now_ms);
    struct member *member, *next;

    DL_FOREACH_SAFE(membership->members, member, next)
    {
        if (since(member->heard_at_ms, clock) <= patience_ms(membership, member))
            continue;
        visit(context, member);
        take_out(membership, member, now_ms);
    }
}

void membership_each(const struct membership *membership, membership_visit *visit, void *context)
{
    const struct member *member;

    DL_FOREACH(membership->members, member)
    visit(context, member);
}

size_t membership_nodes(const struct membership *membership)
{
    const struct member *member;
    size_t nodes = 0;

    DL_FOREACH(membership->members, member)
    nodes += member->beat.kind == HEARTBEAT_OF_NODE;
    return nodes;
}

uint64_t membership_connections(const struct membership *membership)
{
    const struct member *member;
    uint64_t connections = 0;

    DL_FOREACH(membership->members, member)
    connections += member->beat.kind == HEARTBEAT_OF_NODE ? member->beat.connections : 0;
    return connections;
}

uint64_t membership_quiet_ms(const struct membership *membership, uint64_t now_ms)
{
    const struct member *member;

    if (!is_proven(membership, now_ms))
        return 0;
    DL_FOREACH(membership->members, member)
    {
        if (!is_calm(&member->beat))
            return 0;
    }
    return since(membership->disturbed_ms, now_ms);
}
