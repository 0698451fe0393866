package access

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request makes a GET with headers given as pairs.
func request(url string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestTheTokenIsFoundInTheOrderOfItsSources(t *testing.T) {
	const auth, proto, cookie = "Authorization", "Sec-WebSocket-Protocol", "Cookie"
	for _, c := range []struct {
		name, url string
		headers   []string
		inQuery   bool
		want      Token
		bad       bool
	}{
		{"none", "/", nil, true, Token{}, false},
		{"header", "/", []string{auth, "Bearer a.b.c"}, false, Token{"a.b.c", FromHeader}, false},
		{"scheme in any case, more space", "/", []string{auth, "  bEARER   a.b.c  "}, false, Token{"a.b.c", FromHeader}, false},
		{"protocol", "/", []string{proto, "weft.v1, bearer.a.b.c"}, false, Token{"a.b.c", FromProtocol}, false},
		{"protocol in two lines", "/", []string{proto, "weft.v1", proto, "bearer.a.b.c"}, false, Token{"a.b.c", FromProtocol}, false},
		{"query", "/?x=1&access_token=a.b.c", nil, true, Token{"a.b.c", FromQuery}, false},
		{"query when not configured", "/?access_token=a.b.c", nil, false, Token{}, false},
		{"escaped name in the query", "/?access%5Ftoken=a", nil, true, Token{}, false},
		{"cookie", "/", []string{cookie, "a=b; weft_token=a.b.c"}, true, Token{"a.b.c", FromCookie}, false},
		{"explicit before cookie", "/", []string{cookie, "weft_token=c", auth, "Bearer h"}, true, Token{"h", FromHeader}, false},
		{"query before cookie", "/?access_token=q", []string{cookie, "weft_token=c"}, true, Token{"q", FromQuery}, false},
		{"cookie where the query is not configured", "/?access_token=q", []string{cookie, "weft_token=c"}, false, Token{"c", FromCookie}, false},
		{"another scheme", "/", []string{auth, "Basic YTpi"}, true, Token{}, false},
		{"another scheme beside", "/", []string{auth, "Basic YTpi", auth, "Bearer h"}, true, Token{"h", FromHeader}, false},
		{"the same twice", "/?access_token=h", []string{auth, "Bearer h", proto, "bearer.h"}, true, Token{"h", FromHeader}, false},
		{"cleared cookie", "/", []string{cookie, "weft_token="}, true, Token{}, false},
		{"same cookie twice", "/", []string{cookie, "weft_token=c; weft_token=c"}, true, Token{"c", FromCookie}, false},

		{"header and query differ", "/?access_token=q", []string{auth, "Bearer h"}, true, Token{}, true},
		{"header and protocol differ", "/", []string{auth, "Bearer h", proto, "bearer.p"}, false, Token{}, true},
		{"two headers differ", "/", []string{auth, "Bearer h", auth, "Bearer i"}, false, Token{}, true},
		{"two in the query differ", "/?access_token=q&access_token=r", nil, true, Token{}, true},
		{"planted second cookie", "/", []string{cookie, "weft_token=c; weft_token=d"}, true, Token{}, true},
		{"empty bearer", "/", []string{auth, "Bearer "}, false, Token{}, true},
		{"bare scheme", "/", []string{auth, "Bearer"}, false, Token{}, true},
		{"empty protocol", "/", []string{proto, "bearer."}, false, Token{}, true},
		{"too long", "/", []string{auth, "Bearer " + strings.Repeat("x", maxToken+1)}, false, Token{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := TokenOf(request(c.url, c.headers...), c.inQuery)
			if got != c.want || errors.Is(err, ErrToken) != c.bad || (err != nil) != c.bad {
				t.Errorf("got %+v, %v; want %+v, error %v", got, err, c.want, c.bad)
			}
		})
	}
}

func TestOnlyWhatAPageSentItselfIsExplicit(t *testing.T) {
	for source, want := range map[Source]bool{NoToken: false, FromHeader: true, FromProtocol: true, FromQuery: true, FromCookie: false} {
		if got := (Token{Source: source}).Explicit(); got != want {
			t.Errorf("source %d is explicit: %v", source, got)
		}
	}
}

func FuzzTokenOf(f *testing.F) {
	f.Add("Bearer a", "weft.v1, bearer.a", "weft_token=a", "access_token=a")
	f.Add("bearer  ", ",,bearer.", "weft_token=\"", "access_token=%zz&access_token=%00")
	f.Fuzz(func(t *testing.T, auth, proto, cookie, query string) {
		r := request("/", "Authorization", auth, "Sec-WebSocket-Protocol", proto, "Cookie", cookie)
		r.URL.RawQuery = query
		got, err := TokenOf(r, true)
		if err != nil && got != (Token{}) {
			t.Fatalf("token %+v beside error %v", got, err)
		}
		if (got.Value == "") != (got.Source == NoToken) || len(got.Value) > maxToken {
			t.Fatalf("token is %+v", got)
		}
	})
}
