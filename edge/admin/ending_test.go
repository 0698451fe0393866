package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/auth"
	"weft/edge/parameter"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/jetstream/blacklist"
	"weft/jetstream/kv"
	"weft/jetstream/rpc"
)

// An outbox of nobody.
type outbox struct{ session.Outbox }

func (outbox) End(session.Cause, string) {}

// newEnder makes one of a node that is alone, among so many members, whose blacklist
// cannot be written, and a session of ann's.
func newEnder(members int) (*ender, *session.Session) {
	reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	nodes := rpc.New(rpc.Params{Node: "n1", Log: log, Peers: func() []string { return nil }, Members: func() int { return members }}, reg)
	list := blacklist.New(blacklist.Config{Life: time.Hour, Replicas: 1, Watch: kv.WatchConfig{Log: log}}, reg)
	who := &connections{sessions: session.NewRegistry(), nodes: nodes, log: log}
	e := &ender{who, &blacklistEntries{list, log}}
	(&Admin{}).answerNodes(who, e)
	ann := session.New(session.Config{
		About: session.About{ID: session.NewID()}, Identity: &auth.Identity{User: "ann", Session: "s1"}, Outbox: outbox{}, Delivered: func() {},
	})
	who.sessions.Add(ann)
	return e, ann
}

func ask(t *testing.T, serve handler, name, query string) error {
	t.Helper()
	values, err := parameter.Once("reason", "reconnect", "revoke").Read(query)
	if err != nil {
		t.Fatal(err)
	}
	return serve(httptest.NewRecorder(), &request{httptest.NewRequest(http.MethodDelete, "/", nil), name, values})
}

func wantProblem(t *testing.T, err error, code problem.Code) {
	t.Helper()
	if p, ok := errors.AsType[*problem.Problem](err); !ok || p.Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}

// Who was thrown out must find the door shut; where it cannot be shut nobody is.
func TestNothingEndsWhenTheBlacklistCannotBeWritten(t *testing.T) {
	e, ann := newEnder(1)
	wantProblem(t, ask(t, e.disconnectUser, "ann", "revoke=true"), problem.StoreUnavailable)
	wantProblem(t, ask(t, e.endConnection, ann.About().ID, "revoke=true"), problem.StoreUnavailable)
	if ann.Ended() {
		t.Fatal("the session has ended")
	}
	if err := ask(t, e.disconnectUser, "ann", "reason=bye"); err != nil || ann.Cause() != session.Disconnected {
		t.Errorf("without revoke: %v, %v", err, ann.Cause())
	}
}

func TestThatThereIsNoConnectionIsSaidByAllOrByNobody(t *testing.T) {
	e, _ := newEnder(1)
	wantProblem(t, ask(t, e.endConnection, session.NewID(), ""), problem.NotFound)
	e, ann := newEnder(3)
	wantProblem(t, ask(t, e.endConnection, session.NewID(), ""), problem.NotReady)
	if err := ask(t, e.endConnection, ann.About().ID, "reconnect=true"); err != nil || ann.Cause() != session.Dismissed {
		t.Errorf("the connection of this node: %v, %v", err, ann.Cause())
	}
}

func TestAConnectionWithAnotherTokenThanTheRevokedOneGoesOn(t *testing.T) {
	e, ann := newEnder(1)
	d := ending{ann.About().ID, "s0", verdict{Revoked: true}}
	if out := e.endHere(context.Background(), d); out.Ended || out.Session != "s1" || ann.Ended() {
		t.Errorf("%+v, ended %v", out, ann.Ended())
	}
	d.Session = "s1" // this node does not hear of the entry, and does not wait for long
	if out := e.endHere(context.Background(), d); !out.Ended || ann.Cause() != session.Revoked {
		t.Errorf("%+v, %v", out, ann.Cause())
	}
}

func TestAConnectionWithoutATokenCannotBeRevoked(t *testing.T) {
	e, _ := newEnder(1)
	guest := session.New(session.Config{About: session.About{ID: session.NewID()}, Identity: &auth.Identity{}, Outbox: outbox{}, Delivered: func() {}})
	e.sessions.Add(guest)
	wantProblem(t, ask(t, e.endConnection, guest.About().ID, "revoke=true"), problem.Conflict)
	if guest.Ended() {
		t.Error("it has ended")
	}
	if err := ask(t, e.endConnection, guest.About().ID, "reason=bye"); err != nil || guest.Cause() != session.Disconnected {
		t.Errorf("%v, %v", err, guest.Cause())
	}
}

// What another node sends may be of another version, or forged: it says nothing that no
// transport could.
func TestAReasonFromAnotherNodeIsCheckedAgain(t *testing.T) {
	e, ann := newEnder(1)
	told := &hearing{}
	bob := session.New(session.Config{About: session.About{ID: session.NewID()}, Identity: &auth.Identity{User: "bob"}, Outbox: told, Delivered: func() {}})
	e.sessions.Add(bob)
	if done := e.disconnectHere(context.Background(), disconnection{[]byte("bob"), verdict{Reason: "a\nb"}}); done.Disconnected != 1 || told.said != "" {
		t.Errorf("%+v, told %q", done, told.said)
	}
	if ann.Ended() {
		t.Error("somebody else was ended")
	}
}

type hearing struct {
	session.Outbox
	said string
}

func (h *hearing) End(_ session.Cause, detail string) { h.said = detail }
