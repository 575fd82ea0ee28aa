// Loaded before libc (LD_PRELOAD): a wall clock that is SKEWED_CLOCK_SECONDS ahead, and a monotonic one as it is.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec* time) {
  const long result = syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += atol(getenv("SKEWED_CLOCK_SECONDS"));
  return (int)result;
}
