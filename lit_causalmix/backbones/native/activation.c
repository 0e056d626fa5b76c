/* The hidden cells of an MLP: a bias and GELU in one pass, in place. */
#include "common.h"

/* The distribution function of a normal variable and its density, from one exponential.

   7.1.26 of Abramowitz and Stegun: to 1.5e-7. */
ALWAYS void normal(vec x, vec *below, vec *density) {
    const vec size = (vec)((ivec)x & 0x7fffffff);
    const vec bell = exp_negative(-0.5f * x * x);
    const vec t = 1.0f / (1.0f + 0.2316418882f * size); /* .3275911 / sqrt(2) */
    vec p = splat(1.061405429f);
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const vec tail = 0.5f * p * t * bell;
    const ivec negative = x < splat(0);
    *below = (vec)(((ivec)tail & negative) | ((ivec)(1.0f - tail) & ~negative));
    *density = 0.3989422804f * bell;
}

/* h = gelu(h + bias) for n rows of a width. */
void activate(int64_t n, int64_t width, const float *bias, element *h) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < width; c += 16) {
            const vec x = read_row(h + i * width + c) + LOAD(bias + c);
            vec below, density;
            normal(x, &below, &density);
            write_row(h + i * width + c, x * below);
        }
}

/* The same, and d, the gradient of what comes out, becomes that of what went in, whose columns are
   added up to `total`. */
void activate_backward(int64_t n, int64_t width, const float *bias, element *h,
                       element *d, float *total) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < width; c += 16) {
            const vec x = read_row(h + i * width + c) + LOAD(bias + c);
            vec found = read_row(d + i * width + c), below, density;
            normal(x, &below, &density);
            found *= below + x * density;
            write_row(h + i * width + c, x * below);
            write_row(d + i * width + c, found);
            STORE(total + c, LOAD(total + c) + found);
        }
}
