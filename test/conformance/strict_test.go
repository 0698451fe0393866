package conformance

import (
	"testing"

	"weft/test/client"
)

func missing(t *testing.T, p *place, kind client.Transport) {
	refused(t, p, kind, nil, "subject="+hall("x"), 401, "token_missing")
}
