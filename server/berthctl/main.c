/* main.c - berthctl, a client of berthd for people and scripts. */
#include <signal.h>

#include "server/berthctl/berthctl.h"
#include "server/berthctl/interrupt.h"

int main(int argc, char **argv)
{
    interrupt_block();
    return berthctl_run(argc, argv, stdout, stderr);
}
