// SPDX-License-Identifier: GPL-2.0
/*
 * The statistics of a vCPU are of all its planes, whoever switches them.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define ROUNDS		100

struct stats {
	int fd;
	struct kvm_stats_header header;
	char *desc;
	size_t desc_size;
};

static void read_at(int fd, void *to, size_t size, off_t offset)
{
	if (pread(fd, to, size, offset) != (ssize_t)size)
		fail("reading statistics: %s", strerror(errno));
}

static void open_stats(struct stats *stats, struct vm *vm)
{
	struct kvm_stats_header *header = &stats->header;

	stats->fd = vm_ioctl(vm->vcpu[0], KVM_GET_STATS_FD, 0);
	read_at(stats->fd, header, sizeof(*header), 0);
	stats->desc_size = sizeof(struct kvm_stats_desc) + header->name_size;
	stats->desc = malloc(header->num_desc * stats->desc_size);
	if (!stats->desc)
		fail("no memory");
	read_at(stats->fd, stats->desc, header->num_desc * stats->desc_size, header->desc_offset);
}

static const struct kvm_stats_desc *desc_at(const struct stats *stats, unsigned int i)
{
	return (void *)(stats->desc + i * stats->desc_size);
}

static __u64 value_of(const struct stats *stats, const struct kvm_stats_desc *desc)
{
	__u64 value;

	read_at(stats->fd, &value, sizeof(value), stats->header.data_offset + desc->offset);
	return value;
}

static __u64 stat(const struct stats *stats, const char *name)
{
	unsigned int i;

	for (i = 0; i < stats->header.num_desc; i++)
		if (!strcmp(desc_at(stats, i)->name, name))
			return value_of(stats, desc_at(stats, i));
	fail("no statistic \"%s\"", name);
}

static void sync_forever(void)
{
	for (;;)
		guest_sync(0);
}

static void all_planes(enum test_how how)
{
	struct vm *vm = vm_create(KVM_MAX_PLANES);
	struct stats stats;
	__u64 io_exits, exits;
	int plane, i;

	open_stats(&stats, vm);
	for (plane = 0; plane < KVM_MAX_PLANES; plane++)
		vm_start(vm, plane, sync_forever);
	for (plane = KVM_MAX_PLANES - 1; plane >= 0; plane--) {
		kvm_run_planes(vm->run)->plane = plane;
		io_exits = stat(&stats, "io_exits");
		exits = stat(&stats, "exits");
		for (i = 1; i <= ROUNDS; i++) {
			vm_run(vm);
			ASSERT(vm_guest_call(vm));
			ASSERT_EQ(stat(&stats, "io_exits"), io_exits + i);
		}
		ASSERT(stat(&stats, "exits") >= exits + ROUNDS);
	}
	vm_free(vm);
}

static void vtl0(void)
{
	int i;

	vtl_enable();
	vtl_call();
	guest_sync(0);
	for (i = 0; i < ROUNDS; i++)
		vtl_call();
	guest_done();
}

static void vtl1(void)
{
	vtl_enable();
	for (;;) {
		asm volatile("cpuid" : : "a"(0), "c"(0) : "rbx", "rdx");
		vtl_return(HV_VTL_RETURN_FAST);
	}
}

/* Two hypercalls and a CPUID each round; exits for other reasons come on top. */
static void switched(enum test_how how)
{
	const guest_code_t entry[] = { vtl0, vtl1 };
	struct stats stats;
	struct vtl_test t;
	__u64 exits;

	vtl_test_start(&t, how, 2, entry);
	open_stats(&stats, t.vm);
	ASSERT_EQ(vtl_test_run(&t)->cmd, GUEST_SYNC);
	exits = stat(&stats, "exits");
	ASSERT_EQ(vtl_test_run(&t)->cmd, GUEST_DONE);
	ASSERT(stat(&stats, "exits") >= exits + 3 * ROUNDS);
	vtl_test_end(&t);
}

#define SVM_EFER_SVME	(1ULL << 12)
#define MSR_EFER	0xc0000080

/* APM volume 2, appendix B: what a VMCB needs to pass for one */
#define VMCB_INTERCEPT_VMRUN	0x10
#define VMCB_ASID		0x58
#define VMCB_EFER		0x4d0
#define VMCB_CR4		0x548
#define VMCB_CR3		0x550
#define VMCB_CR0		0x558
#define VMCB_DR7		0x560
#define VMCB_DR6		0x568
#define VMCB_RFLAGS		0x570

static __u8 guest_vmcb[4096] __attribute__((aligned(4096)));

static struct {
	struct kvm_nested_state header;
	__u8 rest[4096];
} nested;

static void put(__u8 *vmcb, int offset, __u64 value)
{
	memcpy(vmcb + offset, &value, sizeof(value));
}

/* As if the plane ran a nested guest */
static void enter_nested(struct vm *vm, int plane)
{
	struct kvm_sregs sregs;
	__u8 *vmcb = nested.header.data.svm[0].vmcb12;

	vm_ioctl(vm->vcpu[plane], KVM_GET_SREGS, &sregs);
	sregs.efer |= SVM_EFER_SVME;
	vm_ioctl(vm->vcpu[plane], KVM_SET_SREGS, &sregs);

	memset(&nested, 0, sizeof(nested));
	nested.header.format = KVM_STATE_NESTED_FORMAT_SVM;
	nested.header.flags = KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_GIF_SET;
	nested.header.size = sizeof(nested.header) + KVM_STATE_NESTED_SVM_VMCB_SIZE;
	nested.header.hdr.svm.vmcb_pa = (unsigned long)guest_vmcb;
	put(vmcb, VMCB_INTERCEPT_VMRUN, 1);
	put(vmcb, VMCB_ASID, 1);
	put(vmcb, VMCB_EFER, sregs.efer);
	put(vmcb, VMCB_CR4, sregs.cr4);
	put(vmcb, VMCB_CR3, sregs.cr3);
	put(vmcb, VMCB_CR0, sregs.cr0);
	put(vmcb, VMCB_DR7, 0x400);
	put(vmcb, VMCB_DR6, 0xffff0ff0);
	put(vmcb, VMCB_RFLAGS, X86_RFLAGS_FIXED);
	vm_ioctl(vm->vcpu[plane], KVM_SET_NESTED_STATE, &nested);
}

static void run_immediately(struct vm *vm, int plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm->run->immediate_exit = 1;
	ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);
	vm->run->immediate_exit = 0;
}

static void booleans(enum test_how how)
{
	struct vm *vm = vm_create(3);
	struct stats stats;
	int plane;

	if (!(vm_cpuid(vm, 0x80000001, 0)->ecx & 1U << 2))
		skip("no SVM");

	open_stats(&stats, vm);
	for (plane = 0; plane < 3; plane++)
		vm_start(vm, plane, sync_forever);
	enter_nested(vm, 1);
	enter_nested(vm, 2);
	for (plane = 0; plane < 3; plane++) {
		run_immediately(vm, plane);
		ASSERT_EQ(stat(&stats, "guest_mode"), plane > 0);
	}
	vm_free(vm);
}

const struct test tests[] = {
	TEST("exits of each plane are among those of its vCPU when KVM_RUN returns", all_planes),
	TEST_BOTH("exits of planes are counted while they are switched", switched),
	TEST("what is true or false at an instant and no count is of the plane that ran last",
	     booleans),
	{ }
};
