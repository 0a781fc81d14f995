#include "runtimes/runtime.h"

#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct runtime *const RUNTIME[RUNTIMES] = {&onnxruntime, &tflite};

static const struct {
    const char *name;
    size_t bytes;
} DTYPE[DTYPES] = {
    [FLOAT32] = {"float32", 4}, [FLOAT16] = {"float16", 2}, [FLOAT64] = {"float64", 8}, [INT64] = {"int64", 8},
    [INT32] = {"int32", 4},     [INT16] = {"int16", 2},     [INT8] = {"int8", 1},       [UINT64] = {"uint64", 8},
    [UINT32] = {"uint32", 4},   [UINT16] = {"uint16", 2},   [UINT8] = {"uint8", 1},     [BOOL] = {"bool", 1},
};

bool fail_as(struct failure *failure, const char *kind, const char *format, ...) {
    va_list arguments;
    failure->kind = kind;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    return false;
}

void *open_library(const char *folder, const char *name, struct failure *failure) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail_as(failure, "runtime-missing", "%s", dlerror());
    return library;
}

bool find_function(void *library, const char *name, void *place, struct failure *failure) {
    void *found = dlsym(library, name);
    if (!found) return fail_as(failure, "runtime-missing", "the library lacks the function %s: another version?", name);
    memcpy(place, &found, sizeof found); /* ISO C does not convert object pointers to functions; POSIX does */
    return true;
}

const char *dtype_name(enum dtype dtype) { return DTYPE[dtype].name; }

bool find_dtype(const char *name, enum dtype *dtype) {
    for (*dtype = 0; *dtype < DTYPES; ++*dtype) {
        if (strcmp(DTYPE[*dtype].name, name) == 0) return true;
    }
    return false;
}

bool count_bytes(const struct input *input, size_t *bytes) {
    *bytes = DTYPE[input->dtype].bytes;
    for (size_t i = 0; i < input->rank; i++) {
        if (__builtin_mul_overflow(*bytes, (size_t)input->shape[i], bytes)) return false;
    }
    return true;
}

bool resolve_shape(struct input *input, int64_t batch, struct failure *failure) {
    if (input->rank > 0 && input->shape[0] <= 0) input->shape[0] = batch;
    for (size_t i = 0; i < input->rank; i++) {
        if (input->shape[i] <= 0) {
            return fail_as(failure, "bad-model", "expected a fixed shape of %s, but its side %zu is free", input->name,
                           i);
        }
    }
    if (input_bytes(input) == 0) return fail_as(failure, "memory", "the input %s does not fit", input->name);
    return true;
}

size_t input_bytes(const struct input *input) {
    size_t bytes = DTYPE[input->dtype].bytes;
    for (size_t i = 0; i < input->rank; i++) {
        if (__builtin_mul_overflow(bytes, (size_t)input->shape[i], &bytes)) return 0;
    }
    return bytes;
}

/* SplitMix64: sufficient for inputs, and the same on every device. */
static uint64_t next_random(uint64_t *state) {
    uint64_t mixed = (*state += 0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

/* Box-Muller transform of two numbers above 0 and up to 1. */
static double next_normal(uint64_t *state) {
    double radius = (double)((next_random(state) >> 11) + 1) / 0x1p53;
    double angle = (double)((next_random(state) >> 11) + 1) / 0x1p53;
    return sqrt(-2 * log(radius)) * cos(6.283185307179586 * angle);
}

/* The nearest half-precision number of smaller magnitude; a number too small for one becomes the smallest. */
static uint16_t to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)((bits >> 23) & 0xff) - 127 + 15;
    uint32_t sign = (bits >> 16) & 0x8000;
    if (exponent < 1) return (uint16_t)(sign | 1);
    return (uint16_t)(sign | (uint32_t)exponent << 10 | ((bits >> 13) & 0x3ff));
}

static void put_value(void *values, size_t index, enum dtype dtype, double normal) {
    int64_t as_integer = (int64_t)(normal * 30);
    switch (dtype) {
    case FLOAT32: ((float *)values)[index] = (float)normal; break;
    case FLOAT16: ((uint16_t *)values)[index] = to_half((float)normal); break;
    case FLOAT64: ((double *)values)[index] = normal; break;
    case INT64: ((int64_t *)values)[index] = as_integer; break;
    case INT32: ((int32_t *)values)[index] = (int32_t)as_integer; break;
    case INT16: ((int16_t *)values)[index] = (int16_t)as_integer; break;
    case INT8: ((int8_t *)values)[index] = (int8_t)as_integer; break;
    case UINT64: ((uint64_t *)values)[index] = (uint64_t)llabs(as_integer); break;
    case UINT32: ((uint32_t *)values)[index] = (uint32_t)llabs(as_integer); break;
    case UINT16: ((uint16_t *)values)[index] = (uint16_t)llabs(as_integer); break;
    case BOOL: ((uint8_t *)values)[index] = 1; break;
    default: ((uint8_t *)values)[index] = (uint8_t)as_integer; break;
    }
}

void fill_random(void *values, const struct input *input, uint64_t seed) {
    size_t count = input_bytes(input) / DTYPE[input->dtype].bytes;
    for (size_t i = 0; i < count; i++) put_value(values, i, input->dtype, next_normal(&seed));
}
