#include "documented.h"
#include "programs.h"

const struct manual_program *const *documented_programs(void)
{
    static const struct manual_program *const programs[] = {&roomcast_program, &relay_program, NULL};
    return programs;
}
