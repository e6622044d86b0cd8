/* The one list of errors. Every fallible function returns one of these; ERR_OK is 0.
 *
 * Callers branch on the category, not on single codes, unless a code says something only they can act on.
 * Output arguments (named `ret_...` or documented as outputs) are written only on ERR_OK. */
#ifndef ROOMCAST_BASE_ERR_H
#define ROOMCAST_BASE_ERR_H

enum err_category {
    ERR_CATEGORY_NONE,  /* no error */
    ERR_CATEGORY_PEER,  /* what came from outside is wrong: answer it, count it, go on */
    ERR_CATEGORY_RETRY, /* may succeed later: back off and try again */
    ERR_CATEGORY_LOCAL, /* this machine or its configuration: tell the operator */
    ERR_CATEGORY_BUG,   /* we broke our own rules */
};

/*      name               category  text */
#define ERR_LIST(ROW)                                                                                        \
    ROW(ERR_OK, NONE, "no error")                                                                            \
    ROW(ERR_SYNTAX, PEER, "not in the expected form")                                                        \
    ROW(ERR_RANGE, PEER, "outside the allowed range")                                                        \
    ROW(ERR_TOO_BIG, PEER, "larger than the limit")                                                          \
    ROW(ERR_TOO_DEEP, PEER, "nested deeper than the limit")                                                  \
    ROW(ERR_MISSING, PEER, "a required part is missing")                                                     \
    ROW(ERR_MISMATCH, PEER, "parts that must agree do not")                                                  \
    ROW(ERR_VERSION, PEER, "made by a newer version than this one understands")                              \
    ROW(ERR_UNKNOWN, PEER, "not known here")                                                                 \
    ROW(ERR_SIGNATURE, PEER, "the signature does not verify")                                                \
    ROW(ERR_EXPIRED, PEER, "expired")                                                                        \
    ROW(ERR_NOT_YET, PEER, "not valid yet")                                                                  \
    ROW(ERR_FORBIDDEN, PEER, "not allowed")                                                                  \
    ROW(ERR_UNAVAILABLE, RETRY, "not reachable now")                                                         \
    ROW(ERR_TIMEOUT, RETRY, "no answer in time")                                                             \
    ROW(ERR_BUSY, RETRY, "a limit of this process is reached")                                               \
    ROW(ERR_NO_MEMORY, LOCAL, "out of memory")                                                               \
    ROW(ERR_IO, LOCAL, "an operating system call failed")                                                    \
    ROW(ERR_CONFIG, LOCAL, "the configuration is wrong")                                                     \
    ROW(ERR_CONFLICT, LOCAL, "something of that name exists in another shape")                               \
    ROW(ERR_BUG, BUG, "internal error")

enum err {
#define ERR_ENUM(name, category, text) name,
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

/* "ERR_SYNTAX" -> "syntax": for log fields and metric labels. Never NULL. */
const char *err_name(enum err err);
/* A sentence part for people. Never NULL. */
const char *err_text(enum err err);
enum err_category err_category(enum err err);

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
