package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxBody = 8 << 10 // bytes of a request
	maxText = 500     // characters of an event's text
)

// setup tells the page where everything is.
func (p *page) setup(w http.ResponseWriter, _ *http.Request) {
	p.answer(w, http.StatusOK, map[string]any{
		"events":   "http://" + p.addrs.Public + "/_weft/v1/events",
		"routed":   "http://" + p.addrs.Public,
		"visitors": p.origins(),
		"users":    p.users,
		"topic":    map[string]string{"name": topicName, "subject": topicSubject},
		"states":   states,
		"config":   p.config,
	})
}

// issueToken mints a token for a user and spells the commands that use it.
func (p *page) issueToken(w http.ResponseWriter, r *http.Request) {
	var req struct {
		User string `json:"user"`
	}
	if !p.read(w, r, &req) {
		return
	}
	if !slices.Contains(p.users, req.User) {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown user")
		return
	}
	t, err := p.tokens.issue(req.User)
	if err != nil {
		p.log.Error("issue token", "user", req.User, "err", err)
		p.refuse(w, http.StatusInternalServerError, "the token could not be signed")
		return
	}
	p.answer(w, http.StatusOK, struct {
		token
		Commands []command `json:"commands"`
	}{t, commands(p.addrs, t)})
}

// send publishes one event.
func (p *page) send(w http.ResponseWriter, r *http.Request) {
	var e event
	if !p.read(w, r, &e) {
		return
	}
	if fault := check(e); fault != "" {
		p.refuse(w, http.StatusUnprocessableEntity, fault)
		return
	}
	if err := p.back.publish(r.Context(), e); err != nil {
		p.log.Error("publish event", "via", e.Via, "err", err)
		p.refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	p.answer(w, http.StatusOK, map[string]bool{"ok": true})
}

// check says what is wrong with e; nothing when it is fine.
func check(e event) string {
	switch {
	case !slices.Contains(users, e.To) && !e.shared():
		return "unknown addressee"
	case !slices.Contains([]string{viaKafka, viaNATS, viaHTTP}, e.Via):
		return "unknown way in"
	case !e.shared() && !slices.Contains(states, e.State):
		return "unknown state of an order"
	case utf8.RuneCountInString(e.Text) > maxText:
		return "the text is too long"
	}
	return ""
}

// revokeToken puts a session that we issued on the node's blacklist.
func (p *page) revokeToken(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Session string `json:"session"`
	}
	if !p.read(w, r, &req) {
		return
	}
	if user, _, ok := strings.Cut(req.Session, "-"); !ok || !slices.Contains(users, user) {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown session")
		return
	}
	if err := p.back.revoke(r.Context(), req.Session); err != nil {
		p.log.Error("revoke token", "err", err)
		p.refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	p.answer(w, http.StatusOK, map[string]bool{"ok": true})
}

// read decodes the body into v, or refuses it and returns false.
func (p *page) read(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		p.refuse(w, http.StatusBadRequest, "the body is not what this call takes")
		return false
	}
	return true
}

func (p *page) refuse(w http.ResponseWriter, status int, detail string) {
	p.answer(w, status, map[string]string{"error": detail})
}

func (p *page) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.log.Debug("write answer", "err", err)
	}
}
