/* Attention of many short sequences with narrow heads, forward and backward, on one thread.

   Sums are float32. A tile is 8 queries by KEYS keys (-DKEYS=16 or 32); sequences are read and written where they stand
   (strides in elements), so nobody copies heads or transposes tables. */
#include "common.h"

#define QUERIES 8
#define LANES (KEYS / 16)
#define PARTS (D / 16)
#define FAR -1e30f

/* Sequences (outer, inner), of heads (heads) of a width D: q of length n_queries, k and v of n_keys.
   Strides of (outer, inner, row) for q and out, and for k and v; heads stand side by side. */
typedef struct {
    int64_t outer, inner, heads, n_queries, n_keys;
    int64_t q_stride[3], k_stride[3], out_stride[3];
} shape;

static int64_t up_to(int64_t n, int64_t block) { return (n + block - 1) / block * block; }

/* Rows to floats, in the order in which tiles read them: blocks of KEYS keys, D by KEYS each. */
static void pack_columns(float *to, const element *from, int64_t n, int64_t stride) {
    memset(to, 0, sizeof(float) * up_to(n, KEYS) * D);
    for (int64_t j = 0; j < n; j++)
        for (int c = 0; c < PARTS; c++) {
            const vec row = read_row(from + j * stride + 16 * c);
            float *block = to + (j / KEYS) * KEYS * D + 16 * c * KEYS + j % KEYS;
            for (int d = 0; d < 16; d++) block[d * KEYS] = row[d];
        }
}

static void pack_rows(float *to, const element *from, int64_t n, int64_t most, int64_t stride,
                      float scale) {
    for (int64_t j = 0; j < n; j++)
        for (int c = 0; c < PARTS; c++)
            STORE(to + j * D + 16 * c, scale * read_row(from + j * stride + 16 * c));
    memset(to + n * D, 0, sizeof(float) * (most - n) * D);
}

/* Products of 8 rows (8, D) and a block of packed columns, added to a bias per column. */
ALWAYS void products(vec out[QUERIES][LANES], const float *rows, const float *columns,
                     const float *bias) {
    for (int i = 0; i < QUERIES; i++)
        for (int l = 0; l < LANES; l++) out[i][l] = LOAD(bias + 16 * l);
    for (int d = 0; d < D; d++)
        for (int l = 0; l < LANES; l++) {
            const vec column = LOAD(columns + d * KEYS + 16 * l);
            for (int i = 0; i < QUERIES; i++) out[i][l] += rows[i * D + d] * column;
        }
}

/* to[i] += sum over j of weights[i][j] * rows[j], for 8 rows of `to` and `n` of `rows`. */
ALWAYS void gather(float *to, const float *weights, const float *rows, int64_t n) {
    for (int c = 0; c < PARTS; c++) {
        vec total[QUERIES];
        for (int i = 0; i < QUERIES; i++) total[i] = LOAD(to + i * D + 16 * c);
        for (int64_t j = 0; j < n; j++) {
            const vec row = LOAD(rows + j * D + 16 * c);
            for (int i = 0; i < QUERIES; i++) total[i] += weights[i * KEYS + j] * row;
        }
        for (int i = 0; i < QUERIES; i++) STORE(to + i * D + 16 * c, total[i]);
    }
}

/* to[j] += sum over the 8 queries i of weights[i][j] * rows[i]. */
ALWAYS void scatter(float *to, const float *weights, const float *rows, int64_t n) {
    for (int c = 0; c < PARTS; c++) {
        vec row[QUERIES];
        for (int i = 0; i < QUERIES; i++) row[i] = LOAD(rows + i * D + 16 * c);
        for (int64_t j = 0; j < n; j++) {
            vec total = LOAD(to + j * D + 16 * c);
            for (int i = 0; i < QUERIES; i++) total += weights[i * KEYS + j] * row[i];
            STORE(to + j * D + 16 * c, total);
        }
    }
}

static float *floats(int64_t n) { return aligned_alloc(64, up_to(4 * n + 64, 64)); }

/* Forward: `out` and `lse`, the logarithm of each query's sum (outer, inner, heads, n_queries). */
int attention(const shape *s, const element *q, const element *k, const element *v,
              const float *scale, element *out, float *lse) {
    const int64_t n_q = up_to(s->n_queries, QUERIES), n_k = up_to(s->n_keys, KEYS);
    float *memory = floats(n_q * D + n_k * (2 * D + 1 + QUERIES));
    if (!memory) return 1;
    float *rows = memory, *columns = rows + n_q * D, *values = columns + n_k * D;
    float *bias = values + n_k * D, *weights = bias + n_k;
    for (int64_t j = 0; j < n_k; j++) bias[j] = j < s->n_keys ? 0 : FAR;
    for (int64_t a = 0; a < s->outer; a++)
        for (int64_t b = 0; b < s->inner; b++)
            for (int64_t h = 0; h < s->heads; h++) {
                const int64_t from_q = a * s->q_stride[0] + b * s->q_stride[1] + h * D;
                const int64_t from_k = a * s->k_stride[0] + b * s->k_stride[1] + h * D;
                element *to = out + a * s->out_stride[0] + b * s->out_stride[1] + h * D;
                pack_rows(rows, q + from_q, s->n_queries, n_q, s->q_stride[2], scale[h]);
                pack_columns(columns, k + from_k, s->n_keys, s->k_stride[2]);
                pack_rows(values, v + from_k, s->n_keys, n_k, s->k_stride[2], 1);
                for (int64_t i0 = 0; i0 < s->n_queries; i0 += QUERIES) {
                    vec most[QUERIES], total[QUERIES];
                    float mixed[QUERIES * D] __attribute__((aligned(64))) = {0};
                    for (int i = 0; i < QUERIES; i++) most[i] = splat(FAR);
                    for (int64_t j = 0; j < n_k; j += KEYS) {
                        vec tile[QUERIES][LANES];
                        products(tile, rows + i0 * D, columns + j * D, bias + j);
                        for (int i = 0; i < QUERIES; i++)
                            for (int l = 0; l < LANES; l++) {
                                most[i] = larger(most[i], tile[i][l]);
                                STORE(weights + j * QUERIES + i * KEYS + 16 * l, tile[i][l]);
                            }
                    }
                    for (int i = 0; i < QUERIES; i++) {
                        float top = most[i][0];
                        for (int l = 1; l < 16; l++) top = most[i][l] > top ? most[i][l] : top;
                        most[i] = splat(top);
                        total[i] = splat(0);
                    }
                    for (int64_t j = 0; j < n_k; j += KEYS) {
                        float *tile = weights + j * QUERIES;
                        for (int i = 0; i < QUERIES; i++)
                            for (int l = 0; l < KEYS; l += 16) {
                                float *at = tile + i * KEYS + l;
                                const vec p = exp_negative(LOAD(at) - most[i]);
                                total[i] += p;
                                STORE(at, p);
                            }
                        const int64_t left = s->n_keys - j;
                        gather(mixed, tile, values + j * D, left < KEYS ? left : KEYS);
                    }
                    for (int i = 0; i < QUERIES && i0 + i < s->n_queries; i++) {
                        const float all = sum(total[i]);
                        for (int c = 0; c < PARTS; c++)
                            write_row(to + (i0 + i) * s->out_stride[2] + 16 * c,
                                      LOAD(mixed + i * D + 16 * c) / all);
                        lse[((a * s->inner + b) * s->heads + h) * s->n_queries + i0 + i] =
                            most[i][0] + logf(all);
                    }
                }
            }
    free(memory);
    return 0;
}

/* Backward: gradients of q, k, v where these stand, and of `scale`, to which they are added. */
int attention_backward(const shape *s, const element *q, const element *k, const element *v,
                       const float *scale, const element *out, const float *lse,
                       const element *d_out, element *d_q, element *d_k, element *d_v,
                       float *d_scale) {
    const int64_t n_q = up_to(s->n_queries, QUERIES), n_k = up_to(s->n_keys, KEYS);
    float *memory = floats(2 * n_q * D + n_k * (5 * D + 1) + KEYS);
    if (!memory) return 1;
    float *rows = memory, *d_rows = rows + n_q * D, *k_columns = d_rows + n_q * D;
    float *v_columns = k_columns + n_k * D, *keys = v_columns + n_k * D;
    float *d_keys = keys + n_k * D, *d_values = d_keys + n_k * D, *bias = d_values + n_k * D;
    float *none = bias + n_k;
    memset(none, 0, sizeof(float) * KEYS);
    for (int64_t j = 0; j < n_k; j++) bias[j] = j < s->n_keys ? 0 : FAR;
    for (int64_t a = 0; a < s->outer; a++)
        for (int64_t b = 0; b < s->inner; b++)
            for (int64_t h = 0; h < s->heads; h++) {
                const int64_t at_q = a * s->q_stride[0] + b * s->q_stride[1] + h * D;
                const int64_t at_k = a * s->k_stride[0] + b * s->k_stride[1] + h * D;
                const int64_t at_out = a * s->out_stride[0] + b * s->out_stride[1] + h * D;
                const float *sums = lse + ((a * s->inner + b) * s->heads + h) * s->n_queries;
                float slope = 0;
                pack_rows(rows, q + at_q, s->n_queries, n_q, s->q_stride[2], scale[h]);
                pack_rows(d_rows, d_out + at_out, s->n_queries, n_q, s->out_stride[2], 1);
                pack_rows(keys, k + at_k, s->n_keys, n_k, s->k_stride[2], 1);
                pack_columns(k_columns, k + at_k, s->n_keys, s->k_stride[2]);
                pack_columns(v_columns, v + at_k, s->n_keys, s->k_stride[2]);
                memset(d_keys, 0, sizeof(float) * 2 * n_k * D);
                for (int64_t i0 = 0; i0 < s->n_queries; i0 += QUERIES) {
                    float delta[QUERIES], log_sum[QUERIES];
                    float d_query[QUERIES * D] __attribute__((aligned(64))) = {0};
                    for (int i = 0; i < QUERIES; i++) {
                        const int real = i0 + i < s->n_queries;
                        vec total = splat(0);
                        for (int c = 0; real && c < PARTS; c++)
                            total += read_row(out + at_out + (i0 + i) * s->out_stride[2] + 16 * c) *
                                     LOAD(d_rows + (i0 + i) * D + 16 * c);
                        delta[i] = sum(total);
                        log_sum[i] = real ? sums[i0 + i] : -FAR;
                    }
                    for (int64_t j = 0; j < n_k; j += KEYS) {
                        const int64_t left = s->n_keys - j, n = left < KEYS ? left : KEYS;
                        float p[QUERIES * KEYS] __attribute__((aligned(64)));
                        float d_s[QUERIES * KEYS] __attribute__((aligned(64)));
                        vec tile[QUERIES][LANES];
                        products(tile, rows + i0 * D, k_columns + j * D, bias + j);
                        for (int i = 0; i < QUERIES; i++)
                            for (int l = 0; l < LANES; l++)
                                STORE(p + i * KEYS + 16 * l,
                                      exp_negative(tile[i][l] - log_sum[i]));
                        products(tile, d_rows + i0 * D, v_columns + j * D, none);
                        for (int i = 0; i < QUERIES; i++)
                            for (int l = 0; l < LANES; l++)
                                STORE(d_s + i * KEYS + 16 * l,
                                      LOAD(p + i * KEYS + 16 * l) * (tile[i][l] - delta[i]));
                        gather(d_query, d_s, keys + j * D, n);
                        scatter(d_keys + j * D, d_s, rows + i0 * D, n);
                        scatter(d_values + j * D, p, d_rows + i0 * D, n);
                    }
                    for (int i = 0; i < QUERIES && i0 + i < s->n_queries; i++)
                        for (int c = 0; c < PARTS; c++) {
                            const vec slope_q = LOAD(d_query + i * D + 16 * c);
                            const int64_t at = at_q + (i0 + i) * s->q_stride[2] + 16 * c;
                            slope += sum(slope_q * read_row(q + at));
                            write_row(d_q + at, scale[h] * slope_q);
                        }
                }
                for (int64_t j = 0; j < s->n_keys; j++)
                    for (int c = 0; c < PARTS; c++) {
                        const int64_t at = at_k + j * s->k_stride[2] + 16 * c;
                        write_row(d_k + at, LOAD(d_keys + j * D + 16 * c));
                        write_row(d_v + at, LOAD(d_values + j * D + 16 * c));
                    }
                d_scale[h] += slope;
            }
    free(memory);
    return 0;
}
