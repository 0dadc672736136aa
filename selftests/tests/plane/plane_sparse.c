// SPDX-License-Identifier: GPL-2.0
/*
 * Planes on some of the vCPUs only: four vCPUs on threads, which switch between
 * the planes that they have, while other threads change what the VM has once.
 *
 * Each plane of each vCPU counts in pages of its own and compares with what it
 * knows, and so notices a write that got lost.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lapic.h"
#include "test.h"

#define PAGE		4096UL
#define NR_VCPUS	4
#define NR_COUNTERS	16	/* pages for each plane of each vCPU */
#define NR_PAGES	(NR_VCPUS * KVM_MAX_PLANES * NR_COUNTERS)
#define SLOT		5
#define SLOT_OTHER	6
#define GPA		0x40000000UL
#define GPA_OTHER	0x50000000UL
#define STACK_SIZE	4096

/* Each plane goes round so often while it is disturbed, and the disturber does, too. */
#define ENOUGH		30
#define ENOUGH_DISTURBED	20

#define MSR_KVM_SYSTEM_TIME_NEW	0x4b564d01

#define VECTOR		0x60

#define HV_FLUSH_VIRTUAL_ADDRESS_SPACE	0x0002
#define HV_FLUSH_ALL	3	/* all processors, all address spaces */

/* Which planes each vCPU has besides plane 0; no plane has all vCPUs */
static const __u8 has[NR_VCPUS] = { 0xf, 0x3, 0x9, 0x1 };

/* Documentation/virt/kvm/x86/msr.rst */
struct clock_page {
	volatile __u32 version;
	__u32 pad;
	volatile __u64 tsc_timestamp;
	volatile __u64 system_time;
	__u8 rest[8];
};

struct one {
	__u64 rounds;
	__u64 clock_changes;
	__u64 interrupts;
	struct kvm_lapic_state apic;
	struct clock_page clock;
	__u8 stack[STACK_SIZE];
} __attribute__((aligned(4096)));

/* Of each plane of each vCPU; its guest gets the address in RDI. */
static struct one all[NR_VCPUS][KVM_MAX_PLANES];
static __u64 flush_input[3] __attribute__((aligned(32)));

static struct vm *vcpus[NR_VCPUS];
static pthread_t threads[NR_VCPUS];
static void *memory;
static volatile bool stop;
static volatile __u64 disturbed;

static void flush_tlbs(void)
{
	__u64 status, rcx = HV_FLUSH_VIRTUAL_ADDRESS_SPACE, rdx = (unsigned long)flush_input;

	/* Three registers and no memory of the guest's are what this call changes. */
	asm volatile("call *%3"
		     : "=a"(status), "+c"(rcx), "+d"(rdx)
		     : "r"(guest_hypercall_insn) : "r8", "memory");
}

static void check_clock(struct one *me, __u64 *last)
{
	__u32 version;
	__u64 time;

	do {
		version = me->clock.version;
		time = me->clock.system_time;
	} while (version & 1 || version != me->clock.version);

	/* It is only ever set to later. */
	GUEST_ASSERT(time >= *last);
	if (time > *last)
		me->clock_changes++;
	*last = time;
}

static void count(struct one *me, volatile __u64 *counters)
{
	__u64 n, time = 0;
	int i;

	for (n = 0;; n++) {
		for (i = 0; i < NR_COUNTERS; i++) {
			volatile __u64 *counter = counters + i * PAGE / sizeof(*counters);

			GUEST_ASSERT_EQ(*counter, n);
			*counter = n + 1;
		}
		write_cr3(read_cr3());
		if (n % 4 == 0)
			flush_tlbs();
		check_clock(me, &time);
		guest_sync(n);
	}
}

static void set_slot(__u32 slot, __u64 gpa, __u64 size, __u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)memory,
	};

	vm_ioctl(vcpus[0]->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void add_planes(struct vm *vm, __u8 planes)
{
	int i;

	for (i = 1; i < KVM_MAX_PLANES; i++)
		if (planes & 1 << i)
			vm->vcpu[i] = vm_ioctl(vm->plane[i], KVM_CREATE_VCPU_PLANE, vm->vcpu[0]);
}

static void start_plane(int nr, int plane)
{
	struct vm *vm = vcpus[nr];
	struct one *one = &all[nr][plane];
	unsigned int pages = (nr * KVM_MAX_PLANES + plane) * NR_COUNTERS;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	vm_start(vm, plane, NULL);
	vm_ioctl(vm->vcpu[plane], KVM_GET_SREGS, &sregs);
	/* Exceptions are a triple fault: these stacks are not known to the usual handler. */
	sregs.idt.limit = 0;
	vm_ioctl(vm->vcpu[plane], KVM_SET_SREGS, &sregs);
	vm_ioctl(vm->vcpu[plane], KVM_GET_REGS, &regs);
	regs.rip = (unsigned long)count;
	regs.rsp = (unsigned long)one->stack + STACK_SIZE - 8;
	regs.rdi = (unsigned long)one;
	regs.rsi = GPA + pages * PAGE;
	vm_ioctl(vm->vcpu[plane], KVM_SET_REGS, &regs);

	vm_ioctl(vm->vcpu[plane], KVM_GET_LAPIC, &one->apic);
	one->apic.regs[APIC_SPIV + 1] |= APIC_SPIV_ON >> 8;
	vm_ioctl(vm->vcpu[plane], KVM_SET_LAPIC, &one->apic);
	ASSERT(vm_set_msr(vm, plane, MSR_KVM_SYSTEM_TIME_NEW, (unsigned long)&one->clock | 1));
}

static void start(void)
{
	int i, plane;

	memory = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT(memory != MAP_FAILED);
	flush_input[1] = HV_FLUSH_ALL;
	vcpus[0] = vm_create(1);
	for (i = 1; i < KVM_MAX_PLANES; i++)
		vcpus[0]->plane[i] = vm_ioctl(vcpus[0]->fd, KVM_CREATE_PLANE, i);
	for (i = 1; i < NR_VCPUS; i++)
		vcpus[i] = vm_add_vcpu(vcpus[0], i);
	for (i = 0; i < NR_VCPUS; i++)
		add_planes(vcpus[i], has[i]);

	set_slot(SLOT, GPA, NR_PAGES * PAGE, 0);
	for (i = 0; i < NR_VCPUS; i++)
		for (plane = 0; plane < KVM_MAX_PLANES; plane++)
			if (has[i] & 1 << plane)
				start_plane(i, plane);
}

/* The slot is not there just now. */
static void do_mmio(struct kvm_run *run)
{
	char *at = (char *)memory + (run->mmio.phys_addr - GPA);

	ASSERT(run->mmio.phys_addr >= GPA && run->mmio.phys_addr < GPA + NR_PAGES * PAGE);
	if (run->mmio.is_write)
		memcpy(at, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, at, run->mmio.len);
}

static void next_plane(int nr, struct kvm_run *run)
{
	struct kvm_run_planes *planes = kvm_run_planes(run);

	do {
		planes->plane = (planes->plane + 1) % KVM_MAX_PLANES;
	} while (!(has[nr] & 1 << planes->plane));
}

/* Guests have interrupts off and handlers for none. */
static void take_interrupt(int nr)
{
	__u8 plane = kvm_run_plane_event(vcpus[nr]->run)->target;

	ASSERT(has[nr] & 1 << plane);
	vm_ioctl(vcpus[nr]->vcpu[plane], KVM_SET_LAPIC, &all[nr][plane].apic);
	all[nr][plane].interrupts++;
}

static void *run_vcpu(void *arg)
{
	int nr = (long)arg;
	struct vm *vm = vcpus[nr];
	struct kvm_run *run = vm->run;

	while (!stop) {
		__u8 plane = kvm_run_planes(run)->plane;

		vm_run(vm);
		ASSERT_EQ(kvm_run_planes(run)->plane, plane);
		if (run->exit_reason == KVM_EXIT_MMIO) {
			do_mmio(run);
		} else if (run->exit_reason == KVM_EXIT_PLANE_EVENT) {
			take_interrupt(nr);
		} else {
			if (!vm_guest_call(vm))
				fail("vCPU %d, plane %d: %s", nr, plane,
				     vm_exit_name(run->exit_reason));
			all[nr][plane].rounds++;
			next_plane(nr, run);
		}
	}
	return NULL;
}

static void *slots_come_and_go(void *unused)
{
	while (!stop) {
		set_slot(SLOT, GPA, 0, 0);
		usleep(500);
		set_slot(SLOT, GPA, NR_PAGES * PAGE, 0);
		usleep(2000);
		disturbed++;
	}
	return unused;
}

/* Flags of the slot in use, and another slot that moves */
static void *slots_change(void *unused)
{
	static __u64 bitmap[NR_PAGES / 64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };

	while (!stop) {
		set_slot(SLOT, GPA, NR_PAGES * PAGE, KVM_MEM_LOG_DIRTY_PAGES);
		vm_ioctl(vcpus[0]->fd, KVM_GET_DIRTY_LOG, &log);
		usleep(1000);
		vm_ioctl(vcpus[0]->fd, KVM_GET_DIRTY_LOG, &log);
		set_slot(SLOT_OTHER, GPA_OTHER, PAGE, 0);
		set_slot(SLOT_OTHER, GPA_OTHER + PAGE, PAGE, 0);
		set_slot(SLOT_OTHER, GPA_OTHER + PAGE, 0, 0);
		set_slot(SLOT, GPA, NR_PAGES * PAGE, 0);
		usleep(1000);
		disturbed++;
	}
	return unused;
}

/* What is shared stays when it is unmapped, and comes back by a page fault. */
static void *host_unmaps(void *unused)
{
	while (!stop) {
		madvise(memory, NR_PAGES * PAGE, MADV_DONTNEED);
		usleep(1000);
		disturbed++;
	}
	return unused;
}

static void set_clock(void)
{
	struct kvm_clock_data clock = { };

	vm_ioctl(vcpus[0]->fd, KVM_GET_CLOCK, &clock);
	clock.clock += 1000000000;
	clock.flags = 0;
	vm_ioctl(vcpus[0]->fd, KVM_SET_CLOCK, &clock);
}

static void *clock_is_set(void *unused)
{
	while (!stop) {
		set_clock();
		usleep(1000);
		disturbed++;
	}
	return unused;
}

static void on_signal(int signal)
{
	int i;

	for (i = 0; i < NR_VCPUS; i++)
		if (pthread_equal(threads[i], pthread_self()))
			vcpus[i]->run->immediate_exit = 1;
}

static void *signals(void *unused)
{
	while (!stop) {
		pthread_kill(threads[disturbed % NR_VCPUS], SIGUSR1);
		usleep(500);
		disturbed++;
	}
	return unused;
}

/* Interrupts for every vCPU in every plane, whether there is one or not */
static void *interrupts(void *unused)
{
	struct kvm_msi msi;
	int i, plane;

	for (i = 0; i < NR_VCPUS; i++)
		kvm_run_planes(vcpus[i]->run)->req_exit_planes = 0xe;
	while (!stop) {
		for (i = 0; i < NR_VCPUS; i++) {
			for (plane = 1; plane < KVM_MAX_PLANES; plane++) {
				msi = (struct kvm_msi) {
					.address_lo = 0xfee00000 | i << 12,
					.data = VECTOR,
				};
				vm_ioctl(vcpus[0]->plane[plane], KVM_SIGNAL_MSI, &msi);
			}
		}
		usleep(3000);
		disturbed++;
	}
	return unused;
}

static void start_threads(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	long i;

	sigaction(SIGUSR1, &action, NULL);
	for (i = 0; i < NR_VCPUS; i++)
		if (pthread_create(&threads[i], NULL, run_vcpu, (void *)i))
			fail("pthread_create");
}

static __u64 least_rounds(void)
{
	__u64 least = ~0ULL;
	int i, plane;

	for (i = 0; i < NR_VCPUS; i++)
		for (plane = 0; plane < KVM_MAX_PLANES; plane++)
			if (has[i] & 1 << plane && all[i][plane].rounds < least)
				least = all[i][plane].rounds;
	return least;
}

/* A vCPU that sticks is one whose test does not end. */
static void disturb(void *(*thread_fn)(void *))
{
	pthread_t thread;
	int i;

	start();
	start_threads();
	if (pthread_create(&thread, NULL, thread_fn, NULL))
		fail("pthread_create");
	while (least_rounds() < ENOUGH || disturbed < ENOUGH_DISTURBED)
		usleep(10000);
	stop = true;
	pthread_join(thread, NULL);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(threads[i], NULL);
	note("each plane at least %llu rounds, disturbed %llu times", least_rounds(), disturbed);
}

static void slot_deleted(enum test_how how)
{
	disturb(slots_come_and_go);
}

static void slot_changed(enum test_how how)
{
	disturb(slots_change);
}

static void notifier(enum test_how how)
{
	disturb(host_unmaps);
}

static void run_round(int nr, int plane)
{
	kvm_run_planes(vcpus[nr]->run)->plane = plane;
	vm_run(vcpus[nr]);
	ASSERT(vm_guest_call(vcpus[nr]));
}

static void clock_set(enum test_how how)
{
	int i, plane;

	disturb(clock_is_set);
	for (i = 0; i < NR_VCPUS; i++) {
		for (plane = 0; plane < KVM_MAX_PLANES; plane++) {
			__u64 changes = all[i][plane].clock_changes;

			if (!(has[i] & 1 << plane))
				continue;
			/* The first may end a round that has looked at the clock. */
			set_clock();
			run_round(i, plane);
			run_round(i, plane);
			ASSERT(all[i][plane].clock_changes > changes);
		}
	}
}

static void signalled(enum test_how how)
{
	disturb(signals);
}

/* Each got there: taken, or still pending when all was stopped. */
static void interrupted(enum test_how how)
{
	struct kvm_lapic_state apic;
	int i, plane;

	disturb(interrupts);
	for (i = 0; i < NR_VCPUS; i++) {
		for (plane = 1; plane < KVM_MAX_PLANES; plane++) {
			if (!(has[i] & 1 << plane))
				continue;
			vm_ioctl(vcpus[i]->vcpu[plane], KVM_GET_LAPIC, &apic);
			ASSERT(all[i][plane].interrupts ||
			       apic.regs[APIC_IRR + VECTOR / 32 * 0x10 + VECTOR / 8 % 4]);
		}
	}
}

static void absent(enum test_how how)
{
	struct kvm_msi msi = { .data = VECTOR };
	int i, plane, tried = 0;

	start();
	for (i = 0; i < NR_VCPUS; i++) {
		for (plane = 1; plane < KVM_MAX_PLANES; plane++) {
			if (has[i] & 1 << plane)
				continue;
			kvm_run_planes(vcpus[i]->run)->plane = plane;
			ASSERT_ERRNO(ioctl(vcpus[i]->vcpu[0], KVM_RUN, 0), ENOENT);
			msi.address_lo = 0xfee00000 | i << 12;
			ASSERT_EQ(ioctl(vcpus[i]->plane[plane], KVM_SIGNAL_MSI, &msi), 0);
			tried++;
		}
		kvm_run_planes(vcpus[i]->run)->plane = 0;
		vm_run(vcpus[i]);
		ASSERT(vm_guest_call(vcpus[i]));
	}
	ASSERT_EQ(tried, 7);
	/* As in plane 0 an MSI for a vCPU that there is not */
	msi.address_lo = 0xfee00000 | NR_VCPUS << 12;
	ASSERT_EQ(ioctl(vcpus[0]->fd, KVM_SIGNAL_MSI, &msi), 0);
}

const struct test tests[] = {
	TEST("a plane that a vCPU has not cannot be run, and takes no MSI", absent),
	TEST("no write is lost and no vCPU sticks while their memory slot comes and goes",
	     slot_deleted),
	TEST("nor while memory slots change and the dirty log is read", slot_changed),
	TEST("nor while the host unmaps their memory", notifier),
	TEST("nor while the clock is set, and each plane sees that it is", clock_set),
	TEST("nor while signals arrive", signalled),
	TEST("nor while interrupts arrive for planes that a vCPU has or has not", interrupted),
	{ }
};
