#include <roomcast/publish/publish.h>

#include <stdlib.h>

#include <roomcast/base/clock.h>

#include "event_text.h"
#include "publisher.h"

#define TEXT_MAX (16u * 1024 * 1024) /* bytes of an event with what is put around its data */

struct run {
    const struct publish_options *options;
    struct publisher *publisher;
    struct slice input; /* borrowed: what the event under way is made of */
    struct buffer text; /* of it */
    uint64_t line;      /* from 1; 0: there are no lines */
    uint64_t published, skipped, wrong;
};

/* Begins a line on standard error. */
static void begin_complaint(const struct run *run)
{
    fputs("roomcast publish: ", stderr);
    if (run->line > 0)
        fprintf(stderr, "line %llu: ", (unsigned long long)run->line);
}

static void complain(const struct run *run, const char *problem)
{
    begin_complaint(run);
    fprintf(stderr, "%s\n", problem);
}

/* Would a relay take the text? As event_text_check(); ERR_TOO_BIG. */
static enum err check(const struct run *run, const struct event_parts *parts, struct event_facts *ret_facts,
                      char *problem)
{
    const struct publish_options *options = run->options;

    if (!buffer_failed(&run->text) && run->text.len <= options->max_event_bytes)
        return event_text_check(buffer_slice(&run->text), parts, options->map, ret_facts, problem);
    snprintf(problem, EVENT_TEXT_PROBLEM_SIZE, "the event has more than %zu bytes (relay.max_event_bytes)",
             options->max_event_bytes);
    return ERR_TOO_BIG;
}

/* Makes the event's text, and checks it. */
static enum err make(struct run *run, const struct event_parts *parts, struct event_facts *ret_facts,
                     char *problem)
{
    buffer_clear(&run->text);
    if (parts)
        event_text_make(parts, clock_wall_ms(), &run->text);
    else
        buffer_append_slice(&run->text, run->input);
    enum err err = check(run, parts, ret_facts, problem);
    if (err != ERR_OK || parts)
        return err;
    buffer_clear(&run->text);
    event_text_complete(run->input, &run->text);
    return check(run, NULL, ret_facts, problem);
}

/* The event's text, when a relay would take it. */
static bool prepare(struct run *run, struct slice data, struct event_facts *ret_facts)
{
    const struct publish_options *options = run->options;
    const struct event_parts parts = {.chat = options->chat,
                                      .user = options->user,
                                      .type = options->type,
                                      .id = options->event_id,
                                      .data = data};
    char problem[EVENT_TEXT_PROBLEM_SIZE] = "";

    run->input = data;
    enum err err = make(run, options->type ? &parts : NULL, ret_facts, problem);
    if (err != ERR_OK)
        complain(run, problem);
    return err == ERR_OK;
}

/* Does the relay say what becomes of an event? */
static bool is_heard(const struct publish_options *options)
{
    return options->relay_url || options->nats;
}

static void warn_of(const struct run *run, const struct event_facts *facts)
{
    if (facts->warning[0])
        complain(run, facts->warning);
    if (!facts->has_row && !is_heard(run->options))
        complain(run,
                 "this configuration has no row for the event's type: a relay with the same one skips it");
}

static void tell(struct run *run, const struct event_facts *facts, const struct publisher_result *result)
{
    switch (result->verdict) {
    case PUBLISHER_STORED:
        run->published++;
        printf("%s stored\n", facts->id);
        break;
    case PUBLISHER_ADDED:
        run->published++;
        printf("%s added to %s as %s\n", facts->id, run->options->redis_stream, result->place);
        break;
    case PUBLISHER_SKIPPED:
        run->skipped++;
        printf("%s skipped: the relay has no row for its type (events: in its configuration)\n", facts->id);
        break;
    case PUBLISHER_REFUSED:
    case PUBLISHER_FAILED:
        run->wrong++;
        complain(run, result->problem);
        break;
    }
    if (fflush(stdout) == 0)
        return;
    run->wrong++;
    complain(run, "what became of it cannot be written to standard output");
}

/* What was prepared. False: nothing more can be published, or nobody would hear of it. */
static bool publish(struct run *run, const struct event_facts *facts)
{
    struct publisher_result result;

    warn_of(run, facts);
    publisher_send(run->publisher, buffer_slice(&run->text), &result);
    tell(run, facts, &result);
    return result.verdict != PUBLISHER_FAILED && !ferror(stdout);
}

static bool begin(struct run *run, const struct publish_options *options)
{
    char problem[PUBLISHER_PROBLEM_SIZE];

    *run = (struct run){.options = options};
    if (publisher_new(options, &run->publisher, problem) != ERR_OK) {
        complain(run, problem);
        return false;
    }
    buffer_init(&run->text, TEXT_MAX);
    return true;
}

static enum publish_status end(struct run *run)
{
    const struct publish_options *options = run->options;

    /* Once, and not among the results. */
    if (run->published > 0 && !is_heard(options))
        fprintf(
            stderr,
            "roomcast publish: whether the relay takes it is not heard this way; what it cannot use goes to "
            "the stream of redis.dead_stream\n");
    buffer_fini(&run->text);
    publisher_free(&run->publisher);
    if (run->wrong > 0)
        return PUBLISH_FAILED;
    return run->skipped > 0 ? PUBLISH_SKIPPED : PUBLISH_ALL;
}

enum publish_status publish_one(const struct publish_options *options, struct slice data)
{
    struct run run;
    struct event_facts facts;

    if (!begin(&run, options))
        return PUBLISH_WRONG;
    bool is_right = prepare(&run, data, &facts);
    if (is_right)
        publish(&run, &facts);
    enum publish_status status = end(&run);
    return is_right ? status : PUBLISH_WRONG;
}

/* The next line, without its end; NULL at the end of the input. `*ret_cut`: it was longer than `size`. */
static char *read_line(FILE *input, char *line, size_t size, bool *ret_cut)
{
    size_t len = 0;
    int c;

    while ((c = getc(input)) != EOF && c != '\n' && len + 1 < size)
        line[len++] = c ? (char)c : '\1'; /* NUL would end it early; neither is JSON */
    *ret_cut = c != EOF && c != '\n';
    line[len] = '\0';
    return len > 0 || c == '\n' ? line : NULL;
}

static void publish_each(struct run *run, FILE *input, char *line, size_t size)
{
    struct event_facts facts;
    bool is_cut = false;

    while (read_line(input, line, size, &is_cut)) {
        run->line++;
        if (is_cut) {
            run->wrong++;
            complain(run, "it is longer than an event may be (relay.max_event_bytes): that ends it");
            return;
        }
        if (line[strspn(line, " \t\r")] == '\0')
            continue;
        if (!prepare(run, slice_of(line), &facts)) {
            run->wrong++;
        } else if (!publish(run, &facts)) {
            complain(run, ferror(stdout) ? "that ends it: the lines behind this one were not published"
                                         : "that ends it: the lines from this one on were not published");
            return;
        }
    }
    if (ferror(input)) {
        run->wrong++;
        complain(run, "the next line cannot be read");
    }
}

enum publish_status publish_lines(const struct publish_options *options, FILE *input)
{
    size_t size = options->max_event_bytes + 2;
    char *line;
    struct run run;

    if (!begin(&run, options))
        return PUBLISH_WRONG;
    line = malloc(size);
    if (!line) {
        run.wrong++;
        complain(&run, err_text(ERR_NO_MEMORY));
        return end(&run);
    }
    publish_each(&run, input, line, size);
    run.line = 0;
    fprintf(stderr, "roomcast publish: %llu %s, %llu skipped, %llu wrong\n",
            (unsigned long long)run.published, is_heard(options) ? "stored" : "added",
            (unsigned long long)run.skipped, (unsigned long long)run.wrong);
    free(line);
    return end(&run);
}
