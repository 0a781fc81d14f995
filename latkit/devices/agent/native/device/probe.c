#include "device/probe.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtimes/runtime.h"

enum { MESSAGE_BYTES = 512 };

/* The result of a look at a runtime: its version, or the reason why it does not work. */
struct finding {
    bool works;
    char message[MESSAGE_BYTES];
};

/* Runs in a separate process: a library built for other processors crashes only that. The threads that only read and
 * write lines are not copied into it, and hold no lock that loading a library needs. */
static void probe_and_exit(const struct runtime *runtime, const char *libraries, int to) {
    struct finding finding = {0};
    struct failure failure;
    char version[64];
    finding.works = runtime->probe_version(libraries, version, &failure);
    snprintf(finding.message, sizeof finding.message, "%.500s", finding.works ? version : failure.message);
    _exit(write(to, &finding, sizeof finding) == sizeof finding ? 0 : 1);
}

static void wait_for(int from, double seconds, struct finding *finding) {
    struct pollfd ready = {.fd = from, .events = POLLIN};
    int milliseconds = seconds > 3600 ? 3600000 : (int)(seconds * 1000);
    if (poll(&ready, 1, milliseconds) == 0) {
        snprintf(finding->message, sizeof finding->message, "loading it took too long");
    } else if (read(from, finding, sizeof *finding) != sizeof *finding) { /* in one piece: it fits into the pipe */
        *finding = (struct finding){.message = "loading it ended the process"};
    }
}

static void probe_runtime(const struct runtime *runtime, const char *libraries, double seconds,
                          struct finding *finding) {
    int ends[2];
    *finding = (struct finding){.message = "no process can be started to look for it"};
    if (pipe(ends) != 0) return;
    pid_t child = fork();
    if (child == 0) probe_and_exit(runtime, libraries, ends[1]);
    close(ends[1]);
    if (child > 0) {
        wait_for(ends[0], seconds, finding);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    close(ends[0]);
}

static void write_findings(struct json_writer *out, const char *name, const struct finding *findings, bool works) {
    writer_name(out, name);
    writer_add(out, "{");
    for (size_t i = 0; findings && i < RUNTIMES; i++) {
        if (findings[i].works != works) continue;
        writer_name(out, RUNTIME[i]->name);
        writer_string(out, findings[i].message);
    }
    writer_add(out, "}");
}

void write_runtimes(struct json_writer *out, const char *libraries, double seconds) {
    struct finding findings[RUNTIMES];
    struct finding *found = seconds > 0 ? findings : NULL;
    for (size_t i = 0; found && i < RUNTIMES; i++) probe_runtime(RUNTIME[i], libraries, seconds, &findings[i]);
    write_findings(out, "runtimes", found, true);
    write_findings(out, "absent", found, false);
}
