#include "crowd_inflate.h"

#include <roomcast/io/deflate.h>

enum err crowd_agree(struct crowd_loop *loop, struct crowd_client *client, const struct ws_agreed *agreed)
{
    enum err err = ERR_OK;

    client->is_deflating = agreed->is_deflating;
    if (!agreed->is_deflating)
        return ERR_OK;
    if (agreed->is_taken_over) {
        err = inflater_new(CROWD_MESSAGE_MAX, &client->inflater);
        if (!err)
            inflater_take_over(client->inflater);
    } else if (!loop->inflater) {
        err = inflater_new(CROWD_MESSAGE_MAX, &loop->inflater);
    }
    return err;
}

static enum err inflate_shared(struct crowd_loop *loop, struct slice deflated, struct slice *ret_message)
{
    if (!slice_equal(buffer_slice(&loop->deflated), deflated)) {
        buffer_clear(&loop->deflated);
        enum err err = inflater_run(loop->inflater, deflated, &loop->inflated);
        if (err)
            return err;
        buffer_append_slice(&loop->deflated, deflated);
    }
    *ret_message = loop->inflated;
    return buffer_failed(&loop->deflated) ? ERR_NO_MEMORY : ERR_OK;
}

enum err crowd_inflate(struct crowd_loop *loop, struct crowd_client *client, struct ws_frame_view *frame)
{
    if (!client->is_deflating)
        return ERR_SYNTAX;
    if (client->inflater)
        return inflater_run(client->inflater, frame->payload, &frame->payload);
    return inflate_shared(loop, frame->payload, &frame->payload);
}
