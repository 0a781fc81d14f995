/* The probe: which runtimes work on this device. */
#ifndef LATKIT_PROBE_H
#define LATKIT_PROBE_H

#include "protocol/json_writer.h"

/* Write the members `runtimes` (name to version) and `absent` (name to reason) of an object, within that time; with a
 * time of 0, no runtime is looked for. */
void write_runtimes(struct json_writer *out, const char *libraries, double seconds);

#endif
