package clientchaos

import (
	"context"
	"time"

	"weft/test/stage"
)

// cutFor is how long the network is gone: a page that does not poll has noticed long before.
func cutFor() time.Duration {
	if atLength() {
		return pollSilence + 5*time.Second
	}
	return silence + 2*time.Second
}

// blackHole drops the browser's packets, of connections that are open, too, without a word
// to anybody.
var blackHole = Fault{Name: "packets dropped", Apply: func(ctx context.Context, w *World) error {
	return w.cut(ctx, cutFor(), false,
		func() error { return w.Host.Cut(stage.Both, stage.All) },
		func() error { w.Host.Heal(); return nil })
}}
