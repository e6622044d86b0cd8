#include <roomcast/core/catch_up.h>

#include <assert.h>

void catch_up_init(struct catch_up *catch_up, const struct position *cursor)
{
    *catch_up = (struct catch_up){.state = CATCH_UP_ASK, .cursor = *cursor};
}

void catch_up_fini(struct catch_up *catch_up)
{
    replay_unref(&catch_up->replay);
}

void catch_up_asked(struct catch_up *catch_up)
{
    assert(catch_up->state == CATCH_UP_ASK);
    catch_up->state = CATCH_UP_ASKING;
}

void catch_up_failed(struct catch_up *catch_up)
{
    assert(catch_up->state == CATCH_UP_ASKING);
    catch_up->state = CATCH_UP_ASK;
}

/* All of the replay is queued: live again, unless the room went on meanwhile. */
static void finish(struct catch_up *catch_up)
{
    replay_unref(&catch_up->replay);
    catch_up->state = catch_up->passed_by ? CATCH_UP_ASK : CATCH_UP_DONE;
}

void catch_up_answer(struct catch_up *catch_up, struct replay *replay, uint32_t at, bool is_all)
{
    assert(catch_up->state == CATCH_UP_ASKING && (!replay || at <= replay->count));
    /* What has passed by before the answer was made is in it: the hub's answers and events come in one order.
     */
    catch_up->passed_by = !is_all;
    catch_up->replay = replay;
    catch_up->at = at;
    if (!replay || at == replay->count)
        finish(catch_up);
    else
        catch_up->state = CATCH_UP_REPLAYING;
}

void catch_up_lost(struct catch_up *catch_up, const struct position *position)
{
    assert(catch_up->state == CATCH_UP_ASKING);
    catch_up->cursor = *position;
    catch_up->state = CATCH_UP_DONE;
}

void catch_up_pass_by(struct catch_up *catch_up)
{
    catch_up->passed_by = true;
}

size_t catch_up_pump(struct catch_up *catch_up, struct outqueue *queue, const struct outqueue_limits *limits,
                     size_t max_bytes, uint32_t *ret_count)
{
    size_t bytes = 0;
    uint32_t count = 0;

    assert(catch_up->state == CATCH_UP_REPLAYING);
    while (catch_up->at < catch_up->replay->count && bytes < max_bytes) {
        struct frame *frame = frame_variant(catch_up->replay->frames[catch_up->at], queue->takes_deflated);
        if (outqueue_push(queue, frame, limits) != OUTQUEUE_QUEUED) /* without memory: later, too */
            break;
        bytes += frame->len;
        count++;
        catch_up->cursor = catch_up->replay->first;
        catch_up->cursor.seq += catch_up->at++;
    }
    if (catch_up->at == catch_up->replay->count)
        finish(catch_up);
    *ret_count = count;
    return bytes;
}
