/* Stage 4 of relay.c: a datagram becomes what is sent. */
#ifndef REWRITE_H
#define REWRITE_H
#include "relay.h"

/* A change is what the checksum of UDP does not see any more, and what it sees
 * instead: in the pseudo header, and behind. */
struct change {
	__u16 pseudo, rest;
};

inlined struct change change(const struct packet *p, const struct step *s)
{
	__be16 len = be16(udp_bytes(s, p));
	__u16 pseudo = ~fold(sum_address(&p->key.from) + sum_address(&p->key.to) + p->udp_len);
	__u16 rest = ~fold((__u64)p->key.from_port + p->key.to_port + p->udp_len + p->key.channel + p->length + p->padding);

	return (struct change){
		.pseudo = fold(pseudo + sum_address(&s->from) + sum_address(&s->to) + len),
		.rest = fold((__u64)rest + s->from_port + s->to_port + len + s->channel + (s->channel ? be16(p->bytes) : 0)),
	};
}

/* looks_partial reports whether the checksum may be that of the pseudo header
 * alone. It is not 0. */
inlined int looks_partial(const struct packet *p)
{
	return p->check == fold(sum_address(&p->key.from) + sum_address(&p->key.to) + be16(IPPROTO_UDP) + p->udp_len);
}

inlined __u16 corrected(const struct packet *p, struct change c)
{
	__u16 check;

	if (!p->check)
		return 0;
	check = ~fold((__u64)(__u16)~p->check + c.pseudo + c.rest);
	return check ? check : 0xffff;
}

/* turn changes the family of the packet, between its link header and its UDP
 * header, which both stay as they are. */
inlined long turn(struct __sk_buff *skb, const struct packet *p, const struct step *s)
{
	if (s->family == p->key.family)
		return 0;
	return bpf_skb_change_proto(skb, s->family == V4 ? be16(ETH_P_IP) : be16(ETH_P_IPV6), 0);
}

inlined void fill_udp(struct udphdr *udp, struct channel_header *channel, const struct packet *p, const struct step *s, __u16 check)
{
	udp->source = s->from_port;
	udp->dest = s->to_port;
	udp->len = be16(udp_bytes(s, p));
	udp->check = check;
	channel->number = s->channel;
	channel->length = be16(p->bytes);
}

/* put writes the headers. Without a check it leaves that of the packet, for which
 * the header of ChannelData must not be behind it in one piece. */
inlined long put4(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set, __u16 check, int whole)
{
	struct headers4 h = {};

	h.ip.version_ihl = 0x45;
	h.ip.tos = p->class;
	h.ip.tot_len = be16(sizeof(h.ip) + udp_bytes(s, p));
	h.ip.id = bpf_get_prandom_u32(); /* who forwards it may fragment it */
	h.ip.ttl = set->ttl;
	h.ip.protocol = IPPROTO_UDP;
	h.ip.saddr = s->from.word[0];
	h.ip.daddr = s->to.word[0];
	h.ip.check = ~sum_header(&h.ip);
	fill_udp(&h.udp, &h.channel, p, s, check);
	if (whole && s->channel)
		return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), BPF_F_RECOMPUTE_CSUM);
	if (whole)
		return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h.ip) + sizeof(h.udp), BPF_F_RECOMPUTE_CSUM);
	if (s->channel && bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(h.ip) + sizeof(h.udp), &h.channel, sizeof(h.channel), BPF_F_RECOMPUTE_CSUM))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h.ip) + sizeof(h.udp) - sizeof(h.udp.check), BPF_F_RECOMPUTE_CSUM);
}

inlined long put6(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set, __u16 check, int whole)
{
	struct headers6 h = {};

	h.ip.version_class_flow = be32(6U << 28 | (__u32)p->class << 20);
	h.ip.payload_len = be16(udp_bytes(s, p));
	h.ip.nexthdr = IPPROTO_UDP;
	h.ip.hop_limit = set->hop_limit;
	__builtin_memcpy(h.ip.saddr, &s->from, sizeof(h.ip.saddr));
	__builtin_memcpy(h.ip.daddr, &s->to, sizeof(h.ip.daddr));
	fill_udp(&h.udp, &h.channel, p, s, check);
	if (whole && s->channel)
		return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), BPF_F_RECOMPUTE_CSUM);
	if (whole)
		return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h.ip) + sizeof(h.udp), BPF_F_RECOMPUTE_CSUM);
	if (s->channel && bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(h.ip) + sizeof(h.udp), &h.channel, sizeof(h.channel), BPF_F_RECOMPUTE_CSUM))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h.ip) + sizeof(h.udp) - sizeof(h.udp.check), BPF_F_RECOMPUTE_CSUM);
}

inlined long put(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set, __u16 check, int whole)
{
	return s->family == V4 ? put4(skb, p, s, set, check, whole) : put6(skb, p, s, set, check, whole);
}

/* header_growth is by how much the header of ChannelData makes it longer. */
inlined __s32 header_growth(const struct packet *p, const struct step *s)
{
	__s32 before = p->key.channel ? sizeof(struct channel_header) : 0;
	__s32 after = s->channel ? sizeof(struct channel_header) : 0;

	return after - before;
}

/* rewrite_whole moves the headers towards the data, or away from them. */
inlined long rewrite_whole(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set)
{
	__s32 growth = header_growth(p, s);

	if (turn(skb, p, s) || (growth && bpf_skb_adjust_room(skb, growth, BPF_ADJ_ROOM_MAC, 0)))
		return -1;
	return put(skb, p, s, set, corrected(p, change(p, s)), 1);
}

/* move moves the data, between places in the frame. */
inlined long move(struct __sk_buff *skb, __u32 from, __u32 to, __u32 bytes, __u32 frame)
{
	struct data *buffer;
	__u32 zero = 0;

	buffer = bpf_map_lookup_elem(&moved, &zero);
	if (!buffer)
		return -1;
	if (!bytes)
		return bpf_skb_change_tail(skb, frame, 0);
	asm volatile("" : "+r"(bytes)); /* what follows is for the verifier */
	if (bytes - 1 >= MAX_MOVED_BYTES)
		return -1;
	if (bpf_skb_load_bytes(skb, from, buffer, bytes))
		return -1;
	if (bpf_skb_change_tail(skb, frame, 0))
		return -1;
	return bpf_skb_store_bytes(skb, to, buffer, bytes, BPF_F_RECOMPUTE_CSUM);
}

/* rewrite_partial moves the data. */
inlined long rewrite_partial(struct __sk_buff *skb, const struct packet *p, const struct step *s, const struct settings *set)
{
	struct change c = change(p, s);
	__u32 udp = ETH_HLEN + ip_bytes(s);
	__u32 check = udp + __builtin_offsetof(struct udphdr, check);
	__u32 from = udp + sizeof(struct udphdr) + (p->key.channel ? sizeof(struct channel_header) : 0);

	if (turn(skb, p, s))
		return -1;
	if (header_growth(p, s) && move(skb, from, from + header_growth(p, s), p->bytes, udp + udp_bytes(s, p)))
		return -1;
	if (bpf_l4_csum_replace(skb, check, 0, c.pseudo, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0) ||
	    bpf_l4_csum_replace(skb, check, 0, c.rest, BPF_F_MARK_MANGLED_0))
		return -1;
	return put(skb, p, s, set, 0, 0);
}

#endif
