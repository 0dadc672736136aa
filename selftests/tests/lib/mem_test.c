// SPDX-License-Identifier: GPL-2.0
/*
 * Memory attributes, for tests. See mem_test.h.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem_test.h"

/* KVM emulates the instruction after that, if it is told to; kvm_emulate.h */
#define FEP		"ud2\n\t.ascii \"kvm\"\n\t"
#define FEP_SIZE	5
#define FEP_PARAM	"/sys/module/kvm/parameters/force_emulation_prefix"

static const __u8 code[] = { 0xb8, 0x34, 0x12, 0, 0, 0xc3 };	/* MOV $0x1234, %EAX; RET */
static const __u8 prefix[FEP_SIZE] = { 0x0f, 0x0b, 'k', 'v', 'm' };

/* Whether the access that is forbidden may be the read of one that does both. */
static bool reads_first(enum mem_op o)
{
	return o == OP_ECMPXCHG;
}

static volatile enum mem_op op;
static __u64 *volatile op_address;
static volatile __u64 op_value;

static __u64 call(unsigned long address)
{
	__u64 value;

	asm volatile("callq *%1" : "=a"(value) : "r"(address) : "memory", "cc");
	return value;
}

/* The prefix is the end of the page before. */
static __u64 do_op(volatile __u64 *p)
{
	__u64 value = op_value, old;
	unsigned long page = (unsigned long)p & -MEM_PAGE;

	switch (op) {
	case OP_READ:
		return *p;
	case OP_WRITE:
		*p = value;
		break;
	case OP_EXEC:
		return call(page + MEM_CODE);
	case OP_EREAD:
		asm volatile(FEP "mov (%1), %0" : "=a"(old) : "b"(p) : "memory");
		return old;
	case OP_EWRITE:
		asm volatile(FEP "mov %0, (%1)" : : "a"(value), "b"(p) : "memory");
		break;
	case OP_ECMPXCHG:
		old = value ^ 1;
		asm volatile(FEP "lock cmpxchg %2, (%1)"
			     : "+a"(old) : "b"(p), "c"(value) : "memory", "cc");
		return old;
	case OP_EEXEC:
		return call(page + MEM_CODE - FEP_SIZE);
	case OP_MOVS: {
		unsigned long from = MEM_MMIO, to = (unsigned long)p;

		asm volatile("movsq" : "+S"(from), "+D"(to) : : "memory");
		GUEST_ASSERT_EQ(to, (unsigned long)p + 8);
		break;
	}
	case NR_OPS:
		break;
	}
	return 0;
}

static void access_memory(void)
{
	for (;;)
		guest_sync(do_op(op_address));
}

static void force_emulation(bool on)
{
	int fd = open(FEP_PARAM, O_WRONLY);

	if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
		skip("%s cannot be set", FEP_PARAM);
	close(fd);
}

struct mem_vm mem_start(int nr_planes)
{
	struct mem_vm m = { .vm = vm_create(nr_planes) };
	__u8 *p = mmap(NULL, MEM_SIZE + MEM_HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long i;

	if (p == MAP_FAILED)
		fail("no memory");
	m.mem = (__u8 *)(((unsigned long)p + MEM_HUGE - 1) & -MEM_HUGE);
	madvise(m.mem, MEM_SIZE, MADV_HUGEPAGE);
	for (i = 0; i < MEM_SIZE; i += MEM_PAGE) {
		memcpy(m.mem + i + MEM_CODE, code, sizeof(code));
		memcpy(m.mem + i + MEM_PAGE - FEP_SIZE, prefix, FEP_SIZE);
	}
	mem_slot(&m, MEM_GPA, MEM_SIZE, 0);

	force_emulation(true);
	for (i = 0; i < (unsigned long)nr_planes; i++)
		vm_start(m.vm, i, access_memory);
	return m;
}

void mem_free(struct mem_vm *m)
{
	vm_free(m->vm);
	force_emulation(false);
}

void mem_slot(struct mem_vm *m, __u64 gpa, __u64 size, __u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = MEM_SLOT,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)m->mem,
	};

	vm_ioctl(m->vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

int mem_set(struct mem_vm *m, int plane, __u64 gpa, __u64 size, __u64 attributes)
{
	struct kvm_memory_attributes attrs = {
		.address = gpa,
		.size = size,
		.attributes = attributes,
	};

	return ioctl(plane ? m->vm->plane[plane] : m->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
}

void mem_attr(struct mem_vm *m, int plane, __u64 gpa, __u64 size, __u64 attributes)
{
	if (mem_set(m, plane, gpa, size, attributes))
		fail("KVM_SET_MEMORY_ATTRIBUTES: %s", strerror(errno));
}

void mem_op(enum mem_op o, __u64 gpa, __u64 value)
{
	op = o;
	op_address = (__u64 *)(gpa + MEM_DATA);
	op_value = value;
}

__u64 mem_done(struct mem_vm *m, int plane)
{
	struct guest_call *call;
	__u64 data = op_value;

	kvm_run_planes(m->vm->run)->plane = plane;
	vm_run(m->vm);
	if (op == OP_MOVS) {
		ASSERT_EXIT(m->vm, KVM_EXIT_MMIO);
		ASSERT_EQ(m->vm->run->mmio.phys_addr, MEM_MMIO);
		memcpy(m->vm->run->mmio.data, &data, sizeof(data));
		vm_run(m->vm);
	}
	call = vm_guest_call(m->vm);
	if (!call)
		fail("%s, not a call", vm_exit_name(m->vm->run->exit_reason));
	ASSERT_EQ(call->plane, plane);
	return call->arg[0];
}

void mem_fault(struct mem_vm *m, int plane, __u64 gpa, __u64 flags)
{
	struct kvm_run *run = m->vm->run;
	const struct mem_fault *fault = mem_run_fault(run);
	__u64 data = op_value;
	int r, error;

	kvm_run_planes(run)->plane = plane;
	if (op == OP_MOVS) {
		vm_run(m->vm);
		ASSERT_EXIT(m->vm, KVM_EXIT_MMIO);
		memcpy(run->mmio.data, &data, sizeof(data));
	}
	errno = 0;
	do {
		r = ioctl(m->vm->vcpu[0], KVM_RUN, 0);
		error = errno;
	} while (r < 0 && error == EINTR);
	vm_guest_call(m->vm);
	ASSERT_EXIT(m->vm, KVM_EXIT_MEMORY_FAULT);
	ASSERT_EQ(r, -1);
	ASSERT_EQ(error, EFAULT);
	ASSERT_EQ(kvm_run_planes(run)->plane, plane);
	if (!(reads_first(op) && fault->flags == NR))
		ASSERT_EQ(fault->flags, flags);
	ASSERT_EQ(fault->gpa, gpa);
	ASSERT_EQ(fault->size, MEM_PAGE);
}

__u64 mem_needs(enum mem_op o)
{
	switch (o) {
	case OP_READ:
	case OP_EREAD:
		return NR;
	case OP_EXEC:
	case OP_EEXEC:
		return NX;
	default:
		return NW;
	}
}

static __u64 *data(struct mem_vm *m, __u64 gpa)
{
	return (__u64 *)(m->mem + (gpa & (MEM_SIZE - 1)) + MEM_DATA);
}

static void check(struct mem_vm *m, enum mem_op o, __u64 gpa, __u64 result, __u64 value)
{
	switch (o) {
	case OP_READ:
	case OP_EREAD:
		ASSERT_EQ(result, value ^ 1);
		ASSERT_EQ(*data(m, gpa), value ^ 1);
		break;
	case OP_EXEC:
	case OP_EEXEC:
		ASSERT_EQ(result, MEM_CODE_VALUE);
		break;
	case OP_ECMPXCHG:
		ASSERT_EQ(result, value ^ 1);
		ASSERT_EQ(*data(m, gpa), value);
		break;
	default:
		ASSERT_EQ(*data(m, gpa), value);
	}
}

/* Each access has a value of its own; what is there before differs from it. */
static __u64 prepare(struct mem_vm *m, enum mem_op o, __u64 gpa)
{
	static __u64 value;

	value += 0x100;
	*data(m, gpa) = value ^ 1;
	mem_op(o, gpa, value);
	return value;
}

void mem_may(struct mem_vm *m, int plane, enum mem_op o, __u64 gpa)
{
	__u64 value = prepare(m, o, gpa);

	check(m, o, gpa, mem_done(m, plane), value);
}

/* Twice, as an access that was not made is made again, if only by the CPU. */
void mem_may_not(struct mem_vm *m, int plane, enum mem_op o, __u64 gpa)
{
	__u64 value = prepare(m, o, gpa);
	struct kvm_regs regs[2];
	int i;

	for (i = 0; i < 2; i++) {
		mem_fault(m, plane, gpa, mem_needs(o));
		ASSERT_EQ(*data(m, gpa), value ^ 1);
		vm_ioctl(m->vm->vcpu[plane], KVM_GET_REGS, &regs[i]);
		if (mem_needs(o) == NX)
			ASSERT_EQ(regs[i].rip, gpa + MEM_CODE);
	}
	ASSERT(!memcmp(&regs[0], &regs[1], sizeof(regs[0])));
}

void mem_retry(struct mem_vm *m, int plane, enum mem_op o, __u64 gpa)
{
	check(m, o, gpa, mem_done(m, plane), op_value);
}
