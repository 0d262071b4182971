/* A wall clock that is off by the seconds in the file of WALL_CLOCK_FILE, for whoever has this library preloaded.
 *
 * What a person does who sets a clock: the monotonic clock, sleeps and waits are left alone. (libfaketime as Debian 12 has it
 * makes every clock_nanosleep of the monotonic clock fail where it is told to leave that alone, its issue 426.)
 * The file is read again every tenth of a second, by whichever thread comes first.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const long LOOK_NANOSECONDS = 100000000L;
static _Atomic long off_seconds, look_at;

static void real(clockid_t clock, struct timespec *now) { syscall(SYS_clock_gettime, clock, now); }

static void look(void) {
  const char *path = getenv("WALL_CLOCK_FILE");
  char text[32] = {0};
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  if (read(file, text, sizeof text - 1) > 0) off_seconds = strtol(text, NULL, 10); /* Empty while it is written. */
  close(file);
}

static long off(void) {
  struct timespec now;
  real(CLOCK_MONOTONIC, &now);
  long at = now.tv_sec * 1000000000L + now.tv_nsec, due = look_at;
  if (at >= due && atomic_compare_exchange_strong(&look_at, &due, at + LOOK_NANOSECONDS)) look();
  return off_seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += off();
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *told) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (told) *told = now.tv_sec;
  return now.tv_sec;
}
