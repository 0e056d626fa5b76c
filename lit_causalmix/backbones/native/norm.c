/* A residual sum and the norm that reads it, in one pass. */
#include "common.h"

/* sums = cells + update + shift, normed = norm(sums), for n cells of a width; without an update,
   sums are not written and shift is not read. `stats` keeps the mean and 1 / deviation of each cell. */
void add_norm(int64_t n, int64_t width, const float *cells, const element *update,
              const float *shift, const float *weight, const float *bias, float *sums, element *normed, float *stats) {
    for (int64_t i = 0; i < n; i++) {
        const float *x = cells + i * width;
        vec total = splat(0), squares = splat(0);
        if (update) {
            float *to = sums + i * width;
            for (int64_t c = 0; c < width; c += 16)
                STORE(to + c, LOAD(x + c) + read_row(update + i * width + c) + LOAD(shift + c));
            x = to;
        }
        for (int64_t c = 0; c < width; c += 16) total += LOAD(x + c);
        const float mean = sum(total) / width;
        for (int64_t c = 0; c < width; c += 16) {
            const vec centred = LOAD(x + c) - mean;
            squares += centred * centred;
        }
        const float inverse = 1 / sqrtf(sum(squares) / width + 1e-5f);
        for (int64_t c = 0; c < width; c += 16)
            write_row(normed + i * width + c,
                      (LOAD(x + c) - mean) * inverse * LOAD(weight + c) + LOAD(bias + c));
        stats[2 * i] = mean;
        stats[2 * i + 1] = inverse;
    }
}

/* Gradients of cells (float) and of the update (the same, as rows), and, added up, of shift, weight
   and bias. `d_sums`, of the sums, may be absent, and so may `d_update` with `d_shift`. */
void add_norm_backward(int64_t n, int64_t width, const float *sums, const float *stats,
                       const float *weight, const float *d_sums, const element *d_normed,
                       float *d_cells, element *d_update, float *d_shift, float *d_weight,
                       float *d_bias) {
    for (int64_t i = 0; i < n; i++) {
        const float mean = stats[2 * i], inverse = stats[2 * i + 1];
        const float *x = sums + i * width;
        vec total = splat(0), product = splat(0);
        for (int64_t c = 0; c < width; c += 16) {
            const vec d = read_row(d_normed + i * width + c), unit = (LOAD(x + c) - mean) * inverse;
            const vec d_unit = d * LOAD(weight + c);
            total += d_unit;
            product += d_unit * unit;
            STORE(d_weight + c, LOAD(d_weight + c) + d * unit);
            STORE(d_bias + c, LOAD(d_bias + c) + d);
        }
        const float mean_d = sum(total) / width, slope = sum(product) / width;
        for (int64_t c = 0; c < width; c += 16) {
            const vec unit = (LOAD(x + c) - mean) * inverse;
            const vec d_unit = read_row(d_normed + i * width + c) * LOAD(weight + c);
            vec d = (d_unit - mean_d - unit * slope) * inverse;
            if (d_sums) d += LOAD(d_sums + i * width + c);
            STORE(d_cells + i * width + c, d);
            if (d_update) {
                write_row(d_update + i * width + c, d);
                STORE(d_shift + c, LOAD(d_shift + c) + d);
            }
        }
    }
}
