// SPDX-License-Identifier: GPL-2.0
/*
 * A VM whose policy is the puppet. See puppet_test.h.
 */
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "puppet_test.h"

POLICY(puppet_object, "selftests/policies/puppet.bpf.o");

__u8 puppet_wrmsr[] = { 0x0f, 0x30, 0xc3 };
__u8 puppet_rdmsr[] = { 0x0f, 0x32, 0xc3 };
__u8 puppet_hlt[] = { 0xf4, 0xc3 };
__u8 puppet_read[] = { 0x48, 0x8b, 0x03, 0xc3 };	/* mov (%rbx), %rax */
__u8 puppet_write[] = { 0x48, 0x89, 0x03, 0xc3 };	/* mov %rax, (%rbx) */

struct guest_regs puppet_in[KVM_MAX_PLANES], puppet_out[KVM_MAX_PLANES];

/* Exceptions up to the last turn */
static __u32 faults[KVM_MAX_PLANES];

struct puppet *puppet_load(struct policy *policy)
{
	int err = policy_load(policy, &policy_puppet_object);
	struct bpf_map *map;
	struct puppet *p;

	if (err)
		fail("the puppet does not load: %s (VERBOSE=1 says more)", strerror(-err));
	map = bpf_object__find_map_by_name(policy->object, ".bss");
	if (!map)
		fail("the puppet has no .bss");
	p = mmap(NULL, bpf_map__value_size(map), PROT_READ | PROT_WRITE, MAP_SHARED,
		 bpf_map__fd(map), 0);
	if (p == MAP_FAILED)
		fail("mmap of the puppet's map: %s", strerror(errno));
	return p;
}

/* What every plane runs */
static void take_turns(void)
{
	int plane = guest_plane();

	guest_faults[plane].expected = true;
	for (;;) {
		guest_run(&puppet_in[plane], &puppet_out[plane]);
		guest_sync(0);
	}
}

void puppet_create(struct puppet_test *t, int nr_planes)
{
	int i;

	t->puppet = puppet_load(&t->policy);
	t->vm = vm_create(nr_planes);
	for (i = 0; i < nr_planes; i++) {
		vm_start(t->vm, i, take_turns);
		lapic_enable(t->vm->vcpu[i]);
	}
}

void puppet_start(struct puppet_test *t, int nr_planes)
{
	puppet_create(t, nr_planes);
	if (vm_enable_cap(t->vm->fd, KVM_CAP_PLANE_SWITCH, t->policy.token, 0, 0))
		fail("opting in: %s", strerror(errno));
}

void puppet_let(int plane, const void *insn, __u64 rax, __u64 rcx, __u64 rdx, __u64 rbx)
{
	puppet_in[plane] = (struct guest_regs) {
		.gpr[RAX] = rax,
		.gpr[RCX] = rcx,
		.gpr[RDX] = rdx,
		.gpr[RBX] = rbx,
		.rflags = X86_RFLAGS_FIXED,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.rip = (unsigned long)insn,
	};
}

/* One KVM_RUN, which may fail with a memory fault. */
static void run_once(struct vm *vm)
{
	while (ioctl(vm->vcpu[0], KVM_RUN, 0)) {
		if (errno == EFAULT)
			return;
		if (errno != EINTR)
			fail("KVM_RUN: %s", strerror(errno));
		vm->run->immediate_exit = 0;
	}
}

int puppet_run(struct puppet_test *t)
{
	struct guest_call *call;

	run_once(t->vm);
	call = vm_guest_call(t->vm);
	if (!call)
		fail("%s of plane %u, not a call", vm_exit_name(t->vm->run->exit_reason),
		     kvm_run_planes(t->vm->run)->plane);
	ASSERT_EQ(kvm_run_planes(t->vm->run)->plane, call->plane);
	return call->plane;
}

/* A turn of @plane begins with the end of its last one. */
void puppet_turn(struct puppet_test *t, int plane)
{
	faults[plane] = guest_faults[plane].count;
	kvm_run_planes(t->vm->run)->plane = plane;
	ASSERT_EQ(puppet_run(t), plane);
}

__u32 puppet_exit(struct puppet_test *t, int plane)
{
	faults[plane] = guest_faults[plane].count;
	kvm_run_planes(t->vm->run)->plane = plane;
	run_once(t->vm);
	vm_guest_call(t->vm);
	return t->vm->run->exit_reason;
}

struct kvm_plane_event *puppet_event(struct puppet_test *t, int plane, __u8 cause)
{
	struct kvm_plane_event *event = kvm_run_plane_event(t->vm->run);

	puppet_exit(t, plane);
	ASSERT_EXIT(t->vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(event->cause, cause);
	return event;
}

void puppet_expect_fault(int plane, __u64 vector)
{
	ASSERT_EQ(guest_faults[plane].count, faults[plane] + 1);
	ASSERT_EQ(guest_faults[plane].vector, vector);
	ASSERT_EQ(guest_faults[plane].rip, puppet_in[plane].rip);
}

void puppet_expect_no_fault(int plane)
{
	if (guest_faults[plane].count != faults[plane])
		fail("exception %llu at %#llx", guest_faults[plane].vector,
		     guest_faults[plane].rip);
}

void puppet_expect_ejected(struct puppet_test *t, enum kvm_plane_eject_kind kind, __s64 code)
{
	struct policy_status status;

	ASSERT(policy_read_status(t->vm, &status));
	if (strcmp(status.policy, "none"))
		fail("it was not ejected");
	ASSERT_EQ(status.eject_kind, kind);
	ASSERT_EQ(status.eject_code, code);
	ASSERT_EQ(t->puppet->exit.calls, 1);
	ASSERT_EQ(t->puppet->exit.kind, kind);
}

void puppet_free(struct puppet_test *t)
{
	vm_free(t->vm);
	policy_unload(&t->policy);
}

void puppet_end(struct puppet_test *t)
{
	struct policy_status status;

	if (policy_read_status(t->vm, &status)) {
		if (status.eject_kind)
			fail("the policy was ejected: kind %lld, code %lld, %s",
			     status.eject_kind, status.eject_code, status.eject_message);
		ASSERT(!strcmp(status.policy, "puppet"));
	}
	puppet_free(t);
}

void puppet_send(struct puppet_test *t, int plane, __u8 vector)
{
	msi_send(plane ? t->vm->plane[plane] : t->vm->fd, vector);
}

bool puppet_pending(struct puppet_test *t, int plane, __u8 vector)
{
	return lapic_in_irr(t->vm->vcpu[plane], vector);
}

static void read_at(int fd, void *to, size_t size, off_t offset)
{
	if (pread(fd, to, size, offset) != (ssize_t)size)
		fail("reading statistics: %s", strerror(errno));
}

__u64 puppet_stat(struct puppet_test *t, const char *name)
{
	int fd = vm_ioctl(t->vm->vcpu[0], KVM_GET_STATS_FD, 0);
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	__u64 value;
	size_t size;
	__u32 i;

	read_at(fd, &header, sizeof(header), 0);
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	if (!desc)
		fail("no memory");
	for (i = 0; i < header.num_desc; i++) {
		read_at(fd, desc, size, header.desc_offset + i * size);
		if (strcmp(desc->name, name))
			continue;
		read_at(fd, &value, sizeof(value), header.data_offset + desc->offset);
		free(desc);
		close(fd);
		return value;
	}
	fail("no statistic \"%s\"", name);
}
