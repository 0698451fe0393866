package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func identity(t *testing.T, cfg Config, changes map[string]any) *Identity {
	t.Helper()
	id, err := newVerifier(t, cfg).Verify(t.Context(), signHMAC(t, changes))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestClaimsMakeSubjects(t *testing.T) {
	cfg := hmacConfig()
	cfg.Subscribe = []string{"user.{/sub}", "topic.session.{/jti}", "topic.team.{/teams}", "topic.org.{/org/id}", "topic.n.{/https:~1~1x~1n}", "topic.fix", "topic.fix"}
	id := identity(t, cfg, map[string]any{
		"sub": "ann@x.org", "teams": []any{"a.b", "*", ">", "", map[string]any{"x": 1}, strings.Repeat("x", 201)}, "https://x/n": int64(1234567890123456789),
	})
	want := []string{"user.ann=40x=2Eorg", "topic.session.s1", "topic.team.a=2Eb", "topic.team.=2A", "topic.team.=3E", "topic.n.1234567890123456789", "topic.fix"}
	if !slices.Equal(id.Subscribe, want) {
		t.Errorf("subscribes to %q, want %q", id.Subscribe, want)
	}
	for _, s := range want {
		if !id.MayFollow(s) {
			t.Errorf("may not follow its own %s", s)
		}
	}
	for _, s := range []string{"topic.org.x", "topic.team.*", "topic.>", "user.bob", "user.*", "", "out.user.ann", "user.ann@x.org", "$SYS.x", ">", "presence.ann=40x=2Eorg"} {
		if id.MayFollow(s) {
			t.Errorf("may follow %q", s)
		}
	}
}

func TestAValueNeverWidensAGrant(t *testing.T) {
	cfg := hmacConfig()
	cfg.Allow = []string{"topic.room.{/room}", "presence.{/room}", "presence.topic.{/room}", "topic.{/room}.*", "topic.a{/room}"}
	for _, room := range []any{"*", ">", "x.>", "*.*", "", nil, []any{"*", ">"}, map[string]any{}, strings.Repeat("y", 200)} {
		id := identity(t, cfg, map[string]any{"room": room})
		for _, s := range []string{"topic.room.z", "topic.room.*", "topic.room.>", "presence.bob", "presence.*", "presence.topic.z", "presence.topic.>", "topic.q.z", "topic.q.*"} {
			if id.MayFollow(s) {
				t.Errorf("room %v: may follow %s", room, s)
			}
		}
	}
}

func TestAllowCoversWildcardsAndPresence(t *testing.T) {
	cfg := hmacConfig()
	cfg.Allow = []string{"topic.hotel.*", "topic.chat.{/room}.>", "presence.{/friends}", "presence.topic.hotel.>"}
	cfg.Publish = []string{"topic.chat.{/room}"}
	id := identity(t, cfg, map[string]any{"room": "r1", "friends": []any{"bob", "topic"}})
	for s, want := range map[string]bool{
		"topic.hotel.42": true, "topic.hotel.*": true, "topic.hotel.>": false, "topic.hotel": false, "topic.hotel.4.2": false,
		"topic.chat.r1.x": true, "topic.chat.r1.x.*": true, "topic.chat.r1.>": true, "topic.chat.r2.x": false, "topic.chat.*.x": false,
		"presence.bob": true, "presence.ann": false, "presence.*": false, "presence.topic": true, "presence.topic.hotel.42": true,
		"presence.topic.hotel.*": true, "presence.topic.>": false, "presence.>": false, "presence.": false, "presence": false,
		"presence.bob.x": false, "presence.topic.hotel.": false, "presence.presence.bob": false, "user.ann": true,
	} {
		if got := id.MayFollow(s); got != want {
			t.Errorf("MayFollow(%q) = %v", s, got)
		}
	}
	for s, want := range map[string]bool{
		"topic.chat.r1": true, "topic.chat.r2": false, "topic.chat.*": false, "user.ann": false, "topic.hotel.42": false, "": false,
	} {
		if got := id.MayPublish(s); got != want {
			t.Errorf("MayPublish(%q) = %v", s, got)
		}
	}
}

func TestDevicesAreShownToThoseAloneToWhomThatIsAllowedByName(t *testing.T) {
	for _, c := range []struct {
		allow  []string
		claims map[string]any
		sees   bool
	}{
		{[]string{"presence.devices"}, nil, true},
		{[]string{"presence.*"}, nil, false},
		{[]string{"presence.topic.>", "presence.{/friends}"}, map[string]any{"friends": "devices"}, false},
		{[]string{"presence.topic.devices", "topic.devices", "user.devices"}, nil, false},
		{nil, nil, false},
	} {
		cfg := hmacConfig()
		cfg.Allow = c.allow
		id := identity(t, cfg, c.claims)
		if id.SeesDevices() != c.sees {
			t.Errorf("%v %v: sees devices: %v", c.allow, c.claims, !c.sees)
		}
		if c.sees && id.MayFollow("presence.devices") {
			t.Error("it lets a user of this name be followed")
		}
	}
	cfg := hmacConfig()
	cfg.Privileged = Privileges{{Claim: "/role", AnyOf: []string{"support"}, Allow: []string{"presence.devices"}}}
	if identity(t, cfg, nil).SeesDevices() || !identity(t, cfg, map[string]any{"role": "support"}).SeesDevices() {
		t.Error("who is privileged does not see devices, or who is not does")
	}
}

func TestVisitorsMayFollowThePresenceOfTopicsOnly(t *testing.T) {
	cfg := hmacConfig()
	cfg.Anonymous.Allow = []string{"presence.topic.hotel.*", "topic.hotel.42"}
	id, ok := newVerifier(t, cfg).Anonymous()
	if !ok {
		t.Fatal("nobody is let in")
	}
	for s, want := range map[string]bool{
		"presence.topic.hotel.42": true, "presence.topic.hotel": false, "topic.hotel.42": true, "topic.hotel.43": false,
		"presence.hotel": false, "presence.ann": false, "presence.topic": false, "presence.*": false,
	} {
		if got := id.MayFollow(s); got != want {
			t.Errorf("MayFollow(%q) = %v", s, got)
		}
	}
	if id.SeesDevices() {
		t.Error("they see devices")
	}
	for _, s := range []string{"presence.ann", "presence.*", "presence.devices", "presence.topic", "presence.>", "presence.topic.{/room}"} {
		cfg.Anonymous.Allow = []string{s}
		if len(cfg.Check()) != 1 {
			t.Errorf("%s is allowed", s)
		}
	}
}

func TestPrivilegedClaimsAllowMore(t *testing.T) {
	cfg := hmacConfig()
	cfg.Privileged = Privileges{{Claim: "/realm/roles", AnyOf: []string{"support", "true"}, Allow: []string{"user.*", "presence.*"}}}
	for _, c := range []struct {
		roles any
		want  bool
	}{
		{[]any{"x", "support"}, true}, {"support", true}, {true, true},
		{[]any{"Support"}, false}, {"supporter", false}, {nil, false}, {[]any{[]any{"support"}}, false}, {map[string]any{"support": true}, false},
	} {
		id := identity(t, cfg, map[string]any{"realm": map[string]any{"roles": c.roles}})
		if id.MayFollow("user.*") != c.want || id.MayFollow("user.bob") != c.want || id.MayFollow("presence.bob") != c.want {
			t.Errorf("roles %v: privileged is not %v", c.roles, c.want)
		}
		if !id.MayFollow("user.ann") || id.MayPublish("user.bob") {
			t.Errorf("roles %v: own grants are wrong", c.roles)
		}
	}
}

func TestEachPrivilegedBlockCountsByItself(t *testing.T) {
	cfg := hmacConfig()
	cfg.Privileged = Privileges{
		{Claim: "/roles", AnyOf: []string{"support"}, Allow: []string{"user.*"}},
		{Claim: "/roles", AnyOf: []string{"desk", "support"}, Allow: []string{"topic.desk.{/branch}"}},
		{Claim: "/staff", AnyOf: []string{"true"}, Allow: []string{"topic.staff.>"}},
	}
	for _, c := range []struct {
		claims map[string]any
		want   string
	}{
		{map[string]any{"roles": "support", "branch": "b1"}, "user.* topic.desk.b1"},
		{map[string]any{"roles": []any{"desk"}, "branch": "b2"}, "topic.desk.b2"},
		{map[string]any{"roles": "desk", "staff": true}, "topic.staff.>"},
		{map[string]any{"roles": "true", "staff": "support"}, ""}, // each value belongs to its own claim
	} {
		id, before := identity(t, cfg, c.claims), len(cfg.Allow)
		if got := strings.Join(id.Allow()[before:], " "); got != c.want {
			t.Errorf("%v: allowed are %q, want %q", c.claims, got, c.want)
		}
	}
}

func TestClaimsAreKeptOnlyWhereSomebodyIsAskedWithThem(t *testing.T) {
	cfg := hmacConfig()
	if id := identity(t, cfg, map[string]any{"tier": "gold"}); id.rarely().claims != nil || string(id.Claims()) != "{}" {
		t.Errorf("kept %s", id.Claims())
	}
	cfg.External.URL = "https://acl.example/may"
	id := identity(t, cfg, map[string]any{"tier": "gold", "n": json.Number("12345678901234567890")})
	if got := string(id.Claims()); !strings.Contains(got, `"tier":"gold"`) || !strings.Contains(got, `"n":12345678901234567890`) || !strings.Contains(got, `"sub":"ann"`) {
		t.Errorf("kept %s", got)
	}
}

func TestAnonymousVisitorsGetWhatIsConfigured(t *testing.T) {
	cfg := hmacConfig()
	cfg.Anonymous.Allow = []string{"topic.news.*"}
	id, ok := newVerifier(t, cfg).Anonymous()
	if !ok || !id.MayFollow("topic.news.sport") || id.MayFollow("user.ann") || id.MayPublish("topic.news.sport") {
		t.Error("grants are wrong")
	}
	if id.User != "" || id.Session != "" || len(id.Subscribe) != 0 || !id.Expires.IsZero() {
		t.Errorf("identity is %+v", id)
	}
}

func TestSessionIsTheClaimElseTheDigestOfTheToken(t *testing.T) {
	if id := identity(t, hmacConfig(), nil); id.Session != "s1" || id.Issued.IsZero() {
		t.Errorf("identity is %+v", id)
	}
	v := newVerifier(t, hmacConfig())
	for _, jti := range []any{nil, ""} {
		token := signHMAC(t, map[string]any{"jti": jti, "iat": nil})
		id, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(token))
		if want := base64.RawURLEncoding.EncodeToString(sum[:]); id.Session != want || !id.Issued.IsZero() {
			t.Errorf("identity is %+v, want session %s", id, want)
		}
	}
}

func TestATokenWithoutAUsableUserOrSessionIsRefused(t *testing.T) {
	v := newVerifier(t, hmacConfig())
	long := strings.Repeat("x", 201)
	for _, c := range []map[string]any{
		{"sub": nil}, {"sub": ""}, {"sub": []any{"ann"}}, {"sub": true}, {"sub": map[string]any{}}, {"sub": long},
		{"jti": []any{"a"}}, {"jti": long}, {"jti": false},
	} {
		if _, err := v.Verify(t.Context(), signHMAC(t, c)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.30v gives %v", c, err)
		}
	}
	if id, err := v.Verify(t.Context(), signHMAC(t, map[string]any{"sub": 42})); err != nil || id.User != "42" {
		t.Errorf("a number as user gives %+v, %v", id, err)
	}
}

func TestPointersReachIntoListsAndObjects(t *testing.T) {
	c := map[string]any{"a": []any{"x", map[string]any{"b": "y"}}, "": "empty", "~/": "esc"}
	for s, want := range map[string]any{
		"/a/0": "x", "/a/1/b": "y", "/": "empty", "/~0~1": "esc", "/a/2": nil, "/a/-1": nil, "/a/00": nil, "/a/x": nil, "/b/c": nil, "/a/0/x": nil,
	} {
		p, err := parsePointer(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.in(c); got != want {
			t.Errorf("%s finds %v, want %v", s, got, want)
		}
	}
}

// Each connection holds one, and 160 bytes is a size class of the allocator.
func TestAnIdentityIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Identity{}); size > 160 {
		t.Errorf("an identity is %d bytes", size)
	}
}
