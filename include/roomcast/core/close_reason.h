/* Why a node ends a connection (proto/README.md). One row each: name, close code, what the client is told,
 * whether it may come back, the metric. The range of the code carries the verdict: 4000-4099 do not
 * reconnect, 4100-4199 with backoff, 4200-4299 at once. A new close code is a new row here, and a row in
 * base/metrics_table.h. */
#ifndef ROOMCAST_CORE_CLOSE_REASON_H
#define ROOMCAST_CORE_CLOSE_REASON_H

#include <stdbool.h>

#include <roomcast/base/metrics.h>

#define CLOSE_REASON_LIST(ROW)                                                                               \
    ROW(REVOKED, 4003, "access revoked", METRIC_CLOSED_REVOKED)                                              \
    ROW(PROTOCOL_VIOLATION, 4005, "too many wrong messages", METRIC_CLOSED_PROTOCOL_VIOLATION)               \
    ROW(MESSAGE_TOO_BIG, 4009, "message too big", METRIC_CLOSED_TOO_BIG)                                     \
    ROW(OVERLOADED, 4100, "server overloaded", METRIC_CLOSED_OVERLOADED)                                     \
    ROW(SLOW_CONSUMER, 4108, "reading too slowly", METRIC_CLOSED_SLOW)                                       \
    ROW(OPERATOR, 4110, "disconnected by an operator", METRIC_CLOSED_OPERATOR)                               \
    ROW(RATE_LIMITED, 4129, "too many messages", METRIC_CLOSED_RATE_LIMITED)                                 \
    ROW(DRAINING, 4200, "draining", METRIC_CLOSED_DRAINING)                                                  \
    ROW(TOKEN_EXPIRED, 4201, "token expired", METRIC_CLOSED_TOKEN_EXPIRED)                                   \
    ROW(NO_PONG, 4202, "no pong", METRIC_CLOSED_NO_PONG)                                                     \
    ROW(REBALANCE, 4203, "rebalancing", METRIC_CLOSED_REBALANCE)                                             \
    ROW(ISOLATED, 4204, "node cut off", METRIC_CLOSED_ISOLATED)

enum close_reason {
#define CLOSE_REASON_ENUM(name, code, text, metric) CLOSE_##name,
    CLOSE_REASON_LIST(CLOSE_REASON_ENUM)
#undef CLOSE_REASON_ENUM
        CLOSE_REASON_COUNT
};

struct close_reason_row {
    unsigned code;    /* of the WebSocket close frame (RFC 6455 section 7.4.2: 4000-4999 are ours) */
    const char *text; /* the `reason` of the disconnect message and of the close frame */
    enum metric metric;
};
const struct close_reason_row *close_reason_row(enum close_reason reason);
/* 4100 and above. */
bool close_reason_may_reconnect(enum close_reason reason);

#endif
