/* The agent: the loaded models, and the handler of each request; see docs/agent-protocol.md. */
#ifndef LATKIT_AGENT_H
#define LATKIT_AGENT_H

#include <stdbool.h>

#include "device/system.h"
#include "protocol/json.h"
#include "protocol/json_writer.h"
#include "runtimes/runtime.h"

enum { PROTOCOL = 1, MAX_LOADED = 1024 };

struct agent {
    const char *models;    /* folder of the model files */
    const char *libraries; /* folder of the runtimes' libraries */
    bool ended;
    int64_t next_handle;
    int64_t free_cores[MAX_CORES]; /* those that the agent was started on */
    size_t free_core_count;
    struct {
        int64_t handle; /* 0: no model */
        struct model model;
        struct op_profile *profile; /* the last one; NULL without any */
    } loaded[MAX_LOADED];
};

/* Handle a request, and write its result; false with a failure. */
bool agent_answer(struct agent *agent, const struct json *request, struct json_writer *out, struct failure *failure);

#endif
