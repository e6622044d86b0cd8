#include "draft.h"

#include <stdarg.h>
#include <stdlib.h>

#include <roomcast/base/random.h>
#include <roomcast/base/text.h>

#include "show.h"

#define EVENTS_MAX     1000
#define EVENT_NAME_MAX 256 /* bytes of an event's or a type's name */
#define SHOWN_MAX      200 /* bytes of a wrong value in a fault */

void draft_init(struct draft *draft, const struct config_request *request)
{
    *draft = (struct draft){.request = request};
}

static void setting_clear(struct setting *setting)
{
    if (setting->text)
        wipe(setting->text, strlen(setting->text));
    free(setting->text);
    free(setting->where);
    *setting = (struct setting){0};
}

void draft_fini(struct draft *draft)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        setting_clear(&draft->values[i]);
        setting_clear(&draft->secret_files[i]);
    }
    for (size_t i = 0; i < draft->events_count; i++) {
        free(draft->events[i].event);
        free(draft->events[i].type);
    }
    free(draft->events);
    *draft = (struct draft){0};
}

void draft_set(struct draft *draft, const struct option *option, bool file, enum source source,
               struct slice text, const char *where)
{
    size_t index = (size_t)(option - options);
    struct setting *setting = file ? &draft->secret_files[index] : &draft->values[index];
    struct setting next = {source, strndup(text.len > 0 ? text.data : "", text.len), strdup(where)};

    if (!next.text || !next.where) {
        setting_clear(&next);
        draft_fault(draft, "out of memory");
    } else if (source < setting->source) {
        setting_clear(&next);
    } else {
        setting_clear(setting);
        *setting = next;
    }
}

static bool is_event_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= EVENT_NAME_MAX && text_is_plain((struct slice){name, len});
}

static const char *append_event(struct draft *draft, const char *event, const char *type, bool to_user)
{
    size_t count = draft->events_count;
    struct config_event *events = reallocarray(draft->events, count + 1, sizeof *events);

    if (!events)
        return "out of memory";
    draft->events = events;
    struct config_event next = {strdup(event), strdup(type), to_user};
    if (!next.event || !next.type) {
        free(next.event);
        free(next.type);
        return "out of memory";
    }
    events[count] = next;
    draft->events_count++;
    return NULL;
}

const char *draft_add_event(struct draft *draft, const char *event, const char *type, const char *to)
{
    bool to_user = strcmp(to, "user") == 0;

    if (!is_event_name(event) || !is_event_name(type))
        return "event and type must be 1 to 256 bytes without control characters";
    if (!to_user && strcmp(to, "chat") != 0)
        return "to must be chat or user";
    for (size_t i = 0; i < draft->events_count; i++) {
        if (strcmp(draft->events[i].event, event) == 0)
            return "the event has a row already";
    }
    if (draft->events_count == EVENTS_MAX)
        return "too many rows";
    return append_event(draft, event, type, to_user);
}

void draft_fault(struct draft *draft, const char *format, ...)
{
    FILE *errors = draft->request->errors;
    va_list args;

    draft->faults++;
    fprintf(errors, "%s: ", draft->request->name);
    va_start(args, format);
    vfprintf(errors, format, args);
    va_end(args);
    fputc('\n', errors);
}

void draft_value_fault(struct draft *draft, const struct option *option, const char *rule)
{
    const struct setting *setting = &draft->values[option - options];
    struct buffer shown;

    buffer_init(&shown, 8 * SHOWN_MAX);
    show_value(option, setting->text, SHOWN_MAX, &shown);
    const char *text = buffer_text(&shown);
    draft_fault(draft, "%s = %s (from %s): %s", option->key, text ? text : SHOW_HIDDEN, setting->where, rule);
    buffer_fini(&shown);
}
