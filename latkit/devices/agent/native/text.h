/* Text: a growing buffer that responses are written into, as JSON. */
#ifndef LATKIT_TEXT_H
#define LATKIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed; /* out of memory: further text is dropped */
};

void text_clear(struct text *text);

/* Formatted as by printf, for text that needs no escaping. */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string. Bytes that are not UTF-8 become question marks. */
void text_string(struct text *text, const char *string);

/* A comma unless this is the first of an object or array, then "name":. The name needs no escaping. */
void text_name(struct text *text, const char *name);

/* A comma unless this is the first of an object or array. */
void text_comma(struct text *text);

/* A member that is an array of numbers. */
void text_integers(struct text *text, const char *name, const int64_t *values, size_t count);

#endif
