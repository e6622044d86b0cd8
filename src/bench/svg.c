#include "svg.h"

#include <assert.h>
#include <math.h>

#define LEFT    70.0
#define TOP     40.0
#define WIDTH   620.0
#define HEIGHT  300.0
#define NINES   5.0 /* the axis ends at 99.999 % */
#define POINTS  240
#define DECADES 12 /* of nanoseconds, at most */

struct scale {
    double low, high; /* log10 of nanoseconds, whole numbers */
};

/* Equal steps of nines: 0 %, 90 %, 99 %, ... */
static double x_of(double nines)
{
    return LEFT + WIDTH * nines / NINES;
}

static double y_of(const struct scale *scale, double ns)
{
    double log = log10(ns < 1 ? 1 : ns);
    return TOP + HEIGHT * (scale->high - log) / (scale->high - scale->low);
}

static void put_text(const char *text, FILE *output)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '&')
            fprintf(output, "&#%d;", *text);
        else
            fputc(*text, output);
    }
}

static struct scale fit(const struct svg_curve *curves, size_t count)
{
    struct scale scale = {DECADES, 0};
    for (size_t i = 0; i < count; i++) {
        if (curves[i].latency->count == 0)
            continue;
        double least = (double)histogram_percentile(curves[i].latency, 0),
               most = (double)curves[i].latency->max;
        scale.low = fmin(scale.low, floor(log10(fmax(least, 1))));
        scale.high = fmax(scale.high, ceil(log10(fmax(most, 1))));
    }
    if (scale.low >= scale.high) { /* nothing, or all the same */
        scale.low = fmin(scale.low, DECADES - 1);
        scale.high = scale.low + 1;
    }
    return scale;
}

static void draw_axes(const struct scale *scale, FILE *output)
{
    static const char *const names[] = {"0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"};

    for (int nines = 0; nines <= (int)NINES; nines++)
        fprintf(output,
                "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"middle\">%s</text>\n",
                x_of(nines), TOP, TOP + HEIGHT, x_of(nines), TOP + HEIGHT + 18, names[nines]);
    for (double log = scale->low; log <= scale->high; log++)
        fprintf(output,
                "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"end\">%g ms</text>\n",
                LEFT, y_of(scale, pow(10, log)), LEFT + WIDTH, LEFT - 6, y_of(scale, pow(10, log)) + 4,
                pow(10, log - 6));
}

static void draw_curve(const struct scale *scale, const struct svg_curve *curve, size_t index, FILE *output)
{
    static const char *const colours[SVG_CURVES_MAX] = {"#0b62a4", "#c0392b", "#1e8449", "#7d3c98"};

    fprintf(output, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"", colours[index]);
    for (int i = 0; i <= POINTS; i++) {
        double nines = NINES * i / POINTS, share = 1 - pow(10, -nines);
        double ns = (double)histogram_percentile(curve->latency, share);
        fprintf(output, "%c%.1f %.1f", i ? 'L' : 'M', x_of(nines), y_of(scale, ns));
        if ((1 - share) * (double)curve->latency->count < 1)
            break; /* beyond the largest value there is nothing to draw */
    }
    fprintf(output, "\"/>\n<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\">", LEFT + 10,
            TOP + 18 + 16 * (double)index, colours[index]);
    put_text(curve->name, output);
    fputs("</text>\n", output);
}

void svg_draw(const char *title, const struct svg_curve *curves, size_t count, FILE *output)
{
    assert(count <= SVG_CURVES_MAX);
    struct scale scale = fit(curves, count);
    fprintf(output,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n<style>.grid{stroke:#ddd}</style><rect width=\"100%%\" height=\"100%%\" "
            "fill=\"white\"/>\n"
            "<text x=\"%g\" y=\"24\" font-size=\"15\">",
            LEFT + WIDTH + 50, TOP + HEIGHT + 40, LEFT);
    put_text(title, output);
    fputs("</text>\n", output);
    draw_axes(&scale, output);
    for (size_t i = 0; i < count; i++)
        if (curves[i].latency->count > 0)
            draw_curve(&scale, &curves[i], i, output);
    fputs("</svg>\n", output);
}
