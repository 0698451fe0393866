package main

import (
	"encoding/json"
	"net/http"
	"slices"
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
		"networks": p.showNetworks(),
	})
}

// readUser decodes a body that names one of the users, or refuses it.
func (p *page) readUser(w http.ResponseWriter, r *http.Request) (string, bool) {
	var req struct {
		User string `json:"user"`
	}
	if !p.read(w, r, &req) {
		return "", false
	}
	if !slices.Contains(p.users, req.User) {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown user")
		return "", false
	}
	return req.User, true
}

// sendAway ends the connections of a user, who comes back.
func (p *page) sendAway(w http.ResponseWriter, r *http.Request) {
	user, ok := p.readUser(w, r)
	if !ok {
		return
	}
	if err := p.back.sendAway(r.Context(), user); err != nil {
		p.log.Error("send a user away", "user", user, "err", err)
		p.refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	p.answer(w, http.StatusOK, map[string]bool{"ok": true})
}

// A networkState is how a user reaches the node.
type networkState struct {
	URL  string `json:"url"`
	Mode string `json:"mode"`
}

func (p *page) showNetworks() map[string]networkState {
	all := map[string]networkState{}
	for user, n := range p.networks {
		all[user] = networkState{n.origin(), n.is()}
	}
	return all
}

// changeNetwork makes the network of a user better or worse.
func (p *page) changeNetwork(w http.ResponseWriter, r *http.Request) {
	var req struct {
		User string `json:"user"`
		Mode string `json:"mode"`
	}
	if !p.read(w, r, &req) {
		return
	}
	n := p.networks[req.User]
	if n == nil {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown user")
		return
	}
	if err := n.become(req.Mode); err != nil {
		p.refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	p.answer(w, http.StatusOK, networkState{n.origin(), n.is()})
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
