/* fault.h - places where a test build can be made to die or to stop.
 *
 * Built with BERTH_FAULTS, a process whose environment has BERTH_FAULT=<point>[:crash|:stop][:<n>]
 * is killed (the default) or stopped (SIGSTOP) when it comes to that point for the n-th time (1).
 * With BERTH_FAULT_WHEN=<path> it counts from the moment that file is there. Other builds have no
 * trace of it. The points are listed in fault.def. */
#ifndef BERTH_REPO_FAULT_H
#define BERTH_REPO_FAULT_H

enum fault {
#define FAULT(name, prose) FAULT_##name,
#include "repo/fault.def"
#undef FAULT
    N_FAULTS
};

#ifdef BERTH_FAULTS
void fault_point(enum fault f);
const char *fault_name(enum fault f);
#else
static inline void fault_point(enum fault f)
{
    (void)f;
}
#endif

#define FAULT_POINT(name) fault_point(FAULT_##name)

#endif
