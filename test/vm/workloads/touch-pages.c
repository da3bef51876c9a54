// A process whose page faults are known: each round touches PAGES fresh anonymous pages (minor faults) and, where a FILE is given,
// as many pages of that file after dropping them from the page cache (major faults); then it sleeps for PAUSE microseconds.
//
//   touch-pages PAGES PAUSE [FILE]    FILE is made if it is missing; prints "ready PID" once and runs until it is killed
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

static volatile char sink;

static void die(const char *what) {
  perror(what);
  exit(1);
}

__attribute__((noinline)) static void touch_fresh_pages(size_t size) {
  char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("touch-pages: mmap of memory");
  if (madvise(memory, size, MADV_NOHUGEPAGE) != 0) die("touch-pages: madvise");
  for (size_t at = 0; at < size; at += PAGE) memory[at] = 1;
  munmap(memory, size);
}

__attribute__((noinline)) static void touch_dropped_pages(int file, size_t size) {
  if (posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0) die("touch-pages: fadvise");
  char *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) die("touch-pages: mmap of the file");
  if (madvise(memory, size, MADV_RANDOM) != 0) die("touch-pages: madvise");
  for (size_t at = 0; at < size; at += PAGE) sink = memory[at];
  munmap(memory, size);
}

static int open_filled(const char *path, size_t size) {
  int file = open(path, O_RDWR | O_CREAT, 0600);
  if (file < 0) die(path);
  static const char page[PAGE] = {1};
  for (size_t at = 0; at < size; at += PAGE)
    if (pwrite(file, page, PAGE, at) != PAGE) die(path);
  if (fsync(file) != 0) die(path);
  return file;
}

int main(int count, char **argument) {
  if (count < 3) {
    fprintf(stderr, "usage: touch-pages PAGES PAUSE [FILE]\n");
    return 2;
  }
  size_t size = strtoul(argument[1], NULL, 10) * PAGE;
  useconds_t pause = strtoul(argument[2], NULL, 10);
  int file = count > 3 ? open_filled(argument[3], size) : -1;
  printf("ready %d\n", (int)getpid());
  fflush(stdout);
  for (;;) {
    touch_fresh_pages(size);
    if (file >= 0) touch_dropped_pages(file, size);
    usleep(pause);
  }
}
