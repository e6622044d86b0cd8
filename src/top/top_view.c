#include "top_view.h"

#include <roomcast/base/clock.h>

#include "top_columns.h"
#include "top_text.h"

#define LINE_BYTES  4096u /* TOP_WIDTH_MAX characters of up to 4 bytes, and what a last column may add */
#define RELAYS_MOST 8     /* rows that relays take from the nodes */

/* Where the lines go, and how many more may come. */
struct page {
    const struct top_view *view;
    const struct top_model *model;
    struct top_sum sum;
    top_line *line;
    void *context;
    unsigned left;
    struct buffer text; /* of the line in hand */
    struct buffer cell;
};

/* Bytes of the first `width` characters. */
static size_t cut(struct slice text, unsigned width)
{
    size_t end = 0;
    for (unsigned columns = 0; end < text.len; end++) {
        bool is_start = ((unsigned char)text.data[end] & 0xC0) != 0x80;
        if (is_start && columns++ == width)
            break;
    }
    return end;
}

static void end_line(struct page *page, enum top_style style)
{
    unsigned width = page->view->width < TOP_WIDTH_MAX ? page->view->width : TOP_WIDTH_MAX;
    struct slice text = buffer_slice(&page->text);
    text.len = cut(text, width);
    while (text.len > 0 && text.data[text.len - 1] == ' ')
        text.len--;
    if (page->left > 0) {
        page->left--;
        page->line(page->context, style, text);
    }
    buffer_clear(&page->text);
}

/* --- the head --- */

static void add_figure(struct page *page, const char *name, double value)
{
    buffer_appendf(&page->text, "%s ", name);
    top_text_count(&page->text, value);
    buffer_append_text(&page->text, "   ");
}

static void write_title(struct page *page)
{
    char at[CLOCK_TEXT_SIZE];
    clock_format(page->view->wall_ms, at);
    buffer_appendf(&page->text, "roomcast top   %.10s %.8s UTC   %s", at, at + 11, page->view->source);
    end_line(page, TOP_TITLE);
}

static void write_sums(struct page *page)
{
    const struct top_sum *sum = &page->sum;
    buffer_appendf(&page->text, "%zu node%s, %zu relay%s", sum->nodes, sum->nodes == 1 ? "" : "s",
                   sum->relays, sum->relays == 1 ? "" : "s");
    if (sum->silent > 0)
        buffer_appendf(&page->text, ", %zu silent", sum->silent);
    buffer_appendf(&page->text, "   connections %llu (mean %.0f)   rooms %llu",
                   (unsigned long long)sum->connections, sum->mean, (unsigned long long)sum->rooms);
    end_line(page, sum->silent > 0 ? TOP_WARNING : TOP_PLAIN);
    add_figure(page, "per second: stored", sum->stored);
    add_figure(page, "deliveries", sum->deliveries);
    add_figure(page, "opened", sum->accepted);
    add_figure(page, "closed", sum->closed);
    add_figure(page, "rebalanced", sum->shed);
    end_line(page, TOP_PLAIN);
    buffer_append_text(&page->text, "queued ");
    top_text_bytes(&page->text, sum->queued_bytes);
    buffer_append_text(&page->text, "B   ");
    add_figure(page, "lagging", (double)sum->lagging);
    add_figure(page, "slow", (double)sum->blocked);
    if (sum->relays > 0 && sum->active != 1)
        buffer_appendf(&page->text, "%zu active relays!", sum->active);
    end_line(page, sum->relays > 0 && sum->active != 1 ? TOP_ALARM : TOP_PLAIN);
}

/* --- the tables --- */

static void pad(struct buffer *out, unsigned columns)
{
    while (columns-- > 0)
        buffer_append_char(out, ' ');
}

static void put(struct page *page, const struct top_column *column, struct slice text)
{
    unsigned width = top_text_width(text);
    unsigned missing = width < column->width ? column->width - width : 0;
    pad(&page->text, page->text.len > 0 ? 1 : 0);
    pad(&page->text, column->is_left ? 0 : missing);
    buffer_append_slice(&page->text, text);
    pad(&page->text, column->is_left ? missing : 0);
}

/* Columns that have no room are left out from the right, the first two never. */
static bool has_room(const struct page *page, const struct top_column *columns, size_t index)
{
    unsigned end = 0;
    for (size_t i = 0; i <= index; i++)
        end += columns[i].width + (i > 0);
    return index < 2 || end <= page->view->width;
}

static void write_heading(struct page *page, const struct top_column *columns)
{
    for (size_t i = 0; columns[i].title && has_room(page, columns, i); i++)
        put(page, &columns[i], slice_of(columns[i].title));
    end_line(page, TOP_HEADING);
}

static enum top_style style_of(const struct top_row *row, enum top_condition condition)
{
    if (condition == TOP_SILENT)
        return TOP_ALARM;
    return row->beat.state == HEARTBEAT_SERVING ? TOP_PLAIN : TOP_WARNING;
}

static void write_row(struct page *page, const struct top_column *columns, const struct top_row *row)
{
    struct top_cell cell = {
        .row = row,
        .condition = top_row_condition(row, page->view->now_ms),
        .mean = page->sum.mean,
        .now_ms = page->view->now_ms,
    };
    for (size_t i = 0; columns[i].title && has_room(page, columns, i); i++) {
        buffer_clear(&page->cell);
        columns[i].write(&cell, &page->cell);
        put(page, &columns[i], buffer_slice(&page->cell));
    }
    end_line(page, style_of(row, cell.condition));
}

static size_t rows_of(const struct top_model *model, enum heartbeat_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < model->count; i++)
        count += model->rows[i].beat.kind == kind;
    return count;
}

/* At most `most` lines below the heading. */
static void write_table(struct page *page, enum heartbeat_kind kind, const struct top_column *columns,
                        size_t most)
{
    size_t rows = rows_of(page->model, kind), shown = rows <= most ? rows : most > 0 ? most - 1 : 0;
    size_t written = 0;
    write_heading(page, columns);
    for (size_t i = 0; i < page->model->count && written < shown; i++) {
        if (page->model->rows[i].beat.kind != kind)
            continue;
        write_row(page, columns, &page->model->rows[i]);
        written++;
    }
    if (shown < rows) {
        buffer_appendf(&page->text, "... and %zu more", rows - shown);
        end_line(page, TOP_WARNING);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void write_tables(struct page *page)
{
    size_t relays = rows_of(page->model, HEARTBEAT_OF_RELAY);
    size_t of_relays =
        relays > 0 ? 2 + least(relays, RELAYS_MOST) : 0; /* with a line between and the heading */
    end_line(page, TOP_PLAIN);
    if (page->left < of_relays + 2)
        of_relays = 0; /* too low: the nodes alone */
    write_table(page, HEARTBEAT_OF_NODE, top_node_columns,
                page->left > of_relays ? page->left - of_relays - 1 : 0);
    if (of_relays > 0) {
        end_line(page, TOP_PLAIN);
        write_table(page, HEARTBEAT_OF_RELAY, top_relay_columns, of_relays - 2);
    }
}

void top_view_lines(const struct top_view *view, const struct top_model *model, top_line *line, void *context)
{
    struct page page = {.view = view, .model = model, .line = line, .context = context, .left = view->height};
    buffer_init(&page.text, LINE_BYTES);
    buffer_init(&page.cell, LINE_BYTES);
    top_model_sum(model, view->now_ms, &page.sum);
    write_title(&page);
    if (model->count == 0) {
        end_line(&page, TOP_PLAIN);
        buffer_append_text(&page.text, "No process has been heard yet. ");
        buffer_append_text(&page.text, view->advice);
        end_line(&page, TOP_WARNING);
    } else {
        write_sums(&page);
        write_tables(&page);
    }
    buffer_fini(&page.cell);
    buffer_fini(&page.text);
}
