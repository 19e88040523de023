package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

// query is what a list is asked for.
func (c *adminCall) query() url.Values {
	if c.full {
		return url.Values{"addresses": {"full"}}
	}
	return url.Values{}
}

// listed prints a list: for a program, or as a table.
func listed[T any](ctx context.Context, c *adminCall, path, header string, row func(io.Writer, T)) error {
	if c.limit < 1 {
		return errors.New("--limit: want 1 or more")
	}
	items, more, err := admin.List[T](ctx, c.client, path, c.query(), c.limit)
	if err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(items)
	}
	if err := c.table(header, func(w io.Writer) {
		for _, item := range items {
			row(w, item)
		}
	}); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(c.stderr, "there are more than %d: --limit\n", len(items))
	}
	return nil
}

func (c *adminCall) table(header string, rows func(io.Writer)) error {
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, header)
	rows(table)
	return table.Flush()
}

const roomHeader = "ROOM\tSINCE\tSIDE\tFROM\tSTATE\tRELAYED\tCLIENT"

func adminRooms(ctx context.Context, c *adminCall) error {
	return listed(ctx, c, "/api/rooms", roomHeader, roomRows)
}

func adminRoom(ctx context.Context, c *adminCall) error {
	var room admin.RoomAnswer
	if err := c.client.Do(ctx, http.MethodGet, "/api/rooms/"+url.PathEscape(c.args[0])+"?"+c.query().Encode(), nil, &room); err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(room)
	}
	return c.table(roomHeader, func(w io.Writer) { roomRows(w, room) })
}

// roomRows has a line for each member.
func roomRows(w io.Writer, room admin.RoomAnswer) {
	for _, m := range room.Members {
		state := "here"
		if m.Away {
			state = "away"
		}
		if m.Hides {
			state += ", hides"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", room.ID, clock(room.Since), m.Side, orDash(m.From), state, room.Allocations, printable(m.Client))
	}
}

func adminTimeline(ctx context.Context, c *adminCall) error {
	var t timeline.Timeline
	if err := c.client.Do(ctx, http.MethodGet, "/api/rooms/"+url.PathEscape(c.args[0])+"/timeline", nil, &t); err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(t)
	}
	return t.WriteText(c.stdout)
}

func adminAllocations(ctx context.Context, c *adminCall) error {
	return listed(ctx, c, "/api/allocations", "ID\tSINCE\tFROM\tBY\tRELAYED\tROOM\tUSER", func(w io.Writer, al admin.AllocationAnswer) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", al.ID, clock(al.Since), al.From, al.Transport, al.Relayed, orDash(al.Room), printable(al.User))
	})
}

func adminKick(ctx context.Context, c *adminCall) error {
	kind, id := c.args[0], c.args[1]
	if kind != "room" && kind != "allocation" {
		return fmt.Errorf("kick a room or an allocation, not a %s", kind)
	}
	if err := c.client.Do(ctx, http.MethodDelete, "/api/"+kind+"s/"+url.PathEscape(id), nil, nil); err != nil {
		return err
	}
	return c.say(map[string]string{"ended": id}, kind+" "+id+" has ended")
}

// say prints what was done: for a program, or as a line.
func (c *adminCall) say(v any, line string) error {
	if c.asJSON {
		return c.printJSON(v)
	}
	_, err := fmt.Fprintln(c.stdout, line)
	return err
}

const banHeader = "NAME\tKIND\tSINCE\tUNTIL\tWHY"

func adminBans(ctx context.Context, c *adminCall) error {
	return listed(ctx, c, "/api/bans", banHeader, banRow)
}

func banRow(w io.Writer, b admin.Ban) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", b.Name, b.Kind, clock(b.Since), clock(b.Until), orDash(printable(why(b))))
}

// why is what led to a ban.
func why(b admin.Ban) string {
	if b.Operator {
		return b.Reason
	}
	var reports []string
	for _, reason := range slices.Sorted(maps.Keys(b.Reasons)) {
		reports = append(reports, fmt.Sprintf("%d × %s", b.Reasons[reason], reason))
	}
	return strings.Join(reports, ", ")
}

func adminBan(ctx context.Context, c *adminCall) error {
	if len(c.args) > 1 || (len(c.args) == 1) == (c.ban.Room != "") {
		return &hinted{err: errors.New("ban wants an address, or --room and --side"), hint: "wasmp2pchat admin ban 203.0.113.7 --for 24h"}
	}
	if len(c.args) == 1 {
		c.ban.Address = c.args[0]
	}
	var banned admin.Banned
	if err := c.client.Do(ctx, http.MethodPost, "/api/bans", c.ban, &banned); err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(banned)
	}
	if err := c.table(banHeader, func(w io.Writer) {
		for _, b := range banned.Bans {
			banRow(w, b)
		}
	}); err != nil {
		return err
	}
	return c.say(nil, fmt.Sprintf("ended: %d rooms, %d other allocations", banned.Rooms, banned.Allocations))
}

func adminUnban(ctx context.Context, c *adminCall) error {
	if err := c.client.Do(ctx, http.MethodDelete, "/api/bans/"+url.PathEscape(c.args[0]), nil, nil); err != nil {
		return err
	}
	return c.say(map[string]string{"lifted": c.args[0]}, "ban "+c.args[0]+" is lifted")
}

func adminNodes(ctx context.Context, c *adminCall) error {
	var list []admin.Node
	if err := c.client.Do(ctx, http.MethodGet, "/api/nodes", nil, &list); err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(list)
	}
	return c.table("NODE\tSTATE\tROLES\tREGION\tONLINE\tWAITING\tRELAYED\tTOLD\tVERSION\tURL", func(w io.Writer) {
		for _, n := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d/%d\t%.1fs ago\t%s\t%s\n", n.ID, nodeState(n), strings.Join(n.Roles, ","), orDash(n.Region),
				n.Online, n.Waiting, n.Allocations, n.MaxAllocations, float64(n.LagMS)/1000, printable(n.Version), orDash(n.URL))
		}
	})
}

// nodeState is what an operator ought to see first of a node.
func nodeState(n admin.Node) string {
	state := "open"
	if n.Draining {
		state = "draining"
	}
	if n.Self {
		state += " (here)"
	}
	return state
}

func adminDrain(ctx context.Context, c *adminCall) error {
	return c.drain(ctx, http.MethodPost, "draining: no new visitors; rooms and the relay go on until they are empty")
}

func adminUndrain(ctx context.Context, c *adminCall) error {
	return c.drain(ctx, http.MethodDelete, "open: visitors are welcome")
}

func (c *adminCall) drain(ctx context.Context, method, line string) error {
	var answer admin.DrainAnswer
	if err := c.client.Do(ctx, method, "/api/drain", nil, &answer); err != nil {
		return err
	}
	return c.say(answer, line)
}

func adminUpgrade(ctx context.Context, c *adminCall) error {
	var answer admin.Upgraded
	if err := c.client.Do(ctx, http.MethodPost, "/api/upgrade", nil, &answer); err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(answer)
	}
	if _, err := fmt.Fprintf(c.stdout, "process %d, version %s, serves\n", answer.Serves.PID, printable(answer.Serves.Version)); err != nil {
		return err
	}
	for _, p := range answer.Retired {
		fmt.Fprintf(c.stdout, "process %d, version %s, goes on until nobody is left: %s\n", p.PID, printable(p.Version), leftText(p.Left))
	}
	return nil
}

// leftText is what a retired process still keeps.
func leftText(left map[string]int) string {
	var list []string
	for _, part := range slices.Sorted(maps.Keys(left)) {
		list = append(list, fmt.Sprintf("%s %d", part, left[part]))
	}
	if list == nil {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func adminSecrets(ctx context.Context, c *adminCall) error {
	return c.secrets(ctx, http.MethodGet)
}

func adminRotate(ctx context.Context, c *adminCall) error {
	return c.secrets(ctx, http.MethodPost)
}

func (c *adminCall) secrets(ctx context.Context, method string) error {
	var list []admin.Secret
	if err := c.client.Do(ctx, method, "/api/turn/secrets", nil, &list); err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(list)
	}
	return c.table("INDEX\tDOES\tUNTIL\tLAST USED", func(w io.Writer) {
		for _, s := range list {
			does := "verifies"
			if s.Index == 0 {
				does = "signs"
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", s.Index, does, clock(s.Until), clock(s.LastUsed))
		}
	})
}

func adminMint(ctx context.Context, c *adminCall) error {
	var credential admin.Credential
	if err := c.client.Do(ctx, http.MethodPost, "/api/credentials", c.request, &credential); err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(credential)
	}
	_, err := fmt.Fprintf(c.stdout, "username  %s\npassword  %s\nseconds   %d\n%s\n", credential.Username, credential.Password, credential.TTL, strings.Join(credential.URIs, "\n"))
	return err
}

// clock is a time as a table has it.
func clock(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}
