package main

// choose notes what the visitor wants to be as it is from now on.
func (a *app) choose(in input) {
	can := a.model.view()
	switch in.kind {
	case comeNear:
		if can.canStart {
			a.client.Prepare()
		}
	case addTag, removeTag:
		if can.canStart {
			a.wish(in)
		}
	case setHideIP:
		if can.canHide {
			a.model.hideIP = in.on
			a.screen.keep("hide-ip", flag(in.on))
		}
	case setHidden:
		a.model.hidden = in.on
		a.model.unread = 0
		if !in.on && can.canStart {
			a.client.Prepare()
		}
	case setWords:
		a.model.words = in.words
		a.screen.turn(in.words)
	case pressUnderstood:
		a.understood()
	case offerUpdate:
		a.model.update = true
	case pressReload:
		if can.update {
			a.screen.renew()
		}
	}
}

// understood puts the notice away that first-time visitors see, for ever.
func (a *app) understood() {
	if !a.model.met {
		a.model.met = true
		a.screen.keep("met", flag(true))
	}
}

// wish adds or removes an interest.
func (a *app) wish(in input) {
	before := a.model.tags
	if in.kind == addTag {
		a.model.tags = before.add(in.text)
	} else {
		a.model.tags = before.remove(in.text)
	}
	if a.model.tags != before {
		a.model.tagged(in)
		a.screen.keep("tags", a.model.tags.String())
	}
}
