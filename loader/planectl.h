/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The declarations that the files of planectl share.
 *
 * Functions that can fail return 0, or -1 after they have printed the reason to stderr.
 */
#ifndef PLANECTL_H
#define PLANECTL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/kvm_plane_bpf.h>

#define PIN_DIR		"/sys/fs/bpf/planes"
#define NO_GROUP	((gid_t)-1)

struct options {
	const char *pin_dir;
	int mode;		/* mode of a token's pin; -1: the kernel's default, 600 */
	gid_t gid;		/* group of a token's pin; NO_GROUP: this process's */
	const char *vm;		/* PID or PID-FD */
	double watch;		/* seconds; 0: print once */
	bool json;
};

/* A map of an object file that holds a policy, and where the map and its link are pinned */
struct loadable {
	struct bpf_map *map;
	char name[KVM_PLANE_NAME_LEN];
	__u32 abi;
	char *token_pin;
	char *link_pin;
	struct bpf_link *link;
};

/* Commands */

int cmd_load(const struct options *opts, char **args);
int cmd_list(const struct options *opts, char **args);
int cmd_status(const struct options *opts, char **args);
int cmd_stats(const struct options *opts, char **args);
int cmd_replace(const struct options *opts, char **args);
int cmd_unload(const struct options *opts, char **args);

/* error.c: error messages */

int error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void libbpf_listen(int verbose);
int explain_open(const char *path, int err);
int explain_load(const char *path, int err);
int explain_attach(const char *path, const struct loadable *p, int err);
int explain_denied(const char *what);
int check_privileges(const char *what);
int check_support(void);

/* json.c: output for programs */

void json_begin(const char *key, char bracket);
void json_end(char bracket);
void json_string(const char *key, const char *value);
void json_int(const char *key, long long value);
void json_uint(const char *key, unsigned long long value);
void json_tenths(const char *key, double value);
void json_bool(const char *key, bool value);
void json_null(const char *key);

/* object.c: object files and the policies in them */

/* An object usually has one policy, but may have more. */
#define MAX_LOADABLE		16

struct object {
	char *path;
	struct bpf_object *obj;
	struct loadable policy[MAX_LOADABLE];
	size_t nr;
};

int object_open(struct object *o, const char *policy);
int object_load(const struct object *o);
void object_close(struct object *o);

/* ops.c: a struct kvm_plane_ops, of an object or of the kernel */

struct ops {
	const struct btf *btf;
	const struct btf_type *type;
	const void *data;
};

bool ops_from_object(struct ops *ops, const struct bpf_object *obj, const struct bpf_map *map);
bool ops_from_value(struct ops *ops, const struct btf *btf, __u32 value_type, const void *value);
__u32 ops_abi(const struct ops *ops);
void ops_name(const struct ops *ops, char name[KVM_PLANE_NAME_LEN]);
__u64 ops_prog(const struct ops *ops, unsigned int index, const char **op);
bool ops_in_kernel(const struct btf *btf);

/* pin.c: pins, and who may open them */

void pins_lock(void);
int pin_dir_make(const char *dir, mode_t mode);
char *pin_path(const char *dir, const char *name);
char *pin_dir_of(const char *pin);
int pin_parse_mode(const char *arg, int *mode);
int pin_parse_group(const char *arg, gid_t *gid);
int pin_fd(int fd, const char *pin, int mode, gid_t gid);
char *pin_prepare(int fd, const char *pin, const struct stat *like);
void pin_warn_unreachable(const char *pin);

/* policy.c: the policies that the kernel has */

struct policy {
	char name[KVM_PLANE_NAME_LEN];
	char map_name[BPF_OBJ_NAME_LEN];
	__u32 link_id;		/* 0: it was removed, and only a token is left */
	__u32 map_id;		/* 0: it was detached or removed, and only pins are left */
	__u32 abi;
	__u32 uid;		/* the user who loaded it */
	time_t loaded;
	const char **ops;	/* the names of its ops */
	__u32 *progs;		/* the ids of their programs */
	size_t nr_ops;
	char **pins;		/* of its tokens */
	size_t nr_pins;
	bool stale;		/* a token of its name belongs to a policy that it replaced */
	char **link_pins;
	size_t nr_link_pins;
};

/* The link or the token of a policy that is pinned at a path */
struct pin {
	bool is_link;		/* otherwise it is a token */
	__u32 link_id;		/* for a token, the link that has this map now, or 0 */
	__u32 map_id;		/* for a link, the map that it has now; 0: it was detached */
};

struct policies {
	struct policy *policy;
	size_t nr;
	struct btf *vmlinux;
	struct btf *kvm;
	__u32 kvm_id;
};

int policies_read(struct policies *all, const char *pin_dir);
const struct policy *policies_find(const struct policies *all, const char *what);
void policies_free(struct policies *all);
int pin_read(const char *path, struct pin *pin);
bool link_exists(__u32 id);
bool map_exists(__u32 id);
void *append(void *array, size_t *nr, size_t size);
int append_path(char ***paths, size_t *nr, char *path);
void free_paths(char **paths, size_t nr);

/* map.c: the maps of policies */

int maps_pin(const struct bpf_object *obj, const char *pin_dir, bool in_place);
void maps_unpin_all(const struct bpf_object *obj, const char *pin_dir);
int maps_check(const struct bpf_object *obj, const char *pin_dir);
int maps_find(const struct policy *p, const char *pin_dir, char ***paths, size_t *nr);

/* process.c: processes */

#define COMMAND_LEN	16

void process_command(const char *pid, char command[COMMAND_LEN]);
void print_holders(const char *kind, __u32 id);

/* vm.c: the VMs that use planes */

struct counter {
	char name[48];
	__u64 value;
};

struct vm {
	char id[32];		/* PID-FD */
	int pid;
	int fd;
	char command[COMMAND_LEN];
	char policy[KVM_PLANE_NAME_LEN];	/* "": userspace switches */
	unsigned long long switches;
	__u32 eject_kind;
	long long eject_code;
	char eject_message[128];
	struct counter *counter;	/* sorted by name; none unless asked for */
	size_t nr_counters;
};

struct vms {
	struct vm *vm;
	size_t nr;
	size_t seen;		/* VMs that were asked for, whether they use planes or not */
};

bool vms_visible(void);
int vms_read(struct vms *all, const char *which, bool counters);
int explain_no_vm(const struct vms *all, const char *which);
void vms_free(struct vms *all);
void vm_json(const struct vm *vm);

#endif /* PLANECTL_H */
