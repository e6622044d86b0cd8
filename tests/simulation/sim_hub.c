#include "sim.h"

#include <string.h>

#define ASK_TIMEOUT_MS     2000u
#define SUBSCRIBE_LIMIT_MS 5000u
#define CATCH_UP_LIMIT_MS  3000u
#define READS_MAX          40u /* of a node, under way */
#define BYTES_SLACK        64u /* frames that may be on their way in when the limit is reached */

static void drive(struct sim *sim, struct sim_feed *feed);

/* --- questions to the stream --- */

struct question {
    struct sim_feed *feed;
    struct feed_action action;
    enum feed_answer_kind kind;
    struct sim_record *record;
    uint64_t life; /* the node's */
    bool is_answered;
};

static void take_answer(struct sim *sim, struct question *question, enum feed_answer_kind kind)
{
    struct sim_feed *feed = question->feed;
    const struct feed_event *event = question->record ? &question->record->event : NULL;
    uint32_t jitter = sim_roll(sim, 1000000);

    if (question->is_answered)
        return;
    question->is_answered = true;
    if (question->action.kind != FEED_ASK_HEAD && question->life == feed->node->life)
        feed->node->reads--;
    if (!feed->is_open)
        return;
    struct feed_event place = {.stream_seq = event ? event->stream_seq : 0};
    if (kind == FEED_FOUND && question->record->is_unreadable) {
        kind = FEED_UNREADABLE;
        event = &place;
    }
    struct feed *core = &feed->feed;
    const struct feed_rules *rules = &feed->node->rules;
    if (question->action.kind == FEED_ASK_HEAD)
        feed_on_head(core, rules, question->action.ask, kind, event, sim->now_ms, jitter);
    else if (question->action.kind == FEED_READ)
        feed_on_read(core, rules, question->action.ask, kind, event, sim->now_ms, jitter);
    else
        feed_on_next(core, rules, question->action.ask, kind, event, sim->now_ms, jitter);
    drive(sim, feed);
    for (unsigned room = 0; room < ROOMS; room++) { /* there is room for another read */
        struct sim_feed *other = feed->node->feeds[room];
        if (other && other != feed && feed_wants_reads(&other->feed, sim->now_ms))
            drive(sim, other);
    }
}

static void no_answer(struct sim *sim, void *object, uint64_t unused)
{
    (void)unused;
    take_answer(sim, object, FEED_UNAVAILABLE);
}

static void answer(struct sim *sim, void *object, uint64_t link)
{
    struct question *question = object;
    if (question->feed->node->link == link) /* else it is lost, and the time runs out */
        take_answer(sim, question, question->kind);
}

static void ask_stream(struct sim *sim, void *object, uint64_t link)
{
    struct question *question = object;
    const struct feed_action *action = &question->action;
    enum sim_found found;

    if (action->kind == FEED_ASK_HEAD)
        found = sim_stream_last(sim, question->feed->room, &question->record);
    else if (action->kind == FEED_READ)
        found = sim_stream_get(sim, action->stream_seq, action->from_leader, &question->record);
    else
        found = sim_stream_next(sim, question->feed->room, action->stream_seq, &question->record);
    /* What is read by its place may be another room's: the hub cannot decode it as this room's. */
    if (found == SIM_FOUND && question->record->room != question->feed->room) {
        static struct sim_record foreign = {.is_unreadable = true};
        question->record = &foreign;
    }
    question->kind = found == SIM_FOUND ? FEED_FOUND : found == SIM_NONE ? FEED_NONE : FEED_UNAVAILABLE;
    if (!sim_chance(sim, sim->plan.answer_loss))
        sim_in(sim, 1 + sim_roll(sim, 6), answer, question, link);
}

static void ask(struct sim *sim, struct sim_feed *feed, const struct feed_action *action)
{
    struct question *question = sim_alloc(sim, sizeof *question);

    *question = (struct question){.feed = feed, .action = *action, .life = feed->node->life};
    if (action->kind == FEED_ASK_HEAD)
        sim->counts->heads++;
    else
        feed->node->reads++;
    if (action->kind == FEED_READ) {
        sim->counts->reads++;
        sim->counts->reads_of_leader += action->from_leader;
    }
    sim->counts->searches += action->kind == FEED_ASK_NEXT;
    if (!feed->node->is_linked) {
        sim_in(sim, sim_roll(sim, 2) ? 0 : ASK_TIMEOUT_MS, no_answer, question, 0);
        return;
    }
    sim_in(sim, 1 + sim_roll(sim, 6), ask_stream, question, feed->node->link);
    sim_in(sim, ASK_TIMEOUT_MS, no_answer, question, 0);
}

/* --- what the stream holds: one question for all rooms of a node --- */

struct extent_question {
    struct sim_node *node;
    uint64_t life, link, asked_ms;
    struct feed_extent extent;
    bool is_answered;
};

static void take_extent(struct sim *sim, struct extent_question *question)
{
    struct sim_node *node = question->node;

    if (question->is_answered || node->life != question->life)
        return;
    question->is_answered = true;
    node->is_extent_asked = false;
    node->extent = question->extent;
    node->extent.asked_ms = question->asked_ms;
    sim->counts->extents++;
    for (unsigned room = 0; room < ROOMS; room++) {
        if (!node->feeds[room])
            continue;
        feed_on_extent(&node->feeds[room]->feed, &node->rules, sim->now_ms);
        drive(sim, node->feeds[room]);
    }
}

static void no_extent(struct sim *sim, void *object, uint64_t unused)
{
    struct extent_question *question = object;
    (void)unused;

    question->extent.is_known = false;
    take_extent(sim, question);
}

static void extent_arrives(struct sim *sim, void *object, uint64_t unused)
{
    struct extent_question *question = object;
    (void)unused;

    if (question->node->link == question->link)
        take_extent(sim, question);
}

static void look_at_extent(struct sim *sim, void *object, uint64_t unused)
{
    struct extent_question *question = object;
    (void)unused;

    if (question->node->link == question->link && sim_stream_extent(sim, &question->extent) &&
        !sim_chance(sim, sim->plan.answer_loss))
        sim_in(sim, 1 + sim_roll(sim, 6), extent_arrives, question, 0);
}

static void ask_extent(struct sim *sim, struct sim_node *node)
{
    if (node->is_extent_asked)
        return;
    struct extent_question *question = sim_alloc(sim, sizeof *question);
    *question = (struct extent_question){
        .node = node, .life = node->life, .link = node->link, .asked_ms = sim->now_ms};
    node->is_extent_asked = true;
    if (node->is_linked)
        sim_in(sim, 1 + sim_roll(sim, 6), look_at_extent, question, 0);
    sim_in(sim, node->is_linked ? ASK_TIMEOUT_MS : 1, no_extent, question, 0);
}

/* --- to the workers --- */

static void put(struct sim *sim, struct sim_feed *feed, unsigned worker, struct sim_output output)
{
    struct sim_output *copy = sim_alloc(sim, sizeof *copy);

    *copy = output;
    copy->room = feed->room;
    sim_worker_put(sim, feed->node, worker, copy);
}

static void put_to_all(struct sim *sim, struct sim_feed *feed, struct sim_output output)
{
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        if (feed->interest[worker] == 0)
            continue;
        if (output.frame)
            frame_ref(output.frame);
        put(sim, feed, worker, output);
    }
}

static void put_answer(struct sim *sim, struct sim_feed *feed, struct sim_request *request,
                       enum feed_verdict verdict)
{
    const struct position *since = &request->waiter.since;
    uint32_t max = request->kind == REQUEST_CATCH_UP ? PAGE : UINT32_MAX;

    request->verdict = verdict;
    request->position = feed_told_position(&feed->feed);
    sim->counts->recovered_from_empty += verdict == FEED_RECOVERED && request->waiter.is_from_empty;
    if (verdict == FEED_RECOVERED) {
        request->replay =
            feed_replay(&feed->feed, since, max, max == UINT32_MAX ? SIZE_MAX : FEED_PAGE_BYTES);
        SIM_CHECK(sim, request->replay);
        request->is_all = since->seq + request->replay->count == feed->feed.position.seq;
    }
    put(sim, feed, request->worker, (struct sim_output){.kind = OUTPUT_ANSWER, .request = request});
}

static void count_loss(struct sim *sim, enum feed_loss loss)
{
    sim->counts->loss_expired += loss == FEED_LOSS_EXPIRED;
    sim->counts->loss_conflict += loss == FEED_LOSS_CONFLICT;
    sim->counts->loss_epoch += loss == FEED_LOSS_EPOCH;
    sim->counts->loss_timeout += loss == FEED_LOSS_TIMEOUT;
}

/* --- the feed --- */

static void on_timer(struct sim *sim, void *object, uint64_t at_ms)
{
    struct sim_feed *feed = object;

    if (!feed->is_open || feed->timer_ms != at_ms)
        return;
    feed->timer_ms = 0;
    drive(sim, feed);
}

static void act(struct sim *sim, struct sim_feed *feed, const struct feed_action *action)
{
    static const char *const names[] = {
        "nothing",         "asks for the head", "reads", "asks for the extent",
        "searches behind", "delivers",          "loses", "answers"};
    const struct feed *core = &feed->feed;

    sim_say(sim, "node %u  room %u at %s:%llu %s %llu at %llu", feed->node->number, feed->room,
            core->position.epoch, (unsigned long long)core->position.seq, names[action->kind],
            (unsigned long long)action->ask.seq, (unsigned long long)action->stream_seq);
    switch (action->kind) {
    case FEED_NOTHING:
        break;
    case FEED_ASK_EXTENT:
        ask_extent(sim, feed->node);
        break;
    case FEED_ASK_HEAD:
    case FEED_READ:
    case FEED_ASK_NEXT:
        ask(sim, feed, action);
        break;
    case FEED_DELIVER:
        put_to_all(
            sim, feed,
            (struct sim_output){.kind = OUTPUT_EVENT, .position = core->position, .frame = action->frame});
        break;
    case FEED_LOST:
        sim_say(sim, "node %u  room %u lost up to %s:%llu (%d)", feed->node->number, feed->room,
                core->position.epoch, (unsigned long long)core->position.seq, action->loss);
        count_loss(sim, action->loss);
        put_to_all(sim, feed, (struct sim_output){.kind = OUTPUT_LOST, .position = core->position});
        break;
    case FEED_ANSWER:
        put_answer(sim, feed, (struct sim_request *)action->waiter, action->verdict);
        break;
    }
}

static void drive(struct sim *sim, struct sim_feed *feed)
{
    const struct feed_rules *rules = &feed->node->rules;
    struct feed *core = &feed->feed;
    unsigned actions = 0;

    for (;;) {
        unsigned reads = feed->node->reads;
        struct feed_action action =
            feed_next(core, rules, sim->now_ms, reads < READS_MAX ? READS_MAX - reads : 0);
        if (action.kind == FEED_NOTHING)
            break;
        act(sim, feed, &action);
        SIM_CHECK(sim, ++actions < 5000);
    }
    SIM_CHECK(sim, feed_is_valid(core));
    SIM_CHECK(sim, core->history.bytes <= rules->max_bytes + BYTES_SLACK * (sim->plan.frame_bytes + 16u));
    if (core->history.count > 3 * rules->max_events + TRAIL_MAX)
        sim_fail(sim, "the window of room %u is %u slots, from %llu; position %llu, known %llu, wanted %llu",
                 feed->room, core->history.count, (unsigned long long)core->history.first,
                 (unsigned long long)core->position.seq, (unsigned long long)core->known,
                 (unsigned long long)(core->work ? core->work->wanted_from : 0));
    uint64_t due_ms = feed_due(core, rules);
    SIM_CHECK(sim, due_ms == 0 || due_ms > sim->now_ms);
    if (due_ms == 0 || (feed->timer_ms != 0 && feed->timer_ms <= due_ms))
        return;
    feed->timer_ms = due_ms;
    sim_in(sim, due_ms - sim->now_ms, on_timer, feed, due_ms);
}

static struct sim_feed *open_feed(struct sim *sim, struct sim_node *node, unsigned room)
{
    struct sim_feed *feed = sim_alloc(sim, sizeof *feed);

    feed->node = node;
    feed->room = room;
    feed->is_open = true;
    feed_init(&feed->feed, sim->now_ms);
    node->feeds[room] = feed;
    return feed;
}

static void close_feed(struct sim *sim, struct sim_feed *feed)
{
    (void)feed_fini(&feed->feed); /* who waits is dropped with the node, or nobody does */
    feed->is_open = false;
    feed->node->feeds[feed->room] = NULL;
    sim->counts->feeds_closed++;
}

static bool has_interest(const struct sim_feed *feed)
{
    return feed->interest[0] + feed->interest[1] > 0;
}

static void linger_is_over(struct sim *sim, void *object, uint64_t unused)
{
    struct sim_feed *feed = object;
    (void)unused;

    if (feed->is_open && !has_interest(feed))
        close_feed(sim, feed);
}

/* --- requests --- */

static void work_on_request(struct sim *sim, struct sim_node *node, struct sim_request *request)
{
    struct sim_feed *feed = node->feeds[request->room];
    bool is_catch_up = request->kind == REQUEST_CATCH_UP;

    if (request->kind == REQUEST_PART) {
        feed->interest[request->worker]--;
        if (!has_interest(feed))
            sim_in(sim, sim_roll(sim, 4000), linger_is_over, feed, 0);
        return;
    }
    if (!feed)
        feed = open_feed(sim, node, request->room);
    if (!is_catch_up)
        feed->interest[request->worker]++;
    request->waiter.is_catching_up = is_catch_up;
    request->waiter.deadline_ms = sim->now_ms + (is_catch_up ? CATCH_UP_LIMIT_MS : SUBSCRIBE_LIMIT_MS);
    feed_wait(&feed->feed, &node->rules, &request->waiter, sim->now_ms);
    drive(sim, feed);
}

static void work(struct sim *sim, void *object, uint64_t life)
{
    struct sim_node *node = object;

    while (node->life == life && node->requests) {
        struct sim_request *request = node->requests;
        node->requests = request->next;
        if (!node->requests)
            node->requests_tail = &node->requests;
        work_on_request(sim, node, request);
    }
}

void sim_hub_ask(struct sim *sim, struct sim_node *node, struct sim_request *request)
{
    if (!node->requests)
        sim_in(sim, sim_roll(sim, 3), work, node, node->life);
    request->next = NULL;
    *node->requests_tail = request;
    node->requests_tail = &request->next;
}

/* --- live events --- */

struct live {
    struct sim_node *node;
    struct sim_record *record;
    uint64_t life, link;
};

static void arrive(struct sim *sim, void *object, uint64_t unused)
{
    const struct live *live = object;
    struct sim_node *node = live->node;
    struct sim_feed *feed = node->feeds[live->record->room];
    (void)unused;

    if (node->life != live->life || node->link != live->link || !feed || live->record->is_unreadable)
        return;
    char epoch[EPOCH_LEN_MAX + 1];
    memcpy(epoch, feed->feed.position.epoch, sizeof epoch);
    enum feed_offer offer = feed_on_live(&feed->feed, &node->rules, &live->record->event, sim->now_ms);
    sim->counts->gaps += offer == FEED_GAP;
    sim->counts->live_duplicates += offer == FEED_DUPLICATE;
    sim->counts->epochs_followed += feed->feed.is_settled && epoch[0] != '\0' &&
                                    strcmp(epoch, EPOCH_EMPTY) != 0 &&
                                    strcmp(epoch, feed->feed.position.epoch) != 0;
    drive(sim, feed);
}

static void send_live(struct sim *sim, struct live *live, uint64_t delay_ms)
{
    struct sim_node *node = live->node;
    uint64_t at_ms = sim->now_ms + delay_ms;

    if (at_ms < node->last_live_ms)
        at_ms = node->last_live_ms; /* one sender's messages stay in order */
    node->last_live_ms = at_ms;
    sim_in(sim, at_ms - sim->now_ms, arrive, live, 0);
}

void sim_node_republish(struct sim *sim, struct sim_node *node, struct sim_record *record, uint64_t term)
{
    if (!node->is_alive || !node->is_linked || !node->feeds[record->room])
        return;
    if (sim_chance(sim, sim->plan.live_loss)) {
        sim->counts->live_dropped++;
        return;
    }
    if (node->live_term != term) {
        node->live_term = term;
        node->last_live_ms = 0;
    }
    struct live *live = sim_alloc(sim, sizeof *live);
    *live = (struct live){.node = node, .record = record, .life = node->life, .link = node->link};
    send_live(sim, live, 1 + sim_roll(sim, sim_roll(sim, 20) ? 10 : 300));
    if (sim_chance(sim, sim->plan.live_twice))
        send_live(sim, live, sim_roll(sim, 500));
}

/* --- the node --- */

void sim_node_start(struct sim *sim, struct sim_node *node)
{
    node->is_alive = node->is_linked = true;
    node->life++;
    node->reads = 0;
    node->rules = sim->plan.rules;
    node->rules.extent = &node->extent;
    node->extent = (struct feed_extent){.is_known = false};
    node->is_extent_asked = false;
    node->requests_tail = &node->requests;
    for (unsigned i = 0; i < WORKERS; i++) {
        SIM_CHECK(sim, rooms_new(&node->workers[i].rooms) == ERR_OK);
        node->workers[i].inbox_tail = &node->workers[i].inbox;
    }
}

void sim_node_kill(struct sim *sim, struct sim_node *node)
{
    sim_say(sim, "node %u  is killed", node->number);
    node->is_alive = false;
    node->life++;
    node->link++;
    for (unsigned room = 0; room < ROOMS; room++)
        if (node->feeds[room])
            close_feed(sim, node->feeds[room]);
    for (unsigned i = 0; i < WORKERS; i++)
        sim_worker_fini(sim, node, i);
    node->requests = NULL;
}

void sim_node_suspect(struct sim *sim, struct sim_node *node)
{
    for (unsigned room = 0; room < ROOMS; room++) {
        struct sim_feed *feed = node->feeds[room];
        if (!feed)
            continue;
        feed_suspect(&feed->feed, sim->now_ms, sim_roll(sim, 300));
        drive(sim, feed);
    }
}

void sim_node_unlink(struct sim *sim, struct sim_node *node)
{
    sim_say(sim, "node %u  loses its link", node->number);
    node->is_linked = false;
    node->rules.is_cut_off = true;
    node->unlinked_ms = sim->now_ms;
    node->link++;
    sim->counts->link_losses++;
}

void sim_node_link(struct sim *sim, struct sim_node *node)
{
    sim_say(sim, "node %u  has a link again", node->number);
    node->is_linked = true;
    node->rules.is_cut_off = false;
    for (unsigned room = 0; room < ROOMS; room++) {
        if (node->feeds[room])
            feed_shift_gap(&node->feeds[room]->feed, sim->now_ms - node->unlinked_ms, sim->now_ms);
    }
    sim_node_suspect(sim, node);
}
