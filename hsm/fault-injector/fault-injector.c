/*
 * A PKCS#11 module in front of another one, in which things go wrong on demand.
 *
 *   WRIT_FAULT_MODULE   path of the module behind it
 *   WRIT_FAULT_CONTROL  a file of 64-bit words that a test writes and this module reads at every call (shared memory)
 *
 * The file: a header of 8 words, then 8 words for each function below, in the order of the list.
 *
 *   header    [0] return value of every function that has one: the token is gone (0: it is not)
 *             [1] 1: every signature gets one bit turned, and is therefore wrong
 *   function  [0] return value instead of the call (0: call)     [1] microseconds to sleep before the call
 *             [2] let so many calls pass first                   [3] fail so many calls, then no more (0: all)
 *             [4] 1: abort the process                           [5] written here: how often it was called
 *             [6] written here: how many calls are at work       [7] written here: the most at work at once
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pkcs11.h"

enum {
  INITIALIZE, FINALIZE, GET_SLOT_LIST, GET_TOKEN_INFO, OPEN_SESSION, CLOSE_SESSION, LOGIN, FIND_OBJECTS_INIT,
  FIND_OBJECTS, GET_ATTRIBUTE_VALUE, SIGN_INIT, SIGN, GENERATE_KEY_PAIR, FUNCTIONS
};
enum { HEADER_WORDS = 8, FUNCTION_WORDS = 8, WORDS = HEADER_WORDS + FUNCTIONS * FUNCTION_WORDS };
enum { GONE, LIE };
enum { RETURN_VALUE, DELAY, PASS, TIMES, ABORT, CALLS, AT_WORK, MOST_AT_WORK };

typedef volatile uint64_t word;

static word nothing[WORDS];
static word *control = nothing;
static CK_FUNCTION_LIST_PTR behind;
static CK_FUNCTION_LIST shown;

static word *of(int function) { return control + HEADER_WORDS + function * FUNCTION_WORDS; }

static void sleep_for(uint64_t microseconds) {
  struct timespec time = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
  while (nanosleep(&time, &time) != 0) {}
}

/* Takes one from a count that several threads take from; 0 when there is none. */
static int take_one(word *count) {
  for (;;) {
    uint64_t left = *count;
    if (left == 0) return 0;
    if (__sync_bool_compare_and_swap(count, left, left - 1)) return 1;
  }
}

static CK_RV enter(int function) {
  word *its = of(function);
  __sync_fetch_and_add(&its[CALLS], 1);
  uint64_t at_work = __sync_add_and_fetch(&its[AT_WORK], 1);
  if (at_work > its[MOST_AT_WORK]) its[MOST_AT_WORK] = at_work;
  if (its[DELAY] != 0) sleep_for(its[DELAY]);
  if (its[ABORT] != 0) abort();
  if (control[GONE] != 0) return (CK_RV)control[GONE];
  if (its[RETURN_VALUE] == 0 || take_one(&its[PASS])) return CKR_OK;
  CK_RV value = (CK_RV)its[RETURN_VALUE];
  if (its[TIMES] == 0) return value;
  if (take_one(&its[TIMES])) {
    if (its[TIMES] == 0) its[RETURN_VALUE] = 0;
    return value;
  }
  return CKR_OK;
}

static CK_RV leave(int function, CK_RV value) {
  __sync_fetch_and_sub(&of(function)[AT_WORK], 1);
  return value;
}

#define CALL(function, call)                  \
  do {                                        \
    CK_RV value = enter(function);            \
    if (value == CKR_OK) value = behind->call; \
    return leave(function, value);            \
  } while (0)

static CK_RV initialize(CK_VOID_PTR args) { CALL(INITIALIZE, C_Initialize(args)); }
static CK_RV finalize(CK_VOID_PTR reserved) { CALL(FINALIZE, C_Finalize(reserved)); }
static CK_RV get_slot_list(CK_BBOOL present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count) {
  CALL(GET_SLOT_LIST, C_GetSlotList(present, list, count));
}
static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info) {
  CALL(GET_TOKEN_INFO, C_GetTokenInfo(slot, info));
}
static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                          CK_SESSION_HANDLE_PTR session) {
  CALL(OPEN_SESSION, C_OpenSession(slot, flags, application, notify, session));
}
static CK_RV close_session(CK_SESSION_HANDLE session) { CALL(CLOSE_SESSION, C_CloseSession(session)); }
static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG length) {
  CALL(LOGIN, C_Login(session, user, pin, length));
}
static CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG count) {
  CALL(FIND_OBJECTS_INIT, C_FindObjectsInit(session, template, count));
}
static CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR objects, CK_ULONG most, CK_ULONG_PTR count) {
  CALL(FIND_OBJECTS, C_FindObjects(session, objects, most, count));
}
static CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR template,
                                 CK_ULONG count) {
  CALL(GET_ATTRIBUTE_VALUE, C_GetAttributeValue(session, object, template, count));
}
static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  CALL(SIGN_INIT, C_SignInit(session, mechanism, key));
}
static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature,
                  CK_ULONG_PTR room) {
  CK_RV value = enter(SIGN);
  if (value == CKR_OK) value = behind->C_Sign(session, data, length, signature, room);
  if (value == CKR_OK && signature != NULL && control[LIE] != 0) signature[*room / 2] ^= 1;
  return leave(SIGN, value);
}
static CK_RV generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public_template,
                               CK_ULONG public_count, CK_ATTRIBUTE_PTR private_template, CK_ULONG private_count,
                               CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key) {
  CALL(GENERATE_KEY_PAIR, C_GenerateKeyPair(session, mechanism, public_template, public_count, private_template,
                                            private_count, public_key, private_key));
}

static void open_control(void) {
  const char *path = getenv("WRIT_FAULT_CONTROL");
  if (path == NULL) return;
  int file = open(path, O_RDWR | O_CREAT, 0600);
  if (file < 0) return;
  if (ftruncate(file, sizeof nothing) == 0) {
    void *mapped = mmap(NULL, sizeof nothing, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) control = mapped;
  }
  close(file);
}

static CK_RV load(void) {
  const char *path = getenv("WRIT_FAULT_MODULE");
  void *module = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == NULL) {
    fprintf(stderr, "fault-injector: %s\n", path == NULL ? "WRIT_FAULT_MODULE is not set" : dlerror());
    return CKR_GENERAL_ERROR;
  }
  CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
  if (get == NULL) return CKR_GENERAL_ERROR;
  return get(&behind);
}

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static CK_RV prepare(void) {
  CK_RV value = behind == NULL ? load() : CKR_OK;
  if (value == CKR_OK && shown.C_Sign != sign) {
    open_control();
    shown = *behind;
    shown.C_GetFunctionList = C_GetFunctionList;
    shown.C_Initialize = initialize;
    shown.C_Finalize = finalize;
    shown.C_GetSlotList = get_slot_list;
    shown.C_GetTokenInfo = get_token_info;
    shown.C_OpenSession = open_session;
    shown.C_CloseSession = close_session;
    shown.C_Login = login;
    shown.C_FindObjectsInit = find_objects_init;
    shown.C_FindObjects = find_objects;
    shown.C_GetAttributeValue = get_attribute_value;
    shown.C_SignInit = sign_init;
    shown.C_Sign = sign;
    shown.C_GenerateKeyPair = generate_key_pair;
  }
  return value;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  pthread_mutex_lock(&loading);
  CK_RV value = prepare();
  pthread_mutex_unlock(&loading);
  if (value == CKR_OK) *list = &shown;
  return value;
}
