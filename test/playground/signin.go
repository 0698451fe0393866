package main

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// signIns are the calls by which users come in and are sent out: what the back end of a page
// does at home.
type signIns struct{ *page }

// issueToken mints a token for a user, as text: what a page asks its back end for.
func (p signIns) issueToken(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	if !p.ownPage(r) || !slices.Contains(p.users, user) {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown user")
		return
	}
	t, err := p.tokens.issue(user, p.tokens.life)
	if err != nil {
		p.log.Error("issue token", "user", user, "err", err)
		p.refuse(w, http.StatusInternalServerError, "the token could not be signed")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := io.WriteString(w, t.Token); err != nil {
		p.log.Debug("write answer", "err", err)
	}
}

// ownPage reports whether a request that changes nothing comes from a page of ours, or from
// no page at all: of the others CrossOriginProtection knows.
func (p signIns) ownPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin" || site == "none"
}

// hand answers with a token for the commands of a user, and with the commands.
func (p signIns) hand(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	if !p.ownPage(r) || !slices.Contains(p.users, user) {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown user")
		return
	}
	p.answerHand(w, user)
}

// signIn begins a new session of a user.
func (p signIns) signIn(w http.ResponseWriter, r *http.Request) {
	user, ok := p.readUser(w, r)
	if !ok {
		return
	}
	p.tokens.signIn(user)
	p.answerHand(w, user)
}

func (p signIns) answerHand(w http.ResponseWriter, user string) {
	t, err := p.tokens.issue(user, longLife)
	if err != nil {
		p.log.Error("issue token", "user", user, "err", err)
		p.refuse(w, http.StatusInternalServerError, "the token could not be signed")
		return
	}
	p.answer(w, http.StatusOK, struct {
		token
		Commands []command `json:"commands"`
	}{t, commands(p.addrs, t)})
}

// revokeToken puts a session that we issued on the node's blacklist.
func (p signIns) revokeToken(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Session string `json:"session"`
	}
	if !p.read(w, r, &req) {
		return
	}
	user, _, ok := strings.Cut(req.Session, "-")
	if !ok || !slices.Contains(users, user) {
		p.refuse(w, http.StatusUnprocessableEntity, "unknown session")
		return
	}
	if err := p.back.revoke(r.Context(), req.Session); err != nil {
		p.log.Error("revoke token", "err", err)
		p.refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	p.tokens.signOut(user, req.Session)
	p.answer(w, http.StatusOK, map[string]bool{"ok": true})
}
