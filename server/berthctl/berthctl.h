/* berthctl.h - the whole program as a function. */
#ifndef BERTH_BERTHCTL_BERTHCTL_H
#define BERTH_BERTHCTL_BERTHCTL_H

#include <stdio.h>

/* Runs one command line; answers go to out, complaints to err. Returns the exit code. */
int berthctl_run(int argc, char **argv, FILE *out, FILE *err);

#endif
