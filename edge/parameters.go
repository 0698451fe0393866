package edge

import (
	"weft/edge/parameter"
	"weft/edge/transport"
)

// parameters are what the endpoints of the public listener take.
type parameters struct{ events, publish, change, me parameter.List }

// declare says what they are: who somebody is, is a parameter only where there are
// no tokens, and a token one only where that was asked for.
func declare(modeNone, tokenInQuery bool) parameters {
	p := parameters{
		events:  transport.Parameters(),
		publish: publishParameters(),
	}
	for _, l := range []*parameter.List{&p.events, &p.publish, &p.change, &p.me} {
		if tokenInQuery {
			*l = l.And("access_token")
		} else {
			*l = l.Not("access_token", "is taken with public.token_in_query only")
		}
	}
	const needless = "is taken in auth.mode none only: a token says who it is"
	if modeNone {
		p.events, p.change, p.me, p.publish = p.events.And("user"), p.change.And("user"), p.me.And("user"), p.publish.And("publisher")
	} else {
		p.events, p.change, p.me, p.publish = p.events.Not("user", needless), p.change.Not("user", needless), p.me.Not("user", needless), p.publish.Not("publisher", needless)
	}
	return p
}

// publishParameters are those that say what is published to whom.
func publishParameters() parameter.List {
	return parameter.Once("type", "rule").Many("user", "subject")
}
