package upstream

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestThreeFailedConnectsInARowSetAServerAsideForTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &health{}
		is := func(want, wantClaimed bool) {
			t.Helper()
			if aside, claimed := h.aside(true); aside != want || claimed != wantClaimed {
				t.Errorf("set aside %v, claimed %v", aside, claimed)
			}
		}
		h.failed()
		h.failed()
		h.connected()
		h.failed()
		h.failed()
		is(false, false) // not three in a row
		if !h.failed() {
			t.Error("nobody would be told")
		}
		is(true, false)
		time.Sleep(asideTime - time.Second)
		is(true, false)
		time.Sleep(time.Second)
		is(true, true)
		is(true, false) // one alone
		h.release()
		is(true, true)
		if h.failed() {
			t.Error("it would be told again")
		}
		is(true, false)
		time.Sleep(asideTime)
		is(true, true)
		if !h.connected() {
			t.Error("nobody would be told that it is back")
		}
		is(false, false)
	})
}
