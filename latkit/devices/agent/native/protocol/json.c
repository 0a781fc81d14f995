#include "protocol/json.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct json_document *document;
    char *at;
    char *end;
    int depth;
    const char *problem;
};

static struct json *read_value(struct reader *reader);

static struct json *fail(struct reader *reader, const char *problem) {
    if (!reader->problem) reader->problem = problem;
    return NULL;
}

static void skip_space(struct reader *reader) {
    while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4)) reader->at++;
}

static bool take(struct reader *reader, char expected) {
    if (reader->at == reader->end || *reader->at != expected) return false;
    reader->at++;
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static struct json *new_value(struct reader *reader, enum json_kind kind) {
    struct json_document *document = reader->document;
    if (document->count == JSON_MAX_VALUES) return fail(reader, "too many values");
    struct json *value = &document->values[document->count++];
    *value = (struct json){.kind = kind};
    return value;
}

size_t utf8_length(const char *text, size_t left) {
    const unsigned char *c = (const unsigned char *)text;
    if (c[0] < 0x80) return 1;
    size_t length = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    if (c[0] < 0xc2 || c[0] > 0xf4 || left < length) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80) return 0;
    }
    bool too_long = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    bool no_character = (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f);
    return too_long || no_character ? 0 : length;
}

static int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The code unit of four hex digits, or -1. */
static long read_unit(struct reader *reader) {
    if (reader->end - reader->at < 4) return -1;
    long unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*reader->at++);
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static char *put_character(char *out, unsigned long code) {
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    *out++ = (char)(lead[more] | (code >> (6 * more)));
    while (more-- > 0) *out++ = (char)(0x80 | ((code >> (6 * more)) & 0x3f));
    return out;
}

/* Decode what follows `\u` to `out`; NULL if it is not a character. The result is shorter than its escaped form. */
static char *read_escaped_unit(struct reader *reader, char *out) {
    long unit = read_unit(reader);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) return NULL;
    if (unit < 0xd800 || unit > 0xdbff) return put_character(out, (unsigned long)unit);
    if (!take(reader, '\\') || !take(reader, 'u')) return NULL;
    long low = read_unit(reader);
    if (low < 0xdc00 || low > 0xdfff) return NULL;
    return put_character(out, 0x10000UL + ((unsigned long)(unit - 0xd800) << 10) + (unsigned long)(low - 0xdc00));
}

static char *read_escape(struct reader *reader, char *out) {
    static const char written[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->end) return NULL;
    char c = *reader->at++;
    if (c == 'u') return read_escaped_unit(reader, out);
    const char *found = memchr(written, c, sizeof written - 1);
    if (!found) return NULL;
    *out = meant[found - written];
    return out + 1;
}

/* Decode a string in place, after its opening quote. */
static bool read_text(struct reader *reader, const char **text, size_t *length) {
    char *start = reader->at, *out = start;
    while (reader->at < reader->end && *reader->at != '"') {
        if (*reader->at == '\\') {
            reader->at++;
            out = read_escape(reader, out);
            if (!out) return fail(reader, "a malformed escape in a string") != NULL;
            continue;
        }
        size_t bytes = utf8_length(reader->at, (size_t)(reader->end - reader->at));
        if (bytes == 0 || (unsigned char)*reader->at < 0x20) return fail(reader, "a malformed character") != NULL;
        memmove(out, reader->at, bytes);
        out += bytes;
        reader->at += bytes;
    }
    *text = start;
    *length = (size_t)(out - start);
    return take(reader, '"') || fail(reader, "a string without an end");
}

static struct json *read_string(struct reader *reader) {
    struct json *value = new_value(reader, JSON_STRING);
    return value && read_text(reader, &value->text, &value->length) ? value : NULL;
}

static bool skip_digits(struct reader *reader) {
    char *start = reader->at;
    while (reader->at < reader->end && is_digit(*reader->at)) reader->at++;
    return reader->at > start;
}

static struct json *read_number(struct reader *reader) {
    struct json *value = new_value(reader, JSON_NUMBER);
    if (!value) return NULL;
    char *start = reader->at;
    take(reader, '-');
    if (!take(reader, '0') && !skip_digits(reader)) return fail(reader, "something that is no value");
    value->is_integer = true;
    if (take(reader, '.')) {
        value->is_integer = false;
        if (!skip_digits(reader)) return fail(reader, "a malformed number");
    }
    if (take(reader, 'e') || take(reader, 'E')) {
        value->is_integer = false;
        if (!take(reader, '+')) take(reader, '-');
        if (!skip_digits(reader)) return fail(reader, "a malformed number");
    }
    value->text = start;
    value->length = (size_t)(reader->at - start);
    value->number = strtod(start, NULL);
    if (value->is_integer) value->integer = strtoll(start, NULL, 10); /* clamped to its range if it is too large */
    return value;
}

static struct json *read_word(struct reader *reader, const char *word, enum json_kind kind) {
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) {
        return fail(reader, "something that is no value");
    }
    reader->at += length;
    return new_value(reader, kind);
}

static struct json *read_member(struct reader *reader) {
    const char *name;
    size_t length;
    skip_space(reader);
    if (!take(reader, '"')) return fail(reader, "an object's member without a name");
    if (!read_text(reader, &name, &length)) return NULL;
    skip_space(reader);
    if (!take(reader, ':')) return fail(reader, "an object's member without a colon");
    struct json *value = read_value(reader);
    if (!value) return NULL;
    value->name = name;
    value->name_length = length;
    return value;
}

/* The rest of an array or an object, after its opening bracket. */
static struct json *read_inside(struct reader *reader, enum json_kind kind, char close) {
    struct json *container = new_value(reader, kind);
    if (!container) return NULL;
    if (++reader->depth > JSON_MAX_DEPTH) return fail(reader, "values too deep within each other");
    const struct json **place = &container->first;
    skip_space(reader);
    if (!take(reader, close)) {
        do {
            struct json *value = kind == JSON_OBJECT ? read_member(reader) : read_value(reader);
            if (!value) return NULL;
            *place = value;
            place = &value->next;
            skip_space(reader);
        } while (take(reader, ','));
        if (!take(reader, close)) return fail(reader, "an array or object without an end");
    }
    reader->depth--;
    return container;
}

static struct json *read_value(struct reader *reader) {
    skip_space(reader);
    if (reader->at == reader->end) return fail(reader, "the end where a value should be");
    if (take(reader, '"')) return read_string(reader);
    if (take(reader, '[')) return read_inside(reader, JSON_ARRAY, ']');
    if (take(reader, '{')) return read_inside(reader, JSON_OBJECT, '}');
    switch (*reader->at) {
    case 't': return read_word(reader, "true", JSON_TRUE);
    case 'f': return read_word(reader, "false", JSON_FALSE);
    case 'n': return read_word(reader, "null", JSON_NULL);
    default: return read_number(reader);
    }
}

const struct json *json_read(struct json_document *document, char *line, size_t length, const char **problem) {
    struct reader reader = {.document = document, .at = line, .end = line + length};
    document->count = 0;
    const struct json *value = read_value(&reader);
    skip_space(&reader);
    if (value && reader.at != reader.end) value = fail(&reader, "more after the value");
    *problem = reader.problem;
    return value;
}

const struct json *json_member(const struct json *object, const char *name) {
    const struct json *found = NULL;
    size_t length = strlen(name);
    if (!object || object->kind != JSON_OBJECT) return NULL;
    for (const struct json *member = object->first; member; member = member->next) {
        if (member->name_length == length && memcmp(member->name, name, length) == 0) found = member;
    }
    return found;
}

bool json_is(const struct json *value, const char *text) {
    return value && value->kind == JSON_STRING && value->length == strlen(text) &&
           memcmp(value->text, text, value->length) == 0;
}
