/* JSON: reads one document of bounded size from a line, in place and without allocating. */
#ifndef LATKIT_JSON_H
#define LATKIT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_MAX_VALUES = 4096, JSON_MAX_DEPTH = 16 };

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    bool is_integer;  /* of a number: written without fraction and exponent */
    int64_t integer;  /* of an integer, clamped to the range of the type */
    double number;    /* of a number */
    const char *text; /* of a string: decoded; of a number: as written */
    size_t length;    /* of the text in bytes */
    const char *name; /* of an object's member */
    size_t name_length;
    const struct json *first; /* of an array or object */
    const struct json *next;  /* in the array or object that contains this value */
};

struct json_document {
    size_t count;
    struct json values[JSON_MAX_VALUES];
};

/* The value of a line of UTF-8, or NULL with `*problem` as the reason. The line is changed (strings are decoded in
 * place) and belongs to the document; it ends with a NUL at line[length]. */
const struct json *json_read(struct json_document *document, char *line, size_t length, const char **problem);

/* The last member of that name, or NULL; also NULL for a value that is not an object. */
const struct json *json_member(const struct json *object, const char *name);

/* Whether this is a string equal to the text. False for NULL. */
bool json_is(const struct json *value, const char *text);

/* Length in bytes of the UTF-8 character at `text`, of which `left` bytes are available; 0 if it is malformed. */
size_t utf8_length(const char *text, size_t left);

#endif
