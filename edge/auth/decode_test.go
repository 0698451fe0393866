package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// A decoder is used for one token after the other: nothing of one may show in the
// next, and what is no single JSON value is refused whatever came before.
func TestDecodersKeepNothingOfATokenBefore(t *testing.T) {
	var callers sync.WaitGroup
	for c := range 8 {
		callers.Go(func() {
			for i := range 300 {
				user := strings.Repeat("u", i%7*200) + fmt.Sprint(c, ".", i)
				var got jwt.MapClaims
				if err := decodeClaims(fmt.Appendf(nil, `{"sub":%q,"exp":%d.50}`, user, i), &got); err != nil {
					t.Errorf("claims of %q: %v", user, err)
				}
				if exp := json.Number(fmt.Sprintf("%d.50", i)); len(got) != 2 || got["sub"] != user || got["exp"] != exp {
					t.Errorf("claims %v, want %q and %s", got, user, exp)
				}
				got = nil
				if err := decodeClaims([]byte(" {\"sub\":\"x\"} \r\n\t"), &got); err != nil || got["sub"] != "x" {
					t.Errorf("with white space: %v %v", got, err)
				}
				for _, wrong := range []string{``, `{`, `{"sub":"x"`, `{"sub":"x"}}`, `{"sub":"x"}{"sub":"y"}`, `{"sub":"x"} 1`, `{"sub":"x"}` + strings.Repeat(" ", 4000) + `,`, `[]`, `"x"`} {
					got = nil
					if decodeClaims([]byte(wrong), &got) == nil {
						t.Errorf("%.30q gives %v", wrong, got)
					}
				}
			}
		})
	}
	callers.Wait()
}
