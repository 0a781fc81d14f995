/* The system: facts about the device and the conditions around a round; see `probe` and `conditions` in the protocol.
 */
#ifndef LATKIT_SYSTEM_H
#define LATKIT_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/json_writer.h"

enum { MAX_CORES = 1024 };

/* Write the facts, or the conditions, as a JSON object. `models`: a folder on the disk to report. */
void write_facts(struct json_writer *out);
void write_conditions(struct json_writer *out, const char *models);

/* The cores that this thread may run on, in order; returns their number. */
size_t get_affinity(int64_t cores[MAX_CORES]);

/* Let this thread, and those that it creates from now on, run on these cores only, if the device allows it. */
void set_affinity(const int64_t *cores, size_t count);

#endif
