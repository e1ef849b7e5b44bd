/* The four plots of a job: r_t, the energy gap, the energies and the loss,
 * all over the same steps. */
#ifndef EBM_CLIENT_WATCH_PLOTS_H
#define EBM_CLIENT_WATCH_PLOTS_H

#include "watch/chart.h"
#include "watch/watch_rows.h"

enum watch_plot { PLOT_GRAD, PLOT_GAP, PLOT_ENERGIES, PLOT_LOSS, PLOT_COUNT };
enum { PLOT_LINES = 3 };

struct plot {
    struct chart_point *point[PLOT_LINES]; /* owned; NULL: no such line */
    size_t points[PLOT_LINES];
    struct chart_span span;
    struct chart chart; /* made for the size it is first drawn in */
    bool drawn;
};

struct plots {
    const struct watch_rows *rows; /* borrowed */
    struct plot plot[PLOT_COUNT];
    size_t label; /* columns of the axis of values */
};

void plots_init(struct plots *p, const struct watch_rows *rows);
void plots_fini(struct plots *p);

/* Line `line` of `lines` of a plot, from where the frame's line stands to
 * `right`: the first is its caption, the others the drawing. */
void plots_put_line(struct plots *p, enum watch_plot which, struct frame *f, size_t right,
                    size_t line, size_t lines);
/* The axis of steps, for below. */
void plots_put_steps(const struct plots *p, struct frame *f, size_t right);

#endif
