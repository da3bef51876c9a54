// Time in the kernel: pipes, file reads, memory maps, forks, small writes.
//
//   syscalls ROUNDS
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[1 << 16];

__attribute__((noinline)) static void through_a_pipe(void) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  for (int i = 0; i < 200; i++) {
    if (write(ends[1], buffer, 4096) != 4096 || read(ends[0], buffer, 4096) != 4096) abort();
  }
  close(ends[0]);
  close(ends[1]);
}

__attribute__((noinline)) static void read_zeros(void) {
  int zero = open("/dev/zero", O_RDONLY);
  for (int i = 0; i < 100; i++) {
    if (read(zero, buffer, sizeof buffer) < 0) abort();
  }
  close(zero);
}

__attribute__((noinline)) static void look_around(void) {
  struct stat facts;
  for (int i = 0; i < 300; i++) {
    if (stat("/proc/self/status", &facts) != 0) abort();
  }
}

__attribute__((noinline)) static void map_and_touch(void) {
  size_t size = 1 << 20;
  char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  for (size_t i = 0; i < size; i += 4096) memory[i] = 1;
  munmap(memory, size);
}

__attribute__((noinline)) static void have_a_child(void) {
  pid_t child = fork();
  if (child == 0) {
    map_and_touch();
    _exit(0);
  }
  if (child < 0 || waitpid(child, NULL, 0) != child) abort();
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 50;
  for (int i = 0; i < rounds; i++) {
    through_a_pipe();
    read_zeros();
    look_around();
    map_and_touch();
    have_a_child();
  }
  return 0;
}
