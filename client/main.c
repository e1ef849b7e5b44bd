/* ebmctl, the command line of ebmd. */
#include "commands.h"

int main(int argc, char **argv)
{
    return ebmctl_run(argc, argv);
}
