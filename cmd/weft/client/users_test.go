package client

import (
	"errors"
	"net/url"
	"testing"
)

func TestAListIsReadToItsEndAndOneWithoutAnEndIsNot(t *testing.T) {
	var asked []string
	next := map[string]string{"": "b", "b": "d", "d": ""}
	err := pages(func(q url.Values) (string, error) {
		asked = append(asked, q.Get("after"))
		return next[q.Get("after")], nil
	})
	if err != nil || len(asked) != 3 || asked[2] != "d" {
		t.Errorf("asked after %q, %v", asked, err)
	}

	for name, after := range map[string]string{"the same page again": "b", "an earlier one": "a"} {
		calls := 0
		err := pages(func(url.Values) (string, error) {
			if calls++; calls > 5 {
				t.Fatalf("%s: it goes on for ever", name)
			}
			if calls == 1 {
				return "b", nil
			}
			return after, nil
		})
		if !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATallySaysWhatIsLacking(t *testing.T) {
	for want, coverage := range map[string]Coverage{
		"":                                   {Answered: 3, Expected: 3, Known: 3, Complete: true},
		"only 2 of 3 nodes answered in full": {Answered: 2, Expected: 2, Known: 3},
	} {
		if have := coverage.Lacking(); have != want {
			t.Errorf("%+v: %q, want %q", coverage, have, want)
		}
	}
}
