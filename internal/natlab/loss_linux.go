package natlab

import (
	"context"
	"fmt"
)

// lossTable is beside the NAT's own rules, so that flows live on when it
// changes. It drops before connection tracking: what is lost leaves no trace.
// It takes the highest of the numbers from 0 to 99 that mean to drop.
const lossTable = `
table inet loss
delete table inet loss
table inet loss {
	chain prerouting {
		type filter hook prerouting priority raw; policy accept;
		iifname { "lan0", "wan0" } numgen random mod 100 <= %d drop
	}
}
`

// noLossTable removes the table, whether it is there or not.
const noLossTable = `
table inet loss
delete table inet loss
`

// lossRules is what nft reads to lose that many of a hundred packets.
func lossRules(percent int) string {
	if percent == 0 {
		return noLossTable
	}
	return fmt.Sprintf(lossTable, percent-1)
}

// SetLoss makes the router of a side lose packets, percent of those that leave
// the client and percent of those that come to it: 0 ends it, 100 lets nothing
// pass. Nobody is told, no link goes down, and flows go on where they were.
func (l *Lab) SetLoss(ctx context.Context, side Side, percent int) error {
	if percent < 0 || percent > 100 {
		return fmt.Errorf("loss of %d %%: want 0 to 100", percent)
	}
	if err := l.router[side].nft(ctx, lossRules(percent)); err != nil {
		return fmt.Errorf("lose %d %% at router of side %v: %w", percent, side, err)
	}
	l.loss[side] = percent
	return nil
}

// cutTable drops all that comes to the server by its cable, and all that it sends.
const cutTable = `
table inet cut
delete table inet cut
table inet cut {
	chain prerouting {
		type filter hook prerouting priority raw; policy accept;
		iifname "eth0" drop
	}
	chain postrouting {
		type filter hook postrouting priority raw; policy accept;
		oifname "eth0" drop
	}
}
`

// noCutTable removes the table, whether it is there or not.
const noCutTable = `
table inet cut
delete table inet cut
`

// CutServer parts the server from the world, or joins them again. Nobody is told,
// no link goes down, and what the server has open stays so.
func (l *Lab) CutServer(ctx context.Context, cut bool) error {
	rules := noCutTable
	if cut {
		rules = cutTable
	}
	if err := l.server.nft(ctx, rules); err != nil {
		return fmt.Errorf("cut the server off, %t: %w", cut, err)
	}
	return nil
}
