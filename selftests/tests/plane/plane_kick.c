// SPDX-License-Identifier: GPL-2.0
/*
 * A guest with paravirtual spinlocks wakes the vCPU that it names, and lends it its time, in
 * the plane that asks for it. Linux waits for such a lock in HLT, with interrupts disabled.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "lapic.h"
#include "test.h"

/* Documentation/virt/kvm/x86/hypercalls.rst */
#define KVM_HC_KICK_CPU		5
#define KVM_HC_SCHED_YIELD	11

#define NR_PLANES	3

static volatile bool stop;
static struct vm *vms[2];

static __u64 hypercall(__u64 nr, __u64 rbx, __u64 rcx)
{
	struct guest_regs regs = {
		.gpr[RAX] = nr,
		.gpr[RBX] = rbx,
		.gpr[RCX] = rcx,
		.rflags = X86_RFLAGS_FIXED,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.rip = (unsigned long)guest_hypercall_insn,
	};
	struct guest_regs out;

	guest_run(&regs, &out);
	return out.gpr[RAX];
}

static void kick_forever(void)
{
	for (;;)
		guest_sync(hypercall(KVM_HC_KICK_CPU, 0, 1));
}

/* The other vCPU, in each plane */
static void wait_for_lock(void)
{
	for (;;) {
		asm volatile("cli; hlt");
		guest_sync(0);
	}
}

static void spin(void)
{
	while (!stop)
		asm volatile("pause");
	guest_sync(0);
}

static void yield_forever(void)
{
	for (;;)
		guest_sync(hypercall(KVM_HC_SCHED_YIELD, 1, 0));
}

/* The two vCPUs of a plane have one stack, of which the other one gets the lower half. */
static void lower_stack(int vcpu)
{
	struct kvm_regs regs;

	vm_ioctl(vcpu, KVM_GET_REGS, &regs);
	regs.rsp -= GUEST_STACK_SIZE / 2;
	vm_ioctl(vcpu, KVM_SET_REGS, &regs);
}

/* Two vCPUs in all planes */
static void start(guest_code_t first, guest_code_t second)
{
	struct vm *vm = vm_create(NR_PLANES);
	struct vm *other = vm_add_vcpu(vm, 1);
	int p;

	vms[0] = vm;
	vms[1] = other;
	for (p = 0; p < NR_PLANES; p++) {
		if (p)
			other->vcpu[p] = vm_ioctl(vm->plane[p], KVM_CREATE_VCPU_PLANE,
						  other->vcpu[0]);
		vm_start(vm, p, first);
		vm_start(other, p, second);
		lower_stack(other->vcpu[p]);
		lapic_enable(vm->vcpu[p]);
		lapic_enable(other->vcpu[p]);
	}
}

static void on_alarm(int signal)
{
	vms[1]->run->immediate_exit = 1;
}

/* The planes in which the other vCPU is halted */
static __u32 halted(void)
{
	struct kvm_mp_state state;
	__u32 mask = 0;
	int p;

	for (p = 0; p < NR_PLANES; p++) {
		vm_ioctl(vms[1]->vcpu[p], KVM_GET_MP_STATE, &state);
		if (state.mp_state == KVM_MP_STATE_HALTED)
			mask |= 1U << p;
	}
	return mask;
}

/* The other vCPU runs until it waits. */
static void halts(int plane)
{
	struct itimerval soon = { .it_value.tv_usec = 100000 };
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	do {
		setitimer(ITIMER_REAL, &soon, NULL);
		kvm_run_planes(vms[1]->run)->plane = plane;
		ASSERT_ERRNO(ioctl(vms[1]->vcpu[0], KVM_RUN, 0), EINTR);
		vms[1]->run->immediate_exit = 0;
	} while (!(halted() & 1U << plane));
}

static void kick(enum test_how how)
{
	const __u32 all = (1U << NR_PLANES) - 1;
	int p;

	start(kick_forever, wait_for_lock);
	for (p = 0; p < NR_PLANES; p++)
		halts(p);
	ASSERT_EQ(halted(), all);

	for (p = 0; p < NR_PLANES; p++) {
		kvm_run_planes(vms[0]->run)->plane = p;
		vm_run(vms[0]);
		ASSERT(vm_guest_call(vms[0]));
		ASSERT_EQ(vm_guest_call(vms[0])->arg[0], 0);
		ASSERT_EQ(halted(), all & ~(1U << p));

		kvm_run_planes(vms[1]->run)->plane = p;
		vm_run(vms[1]);
		ASSERT(vm_guest_call(vms[1]));
		ASSERT_EQ(vm_guest_call(vms[1])->plane, p);
		halts(p);
	}
}

static void *run_other(void *plane)
{
	kvm_run_planes(vms[1]->run)->plane = (unsigned long)plane;
	vm_run(vms[1]);
	return NULL;
}

static __u64 statistic(const char *name)
{
	int fd = vm_ioctl(vms[0]->vcpu[0], KVM_GET_STATS_FD, 0);
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	__u64 value = -1ULL;
	char text[256];
	unsigned int i;

	ASSERT_EQ(pread(fd, &header, sizeof(header), 0), sizeof(header));
	ASSERT(sizeof(*desc) + header.name_size <= sizeof(text));
	desc = (void *)text;
	for (i = 0; i < header.num_desc; i++) {
		size_t size = sizeof(*desc) + header.name_size;

		ASSERT_EQ(pread(fd, text, size, header.desc_offset + i * size), size);
		if (!strcmp(desc->name, name))
			ASSERT_EQ(pread(fd, &value, sizeof(value),
					header.data_offset + desc->offset), sizeof(value));
	}
	close(fd);
	return value;
}

/* Both threads have to be on one CPU, or there is nothing to yield. */
static void share_cpu(void)
{
	cpu_set_t set;
	int cpu;

	ASSERT(!sched_getaffinity(0, sizeof(set), &set));
	for (cpu = CPU_SETSIZE - 1; !CPU_ISSET(cpu, &set); cpu--)
		;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ASSERT(!sched_setaffinity(0, sizeof(set), &set));
}

static void yield(enum test_how how)
{
	unsigned long p;
	pthread_t thread;
	__u64 before;

	share_cpu();
	start(yield_forever, spin);
	for (p = 0; p < NR_PLANES; p++) {
		stop = false;
		before = statistic("directed_yield_successful");
		ASSERT(!pthread_create(&thread, NULL, run_other, (void *)p));
		note("plane %lu", p);
		while (statistic("directed_yield_successful") == before) {
			kvm_run_planes(vms[0]->run)->plane = p;
			vm_run(vms[0]);
			ASSERT(vm_guest_call(vms[0]));
			ASSERT_EQ(vm_guest_call(vms[0])->arg[0], 0);
		}
		stop = true;
		pthread_join(thread, NULL);
	}
}

const struct test tests[] = {
	TEST("a kick wakes the vCPU in the plane of the one that kicks, and in no other", kick),
	TEST("a vCPU yields to the thread of another one in whatever plane", yield),
	{ }
};
