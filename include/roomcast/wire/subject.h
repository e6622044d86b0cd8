/* NATS subjects (proto/roomcast/v1):
 *   <prefix>.ev.chat.<id>    stored events     <prefix>.live.chat.<id>  the same, republished by JetStream
 *   <prefix>.ev.user.<id>                      <prefix>.live.user.<id>
 *   <prefix>.sig.chat.<id>   signals between nodes, never stored
 * and, being no room's, unknown to subject_parse():
 *   <prefix>.sig.nodes        what each process says of itself (wire/heartbeat.h), never stored
 *   <prefix>.sig.presence     what nodes have in all chats (wire/presence_digest.h), never stored
 *   <prefix>.sig.used         one-time tokens that were used (wire/token_use.h), never stored
 *   <prefix>.sig.console.<instance>  questions for operators (wire/console_message.h), never stored
 *   <prefix>.ev.relay.lease   which relay works (wire/lease_record.h)
 *   <prefix>.authz.subscribe  may a user read a chat? (wire/authz_message.h)
 *   <prefix>.rev.ev.s.<nn>    stored revocations; <prefix>.rev.live.s.<nn>: the same, republished
 *   <prefix>.rev.sig          the same, told at once
 *   <prefix>.in.events        domain events, as requests to the relay (relay.nats_requests), never stored
 *   <prefix>.in.revocations   revocations, in the same way
 *
 * A user id may hold anything; bytes other than [A-Za-z0-9_-] travel as =XX (two upper-case hex digits), so
 * that no id can hold a '.', a wildcard or a space (NATS subject rules). */
#ifndef ROOMCAST_WIRE_SUBJECT_H
#define ROOMCAST_WIRE_SUBJECT_H

#include <roomcast/base/err.h>
#include <roomcast/wire/room_key.h>

enum subject_kind { SUBJECT_EVENT, SUBJECT_LIVE, SUBJECT_SIGNAL };

#define SUBJECT_PREFIX_MAX 64
#define SUBJECT_SIZE       (SUBJECT_PREFIX_MAX + sizeof ".sig.console." + 3 * ROOM_NAME_MAX + 1)

/* `text` has SUBJECT_SIZE bytes; `prefix` at most SUBJECT_PREFIX_MAX. Always succeeds. */
void subject_format(const char *prefix, enum subject_kind kind, const struct room_key *room, char *text);
/* ERR_SYNTAX for anything that subject_format would not have written with this prefix. */
enum err subject_parse(const char *prefix, struct slice subject, enum subject_kind *ret_kind,
                       struct room_key *ret_room) MUST_CHECK;
/* "<prefix>.ev.>" or "<prefix>.live.>": all subjects of a kind. `text` has SUBJECT_SIZE bytes. */
void subject_format_all(const char *prefix, enum subject_kind kind, char *text);
/* "<prefix>.ev.relay.lease". `text` has SUBJECT_SIZE bytes. */
void subject_format_lease(const char *prefix, char *text);
/* "<prefix>.sig.nodes". `text` has SUBJECT_SIZE bytes. */
void subject_format_nodes(const char *prefix, char *text);
/* "<prefix>.authz.subscribe". `text` has SUBJECT_SIZE bytes. */
void subject_format_authorize(const char *prefix, char *text);
/* "<prefix>.sig.chat": the signals of all chats lie below it. `text` has SUBJECT_SIZE bytes. */
void subject_format_signals(const char *prefix, char *text);
/* "<prefix>.sig.presence". `text` has SUBJECT_SIZE bytes. */
void subject_format_presence(const char *prefix, char *text);
/* "<prefix>.sig.used". `text` has SUBJECT_SIZE bytes. */
void subject_format_used(const char *prefix, char *text);
/* "<prefix>.sig.console.<instance>", escaped as a user id. `instance`: at most ROOM_NAME_MAX bytes. `text`
 * has SUBJECT_SIZE bytes. */
void subject_format_console(const char *prefix, struct slice instance, char *text);
/* "<prefix>.in.events" and "<prefix>.in.revocations". `text` has SUBJECT_SIZE bytes. */
void subject_format_in_events(const char *prefix, char *text);
void subject_format_in_revocations(const char *prefix, char *text);
/* Revocations have a bus of their own, whose prefix is "<prefix>.rev": its subjects by the outer prefix.
 * `shard` below REVOCATION_SHARDS. `text` has SUBJECT_SIZE bytes. */
void subject_format_revocations(const char *prefix, char *text);
void subject_format_revocation_shard(const char *prefix, enum subject_kind kind, unsigned shard, char *text);
void subject_format_revocation_notice(const char *prefix, char *text);

#endif
