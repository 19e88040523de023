package main

// share is how the descriptors of the process are divided: each WebSocket, each
// connection of TURN and each allocation takes one.
type share struct {
	webSockets  int // 0: nothing is known of a limit
	turnConns   int // 0: the default of turnsvc
	allocations int
}

// shareDescriptors divides them: half to WebSockets, a quarter to the connections
// of TURN, a quarter to allocations, which are as many as were asked for if there
// is no need to save. A tenth is kept for everything else.
func shareDescriptors(allocations int) share {
	limit := descriptorLimit()
	if limit == 0 {
		return share{allocations: allocations}
	}
	quarter := max(1, (limit-limit/10)/4)
	return share{webSockets: 2 * quarter, turnConns: quarter, allocations: min(allocations, quarter)}
}
