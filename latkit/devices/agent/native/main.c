/* latkit's native agent: times networks on a device without Python; see docs/agent-protocol.md.
 *
 *     latkit-agent --models FOLDER [--libraries FOLDER]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/models.h"
#include "protocol/agent.h"
#include "protocol/line_io.h"

/* The options: pairs of a name and a folder. Without --libraries, the libraries are in `lib` next to the program. */
static bool read_options(int count, char **arguments, struct agent *agent) {
    static char default_libraries[1024];
    const char *slash = strrchr(arguments[0], '/');
    int length = slash ? (int)(slash - arguments[0] + 1) : 0;
    snprintf(default_libraries, sizeof default_libraries, "%.*slib", length, arguments[0]);
    agent->libraries = default_libraries;
    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(arguments[i], "--models") == 0) agent->models = arguments[i + 1];
        else if (strcmp(arguments[i], "--libraries") == 0) agent->libraries = arguments[i + 1];
        else return false;
    }
    return agent->models && count % 2 == 1;
}

/* The id as written, if it is an integer. */
static void write_id(struct json_writer *out, const struct json *id) {
    if (id && id->kind == JSON_NUMBER && id->is_integer) writer_add(out, "{\"id\":%.*s,", (int)id->length, id->text);
    else writer_add(out, "{\"id\":null,");
}

static void write_failure(struct json_writer *out, const struct json *id, const struct failure *failure) {
    writer_clear(out);
    write_id(out, id);
    writer_add(out, "\"error\":{\"kind\":\"%s\",\"message\":", failure->kind);
    writer_string(out, failure->message);
    writer_add(out, "}}");
}

/* The response to a line: a result or an error, with the request's id. */
static void answer(struct agent *agent, char *line, size_t length, struct json_writer *out) {
    static struct json_document document;
    struct failure failure = {0};
    const char *problem = NULL;
    const struct json *request = json_read(&document, line, length, &problem), *id = json_member(request, "id");
    bool done = false;
    if (!request || request->kind != JSON_OBJECT) {
        fail_as(&failure, "garbage", "expected a JSON object in a line, but found %s",
                problem ? problem : "another value");
    } else {
        writer_clear(out);
        write_id(out, id);
        writer_add(out, "\"result\":");
        done = agent_answer(agent, request, out, &failure);
        writer_add(out, "}");
    }
    if (done && out->failed) done = fail_as(&failure, "memory", "no memory for the answer");
    if (!done) write_failure(out, id, &failure);
}

int main(int count, char **arguments) {
    static struct agent agent;
    struct json_writer out = {0};
    if (!read_options(count, arguments, &agent)) {
        fprintf(stderr, "usage: %s --models FOLDER [--libraries FOLDER]\n", arguments[0]);
        return 2;
    }
    if (!models_make_folder(agent.models)) {
        fprintf(stderr, "%s: %s\n", agent.models, strerror(errno));
        return 1;
    }
    setenv("ORT_DISABLE_TELEMETRY", "1", 0); /* otherwise onnxruntime leaves files in the home folder */
    agent.free_core_count = get_affinity(agent.free_cores);
    line_io_start();
    while (!agent.ended) {
        size_t length;
        char *line = read_line(&length);
        set_busy(true);
        answer(&agent, line, length, &out);
        set_busy(false);
        write_line(out.bytes ? out.bytes : "", out.length);
        free(line);
    }
    _exit(0); /* runtimes may hang in their own cleanup */
}
