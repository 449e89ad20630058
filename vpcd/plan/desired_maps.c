/* desired_maps.c: what the data path knows of ports, addresses, routes and the internet, as rows of
 * its maps (abi.h). Pure. The rows mean the same as the Linux tables of desired_routes.c. */
#include <string.h>
#include "model/record_window.h"
#include "plan/desired_ctx.h"
#include "util/mem.h"

#define LEN128_MAX 128

static void eni_ports(const struct model *m, struct map_rows *rows);
static void igw_ports(const struct model *m, struct map_rows *rows);
static void host_ports(const struct model *m, struct map_rows *rows);
static void uplink_port(const struct model *m, struct map_rows *rows);
static void uplink_addrs(const struct model *m, struct map_rows *rows);
static void private_addrs(const struct model *m, struct map_rows *rows);
static void reserved_addrs(const struct model *m, struct map_rows *rows);
static void table_routes(const struct model *m, const struct route_table *t, struct map_rows *rows);
static void internet(const struct model *m, struct map_rows *rows);
static uint32_t igw_of_cidr(const struct model *m, const struct prefix *cidr);
static uint32_t subnet_of_addr(const struct model *m, uint32_t vpc, const struct addr *a);
static void peering_ports(const struct model *m, struct map_rows *rows);
static void vpc_ranges(const struct model *m, uint32_t vpc, struct map_rows *rows);
static struct abi_lpm_key lpm_key(uint32_t table, const struct addr *a, unsigned len128);

void desired_maps(const struct model *m, struct map_rows *rows)
{
	eni_ports(m, rows);
	igw_ports(m, rows);
	host_ports(m, rows);
	if (m->uplink.on) {
		uplink_port(m, rows);
		uplink_addrs(m, rows);
	}
	peering_ports(m, rows);
	private_addrs(m, rows);
	reserved_addrs(m, rows);
	for (uint32_t i = 0; i < m->n_route_tables; i++)
		table_routes(m, &m->route_tables[i], rows);
	internet(m, rows);
}

/* As the data path counts it: 0 stays 0. */
static uint32_t timer_ms(const struct model *m, uint32_t s)
{
	return (uint32_t)((uint64_t)s * 1000 / m->clock);
}

static void eni_ports(const struct model *m, struct map_rows *rows)
{
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		const struct subnet *subnet = &m->subnets[eni->subnet];
		struct abi_port p = { .kind = ABI_PORT_ENI };

		if (!eni_attached(eni) || model_subnet_is_out(m, eni->subnet)) /* packets to it die: PORT_DOWN */
			continue;
		for (uint32_t k = 0; k < eni->n_addrs; k++)
			if (!addr_is_zero(&eni->addrs[k].public_ip))
				p.flags |= ABI_PORT_PUBLIC;
		for (uint32_t k = 0; k < m->n_flow_logs; k++)
			if (flow_log_covers(m, &m->flow_logs[k], i))
				p.flags |= ABI_PORT_LOGGED;
		p.mtu = eni_mtu(eni);
		p.vpc = m->vpcs[subnet->vpc].obj.number;
		p.subnet = subnet->obj.number;
		p.route_table = m->route_tables[subnet->route_table].obj.number;
		p.nacl_policy = policy_slot_nacl(m->nacls[subnet->nacl].obj.number);
		p.ct_limit = m->conntrack_entries;
		if (m->strict_fragments)
			p.nacl_fragments = policy_slot_fragments(m->nacls[subnet->nacl].obj.number);
		p.tcp_established_ms = timer_ms(m, eni->tcp_established_s);
		p.udp_ms = timer_ms(m, eni->udp_s);
		p.udp_stream_ms = timer_ms(m, eni->udp_stream_s);
		port_mac(eni->obj.number, p.mac);
		if (eni->owner == ENI_OF_NAT_GATEWAY) {
			p.kind = ABI_PORT_NAT;
			p.object = m->nat_gateways[eni->owner_index].obj.number;
		} else {
			if (eni->source_dest_check)
				p.flags |= ABI_PORT_SOURCE_DEST_CHECK;
			p.sg_policy = policy_slot_groups(eni->policy);
			p.members = eni->policy;
		}
		map_rows_add(rows, ABI_MAP_PORTS, &eni->obj.number, &p);
	}
}

static void igw_ports(const struct model *m, struct map_rows *rows)
{
	for (uint32_t i = 0; i < m->n_igws; i++) {
		const struct igw *igw = &m->igws[i];
		struct abi_port p = { .kind = ABI_PORT_IGW, .mtu = LINK_MTU_INTERNET, .object = igw->obj.number };

		if (igw->vpc == NONE)
			continue;
		p.vpc = m->vpcs[igw->vpc].obj.number;
		p.link = igw->inet_port;
		if (igw->edge_table != NONE)
			p.route_table = m->route_tables[igw->edge_table].obj.number;
		port_mac(igw->inet_port, p.mac);
		map_rows_add(rows, ABI_MAP_PORTS, &igw->port, &p);
		p.kind = ABI_PORT_INET;
		p.vpc = p.route_table = 0;
		p.link = igw->port;
		port_mac(0, p.mac);
		map_rows_add(rows, ABI_MAP_PORTS, &igw->inet_port, &p);
	}
}

static void peering_ports(const struct model *m, struct map_rows *rows)
{
	bool *peered = xcalloc((size_t)m->n_vpcs + 1, sizeof(*peered));

	for (uint32_t i = 0; i < m->n_peerings; i++)
		for (int end = 0; end < 2; end++) {
			const struct peering *pcx = &m->peerings[i];
			struct abi_port p = { .kind = ABI_PORT_PCX, .mtu = pcx_mtu(pcx), .object = pcx->obj.number };

			p.flags = pcx->cross_region ? ABI_PORT_NO_REFERENCES : 0;
			p.vpc = m->vpcs[pcx->vpcs[end]].obj.number;
			p.link = pcx->ports[!end];
			port_mac(end == 0 ? pcx->ports[1] : 0, p.mac);
			map_rows_add(rows, ABI_MAP_PORTS, &pcx->ports[end], &p);
			peered[pcx->vpcs[end]] = true;
		}
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		if (peered[i])
			vpc_ranges(m, i, rows);
	free(peered);
}

/* What a peering connection carries: packets between ranges of its two VPCs. */
static void vpc_ranges(const struct model *m, uint32_t vpc, struct map_rows *rows)
{
	for (uint32_t k = 0; k < m->vpcs[vpc].n_cidrs; k++) {
		const struct prefix *cidr = &m->vpcs[vpc].cidrs[k];
		struct abi_lpm_key key = lpm_key(m->vpcs[vpc].obj.number, &cidr->addr, prefix_len128(cidr));
		struct abi_route val = { .kind = ABI_ROUTE_LOCAL };

		key.table_hi = ABI_TABLE_VPC;
		map_rows_add(rows, ABI_MAP_ROUTES, &key, &val);
	}
}

static void host_ports(const struct model *m, struct map_rows *rows)
{
	for (uint32_t i = 0; i < m->n_hosts; i++) {
		const struct host *h = &m->hosts[i];
		struct abi_port p = { .kind = ABI_PORT_HOST, .mtu = LINK_MTU_INTERNET, .object = h->obj.number };

		port_mac(h->port, p.mac);
		map_rows_add(rows, ABI_MAP_PORTS, &h->port, &p);
	}
}

static void uplink_port(const struct model *m, struct map_rows *rows)
{
	struct abi_port p = { .kind = ABI_PORT_UPLINK, .mtu = LINK_MTU_INTERNET };

	port_mac(m->uplink.port, p.mac);
	map_rows_add(rows, ABI_MAP_PORTS, &m->uplink.port, &p);
}

static bool is_vpc_range(const struct model *m, const struct prefix *p)
{
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		for (uint32_t k = 0; k < m->vpcs[i].n_cidrs; k++)
			if (prefix_cmp(&m->vpcs[i].cidrs[k], p) == 0)
				return true;
	return false;
}

/* Everybody whom the lab does not know, but for what no internet carries: the machine's own network may well use
 * such addresses, and nothing in a lab has any business there. */
static void uplink_addrs(const struct model *m, struct map_rows *rows)
{
	static const struct {
		uint32_t addr;
		uint8_t len;
	} nobody[] = {
		{ 0x00000000, 8 },  /* this network */
		{ 0x0a000000, 8 },  /* RFC 1918 */
		{ 0x64400000, 10 }, /* RFC 6598 */
		{ 0x7f000000, 8 },  /* loopback */
		{ 0xa9fe0000, 16 }, /* link-local, clouds' metadata among them */
		{ 0xac100000, 12 }, /* RFC 1918 */
		{ 0xc0a80000, 16 }, /* RFC 1918 */
		{ 0xe0000000, 3 },  /* multicast, reserved, broadcast */
	};
	struct abi_inet val = { .kind = ABI_INET_UPLINK, .port = m->uplink.port };
	struct addr zero = addr_from_v4(0);
	struct prefix all = prefix_of(&zero, 0);
	struct abi_lpm_key key = lpm_key(0, &all.addr, prefix_len128(&all));

	map_rows_add(rows, ABI_MAP_INET, &key, &val);
	val = (struct abi_inet){ .kind = ABI_INET_NONE };
	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++) {
		struct addr a = addr_from_v4(nobody[i].addr);
		struct prefix p = prefix_of(&a, nobody[i].len);

		key = lpm_key(0, &p.addr, prefix_len128(&p));
		if (!is_vpc_range(m, &p)) /* it has a row, which says more */
			map_rows_add(rows, ABI_MAP_INET, &key, &val);
	}
}

/* An interface without an instance keeps its addresses: packets to them die at a port that is down. */
static void private_addrs(const struct model *m, struct map_rows *rows)
{
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];

		for (uint32_t k = 0; k < eni->n_addrs; k++) {
			struct abi_addr_key key = { .vpc = m->vpcs[model_eni_vpc(m, i)].obj.number,
						    .addr = eni->addrs[k].addr.a };
			struct abi_addr_val val = { .port = eni->obj.number,
						    .subnet = m->subnets[eni->subnet].obj.number,
						    .public_ip = eni->addrs[k].public_ip.a };

			map_rows_add(rows, ABI_MAP_ADDRS, &key, &val);
		}
	}
}

/* semantics 1.2: a subnet's router, DNS and the one kept for later; the VPC's DNS at its base plus two. */
static void reserved_addrs(const struct model *m, struct map_rows *rows)
{
	for (uint32_t i = 0; i < m->n_subnets; i++) {
		struct abi_addr_key key = { .vpc = m->vpcs[m->subnets[i].vpc].obj.number };
		struct abi_addr_val val = { .subnet = m->subnets[i].obj.number };

		for (unsigned n = 1; n <= 3; n++) {
			key.addr = addr_add(&m->subnets[i].cidr.addr, n).a;
			map_rows_add(rows, ABI_MAP_ADDRS, &key, &val);
		}
	}
	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		struct addr dns = addr_add(&m->vpcs[i].cidrs[0].addr, 2);
		struct abi_addr_key key = { .vpc = m->vpcs[i].obj.number, .addr = dns.a };
		struct abi_addr_val val = { 0 };

		/* A subnet that holds it begins where the VPC does and has it already. */
		if (subnet_of_addr(m, i, &dns) == NONE)
			map_rows_add(rows, ABI_MAP_ADDRS, &key, &val);
	}
}

static void table_routes(const struct model *m, const struct route_table *t, struct map_rows *rows)
{
	for (uint32_t i = 0; i < t->n_routes; i++) {
		const struct route *r = &t->routes[i];
		struct abi_lpm_key key = lpm_key(t->obj.number, &r->dst.addr, prefix_len128(&r->dst));
		struct abi_route val = { .route = r->number };

		if (route_shadowed(t, i))
			continue;
		if (r->target == TARGET_LOCAL) {
			val.kind = ABI_ROUTE_LOCAL;
		} else if (route_is_dead(m, r)) {
			val.kind = ABI_ROUTE_BLACKHOLE;
		} else if (r->target == TARGET_IGW) {
			val.kind = ABI_ROUTE_IGW;
			val.port = m->igws[r->target_index].port;
		} else if (r->target == TARGET_PCX) {
			val.kind = ABI_ROUTE_PORT;
			val.port = m->peerings[r->target_index].ports[m->peerings[r->target_index].vpcs[1] == t->vpc];
		} else {
			val.kind = ABI_ROUTE_PORT;
			val.port = route_eni(m, r)->obj.number;
		}
		map_rows_add(rows, ABI_MAP_ROUTES, &key, &val);
	}
}

static void internet(const struct model *m, struct map_rows *rows)
{
	for (uint32_t i = 0; i < m->n_hosts; i++) {
		struct abi_lpm_key key = lpm_key(0, &m->hosts[i].addr, LEN128_MAX);
		struct abi_inet val = { .kind = ABI_INET_HOST, .port = m->hosts[i].port };

		map_rows_add(rows, ABI_MAP_INET, &key, &val);
	}
	for (uint32_t i = 0; i < m->n_enis; i++) {
		const struct eni *eni = &m->enis[i];
		uint32_t igw = m->vpcs[model_eni_vpc(m, i)].igw;

		/* Without a gateway nobody answers for a public address. */
		if (igw == NONE)
			continue;
		for (uint32_t k = 0; k < eni->n_addrs; k++) {
			struct abi_lpm_key key = lpm_key(0, &eni->addrs[k].public_ip, LEN128_MAX);
			struct abi_inet val = { .kind = ABI_INET_PUBLIC,
						.port = m->igws[igw].inet_port,
						.eni = eni->obj.number,
						.private_ip = eni->addrs[k].addr.a };

			if (!addr_is_zero(&eni->addrs[k].public_ip))
				map_rows_add(rows, ABI_MAP_INET, &key, &val);
		}
	}
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		for (uint32_t k = 0; k < m->vpcs[i].n_cidrs; k++) {
			const struct prefix *cidr = &m->vpcs[i].cidrs[k];
			struct abi_lpm_key key = lpm_key(0, &cidr->addr, prefix_len128(cidr));
			struct abi_inet val = { .kind = ABI_INET_VPC, .port = igw_of_cidr(m, cidr) };

			/* The same CIDR in two VPCs is one row of one value. */
			map_rows_add(rows, ABI_MAP_INET, &key, &val);
		}
}

/* Port of the one gateway whose VPC holds all of cidr; 0 when there is none or more than one. */
static uint32_t igw_of_cidr(const struct model *m, const struct prefix *cidr)
{
	uint32_t port = 0;

	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		const struct vpc *v = &m->vpcs[i];

		if (v->igw == NONE)
			continue;
		for (uint32_t k = 0; k < v->n_cidrs; k++)
			if (prefix_covers(&v->cidrs[k], cidr)) {
				if (port)
					return 0;
				port = m->igws[v->igw].port;
				break;
			}
	}
	return port;
}

static uint32_t subnet_of_addr(const struct model *m, uint32_t vpc, const struct addr *a)
{
	for (uint32_t i = 0; i < m->n_subnets; i++)
		if (m->subnets[i].vpc == vpc && prefix_contains(&m->subnets[i].cidr, a))
			return i;
	return NONE;
}

static struct abi_lpm_key lpm_key(uint32_t table, const struct addr *a, unsigned len128)
{
	return (struct abi_lpm_key){ .prefixlen = ABI_LPM_TABLE_BITS + len128, .table_lo = table, .addr = a->a };
}
