/* Vectors of 16 floats, and rows of bfloat16 or float32 read and written as such.

   Built with -DBF16=0 or 1 (what rows hold) and -DD=n (width of a head, a multiple of 16). */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(64)));
typedef uint32_t uvec __attribute__((vector_size(64)));
typedef uint16_t half_vec __attribute__((vector_size(32), aligned(2), may_alias));

#define LOAD(p) (*(const vec *)(p))
#define STORE(p, v) (*(vec *)(p) = (v))
#define ALWAYS static inline __attribute__((always_inline))

ALWAYS vec splat(float x) { return x - (vec){0}; }

ALWAYS vec larger(vec a, vec b) {
    const ivec mask = a > b;
    return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
}

ALWAYS float sum(vec v) {
    float total = 0;
    for (int i = 0; i < 16; i++) total += v[i];
    return total;
}

#if BF16
typedef uint16_t element;
#ifdef __AVX512BF16__
ALWAYS vec read_row(const element *p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)p));
    return (vec)_mm512_slli_epi32(wide, 16);
}
ALWAYS void write_row(element *p, vec v) {
    _mm256_storeu_si256((__m256i_u *)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
}
#else
ALWAYS vec read_row(const element *p) {
    return (vec)(__builtin_convertvector(*(const half_vec *)p, uvec) << 16);
}
ALWAYS void write_row(element *p, vec v) { /* to the nearest, ties to even */
    const uvec bits = (uvec)v;
    *(half_vec *)p = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, half_vec);
}
#endif
#else
typedef float element;
ALWAYS vec read_row(const element *p) { return LOAD(p); }
ALWAYS void write_row(element *p, vec v) { STORE(p, v); }
#endif

/* e to the x for x <= 0, to 2e-7 of its value; below 2^-126 the result is 2^-126. */
ALWAYS vec exp_negative(vec x) {
    const vec t = larger(x * 1.44269504f, splat(-126.0f));
    const ivec n = __builtin_convertvector(t - 0.5f, ivec);
    const vec f = t - __builtin_convertvector(n, vec);
    vec p = splat(1.54035304e-4f);
    p = p * f + 1.33335581e-3f;
    p = p * f + 9.61812911e-3f;
    p = p * f + 5.55041087e-2f;
    p = p * f + 2.40226507e-1f;
    p = p * f + 6.93147181e-1f;
    p = p * f + 1.0f;
    return (vec)((ivec)p + (n << 23));
}
