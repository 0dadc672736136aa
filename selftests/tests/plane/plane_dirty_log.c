// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of a VM, a bitmap or a ring, has what each plane wrote, whoever
 * switches them.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define PAGE		4096UL
#define NR_PAGES	2048
#define SLOT		5
#define GPA		0x40000000UL
#define MAX_WRITES	64
#define ROUNDS		50

/* Large enough for VMX's page-modification log besides what KVM reserves. */
#define RING_ENTRIES	1024
#define RING_SIZE	(RING_ENTRIES * sizeof(struct kvm_dirty_gfn))

/* What each plane is to write next, and how many pages that is */
static volatile __u32 writes[KVM_MAX_PLANES][MAX_WRITES];
static volatile __u32 nr_writes[KVM_MAX_PLANES];

static __u64 rng;
static bool expected[NR_PAGES];
static __u64 written_by_another;
static __u64 bitmap[NR_PAGES / 64];

static void write_page(__u32 page)
{
	++*(volatile __u64 *)(GPA + page * PAGE);
}

static void write_pages(void)
{
	__u32 plane = guest_plane();
	__u32 i;

	for (i = 0; i < nr_writes[plane]; i++)
		write_page(writes[plane][i]);
}

static void add_slot(struct vm *vm)
{
	void *memory = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.slot = SLOT,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = GPA,
		.memory_size = NR_PAGES * PAGE,
		.userspace_addr = (unsigned long)memory,
	};

	ASSERT(memory != MAP_FAILED);
	vm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Random pages for @plane, some of them twice and some of another plane, too */
static void choose_writes(int plane)
{
	__u32 i;

	nr_writes[plane] = guest_random(&rng) % MAX_WRITES;
	for (i = 0; i < nr_writes[plane]; i++) {
		writes[plane][i] = guest_random(&rng) % (i & 1 ? 64 : NR_PAGES);
		written_by_another += expected[writes[plane][i]];
		expected[writes[plane][i]] = true;
	}
}

static void check_bitmap(struct vm *vm)
{
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };
	int i;

	vm_ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
	for (i = 0; i < NR_PAGES; i++)
		if ((bitmap[i / 64] >> i % 64 & 1) != expected[i])
			fail("page %d was %swritten, the log says otherwise", i,
			     expected[i] ? "" : "not ");
	memset(expected, 0, sizeof(expected));
}

static void write_forever(void)
{
	for (;;) {
		guest_sync(0);
		write_pages();
	}
}

static void run_plane(struct vm *vm, int plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
}

static struct vm *start(int nr_planes, __u32 cap, guest_code_t entry)
{
	struct vm *vm = vm_create_with(nr_planes, cap, cap ? RING_SIZE : 0);
	int plane;

	rng = test_seed() | 1;
	add_slot(vm);
	for (plane = 0; plane < nr_planes; plane++) {
		vm_start(vm, plane, entry);
		run_plane(vm, plane);
	}
	return vm;
}

static void each_plane(enum test_how how)
{
	struct vm *vm = start(KVM_MAX_PLANES, 0, write_forever);
	int i, plane;

	for (i = 0; i < ROUNDS; i++) {
		plane = guest_random(&rng) % KVM_MAX_PLANES;
		choose_writes(plane);
		run_plane(vm, plane);
		if (i & 1)
			check_bitmap(vm);
	}

	/* What one plane wrote and the log has forgotten is there when another writes it. */
	check_bitmap(vm);
	for (plane = 0; plane < KVM_MAX_PLANES; plane++) {
		nr_writes[plane] = 1;
		writes[plane][0] = 77;
		expected[77] = true;
		run_plane(vm, plane);
		check_bitmap(vm);
	}
	check_bitmap(vm);
	vm_free(vm);
}

/* VTL 0 says when both have written. */
static void vtl0(void)
{
	vtl_enable();
	vtl_call();
	for (;;) {
		guest_sync(0);
		write_pages();
		vtl_call();
	}
}

static void vtl1(void)
{
	vtl_enable();
	for (;;) {
		vtl_return(HV_VTL_RETURN_FAST);
		write_pages();
	}
}

static const guest_code_t vtls[] = { vtl0, vtl1 };

static void both_vtls(enum test_how how)
{
	struct vtl_test t;
	int i;

	rng = test_seed() | 1;
	vtl_test_start(&t, how, 2, vtls);
	add_slot(t.vm);
	vtl_test_run(&t);
	for (i = 0; i < ROUNDS; i++) {
		choose_writes(0);
		choose_writes(1);
		vtl_test_run(&t);
		check_bitmap(t.vm);
	}
	vtl_test_end(&t);
}

/* The entry reason is all that is written there: by the policy, in the kernel. */
#define ASSIST_PAGE	1234

static void vtl0_calls(void)
{
	vtl_enable();
	for (;;) {
		vtl_call();
		guest_sync(0);
	}
}

static void vtl1_with_assist_page(void)
{
	vtl_enable();
	wrmsr(HV_MSR_VP_ASSIST_PAGE, (GPA + ASSIST_PAGE * PAGE) | HV_MSR_ENABLE);
	for (;;)
		vtl_return(HV_VTL_RETURN_FAST);
}

static void assist_page(enum test_how how)
{
	static const guest_code_t entry[] = { vtl0_calls, vtl1_with_assist_page };
	const struct guest_call *call;
	struct policy policy;
	struct vm *vm = vm_create(2);
	int i;

	add_slot(vm);
	for (i = 0; i < 2; i++)
		vm_start(vm, i, entry[i]);
	vtl_policy_load(&policy);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
	for (i = 0; i < 5; i++) {
		vm_run(vm);
		call = vm_guest_call(vm);
		ASSERT(call);
		ASSERT_EQ(call->plane, 0);
		expected[ASSIST_PAGE] = true;
		check_bitmap(vm);
	}
	check_bitmap(vm);
	vm_free(vm);
	policy_unload(&policy);
}

struct ring {
	struct vm *vm;
	struct kvm_dirty_gfn *gfn;
	__u32 next;
	__u64 collected;
	__u64 full;
	int count[NR_PAGES];
};

static void map_ring(struct ring *ring, struct vm *vm)
{
	*ring = (struct ring) { .vm = vm };
	ring->gfn = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu[0],
			 KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
	ASSERT(ring->gfn != MAP_FAILED);
}

static __u32 ring_cap(void)
{
	int kvm = vmm_open_kvm();
	__u32 cap = 0;

	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING) > 0)
		cap = KVM_CAP_DIRTY_LOG_RING;
	close(kvm);
	if (!cap)
		skip("no KVM_CAP_DIRTY_LOG_RING");
	return cap;
}

static void collect(struct ring *ring)
{
	struct kvm_dirty_gfn *gfn;
	int n = 0;

	for (;;) {
		gfn = &ring->gfn[ring->next % RING_ENTRIES];
		if (!(__atomic_load_n(&gfn->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY))
			break;
		if (gfn->slot == SLOT) {
			ASSERT(gfn->offset < NR_PAGES);
			ring->count[gfn->offset]++;
			ring->collected++;
		}
		__atomic_store_n(&gfn->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		ring->next++;
		n++;
	}
	ASSERT_EQ(vm_ioctl(ring->vm->fd, KVM_RESET_DIRTY_RINGS, 0), n);
}

/*
 * A write that fills the ring is logged before it is done, and again when it is
 * repeated; and a page once for each plane, as each has page tables of its own.
 */
static void check_ring(struct ring *ring)
{
	__u64 again = 0;
	int i;

	collect(ring);
	for (i = 0; i < NR_PAGES; i++) {
		if (!!ring->count[i] != expected[i])
			fail("page %d is in the ring %d times, it was %swritten",
			     i, ring->count[i], expected[i] ? "" : "not ");
		if (ring->count[i] > 1)
			again += ring->count[i] - 1;
	}
	ASSERT(again <= ring->full + written_by_another);
	written_by_another = 0;
	memset(ring->count, 0, sizeof(ring->count));
	memset(expected, 0, sizeof(expected));
}

static void ring_each_plane(enum test_how how)
{
	struct vm *vm = start(KVM_MAX_PLANES, ring_cap(), write_forever);
	struct ring ring;
	int i, plane;

	map_ring(&ring, vm);
	check_ring(&ring);
	for (i = 0; i < ROUNDS; i++) {
		plane = guest_random(&rng) % KVM_MAX_PLANES;
		choose_writes(plane);
		run_plane(vm, plane);
		if (i & 1)
			check_ring(&ring);
	}
	vm_free(vm);
}

/* Each of @nr_planes writes its share of the pages, and then says so. */
static volatile __u32 nr_planes_writing;

static void write_share(void)
{
	__u32 page;

	for (;;) {
		guest_sync(0);
		for (page = guest_plane(); page < NR_PAGES; page += nr_planes_writing)
			write_page(page);
	}
}

/* Until the guest says that it is done; each time the ring is full it must be of use. */
static void run_with_ring(struct ring *ring, int plane)
{
	__u64 collected;

	kvm_run_planes(ring->vm->run)->plane = plane;
	while (vm_run(ring->vm) == KVM_EXIT_DIRTY_RING_FULL) {
		ASSERT_EQ(kvm_run_planes(ring->vm->run)->plane, plane);
		ring->full++;
		/* It is full for all planes until it is reset. */
		vm_run(ring->vm);
		ASSERT_EXIT(ring->vm, KVM_EXIT_DIRTY_RING_FULL);
		collected = ring->collected;
		collect(ring);
		ASSERT(ring->collected > collected);
	}
	ASSERT(vm_guest_call(ring->vm));
}

static void ring_full(enum test_how how)
{
	struct vm *vm = start(2, ring_cap(), write_share);
	struct ring ring;

	map_ring(&ring, vm);
	nr_planes_writing = 1;
	run_with_ring(&ring, 0);
	ASSERT(ring.full > 0);
	memset(expected, true, sizeof(expected));
	check_ring(&ring);

	ring.full = 0;
	nr_planes_writing = 2;
	run_with_ring(&ring, 1);
	ASSERT(ring.full > 0);
	for (int i = 1; i < NR_PAGES; i += 2)
		expected[i] = true;
	check_ring(&ring);
	vm_free(vm);
}

/*
 * Planes take turns whenever the ring is full, and it is not reset until each
 * of them has been told so.
 */
static void ring_full_for_all(enum test_how how)
{
	struct vm *vm = start(KVM_MAX_PLANES, ring_cap(), write_share);
	struct ring ring;
	int plane, done = 0;

	map_ring(&ring, vm);
	nr_planes_writing = KVM_MAX_PLANES;
	while (done != (1 << KVM_MAX_PLANES) - 1) {
		for (plane = 0; plane < KVM_MAX_PLANES; plane++) {
			if (done & 1 << plane)
				continue;
			kvm_run_planes(vm->run)->plane = plane;
			if (vm_run(vm) == KVM_EXIT_DIRTY_RING_FULL) {
				ring.full++;
				continue;
			}
			ASSERT(vm_guest_call(vm));
			done |= 1 << plane;
		}
		collect(&ring);
	}
	ASSERT(ring.full >= KVM_MAX_PLANES - 1);
	memset(expected, true, sizeof(expected));
	check_ring(&ring);
	vm_free(vm);
}

/* Both VTLs write a page each, and switch. */
static void vtl0_shares(void)
{
	__u32 page;

	vtl_enable();
	vtl_call();
	guest_sync(0);
	for (page = 0; page < NR_PAGES; page += 2) {
		write_page(page);
		vtl_call();
	}
	guest_done();
}

static void vtl1_shares(void)
{
	__u32 page;

	vtl_enable();
	for (page = 1;; page += 2) {
		vtl_return(HV_VTL_RETURN_FAST);
		write_page(page);
	}
}

static void ring_switched(enum test_how how)
{
	static const guest_code_t entry[] = { vtl0_shares, vtl1_shares };
	struct vm *vm = vm_create_with(2, ring_cap(), RING_SIZE);
	const struct guest_call *call = NULL;
	struct policy policy;
	struct vtl vtl;
	struct ring ring;
	int i;

	add_slot(vm);
	vtl_init(&vtl, vm);
	map_ring(&ring, vm);
	for (i = 0; i < 2; i++)
		vm_start(vm, i, entry[i]);
	if (how == BY_POLICY) {
		vtl_policy_load(&policy);
		ASSERT_EQ(vtl_use_policy(&vtl, policy.token), 0);
	}

	while (!call || call->cmd != GUEST_DONE) {
		while (vm_run(vm) == KVM_EXIT_DIRTY_RING_FULL) {
			ring.full++;
			collect(&ring);
		}
		if (vtl_handle_exit(&vtl))
			continue;
		call = vm_guest_call(vm);
		ASSERT(call);
	}

	ASSERT(ring.full > 0);
	memset(expected, true, sizeof(expected));
	check_ring(&ring);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("the bitmap has what each plane wrote, and nothing else", each_plane),
	TEST_BOTH("it has what VTLs wrote while they were switched", both_vtls),
	TEST("it has what a policy wrote for a plane", assist_page),
	TEST("the ring has what each plane wrote, once for each and nothing else", ring_each_plane),
	TEST("a plane that fills the ring exits, and goes on when it was reset", ring_full),
	TEST("a ring that is full for one plane soon is for another, and nothing is lost",
	     ring_full_for_all),
	TEST_BOTH("the ring has what VTLs wrote while they were switched, full or not",
		  ring_switched),
	{ }
};
