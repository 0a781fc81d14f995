/* JSON writer: a growing buffer that responses are written into. */
#ifndef LATKIT_JSON_WRITER_H
#define LATKIT_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed; /* out of memory: further text is dropped */
};

void writer_clear(struct json_writer *writer);

/* Formatted as by printf, for text that needs no escaping. */
void writer_add(struct json_writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string. Bytes that are not UTF-8 become question marks. */
void writer_string(struct json_writer *writer, const char *string);

/* A comma unless this is the first of an object or array, then "name":. The name needs no escaping. */
void writer_name(struct json_writer *writer, const char *name);

/* A comma unless this is the first of an object or array. */
void writer_comma(struct json_writer *writer);

/* A member that is an array of numbers. */
void writer_integers(struct json_writer *writer, const char *name, const int64_t *values, size_t count);

#endif
