// SPDX-License-Identifier: GPL-2.0
/*
 * The policies that the kernel has, no matter which program loaded them: the links whose struct_ops
 * map is a policy, and the pins of these links and maps.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planectl.h"

/*
 * The beginning of bpf_link_info and bpf_map_info. Debian 12's <linux/bpf.h> is older than
 * struct_ops.map_id and btf_vmlinux_id.
 */
struct link_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 pad;
	__u32 map_id;
};

struct map_info {
	__u32 type;
	__u32 id;
	__u32 key_size;
	__u32 value_size;
	__u32 max_entries;
	__u32 map_flags;
	char name[BPF_OBJ_NAME_LEN];
	__u32 ifindex;
	__u32 btf_vmlinux_value_type_id;
	__u64 netns_dev;
	__u64 netns_ino;
	__u32 btf_id;
	__u32 btf_key_type_id;
	__u32 btf_value_type_id;
	__u32 btf_vmlinux_id;
};

static int get_info(int fd, void *info, __u32 size)
{
	memset(info, 0, size);
	return bpf_obj_get_info_by_fd(fd, info, &size);
}

/* Add a zeroed member. Returns the array, or NULL with errno set if there is no memory. */
void *append(void *array, size_t *nr, size_t size)
{
	void *more = realloc(array, (*nr + 1) * size);

	if (more) {
		memset(more + *nr * size, 0, size);
		++*nr;
	}
	return more;
}

static time_t boot_time(__u64 ns)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - up.tv_sec + ((__s64)ns + now.tv_nsec - up.tv_nsec) / 1000000000;
}

/* The kernel does not tell who made a map, nor when, but it does for its programs. */
static void read_prog(struct policy *p, __u32 id)
{
	struct bpf_prog_info info;
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return;
	if (!get_info(fd, &info, sizeof(info))) {
		p->uid = info.created_by_uid;
		p->loaded = boot_time(info.load_time);
	}
	close(fd);
}

static int add_op(struct policy *p, const char *op, __u32 prog)
{
	size_t nr = p->nr_ops;
	const char **ops;
	__u32 *progs;

	progs = append(p->progs, &nr, sizeof(*progs));
	if (!progs)
		return error("%s", strerror(errno));
	p->progs = progs;
	ops = append(p->ops, &p->nr_ops, sizeof(*ops));
	if (!ops)
		return error("%s", strerror(errno));
	p->ops = ops;

	ops[nr - 1] = op;
	progs[nr - 1] = prog;
	return 0;
}

static int read_ops(struct policy *p, const struct ops *ops)
{
	const char *op;
	unsigned int i;
	__u64 prog;

	p->abi = ops_abi(ops);
	ops_name(ops, p->name);
	for (i = 0; ; i++) {
		prog = ops_prog(ops, i, &op);
		if (!op)
			return 0;
		if (!prog)
			continue;
		if (add_op(p, op, prog))
			return -1;
		read_prog(p, prog);
	}
}

/* The BTF that describes a map's value: kvm's, or the kernel's if kvm is built in */
static const struct btf *value_btf(struct policies *all, const struct map_info *info)
{
	const struct btf_type *t;
	struct btf *btf;

	if (!all->vmlinux)
		all->vmlinux = btf__load_vmlinux_btf();
	if (!all->vmlinux)
		return NULL;
	t = btf__type_by_id(all->vmlinux, info->btf_vmlinux_value_type_id);
	if (t)
		return all->vmlinux;
	if (all->kvm && all->kvm_id == info->btf_vmlinux_id)
		return all->kvm;

	btf = btf__load_from_kernel_by_id_split(info->btf_vmlinux_id, all->vmlinux);
	if (!btf)
		return NULL;
	if (!ops_in_kernel(btf)) {
		btf__free(btf);
		return NULL;
	}
	btf__free(all->kvm);
	all->kvm = btf;
	all->kvm_id = info->btf_vmlinux_id;
	return btf;
}

static int add_policy(struct policies *all, const struct link_info *link,
		      const struct map_info *map, const struct ops *ops)
{
	struct policy *more = append(all->policy, &all->nr, sizeof(*more));
	struct policy *p;

	if (!more)
		return error("%s", strerror(errno));
	all->policy = more;
	p = &more[all->nr - 1];
	p->link_id = link->id;
	p->map_id = map->id;
	memcpy(p->map_name, map->name, sizeof(p->map_name) - 1);
	return read_ops(p, ops);
}

/* A map of another type, or one that has just gone away, is not an error. */
static int read_map(struct policies *all, const struct link_info *link)
{
	const struct btf *btf;
	struct map_info info;
	struct ops ops;
	__u32 key = 0;
	void *value;
	int err = 0;
	int fd;

	fd = bpf_map_get_fd_by_id(link->map_id);
	if (fd < 0)
		return 0;
	if (get_info(fd, &info, sizeof(info)))
		goto out;
	btf = value_btf(all, &info);
	if (!btf)
		goto out;

	value = calloc(1, info.value_size);
	if (value && !bpf_map_lookup_elem(fd, &key, value) &&
	    ops_from_value(&ops, btf, info.btf_vmlinux_value_type_id, value))
		err = add_policy(all, link, &info, &ops);
	free(value);
out:
	close(fd);
	return err;
}

static int read_links(struct policies *all)
{
	struct link_info info;
	__u32 id = 0;
	int err = 0;
	int fd;

	while (!err && !bpf_link_get_next_id(id, &id)) {
		fd = bpf_link_get_fd_by_id(id);
		if (fd < 0)
			continue;
		if (!get_info(fd, &info, sizeof(info)) &&
		    info.type == BPF_LINK_TYPE_STRUCT_OPS && info.map_id)
			err = read_map(all, &info);
		close(fd);
	}
	if (!err && errno == EPERM)
		return explain_denied("the list of loaded policies");
	return err;
}

/* Whether an fd of BPF is a "link", a "map" or a "prog" */
static bool is_a(int fd, const char *kind)
{
	char path[32], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return false;
	/* bpf-map, bpf-prog, and bpf-link or, in older kernels, bpf_link */
	return !strncmp(target, "anon_inode:bpf", 14) && !strcmp(target + 15, kind);
}

/* The id of the struct_ops link that has the map now, or 0 */
static __u32 link_of_map(__u32 map_id)
{
	__u32 id = 0, found = 0;
	struct link_info info;
	int fd;

	while (!found && !bpf_link_get_next_id(id, &id)) {
		fd = bpf_link_get_fd_by_id(id);
		if (fd < 0)
			continue;
		if (!get_info(fd, &info, sizeof(info)) &&
		    info.type == BPF_LINK_TYPE_STRUCT_OPS && info.map_id == map_id)
			found = id;
		close(fd);
	}
	return found;
}

static int read_link(int fd, struct pin *pin)
{
	struct link_info info;
	int err = 0;

	if (get_info(fd, &info, sizeof(info)))
		err = errno;
	else if (info.type != BPF_LINK_TYPE_STRUCT_OPS)
		err = EINVAL;
	else
		*pin = (struct pin) { .is_link = true, .link_id = info.id, .map_id = info.map_id };
	return err;
}

static int read_token(int fd, struct pin *pin)
{
	struct map_info info;
	int err = 0;

	if (get_info(fd, &info, sizeof(info)))
		err = errno;
	else if (info.type != BPF_MAP_TYPE_STRUCT_OPS)
		err = EINVAL;
	else
		*pin = (struct pin) { .map_id = info.id, .link_id = link_of_map(info.id) };
	return err;
}

/**
 * pin_read - find out what is pinned at a path
 * @path: the path
 * @pin: filled in on success
 *
 * Returns 0, or an errno if it is neither the link nor the token of a struct_ops.
 */
int pin_read(const char *path, struct pin *pin)
{
	int fd = bpf_obj_get(path);
	int err;

	if (fd < 0)
		return errno;
	if (is_a(fd, "link"))
		err = read_link(fd, pin);
	else
		err = is_a(fd, "map") ? read_token(fd, pin) : EINVAL;
	close(fd);
	return err;
}

/* Of a policy that is not loaded any more, only the name of the pin is known. */
static struct policy *add_removed(struct policies *all, const struct pin *pin, const char *name)
{
	struct policy *more = append(all->policy, &all->nr, sizeof(*more));
	struct policy *p;

	if (!more)
		return NULL;
	all->policy = more;
	p = &more[all->nr - 1];
	p->link_id = pin->link_id;
	snprintf(p->name, sizeof(p->name), "%.*s", KVM_PLANE_NAME_LEN - 1, name);
	snprintf(p->map_name, sizeof(p->map_name), "%.*s", BPF_OBJ_NAME_LEN - 1, name);
	return p;
}

/* The policy of a pin. A token that no link has belongs to the policy of the same name, if any. */
static struct policy *find_policy(struct policies *all, const struct pin *pin, const char *name)
{
	bool loaded = pin->link_id && pin->map_id;
	struct policy *p;
	size_t i;

	for (i = 0; i < all->nr; i++) {
		p = &all->policy[i];
		if (loaded && p->link_id == pin->link_id)
			return p;
		if (!loaded && (!p->map_id || !pin->is_link) && !strcmp(p->map_name, name)) {
			p->stale = p->map_id;
			return p;
		}
	}
	/* It was loaded just now, or is not a policy. */
	return loaded ? NULL : add_removed(all, pin, name);
}

/* Takes ownership of @path, and frees it on failure. */
int append_path(char ***paths, size_t *nr, char *path)
{
	char **more = append(*paths, nr, sizeof(*more));

	if (!more) {
		free(path);
		return error("%s", strerror(errno));
	}
	*paths = more;
	more[*nr - 1] = path;
	return 0;
}

static int add_pin(struct policies *all, const char *dir, const char *name)
{
	char *path = pin_path(dir, name);
	struct policy *p;
	struct pin pin;

	if (!path)
		return -1;
	p = pin_read(path, &pin) ? NULL : find_policy(all, &pin, name);
	if (!p) {
		free(path);
		return 0;
	}
	if (pin.is_link)
		return append_path(&p->link_pins, &p->nr_link_pins, path);
	return append_path(&p->pins, &p->nr_pins, path);
}

static int read_dir(struct policies *all, const char *pin_dir)
{
	struct dirent *d;
	int err = 0;
	DIR *dir;

	dir = opendir(pin_dir);
	if (!dir)
		return errno == ENOENT ? 0 : error("%s: %s", pin_dir, strerror(errno));
	while (!err && (d = readdir(dir)))
		if (d->d_type != DT_DIR)
			err = add_pin(all, pin_dir, d->d_name);
	closedir(dir);
	return err;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Links first: a detached link is known only by the name of its pin, which a token has as well. */
static int read_pins(struct policies *all, const char *pin_dir)
{
	char *links = pin_path(pin_dir, "links");
	int err = links ? read_dir(all, links) || read_dir(all, pin_dir) : -1;
	size_t i;

	for (i = 0; i < all->nr; i++)
		if (all->policy[i].nr_pins)
			qsort(all->policy[i].pins, all->policy[i].nr_pins, sizeof(char *),
			      compare_paths);
	free(links);
	return err ? -1 : 0;
}

/**
 * policies_read - find out which policies the kernel has
 * @all: filled in; the caller calls policies_free(), also on failure
 * @pin_dir: the directory of pins; it need not exist
 */
int policies_read(struct policies *all, const char *pin_dir)
{
	memset(all, 0, sizeof(*all));
	return read_links(all) ? -1 : read_pins(all, pin_dir);
}

void free_paths(char **paths, size_t nr)
{
	while (nr)
		free(paths[--nr]);
	free(paths);
}

void policies_free(struct policies *all)
{
	size_t i;

	for (i = 0; i < all->nr; i++) {
		free_paths(all->policy[i].pins, all->policy[i].nr_pins);
		free_paths(all->policy[i].link_pins, all->policy[i].nr_link_pins);
		free(all->policy[i].progs);
		free(all->policy[i].ops);
	}
	free(all->policy);
	btf__free(all->kvm);
	btf__free(all->vmlinux);
}

bool link_exists(__u32 id)
{
	int fd = bpf_link_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool map_exists(__u32 id)
{
	int fd = bpf_map_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_path(char **paths, size_t nr, const char *name)
{
	while (nr)
		if (!strcmp(strrchr(paths[--nr], '/') + 1, name))
			return true;
	return false;
}

static bool is_called(const struct policy *p, const char *name)
{
	return !strcmp(p->name, name) || !strcmp(p->map_name, name) ||
	       has_path(p->pins, p->nr_pins, name) || has_path(p->link_pins, p->nr_link_pins, name);
}

static const struct policy *find_by_name(const struct policies *all, const char *name)
{
	const struct policy *found = NULL;
	size_t i;

	for (i = 0; i < all->nr; i++) {
		const struct policy *p = &all->policy[i];

		if (!is_called(p, name))
			continue;
		if (found) {
			error("several policies are called %s; name a pin (planectl list)", name);
			return NULL;
		}
		found = p;
	}
	if (!found && !check_support())
		error("no policy %s is loaded", name);
	return found;
}

static const struct policy *find_by_pin(const struct policies *all, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	struct pin pin;
	size_t i;
	int err;

	err = pin_read(path, &pin);
	for (i = 0; !err && i < all->nr; i++) {
		const struct policy *p = &all->policy[i];

		if (pin.link_id ? p->link_id == pin.link_id : has_path(p->pins, p->nr_pins, name))
			return p;
	}
	if (err == ENOENT)
		error("%s: %s", path, strerror(err));
	else
		error("%s: not the pin of a policy", path);
	return NULL;
}

/**
 * policies_find - find a policy
 * @all: the result of policies_read()
 * @what: the name of the policy, of its map or of its pin; or the path of a pin, with a slash
 *
 * Returns NULL, with a message, if there is no such policy, or more than one.
 */
const struct policy *policies_find(const struct policies *all, const char *what)
{
	return strchr(what, '/') ? find_by_pin(all, what) : find_by_name(all, what);
}
