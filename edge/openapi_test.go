package edge_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"weft/edge"
	"weft/edge/auth"
	"weft/edge/openapi"
	"weft/edge/transport"
	"weft/jetstream"
	"weft/jetstream/event"
)

// described is what tests look at of a document.
type described struct {
	Info  struct{ Version string }
	Paths map[string]map[string]struct {
		Parameters []struct{ Name, In string }
		Responses  map[string]json.RawMessage
		Security   []map[string][]string
	}
	Components struct {
		SecuritySchemes map[string]json.RawMessage
	}
}

// describes reads a document; at is "" for that of the public listener, else "admin:".
func (s *stack) describes(at, token string) (d described) {
	s.t.Helper()
	resp, body := s.do("GET", at+openapi.Path, token, "")
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("the document: %s %s", resp.Status, body)
	}
	s.must(json.Unmarshal([]byte(body), &d))
	return d
}

// takes reports whether an operation has a parameter.
func (d described) takes(method, path, name string) bool {
	for _, p := range d.Paths[path][method].Parameters {
		if p.Name == name {
			return true
		}
	}
	return false
}

func TestThePublicDocumentIsForEverybodyAndCached(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Public.CORSOrigins = []string{"https://shop.example"} })
	resp, body := s.do("GET", openapi.Path, "", "", "Origin", "https://elsewhere.example", "Accept-Encoding", "identity")
	tag := resp.Header.Get("ETag")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Access-Control-Allow-Credentials") != "" || tag == "" {
		t.Fatalf("%s, header %v", resp.Status, resp.Header)
	}
	if resp, _ := s.do("GET", openapi.Path, "", "", "Origin", "https://shop.example"); resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" || resp.Header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("a page that asks with its cookies may not read it: %v", resp.Header)
	}
	if resp, again := s.do("GET", openapi.Path, "", "", "If-None-Match", `"other", W/`+tag, "Accept-Encoding", "identity"); resp.StatusCode != http.StatusNotModified || again != "" || resp.Header.Get("ETag") != tag {
		t.Errorf("who has it gets %s, %d bytes, %v", resp.Status, len(again), resp.Header)
	}
	resp, zipped := s.do("GET", openapi.Path, "", "", "Accept-Encoding", "br, gzip;q=0.5")
	if resp.Header.Get("Content-Encoding") != "gzip" || len(zipped) >= len(body)/2 || resp.Header.Get("ETag") == tag {
		t.Errorf("by gzip: %d bytes of %d, %v", len(zipped), len(body), resp.Header)
	}
	if resp, none := s.do("HEAD", openapi.Path, "", "", "Accept-Encoding", "identity"); resp.StatusCode != http.StatusOK || none != "" || resp.ContentLength != int64(len(body)) {
		t.Errorf("HEAD: %s, %d bytes, length %d of %d", resp.Status, len(none), resp.ContentLength, len(body))
	}
	if resp, body := s.do("GET", openapi.Path+"?pretty=1", "", ""); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("with a parameter: %s %s", resp.Status, body)
	}
	for _, secret := range []string{"n1", "weft/edge"} { // the node, and how it is built
		if strings.Contains(body, `"`+secret) {
			t.Errorf("the document tells of %s", secret)
		}
	}
}

func TestTheAdminDocumentNeedsTheAdminToken(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Admin.Token = "of-operators" })
	for _, token := range []string{"", "another", s.token("ann", nil)} {
		if resp, body := s.do("GET", "admin:"+openapi.Path, token, ""); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("with the token %q: %s %s", token, resp.Status, body)
		}
	}
	d := s.describes("admin:", "of-operators")
	if _, ok := d.Paths["/_weft/v1/users"]["get"].Responses["401"]; !ok || len(d.Paths["/_weft/v1/users"]["get"].Security) != 1 {
		t.Error("the document does not say that users need a token")
	}
	if _, ok := d.Paths["/healthz"]["get"].Responses["401"]; ok || len(d.Paths["/healthz"]["get"].Security) != 0 {
		t.Error("the document says that health needs a token")
	}
	if _, ok := d.Paths["/_weft/v1/me"]; ok {
		t.Error("the document of the admin listener has what the public one serves")
	}
}

func TestADocumentSaysWhatThisNodeTakes(t *testing.T) {
	t.Parallel()
	const events, me = "/_weft/v1/events", "/_weft/v1/me"
	t.Run("tokens, and visitors who may do something", func(t *testing.T) {
		t.Parallel()
		s := newStack(t, nil)
		d := s.describes("", "")
		if _, ok := d.Components.SecuritySchemes["query"]; ok || len(d.Components.SecuritySchemes) != 2 || d.takes("get", events, "user") || d.takes("post", events, "publisher") {
			t.Errorf("it is %+v", d.Components)
		}
		if by := d.Paths[me]["get"].Security; len(by) != 3 || len(by[2]) != 0 {
			t.Errorf("me is asked with %v, and needs no token", by)
		}
		if by := d.Paths[events]["post"].Security; len(by) != 2 {
			t.Errorf("publishing is asked with %v, and needs a token", by)
		}
		if _, ok := d.Paths[me]["get"].Responses["421"]; !ok {
			t.Error("it answers to some names only, and does not say so")
		}
		if d := s.describes("admin:", ""); len(d.Components.SecuritySchemes) != 0 || d.Paths["/_weft/v1/users"]["get"].Responses["401"] != nil {
			t.Error("the admin listener has no token, and says that it needs one")
		}
	})
	t.Run("tokens in the query, and no visitors", func(t *testing.T) {
		t.Parallel()
		d := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Public.TokenInQuery, c.Auth.Anonymous.Allow = true, nil }).describes("", "")
		if _, ok := d.Components.SecuritySchemes["query"]; !ok || d.takes("get", events, "access_token") {
			t.Errorf("it is %+v", d.Components)
		}
		if by := d.Paths[me]["get"].Security; len(by) != 3 || len(by[2]) != 1 {
			t.Errorf("me is asked with %v, and needs a token", by)
		}
	})
	t.Run("no tokens", func(t *testing.T) {
		t.Parallel()
		d := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Auth.Mode, c.Auth.Issuers = auth.ModeNone, nil }).describes("", "")
		if len(d.Components.SecuritySchemes) != 0 || !d.takes("get", events, "user") || !d.takes("post", events, "publisher") || !d.takes("patch", "/_weft/v1/connections/{connection}", "user") {
			t.Errorf("it is %+v", d)
		}
	})
}

// strictly reads exactly what a type has.
func strictly(t *testing.T, text []byte, into any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Errorf("%s has something that %T has not: %v", text, into, err)
	}
}

// What a poll answers is written by other code than describes it.
func TestAPollAnswersWhatItsTypesSay(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) {
		c.Auth.Allow = append(c.Auth.Allow, "presence.*", "presence.devices")
	})
	ann := s.token("ann", nil)
	s.store("user.ann", "note", []byte(`{"a":1}`))
	s.store("user.ann", "", []byte("text"))
	s.store("user.ann", "bytes", []byte{0xff, 0})
	_, err := s.node.Store().Publish(t.Context(), event.Event{Subject: "user.ann", Type: "order.shipped", Data: []byte("1"), Header: map[string]string{
		"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/s", "ce-type": "order.shipped", "ce-ext": "x"}})
	s.must(err)
	type answer struct {
		transport.Polled
		Events []json.RawMessage `json:"events"`
	}
	var a answer
	resp, body := s.do("GET", pathEvents+"?since=all&subject=presence.ann", ann, "")
	strictly(t, []byte(body), &a)
	if len(a.Events) != 4 || a.LastEventID == "" || len(a.Presence) != 1 || a.PresenceID == "" || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, body)
	}
	for i, text := range a.Events {
		var f transport.Frame
		strictly(t, text, &f)
		if f.ID == "" || f.Event == "" || f.Subject != "user.ann" || (i == 2) != (f.DataBase64 != nil) || (i == 3) != (len(f.CloudEvent) > 0) {
			t.Errorf("event %d is %s", i, text)
		}
	}
	resp, body = s.do("GET", pathEvents+"?since=all&format=cloudevents", ann, "")
	a = answer{}
	strictly(t, []byte(body), &a)
	if len(a.Events) != 4 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	for i, text := range a.Events {
		var e transport.CloudEvent
		s.must(json.Unmarshal(text, &e)) // other attributes may stand beside
		if e.SpecVersion != "1.0" || e.ID == "" || e.Source == "" || e.Type == "" || e.WeftCursor == "" || e.WeftEvent == "" || e.WeftSubject != "user.ann" {
			t.Errorf("event %d is %s", i, text)
		}
	}
	_, body = s.do("GET", pathEvents+"?last_event_id=none-of-ours", ann, "")
	a = answer{}
	strictly(t, []byte(body), &a)
	if !a.Reset || len(a.Resets) != 1 || a.Resets[0].Reason != "unknown" || len(a.Resets[0].Subjects) != 1 {
		t.Errorf("after a reset: %s", body)
	}
}

func TestTheSchemaOfAChangeHasTheMembersOfAChange(t *testing.T) {
	t.Parallel()
	var members []string
	for field := range reflect.TypeFor[transport.Change]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		members = append(members, name)
	}
	slices.Sort(members)
	if got := slices.Sorted(maps.Keys(transport.ChangeSchema()["properties"].(openapi.Schema))); !slices.Equal(got, members) {
		t.Errorf("the schema has %v, a change %v", got, members)
	}
}
