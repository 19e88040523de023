package admin

import (
	"net/http"
	"strconv"
	"time"
)

// RoomAnswer is a Room as it is sent.
type RoomAnswer struct {
	ID          string         `json:"id"`
	Since       time.Time      `json:"since"`
	Members     []MemberAnswer `json:"members"`
	Allocations int            `json:"allocations"`
}

// MemberAnswer is a Member as it is sent.
type MemberAnswer struct {
	Side   string `json:"side"`
	Client string `json:"client"`
	From   string `json:"from"` // an address or a network; may be empty
	Hides  bool   `json:"hides"`
	Away   bool   `json:"away"`
}

// AllocationAnswer is an Allocation as it is sent.
type AllocationAnswer struct {
	ID        string    `json:"id"`
	Room      string    `json:"room,omitempty"`
	User      string    `json:"user"`
	From      string    `json:"from"` // an address with port, or a network
	Transport string    `json:"transport"`
	Relayed   string    `json:"relayed"`
	Since     time.Time `json:"since"`
}

func (p page) room(room Room) RoomAnswer {
	answer := RoomAnswer{ID: room.ID, Since: room.Since.UTC(), Members: []MemberAnswer{}, Allocations: room.Allocations}
	for _, m := range room.Members {
		answer.Members = append(answer.Members, MemberAnswer{m.Side, m.Client, p.show(m.Addr), m.Hides, m.Away})
	}
	return answer
}

func (p page) allocation(al Allocation) AllocationAnswer {
	return AllocationAnswer{
		ID: strconv.FormatUint(al.Number, 10), Room: al.Room, User: al.User, From: p.showPort(al.Client),
		Transport: al.Transport, Relayed: al.Relayed.String(), Since: al.Since.UTC(),
	}
}

func (a *API) listRooms(w http.ResponseWriter, r *http.Request) {
	p, ok := readPage(w, r)
	if !ok {
		return
	}
	rooms, more := a.cfg.Rooms(p.cursor, p.limit)
	list := make([]RoomAnswer, len(rooms))
	for i, room := range rooms {
		list[i] = p.room(room)
	}
	replyPage(w, r, list, more, func(room RoomAnswer) string { return room.ID })
}

func (a *API) showRoom(w http.ResponseWriter, r *http.Request) {
	p, ok := readPage(w, r)
	if !ok {
		return
	}
	room, found := a.cfg.Room(r.PathValue("id"))
	if !found {
		Fail(w, http.StatusNotFound, noRoom)
		return
	}
	Reply(w, http.StatusOK, p.room(room))
}

const (
	noRoom       = "no such room: it may be over"
	noAllocation = "no such allocation: it may have ended"
)

func (a *API) endRoom(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !a.cfg.EndRoom(id) {
		Fail(w, http.StatusNotFound, noRoom)
		return
	}
	a.note("end room", id)
	w.WriteHeader(http.StatusNoContent)
}

func (a *API) listAllocations(w http.ResponseWriter, r *http.Request) {
	p, ok := readPage(w, r)
	if !ok {
		return
	}
	var after uint64
	if p.cursor != "" {
		var err error
		if after, err = strconv.ParseUint(p.cursor, 10, 64); err != nil {
			Fail(w, http.StatusBadRequest, "cursor: want one that an answer before this had")
			return
		}
	}
	allocations, more := a.cfg.Allocations(after, p.limit)
	list := make([]AllocationAnswer, len(allocations))
	for i, al := range allocations {
		list[i] = p.allocation(al)
	}
	replyPage(w, r, list, more, func(al AllocationAnswer) string { return al.ID })
}

func (a *API) endAllocation(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	number, err := strconv.ParseUint(id, 10, 64)
	if err != nil || !a.cfg.EndAllocation(number) {
		Fail(w, http.StatusNotFound, noAllocation)
		return
	}
	a.note("end allocation", id)
	w.WriteHeader(http.StatusNoContent)
}
