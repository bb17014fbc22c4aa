/*
 * fork(), waitpid() and _exit() for Node: how the nursery of the stress (nursery.ts) has children.
 *
 * A forked process has one thread. V8 must not count on its others (node --single-threaded), and the event loop may
 * not be in the middle of a poll: fork from a callback of setImmediate. V8 wakes its helpers all the same now and
 * then; threads that were waiting at the fork can never be woken, and waking them would block in the end. So this is
 * loaded before the C library (LD_PRELOAD), and in a forked process wakes only who waits for a condition that was made
 * after the fork: those are the threads of libuv's pool, which it makes anew, with their condition, at the first use.
 *
 * The headers of Node are not asked for: what is needed of its stable interface is declared here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
typedef struct uv_loop_s uv_loop_t;

int napi_get_uv_event_loop(napi_env, uv_loop_t **);
int napi_create_int32(napi_env, int32_t, napi_value *);
int napi_get_value_int32(napi_env, napi_value, int32_t *);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);
int uv_loop_fork(uv_loop_t *);

enum { max_made = 64 };

static int is_forked = 0;
/* The conditions that were made since the fork. */
static pthread_cond_t *made[max_made];
static int made_count = 0;
static pthread_mutex_t made_lock = PTHREAD_MUTEX_INITIALIZER;

/* The C library's own, in the version that programs are linked with: x86-64 has an older one beside it. */
static void *real(const char *name) {
  void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
  return found != NULL ? found : dlsym(RTLD_NEXT, name);
}

static int is_made(pthread_cond_t *condition) {
  int found = 0;
  pthread_mutex_lock(&made_lock);
  for (int at = 0; at < made_count && !found; at++) found = made[at] == condition;
  pthread_mutex_unlock(&made_lock);
  return found;
}

int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *how) {
  static int (*init)(pthread_cond_t *, const pthread_condattr_t *) = NULL;
  if (init == NULL) init = (int (*)(pthread_cond_t *, const pthread_condattr_t *))real("pthread_cond_init");
  if (is_forked && !is_made(condition)) {
    pthread_mutex_lock(&made_lock);
    /* Nobody could be woken by one more. */
    if (made_count == max_made) _exit(72);
    made[made_count++] = condition;
    pthread_mutex_unlock(&made_lock);
  }
  return init(condition, how);
}

int pthread_cond_signal(pthread_cond_t *condition) {
  static int (*wake)(pthread_cond_t *) = NULL;
  if (is_forked && !is_made(condition)) return 0;
  if (wake == NULL) wake = (int (*)(pthread_cond_t *))real("pthread_cond_signal");
  return wake(condition);
}

int pthread_cond_broadcast(pthread_cond_t *condition) {
  static int (*wake)(pthread_cond_t *) = NULL;
  if (is_forked && !is_made(condition)) return 0;
  if (wake == NULL) wake = (int (*)(pthread_cond_t *))real("pthread_cond_broadcast");
  return wake(condition);
}

static napi_value number_of(napi_env env, int32_t value) {
  napi_value made;
  napi_create_int32(env, value, &made);
  return made;
}

static void numbers_given(napi_env env, napi_callback_info info, size_t wanted, int32_t *numbers) {
  napi_value given[2];
  size_t count = wanted;
  napi_get_cb_info(env, info, &count, given, NULL, NULL);
  for (size_t at = 0; at < wanted; at++) napi_get_value_int32(env, given[at], &numbers[at]);
}

/* V8 asks the kernel to leave its heap out of forked processes; here they are to have it. */
static void include_heap(void) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[4600];
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long from, to;
    char permissions[8];
    if (sscanf(line, "%lx-%lx %7s", &from, &to, permissions) != 3 || permissions[3] != 'p') continue;
    madvise((void *)from, to - from, MADV_DOFORK);
  }
  if (maps != NULL) fclose(maps);
}

/* fork(): the child's number, 0 in the child, -1 when there is none. */
static napi_value fork_process(napi_env env, napi_callback_info info) {
  (void)info;
  uv_loop_t *loop;
  napi_get_uv_event_loop(env, &loop);
  include_heap();
  pid_t pid = fork();
  if (pid == 0) {
    is_forked = 1;
    /* A process that hangs is not to outlive the nursery. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (uv_loop_fork(loop) != 0) _exit(70);
  }
  return number_of(env, pid);
}

/* wait(pid, blocks): its status as waitpid() gives it, or -1 when it has not ended. */
static napi_value wait_for(napi_env env, napi_callback_info info) {
  int32_t given[2];
  numbers_given(env, info, 2, given);
  int status = 0;
  pid_t ended;
  do ended = waitpid(given[0], &status, given[1] ? 0 : WNOHANG);
  while (ended < 0 && errno == EINTR);
  return number_of(env, ended == given[0] ? status : -1);
}

/* pid(): this process's number, which Node remembers from before a fork. */
static napi_value own_pid(napi_env env, napi_callback_info info) {
  (void)info;
  return number_of(env, getpid());
}

/* exit(code): at once. Node's own way out waits for threads that a forked process does not have. */
static napi_value leave(napi_env env, napi_callback_info info) {
  int32_t code;
  numbers_given(env, info, 1, &code);
  _exit(code);
}

static void provide(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, (size_t)-1, callback, NULL, &function);
  napi_set_named_property(env, exports, name, function);
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  provide(env, exports, "fork", fork_process);
  provide(env, exports, "wait", wait_for);
  provide(env, exports, "pid", own_pid);
  provide(env, exports, "exit", leave);
  return exports;
}
